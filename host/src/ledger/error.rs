//! What can go wrong with a ledger, by what a caller can do about it.

use std::error::Error;

use super::{LeaseId, OverLimit, StoreRevision};
use crate::id::Digest;

/// Why a ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// More than it takes.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// The changes since then are forgotten: read everything anew, and go on from what that says.
    #[error("changes up to revision {oldest} are forgotten: read again from the newest")]
    Compacted {
        /// The oldest revision that can still be read, or watched after.
        oldest: StoreRevision,
    },
    /// A revision that the store has not reached: it was restored from something older, or the
    /// caller took the revision from another store.
    #[error("the store is at revision {newest}, below the one asked for")]
    Ahead {
        /// The revision that it has reached.
        newest: StoreRevision,
    },
    /// Ended, or never granted.
    #[error("there is no lease {lease}")]
    NoSuchLease {
        /// Its name.
        lease: LeaseId,
    },
    /// Not there.
    #[error("the blob {digest} is missing")]
    BlobMissing {
        /// Its name.
        digest: Digest,
    },
    /// There, and not what it was.
    #[error("the blob {digest} is corrupt")]
    BlobCorrupt {
        /// Its name.
        digest: Digest,
    },
    /// Nothing was changed.
    #[error("cannot {doing}; nothing was changed")]
    Aborted {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// All of it is durable, or nothing: nobody knows until the store is opened or asked again.
    #[error("the change's outcome is unknown: it is durable as a whole, or not at all")]
    Unknown(#[source] Box<dyn Error + Send + Sync>),
    /// An earlier write failed, and what the disk holds is not certain any more.
    #[error("an earlier write failed, so nothing more is written: open the ledger again, by a restart")]
    Stopped,
    /// What is stored does not read.
    #[error("the ledger is corrupt: restore the data directory from a backup ({what})")]
    Corrupt {
        /// What does not read.
        what: String,
    },
}
