//! A configuration in pieces: a map from texts to bytes, kept as a tree of content-addressed
//! chunks. A root names up to 256 index nodes, an index node names leaves, a leaf is one value as it
//! was given; each is called by its SHA-256.
//!
//! Changing one key writes its leaf, its index node and the root, whatever else there is: a key's
//! index node is chosen by the first byte of the key's SHA-256, so that 40,000 keys make index nodes
//! of about 160 entries. Everything else is shared with the tree before, in memory and on disk, and
//! two trees are compared by skipping what they share. The shape depends on the content alone: the
//! same map is the same root, however it came about.
//!
//! No IO: chunks come in through a function that finds one by its digest, and every one is checked
//! against its name here; new chunks go out as values, for the caller to make durable before anything
//! names the new root.
//!
//! ```
//! use std::collections::BTreeMap;
//! use bootlace::{chunks::{FetchError, Tree}, id::Digest};
//!
//! let mut disk = BTreeMap::new();
//! let none = &mut |_: Digest| Err(FetchError::from("nothing is stored yet"));
//! let first = Tree::empty().edit([("plan/checkout/production".into(), Some(b"v1".to_vec()))].into(), none)?;
//! disk.extend(first.chunks.into_iter().map(|chunk| (chunk.digest(), chunk.into_bytes())));
//!
//! let fetch = &mut |digest: Digest| disk.get(&digest).cloned().ok_or(FetchError::from("missing"));
//! let tree = Tree::read(first.tree.digest(), fetch)?;
//! assert_eq!(tree.get("plan/checkout/production", fetch)?.as_deref(), Some(&b"v1"[..]));
//! # Ok::<(), bootlace::chunks::TreeError>(())
//! ```

mod compare;
mod edit;
mod node;

pub use compare::{Difference, Walk, diff, live};
pub use edit::Edited;

use std::{collections::BTreeMap, error::Error};

use node::{Index, Root};

use crate::{canonical::sha256, fields::Malformed, id::Digest};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 512;
/// The longest leaf, in bytes: two hundred values of the largest size, sealed.
pub const MAX_LEAF_BYTES: usize = 16 * 1024 * 1024;
/// The longest root or index node, in bytes: as much as a record of the ledger holds.
pub const MAX_NODE_BYTES: usize = 256 * 1024;

/// Why a chunk could not be had.
pub type FetchError = Box<dyn Error + Send + Sync>;
/// Finds a chunk by its digest.
pub type Fetch<'a> = dyn FnMut(Digest) -> Result<Vec<u8>, FetchError> + 'a;

/// Bytes and what they are called by.
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk {
    digest: Digest,
    bytes: Vec<u8>,
}

/// A root that was read and checked. Index nodes and leaves are fetched when they are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    root: Root,
    digest: Digest,
}

/// Why a tree cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A chunk cannot be had.
    #[error("cannot fetch the chunk {digest}")]
    Unreadable {
        /// Its name.
        digest: Digest,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// What came is not what was asked for.
    #[error("the chunk {digest} is corrupt")]
    Altered {
        /// Its name.
        digest: Digest,
    },
    /// Whole, and not what belongs at its place in a tree.
    #[error("the chunk {digest} is not a node that belongs there")]
    Malformed {
        /// Its name.
        digest: Digest,
        /// Where.
        #[source]
        source: Malformed,
    },
    /// Written by a version that this one does not know.
    #[error(
        "the chunk {digest} has format {found}; this version reads format {}; upgrade bootlace",
        node::FORMAT
    )]
    UnknownFormat {
        /// Its name.
        digest: Digest,
        /// The format number found.
        found: u16,
    },
    /// The key is empty or too long.
    #[error("a key of a tree is 1 to {MAX_KEY_BYTES} bytes; this one has {found}")]
    KeyLength {
        /// Its length, in bytes.
        found: usize,
    },
    /// The value is too long.
    #[error("a leaf of a tree is at most {MAX_LEAF_BYTES} bytes; this one has {found}")]
    LeafTooLarge {
        /// Its length, in bytes.
        found: usize,
    },
    /// Too many keys share an index node.
    #[error("an index node is at most {MAX_NODE_BYTES} bytes; this one would have {found}: use fewer keys")]
    TooManyKeys {
        /// The node's length, in bytes.
        found: usize,
    },
}

impl Tree {
    /// A tree without keys. Its root is a chunk like any other, given out by the first
    /// [`Tree::edit`] that leads to it.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Root::default())
    }

    /// Reads the root of that name.
    ///
    /// # Errors
    /// When it cannot be had, or is no root.
    pub fn read(root: Digest, fetch: &mut Fetch<'_>) -> Result<Self, TreeError> {
        let bytes = fetched(root, fetch)?;
        Ok(Self { root: Root::decode(&bytes).map_err(|fault| fault.of(root))?, digest: root })
    }

    /// What this tree is called by: equal for equal content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// A key's value.
    ///
    /// # Errors
    /// When a chunk on the way cannot be had, or is not what it should be.
    pub fn get(&self, key: &str, fetch: &mut Fetch<'_>) -> Result<Option<Vec<u8>>, TreeError> {
        let index = self.index(node::bucket(key), fetch)?;
        index.leaves.get(key).map(|leaf| fetched(*leaf, fetch)).transpose()
    }

    /// The digest of a key's leaf: for who only wants to know whether it is another one.
    ///
    /// # Errors
    /// As [`Tree::get`].
    pub fn leaf_of(&self, key: &str, fetch: &mut Fetch<'_>) -> Result<Option<Digest>, TreeError> {
        Ok(self.index(node::bucket(key), fetch)?.leaves.get(key).copied())
    }

    /// Every key and the digest of its leaf: for reading all of it, in the caller's order.
    ///
    /// # Errors
    /// As [`Tree::get`].
    pub fn leaves(&self, fetch: &mut Fetch<'_>) -> Result<BTreeMap<String, Digest>, TreeError> {
        let mut all = BTreeMap::new();
        for (bucket, digest) in &self.root.buckets {
            all.extend(read_index(*bucket, *digest, fetch)?.leaves);
        }
        Ok(all)
    }

    /// A leaf that [`Tree::leaves`] or [`diff`] named.
    ///
    /// # Errors
    /// When it cannot be had, or is not what it should be.
    pub fn leaf(digest: Digest, fetch: &mut Fetch<'_>) -> Result<Vec<u8>, TreeError> {
        fetched(digest, fetch)
    }

    fn of(root: Root) -> Self {
        Self { digest: sha256(&root.encode()), root }
    }

    fn index(&self, bucket: u8, fetch: &mut Fetch<'_>) -> Result<Index, TreeError> {
        match self.root.buckets.get(&bucket) {
            Some(digest) => read_index(bucket, *digest, fetch),
            None => Ok(Index { bucket, leaves: BTreeMap::new() }),
        }
    }
}

impl Chunk {
    fn new(bytes: Vec<u8>) -> Self {
        Self { digest: sha256(&bytes), bytes }
    }

    /// The SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Says how long, never what: a leaf may hold a tenant's plain values.
impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunk({}, {} bytes)", self.digest, self.bytes.len())
    }
}

fn read_index(bucket: u8, digest: Digest, fetch: &mut Fetch<'_>) -> Result<Index, TreeError> {
    Index::decode(bucket, &fetched(digest, fetch)?).map_err(|fault| fault.of(digest))
}

/// The chunk of that name. Who fetches may be trusted or not: what comes is always checked.
fn fetched(digest: Digest, fetch: &mut Fetch<'_>) -> Result<Vec<u8>, TreeError> {
    let bytes = fetch(digest).map_err(|source| TreeError::Unreadable { digest, source })?;
    if sha256(&bytes) == digest { Ok(bytes) } else { Err(TreeError::Altered { digest }) }
}

#[cfg(test)]
mod tests;
