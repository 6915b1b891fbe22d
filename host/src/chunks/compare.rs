//! What two trees differ in, and what several trees need: both skip what is shared.

use std::collections::BTreeSet;

use super::{Fetch, Tree, TreeError, read_index};
use crate::id::Digest;

/// A key whose leaf is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// Its leaf before; none when it was not there.
    pub before: Option<Digest>,
    /// Its leaf after; none when it is gone.
    pub after: Option<Digest>,
}

/// The keys in which `after` differs from `before`, ascending within their index nodes. Fetches only
/// index nodes that the trees do not share, and no leaf.
///
/// # Errors
/// When a node cannot be had, or is not what it should be.
pub fn diff(before: &Tree, after: &Tree, fetch: &mut Fetch<'_>) -> Result<Vec<Difference>, TreeError> {
    let (old, new) = (&before.root.buckets, &after.root.buckets);
    let buckets: BTreeSet<u8> = old.keys().chain(new.keys()).copied().collect();
    let mut differences = Vec::new();
    for bucket in buckets.into_iter().filter(|bucket| old.get(bucket) != new.get(bucket)) {
        let (old, new) = (before.index(bucket, fetch)?.leaves, after.index(bucket, fetch)?.leaves);
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let compared = keys.into_iter().map(|key| Difference {
            key: key.clone(),
            before: old.get(key).copied(),
            after: new.get(key).copied(),
        });
        differences.extend(compared.filter(|each| each.before != each.after));
    }
    Ok(differences)
}

/// Every chunk that the trees of `roots` need, the roots included: what a sweep must leave. An index
/// node that many trees share is read once; leaves are not read.
///
/// # Errors
/// When a node cannot be had, or is not what it should be: then nothing may be swept.
pub fn live(
    roots: impl IntoIterator<Item = Digest>,
    fetch: &mut Fetch<'_>,
) -> Result<BTreeSet<Digest>, TreeError> {
    let mut walk = Walk::default();
    for root in roots {
        walk.add(root, fetch)?;
    }
    Ok(walk.live)
}

/// What several trees need, tree by tree.
#[derive(Default)]
pub struct Walk {
    live: BTreeSet<Digest>,
    roots_read: BTreeSet<Digest>,
    indexes_read: BTreeSet<(u8, Digest)>,
}

impl Walk {
    /// The chunks that the tree of `root` needs and none of those before it, the root included.
    ///
    /// # Errors
    /// As [`live`].
    pub fn add(&mut self, root: Digest, fetch: &mut Fetch<'_>) -> Result<Vec<Digest>, TreeError> {
        let mut new = Vec::new();
        if !self.roots_read.insert(root) {
            return Ok(new);
        }
        new.push(root);
        for (bucket, digest) in Tree::read(root, fetch)?.root.buckets {
            // Not by what is live: bytes that are a leaf in one place may be a node in another.
            if self.indexes_read.insert((bucket, digest)) {
                new.push(digest);
                new.extend(read_index(bucket, digest, fetch)?.leaves.into_values());
            }
        }
        new.retain(|digest| self.live.insert(*digest));
        Ok(new)
    }
}
