//! The ledger of one host: redb, one file in its data directory, and large blobs as files beside it.
//!
//! redb writes copy-on-write trees with checksums and one writer at a time. A commit here is in two
//! phases, each synced, so that no content of a transaction, however chosen, can make a torn commit
//! look whole; and it keeps the allocator's state, so that opening after a crash does not depend on
//! the store's size. After a write has failed nothing more is written until the file is opened again:
//! what a failed fsync leaves is not known, and trying again would prove nothing.
//!
//! Whatever blocks runs on the runtime's blocking threads. Writers wait for their turn in the order in
//! which they came, and hold no thread while they wait.

mod deadlines;
mod draft;
mod file;
mod follow;
mod large;
mod leases;
mod read;
mod store;
mod tables;

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::FutureExt as _;
use parking_lot::Mutex;
use redb::{Database, ReadableDatabase as _};
use tokio::{
    sync::{Mutex as Turns, watch},
    task::spawn_blocking,
};

use super::{
    Answer, Blob, Held, Holds, Lease, LeaseId, Ledger, LedgerError, MAX_BLOBS_PER_PUT, Outcome, OverLimit,
    Page, Read, Span, StoreRevision, Sweep, Swept, Transaction, Ttl, Watch,
};
use crate::{clock::Steady, id::Digest};
use deadlines::Deadlines;
pub use file::LedgerOpenError;

/// How a ledger is kept.
#[derive(Clone, Debug)]
pub struct RedbSettings {
    /// How many revisions are remembered for watches and pages at the least recent.
    pub history_revisions: u64,
    /// How many bytes of changes are remembered; what comes first forgets the oldest.
    pub history_bytes: u64,
    /// What leases are measured with.
    pub clock: Steady,
}

impl Default for RedbSettings {
    fn default() -> Self {
        Self { history_revisions: 10_000, history_bytes: 64 << 20, clock: Steady::system() }
    }
}

/// A ledger in a data directory. It is closed when this and every watch on it are dropped.
pub struct RedbLedger {
    inner: Arc<Inner>,
    turns: Arc<Turns<()>>,
}

/// What the blocking threads share.
struct Inner {
    database: Database,
    settings: RedbSettings,
    /// Where large blobs are.
    large: PathBuf,
    /// Held while large blobs are looked for, written or deleted.
    large_turn: Mutex<()>,
    holds: Holds,
    deadlines: Mutex<Deadlines>,
    newest: watch::Sender<StoreRevision>,
    stopped: AtomicBool,
}

impl RedbLedger {
    /// Opens the ledger in `directory`, or makes one there. Checks the whole file, which takes about a
    /// second for every gigabyte; blocks meanwhile.
    ///
    /// # Errors
    /// When somebody else has it, when it is of another version, or when it is corrupt.
    pub fn open(directory: &Path, settings: RedbSettings) -> Result<Self, LedgerOpenError> {
        let database = file::open(directory)?;
        let large = file::large_blobs(directory)?;
        Self::start(database, large, settings)
    }

    fn start(database: Database, large: PathBuf, settings: RedbSettings) -> Result<Self, LedgerOpenError> {
        let (revision, deadlines) = store::restored(&database, settings.clock.now())?;
        let inner = Inner {
            database,
            settings,
            large,
            large_turn: Mutex::new(()),
            holds: Holds::default(),
            deadlines: Mutex::new(deadlines),
            newest: watch::Sender::new(revision),
            stopped: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner), turns: Arc::default() })
    }

    /// Ends the leases whose time is over, so that watches hear of it. Every other method does so
    /// first; a host calls this about once a second, for when nothing else happens.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn end_leases(&self) -> Result<(), LedgerError> {
        if self.inner.is_lease_over() { self.writing(|_| Ok(())).await } else { Ok(()) }
    }

    /// Does something that only reads, on a thread that may block.
    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.end_leases().await?;
        let inner = Arc::clone(&self.inner);
        // What panics in a read has changed nothing.
        let panicked = |source| LedgerError::Aborted { doing: "finish", source: Box::new(source) };
        spawn_blocking(move || work(&inner)).await.map_err(panicked)?
    }

    /// Does something that writes, when its turn has come.
    async fn writing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let turn = Arc::clone(&self.turns).lock_owned().await;
        let inner = Arc::clone(&self.inner);
        let done = spawn_blocking(move || {
            // The turn ends with the work, though nobody may wait for it any more.
            let _turn = turn;
            inner.end_leases().and_then(|()| work(&inner))
        });
        done.await.unwrap_or_else(|panicked| {
            self.inner.stopped.store(true, Ordering::Relaxed);
            Err(LedgerError::Unknown(Box::new(panicked)))
        })
    }
}

impl Ledger for RedbLedger {
    fn range(&self, read: Read) -> Answer<'_, Page> {
        self.reading(move |inner| read::page(&inner.database, &read)).boxed()
    }

    fn transact(&self, transaction: Transaction) -> Answer<'_, Outcome> {
        self.writing(move |inner| inner.transact(&transaction)).boxed()
    }

    fn watch(&self, span: Span, after: StoreRevision) -> Answer<'_, Watch> {
        async move {
            let first = self.reading(move |inner| read::is_watchable(&inner.database, after)).await;
            first.map(|()| follow::follow(&self.inner, span, after))
        }
        .boxed()
    }

    fn grant(&self, ttl: Ttl) -> Answer<'_, Lease> {
        self.writing(move |inner| inner.grant(ttl)).boxed()
    }

    fn keep_alive(&self, lease: LeaseId) -> Answer<'_, Ttl> {
        async move {
            self.end_leases().await?;
            self.inner.keep_alive(lease)
        }
        .boxed()
    }

    fn revoke(&self, lease: LeaseId) -> Answer<'_, ()> {
        self.writing(move |inner| inner.revoke(lease)).boxed()
    }

    fn put_blobs(&self, blobs: Vec<Blob>) -> Answer<'_, Held> {
        async move {
            if blobs.len() > MAX_BLOBS_PER_PUT {
                return Err(OverLimit::Blobs { found: blobs.len(), limit: MAX_BLOBS_PER_PUT }.into());
            }
            let (large, small): (Vec<_>, Vec<_>) = blobs.into_iter().partition(large::is_large);
            let held = self.inner.holds.hold(large.iter().chain(&small).map(Blob::digest));
            if !large.is_empty() {
                // Not in a turn: a large file must not keep the transactions waiting.
                self.reading(move |inner| inner.put_large(&large)).await?;
            }
            if !small.is_empty() {
                self.writing(move |inner| inner.put_small(&small)).await?;
            }
            Ok(held)
        }
        .boxed()
    }

    fn blob(&self, digest: Digest) -> Answer<'_, Vec<u8>> {
        self.reading(move |inner| inner.blob(digest)).boxed()
    }

    fn has_blob(&self, digest: Digest) -> Answer<'_, bool> {
        self.reading(move |inner| inner.has_blob(digest)).boxed()
    }

    fn begin_sweep(&self) -> Answer<'_, Sweep> {
        async { Ok(self.inner.holds.begin_sweep()) }.boxed()
    }

    fn sweep_blobs(&self, sweep: Sweep, live: BTreeSet<Digest>) -> Answer<'_, Swept> {
        async move {
            let candidates = self.reading(move |inner| inner.not_in(&live)).await?;
            let sweep = Arc::new(sweep);
            let mut swept = Swept::default();
            for some in candidates.chunks(store::SWEPT_AT_ONCE) {
                let (some, sweep) = (some.to_vec(), Arc::clone(&sweep));
                swept.blobs += self.writing(move |inner| inner.sweep(&sweep, &some)).await?;
            }
            Ok(swept)
        }
        .boxed()
    }
}

impl fmt::Debug for RedbLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedbLedger(revision {})", *self.inner.newest.borrow())
    }
}

impl Inner {
    fn begin_read(&self) -> Result<redb::ReadTransaction, LedgerError> {
        self.database.begin_read().map_err(tables::failed("begin to read"))
    }
}

#[cfg(test)]
mod tests;
