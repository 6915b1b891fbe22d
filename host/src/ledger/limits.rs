//! The bounds of the seam and the one error for what is over them. They are etcd's defaults or
//! below (128 operations and 1.5 MiB a request), so that what one store takes the other takes, too.
//! Every type of the seam checks its own when it is made: no store has to ask again.

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;
/// The longest value of a record, in bytes.
pub const MAX_VALUE_BYTES: usize = 256 * 1024;
/// The most operations of a transaction, and the most compares.
pub const MAX_OPERATIONS: usize = 100;
/// The most bytes of a transaction: its keys and values, and those of its compares.
pub const MAX_TRANSACTION_BYTES: usize = 1024 * 1024;
/// The most records of a page.
pub const MAX_PAGE_RECORDS: usize = 1000;
/// A page ends after the record that brings it to this many bytes.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// The longest time to live of a lease, in seconds: a day.
pub const MAX_TTL_SECONDS: u32 = 86_400;
/// The most keys that hang on one lease, so that its end is one bounded change.
pub const MAX_KEYS_PER_LEASE: usize = 100;
/// The most leases at once.
pub const MAX_LEASES: u64 = 100_000;
/// The longest blob, in bytes: a bundle of the largest size.
pub const MAX_BLOB_BYTES: usize = 256 * 1024 * 1024;
/// The most blobs that are put at once.
pub const MAX_BLOBS_PER_PUT: usize = 4096;
/// The most blobs that a transaction brings along. They count against its bytes.
pub const MAX_BLOBS_PER_TRANSACTION: usize = 100;

/// What was asked for is more than the ledger takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverLimit {
    /// Empty, or too long.
    #[error("a key is 1 to {MAX_KEY_BYTES} bytes; this one has {found}")]
    KeyBytes {
        /// Its length, in bytes.
        found: usize,
    },
    /// Too long for a record: what is larger is a blob.
    #[error("a record's value is at most {MAX_VALUE_BYTES} bytes; this one has {found}")]
    ValueBytes {
        /// Its length, in bytes.
        found: usize,
    },
    /// Too many operations, or too many compares.
    #[error(
        "a transaction is at most {MAX_OPERATIONS} operations and as many compares; this one has {found}"
    )]
    Operations {
        /// How many.
        found: usize,
    },
    /// Too much in all.
    #[error("a transaction is at most {MAX_TRANSACTION_BYTES} bytes; this one has {found}")]
    TransactionBytes {
        /// Its length, in bytes.
        found: usize,
    },
    /// One key in two operations: which one counts would be a guess.
    #[error("a transaction changes a key once; operation {position} names one that was named before")]
    KeyTwice {
        /// The operation, from 0.
        position: usize,
    },
    /// No page has that size.
    #[error("a page is 1 to {MAX_PAGE_RECORDS} records; {found} were asked for")]
    PageRecords {
        /// How many were asked for.
        found: usize,
    },
    /// No lease lasts that long.
    #[error("a lease lasts 1 to {MAX_TTL_SECONDS} seconds; {found} were asked for")]
    Ttl {
        /// How many seconds were asked for.
        found: u32,
    },
    /// The lease holds as many keys as it may.
    #[error("a lease holds at most {MAX_KEYS_PER_LEASE} keys")]
    LeaseKeys,
    /// There are as many leases as there may be.
    #[error("there are at most {MAX_LEASES} leases")]
    Leases,
    /// Too long even for a blob.
    #[error("a blob is at most {MAX_BLOB_BYTES} bytes; this one has {found}")]
    BlobBytes {
        /// Its length, in bytes.
        found: usize,
    },
    /// Too many blobs at once.
    #[error("at most {limit} blobs go together here; these are {found}")]
    Blobs {
        /// How many.
        found: usize,
        /// How many may.
        limit: usize,
    },
}
