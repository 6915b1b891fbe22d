//! The two kinds of node as bytes. There is one way to write each, and nothing else is read: keys and
//! buckets ascend, a key is in the bucket that its hash names, no index node is empty.

use std::collections::BTreeMap;

use super::{MAX_KEY_BYTES, TreeError};
use crate::{
    canonical::sha256,
    fields::{Malformed, Reader, Writer},
    id::Digest,
};

pub(super) const FORMAT: u16 = 1;
const ROOT_MAGIC: &[u8; 8] = b"BLACECRT";
const INDEX_MAGIC: &[u8; 8] = b"BLACECIX";

/// Names the index nodes that are not empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Root {
    pub(super) buckets: BTreeMap<u8, Digest>,
}

/// Names the leaves of the keys of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) bucket: u8,
    pub(super) leaves: BTreeMap<String, Digest>,
}

/// Why bytes are not a node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed(Malformed),
    UnknownFormat(u16),
}

/// Which index node a key belongs to. A tenant may choose keys that crowd one node; a tree holds one
/// tenant's keys, so that the tenant only makes its own changes larger, up to the node's bound.
pub(super) fn bucket(key: &str) -> u8 {
    let [first, ..] = sha256(key.as_bytes()).0;
    first
}

impl Root {
    pub(super) fn encode(&self) -> Vec<u8> {
        let count = u16::try_from(self.buckets.len()).unwrap_or(u16::MAX);
        let head = Writer::new().raw(ROOT_MAGIC).u16(FORMAT).u16(count);
        let each = |writer: Writer, (bucket, digest): (&u8, &Digest)| writer.u8(*bucket).raw(&digest.0);
        self.buckets.iter().fold(head, each).finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = opened(bytes, ROOT_MAGIC)?;
        let mut buckets = BTreeMap::new();
        for _ in 0..reader.u16()? {
            let misplaced = reader.malformed();
            let bucket = reader.u8()?;
            if buckets.last_key_value().is_some_and(|(last, _)| *last >= bucket) {
                return Err(misplaced.into());
            }
            buckets.insert(bucket, Digest(reader.array()?));
        }
        reader.end()?;
        Ok(Self { buckets })
    }
}

impl Index {
    pub(super) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.leaves.len()).unwrap_or(u32::MAX);
        let head = Writer::new().raw(INDEX_MAGIC).u16(FORMAT).u8(self.bucket).u32(count);
        let each = |writer: Writer, (key, leaf): (&String, &Digest)| writer.text(key).raw(&leaf.0);
        self.leaves.iter().fold(head, each).finish()
    }

    pub(super) fn decode(bucket: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = opened(bytes, INDEX_MAGIC)?;
        let of_another = reader.malformed();
        if reader.u8()? != bucket {
            return Err(of_another.into());
        }
        let empty = reader.malformed();
        let count = reader.u32()?;
        if count == 0 {
            return Err(empty.into());
        }
        let mut leaves = BTreeMap::new();
        for _ in 0..count {
            let misplaced = reader.malformed();
            let key = reader.text()?;
            let ascends = leaves.last_key_value().is_none_or(|(last, _): (&String, _)| last.as_str() < key);
            if !ascends || !(1..=MAX_KEY_BYTES).contains(&key.len()) || self::bucket(key) != bucket {
                return Err(misplaced.into());
            }
            leaves.insert(key.to_owned(), Digest(reader.array()?));
        }
        reader.end()?;
        Ok(Self { bucket, leaves })
    }
}

fn opened<'a>(bytes: &'a [u8], magic: &[u8; 8]) -> Result<Reader<'a>, Fault> {
    let mut reader = Reader::new(bytes);
    let start = reader.malformed();
    if reader.array()? != *magic {
        return Err(start.into());
    }
    match reader.u16()? {
        FORMAT => Ok(reader),
        found => Err(Fault::UnknownFormat(found)),
    }
}

impl Fault {
    /// Says which chunk it was.
    pub(super) fn of(self, digest: Digest) -> TreeError {
        match self {
            Self::Malformed(source) => TreeError::Malformed { digest, source },
            Self::UnknownFormat(found) => TreeError::UnknownFormat { digest, found },
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
