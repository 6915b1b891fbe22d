//! Control state that must not be lost: small records changed by transactions, blobs beside them,
//! and a way to hear of every change. This is the seam; [`RedbLedger`] keeps it in a file of one host,
//! and etcd will keep it for several. So it says what etcd v3 can do, in fewer words:
//!
//! - A [`Record`] is a [`Key`] and a [`Value`] of at most 256 KiB. A [`Transaction`] compares keys with
//!   what was read, and changes up to a hundred of them, or none. Every transaction that changes
//!   something makes the next [`StoreRevision`].
//! - A [`Read`] is of one revision, however many pages it takes and whatever is written meanwhile.
//! - A [`Watch`] tells of every change after a revision, in order, without gaps. How far back it can
//!   begin is bounded; who asks for more gets [`LedgerError::Compacted`], reads anew and goes on.
//! - Keys hang on a [`Lease`] and vanish at its end, all at one revision.
//! - A [`Blob`] is called by its SHA-256. Blobs are durable before the transaction that names them,
//!   [`Held`] until it has answered, and swept when nothing that the caller lists names them. They make
//!   no revision.
//!
//! It is asynchronous because etcd is across a network; a store on a disk works on threads that may
//! block, and a caller without a runtime of its own blocks on the answer. The answers are boxed, so
//! that a host holds an `Arc<dyn Ledger>`: an allocation is nothing beside an fsync. Dropping an answer
//! does not undo what was asked for.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use bootlace::ledger::{
//!     Blob, Compare, Key, Ledger, Operation, Outcome, RedbLedger, RedbSettings, Transaction, Value,
//! };
//!
//! let directory = tempfile::tempdir()?;
//! let ledger: &dyn Ledger = &RedbLedger::open(directory.path(), RedbSettings::default())?;
//!
//! let chunk = Blob::new(b"a configuration".to_vec())?;
//! let (root, digest) = (Key::new("workspace/acme/root")?, chunk.digest());
//! let names_it = Operation::put(root.clone(), Value::new(digest.0.to_vec())?);
//! let first = Transaction::new(vec![Compare::Absent(root.clone())], vec![names_it])?.with_blobs(vec![chunk])?;
//!
//! assert!(matches!(ledger.transact(first.clone()).await?, Outcome::Committed { .. }));
//! assert!(matches!(ledger.transact(first).await?, Outcome::Conflict { .. }), "it is not absent any more");
//! let record = ledger.get(&root).await?.expect("it was committed");
//! assert_eq!(record.value.as_bytes(), digest.0);
//! assert_eq!(ledger.blob(digest).await?, b"a configuration");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blob;
mod change;
mod error;
mod key;
mod lease;
mod limits;
mod record;
mod redb;
mod transaction;

use std::collections::BTreeSet;

use futures_util::future::{BoxFuture, FutureExt as _};

pub use self::redb::{LedgerOpenError, RedbLedger, RedbSettings};
pub use blob::{Blob, Held, Holds, Sweep, Swept};
pub use change::{Change, Changes, Watch};
pub use error::LedgerError;
pub use key::{Key, Span};
pub use lease::{Lease, LeaseId, Ttl};
pub use limits::{
    MAX_BLOB_BYTES, MAX_BLOBS_PER_PUT, MAX_BLOBS_PER_TRANSACTION, MAX_KEY_BYTES, MAX_KEYS_PER_LEASE,
    MAX_LEASES, MAX_OPERATIONS, MAX_PAGE_BYTES, MAX_PAGE_RECORDS, MAX_TRANSACTION_BYTES, MAX_TTL_SECONDS,
    MAX_VALUE_BYTES, OverLimit,
};
pub use record::{Page, Read, Record, StoreRevision, Value};
pub use transaction::{Compare, Found, Operation, Outcome, Transaction};

use crate::id::Digest;

/// What a ledger answers, later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, LedgerError>>;

/// Where control state is kept. Every method fails with [`LedgerError`]; what is said there holds of
/// every store, and one suite checks it against each.
pub trait Ledger: Send + Sync {
    /// Reads records, all of one revision. Fails with [`LedgerError::Compacted`] or
    /// [`LedgerError::Ahead`] when it is of a revision that cannot be read.
    fn range(&self, read: Read) -> Answer<'_, Page>;

    /// Reads the newest of one record.
    fn get<'a>(&'a self, key: &Key) -> Answer<'a, Option<Record>> {
        let read = self.range(Read::newest(Span::only(key)));
        async move { Ok(read.await?.records.pop()) }.boxed()
    }

    /// Changes all of it or nothing. It is durable when this answers [`Outcome::Committed`]; with
    /// [`LedgerError::Unknown`], it is durable as a whole or not at all.
    fn transact(&self, transaction: Transaction) -> Answer<'_, Outcome>;

    /// Follows the changes of `span` after the revision `after`: with what a page said, from there on.
    fn watch(&self, span: Span, after: StoreRevision) -> Answer<'_, Watch>;

    /// Grants a lease, durably. A store that was away gives every lease its whole time again: nobody
    /// could have kept it alive.
    fn grant(&self, ttl: Ttl) -> Answer<'_, Lease>;

    /// Gives a lease its whole time again, and says how long that is.
    fn keep_alive(&self, lease: LeaseId) -> Answer<'_, Ttl>;

    /// Ends a lease. Its keys are gone when this answers.
    fn revoke(&self, lease: LeaseId) -> Answer<'_, ()>;

    /// Makes blobs durable, those that are there and whole excepted. They stay while [`Held`] lives,
    /// and after that as long as the caller of a sweep says.
    fn put_blobs(&self, blobs: Vec<Blob>) -> Answer<'_, Held>;

    /// Reads a blob, and checks it.
    fn blob(&self, digest: Digest) -> Answer<'_, Vec<u8>>;

    /// Whether a blob is there: for a look, and no reason not to put it, because it may be swept.
    fn has_blob(&self, digest: Digest) -> Answer<'_, bool>;

    /// Begins a sweep. Read what is live after this, from the records.
    fn begin_sweep(&self) -> Answer<'_, Sweep>;

    /// Deletes every blob that is not in `live` and was not held since the sweep began.
    fn sweep_blobs(&self, sweep: Sweep, live: BTreeSet<Digest>) -> Answer<'_, Swept>;
}

#[cfg(test)]
mod conformance;
