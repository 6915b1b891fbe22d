//! Content-addressed values, of any size up to a bundle's, and how they stay as long as something
//! names them.
//!
//! A sweep asks its caller what is live; between that and the deletion, somebody may put what is not
//! live *yet*. So whoever puts a blob *holds* it until the transaction that names it has answered, and
//! a sweep spares whatever was held at any moment since it began. That is enough: if a transaction
//! commits after the caller read its roots, it held its blobs then, so they are spared; if it committed
//! before, they were reachable from the roots that were read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{MAX_BLOB_BYTES, OverLimit};
use crate::{canonical::sha256, chunks::Chunk, id::Digest};

/// Bytes and their SHA-256. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    digest: Digest,
    bytes: Bytes,
}

/// Keeps blobs from being swept while it lives. Drop it when the transaction that names them has
/// answered, not before.
#[must_use = "what is not held may be swept before a transaction names it"]
pub struct Held {
    holds: Holds,
    digests: BTreeSet<Digest>,
}

/// A sweep that has begun: what is held from here on, it spares. Read the roots *after* this was made.
#[must_use = "it spares more and more until it is used or dropped"]
pub struct Sweep {
    holds: Holds,
    number: u64,
}

/// What a sweep deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// How many blobs.
    pub blobs: u64,
}

/// What is held, and what each running sweep must spare. One for each store.
#[derive(Clone, Default)]
pub struct Holds(Arc<Mutex<Account>>);

#[derive(Default)]
struct Account {
    held: BTreeMap<Digest, usize>,
    sweeps: BTreeMap<u64, BTreeSet<Digest>>,
    begun: u64,
}

impl Blob {
    /// Hashes the bytes.
    ///
    /// # Errors
    /// When they are too many.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, OverLimit> {
        let bytes = bytes.into();
        match bytes.len() {
            0..=MAX_BLOB_BYTES => Ok(Self { digest: sha256(&bytes), bytes }),
            found => Err(OverLimit::BlobBytes { found }),
        }
    }

    /// What it is called by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A chunk was hashed when it was made, and is far below a blob's bound.
impl From<Chunk> for Blob {
    fn from(chunk: Chunk) -> Self {
        Self { digest: chunk.digest(), bytes: chunk.into_bytes().into() }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({}, {} bytes)", self.digest, self.bytes.len())
    }
}

impl Holds {
    /// Holds `digests`, before anybody asks whether they are there.
    pub fn hold(&self, digests: impl IntoIterator<Item = Digest>) -> Held {
        let digests: BTreeSet<_> = digests.into_iter().collect();
        let mut inner = self.0.lock();
        for digest in &digests {
            *inner.held.entry(*digest).or_default() += 1;
        }
        inner.sweeps.values_mut().for_each(|spared| spared.extend(&digests));
        Held { holds: self.clone(), digests }
    }

    /// Begins a sweep.
    pub fn begin_sweep(&self) -> Sweep {
        let mut inner = self.0.lock();
        inner.begun += 1;
        let number = inner.begun;
        let spared = inner.held.keys().copied().collect();
        inner.sweeps.insert(number, spared);
        Sweep { holds: self.clone(), number }
    }

    /// Whether `sweep` must not delete that blob; a sweep of another store deletes nothing. To be
    /// asked in the same critical section as the deletion: after it, a put must find the blob gone.
    #[must_use]
    pub fn spares(&self, sweep: &Sweep, digest: Digest) -> bool {
        let of_this_store = Arc::ptr_eq(&self.0, &sweep.holds.0);
        let spared = |spared: &BTreeSet<Digest>| spared.contains(&digest);
        !of_this_store || self.0.lock().sweeps.get(&sweep.number).is_none_or(spared)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut inner = self.holds.0.lock();
        for digest in &self.digests {
            if let Some(count) = inner.held.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    inner.held.remove(digest);
                }
            }
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.holds.0.lock().sweeps.remove(&self.number);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({} blobs)", self.digests.len())
    }
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sweep({})", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_spares_what_was_held_at_any_moment_since_it_began() {
        let (holds, digest) = (Holds::default(), |n| Digest([n; 32]));
        drop(holds.hold([digest(1)]));
        let before = holds.hold([digest(2), digest(2)]);
        let sweep = holds.begin_sweep();
        drop(before);
        drop(holds.hold([digest(3)]));
        let spared = [1, 2, 3].map(|n| holds.spares(&sweep, digest(n)));
        assert_eq!(spared, [false, true, true]);
        drop(sweep);
        assert!(!holds.spares(&holds.begin_sweep(), digest(2)), "nothing is held for ever");
        assert!(holds.spares(&Holds::default().begin_sweep(), digest(2)), "a sweep of another store");
    }

    #[test]
    fn what_is_held_twice_is_let_go_twice() {
        let (holds, digest) = (Holds::default(), Digest([1; 32]));
        let (first, second) = (holds.hold([digest]), holds.hold([digest]));
        drop(first);
        assert!(holds.spares(&holds.begin_sweep(), digest));
        drop(second);
        assert!(!holds.spares(&holds.begin_sweep(), digest));
    }
}
