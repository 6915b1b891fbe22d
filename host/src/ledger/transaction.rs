//! All or nothing, and only if what was read still holds.

use std::collections::BTreeSet;

use super::{
    Blob, Key, LeaseId, MAX_BLOBS_PER_TRANSACTION, MAX_OPERATIONS, MAX_TRANSACTION_BYTES, OverLimit,
    StoreRevision, Value,
};

/// What must hold of a key when a transaction begins. In etcd's words, compares on `mod_revision`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compare {
    /// There is no such key.
    Absent(Key),
    /// There is one.
    Present(Key),
    /// It was last changed at that revision, so it is what was read then.
    ModifiedAt(Key, StoreRevision),
}

/// One change of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// The key has this value from now on. With a lease, until that ends; without one, for good, even
    /// if it hung on a lease before.
    Put {
        /// The key.
        key: Key,
        /// Its value.
        value: Value,
        /// What it hangs on.
        lease: Option<LeaseId>,
    },
    /// The key is gone. Nothing happens when it was not there.
    Delete {
        /// The key.
        key: Key,
    },
}

/// Compares and operations within the limits.
#[derive(Clone, Debug)]
pub struct Transaction {
    compares: Vec<Compare>,
    operations: Vec<Operation>,
    blobs: Vec<Blob>,
    bytes: usize,
}

/// How a transaction ended. One that failed is an error instead.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub enum Outcome {
    /// Durable, all of it.
    Committed {
        /// The revision at which it is in effect: the one before plus 1, or the one before when
        /// nothing was there to be changed.
        revision: StoreRevision,
    },
    /// A compare did not hold, so nothing was changed.
    Conflict {
        /// The revision at which the compares were looked at.
        revision: StoreRevision,
        /// What is there instead, for each compare that did not hold.
        found: Vec<Found>,
    },
}

/// How a key stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The key.
    pub key: Key,
    /// When it was last changed; none when it is not there.
    pub modified: Option<StoreRevision>,
}

impl Compare {
    /// The key that this is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Absent(key) | Self::Present(key) | Self::ModifiedAt(key, _) => key,
        }
    }

    /// Whether it holds of a key that was last changed then, or is not there.
    #[must_use]
    pub fn holds(&self, modified: Option<StoreRevision>) -> bool {
        match self {
            Self::Absent(_) => modified.is_none(),
            Self::Present(_) => modified.is_some(),
            Self::ModifiedAt(_, at) => modified == Some(*at),
        }
    }
}

impl Operation {
    /// A key's value, for good.
    #[must_use]
    pub fn put(key: Key, value: Value) -> Self {
        Self::Put { key, value, lease: None }
    }

    /// The key that this changes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.as_bytes().len() + value.as_bytes().len(),
            Self::Delete { key } => key.as_bytes().len(),
        }
    }
}

impl Transaction {
    /// Checks the limits.
    ///
    /// # Errors
    /// When there is too much of something, or a key is changed twice.
    pub fn new(compares: Vec<Compare>, operations: Vec<Operation>) -> Result<Self, OverLimit> {
        let found = compares.len().max(operations.len());
        if found > MAX_OPERATIONS {
            return Err(OverLimit::Operations { found });
        }
        let mut keys = BTreeSet::new();
        if let Some(position) = operations.iter().position(|operation| !keys.insert(operation.key())) {
            return Err(OverLimit::KeyTwice { position });
        }
        let compared: usize = compares.iter().map(|compare| compare.key().as_bytes().len()).sum();
        let changed: usize = operations.iter().map(Operation::bytes).sum();
        Self { compares, operations, blobs: Vec::new(), bytes: compared + changed }.within_bytes()
    }

    /// Brings blobs along that its records name: durable no later than they are, and safe from a
    /// sweep until then. For the few small ones of a change; many, or large ones, are put first.
    ///
    /// # Errors
    /// When there are too many, or they are too large.
    pub fn with_blobs(mut self, blobs: Vec<Blob>) -> Result<Self, OverLimit> {
        let found = self.blobs.len() + blobs.len();
        if found > MAX_BLOBS_PER_TRANSACTION {
            return Err(OverLimit::Blobs { found, limit: MAX_BLOBS_PER_TRANSACTION });
        }
        self.bytes += blobs.iter().map(|blob| blob.bytes().len()).sum::<usize>();
        self.blobs.extend(blobs);
        self.within_bytes()
    }

    /// What must hold.
    #[must_use]
    pub fn compares(&self) -> &[Compare] {
        &self.compares
    }

    /// What changes.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What comes along.
    #[must_use]
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    fn within_bytes(self) -> Result<Self, OverLimit> {
        match self.bytes {
            0..=MAX_TRANSACTION_BYTES => Ok(self),
            found => Err(OverLimit::TransactionBytes { found }),
        }
    }
}
