//! From one tree to the next: what is new comes out as chunks, everything else is shared.

use std::collections::BTreeMap;

use super::{
    Chunk, Fetch, MAX_KEY_BYTES, MAX_LEAF_BYTES, MAX_NODE_BYTES, Tree, TreeError,
    node::{self, Index},
};

/// A tree after changes, and the chunks that it has and the tree before had not.
#[derive(Debug)]
pub struct Edited {
    /// The new tree.
    pub tree: Tree,
    /// What must be durable before anything names the new root: leaves first, the root last.
    pub chunks: Vec<Chunk>,
}

/// Changes of one bucket.
type Changes = BTreeMap<String, Option<Vec<u8>>>;

impl Tree {
    /// Sets keys, or removes them where there is no value. Touches only the index nodes of those keys.
    /// The rest is shared with this tree, so whoever commits the new root compares that this one is
    /// current still: otherwise a sweep may have taken what they share.
    ///
    /// # Errors
    /// When a chunk cannot be had, or something is over its limit. Nothing is changed then.
    pub fn edit(&self, edits: Changes, fetch: &mut Fetch<'_>) -> Result<Edited, TreeError> {
        let mut root = self.root.clone();
        let mut chunks = Vec::new();
        for (bucket, changes) in by_bucket(edits)? {
            let before = self.index(bucket, fetch)?;
            let after = changed(&before, changes, &mut chunks)?;
            if after == before {
                continue;
            }
            if after.leaves.is_empty() {
                root.buckets.remove(&bucket);
                continue;
            }
            let node = Chunk::new(after.encode());
            if node.bytes.len() > MAX_NODE_BYTES {
                return Err(TreeError::TooManyKeys { found: node.bytes.len() });
            }
            root.buckets.insert(bucket, node.digest);
            chunks.push(node);
        }
        let node = Chunk::new(root.encode());
        let tree = Self { root, digest: node.digest };
        // The empty tree's root was never given out: there was nothing to write it with.
        if tree.digest != self.digest || tree.root.buckets.is_empty() {
            chunks.push(node);
        }
        Ok(Edited { tree, chunks })
    }
}

fn by_bucket(edits: Changes) -> Result<BTreeMap<u8, Changes>, TreeError> {
    let mut buckets: BTreeMap<u8, Changes> = BTreeMap::new();
    for (key, value) in edits {
        if !(1..=MAX_KEY_BYTES).contains(&key.len()) {
            return Err(TreeError::KeyLength { found: key.len() });
        }
        if let Some(found) = value.as_ref().map(Vec::len).filter(|length| *length > MAX_LEAF_BYTES) {
            return Err(TreeError::LeafTooLarge { found });
        }
        buckets.entry(node::bucket(&key)).or_default().insert(key, value);
    }
    Ok(buckets)
}

/// The index node after `changes`; leaves that it did not name under their key are added to `chunks`.
fn changed(before: &Index, changes: Changes, chunks: &mut Vec<Chunk>) -> Result<Index, TreeError> {
    let mut after = before.clone();
    for (key, value) in changes {
        let Some(bytes) = value else {
            after.leaves.remove(&key);
            continue;
        };
        let leaf = Chunk::new(bytes);
        if after.leaves.insert(key, leaf.digest) != Some(leaf.digest) {
            chunks.push(leaf);
        }
    }
    Ok(after)
}
