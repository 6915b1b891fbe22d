//! What is done in a turn: the one place that commits, and transactions and small blobs through it.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::{
    Inner,
    deadlines::Deadlines,
    draft::Draft,
    large,
    tables::{BLOBS, LEASES, NUMBERS, REVISION, corrupt, failed},
};
use crate::{
    canonical::sha256,
    id::Digest,
    ledger::{Blob, Found, LeaseId, LedgerError, Outcome, StoreRevision, Sweep, Transaction, Ttl},
};

/// How many blobs one commit deletes: others have a turn in between.
pub(super) const SWEPT_AT_ONCE: usize = 512;

/// What a draft is to become.
pub(super) enum Wanted<T> {
    Commit(T),
    /// There is nothing to be written.
    Nothing(T),
}

/// What a ledger begins with: its revision, and every lease with its whole time before it.
pub(super) fn restored(
    database: &Database,
    now: Duration,
) -> Result<(StoreRevision, Deadlines), LedgerError> {
    let read = database.begin_read().map_err(failed("begin to read"))?;
    let numbers = read.open_table(NUMBERS).map_err(failed("open the tables"))?;
    let revision = numbers.get(REVISION).map_err(failed("read a number"))?.map_or(0, |number| number.value());
    let leases = read.open_table(LEASES).map_err(failed("open the tables"))?;
    let mut deadlines = Deadlines::default();
    for lease in leases.iter().map_err(failed("read the leases"))? {
        let (id, ttl) = lease.map_err(failed("read the leases"))?;
        let ttl = Ttl::seconds(ttl.value()).map_err(|_| corrupt("a lease"))?;
        deadlines.set(LeaseId(id.value()), ttl, now);
    }
    Ok((StoreRevision(revision), deadlines))
}

impl Inner {
    /// Commits what `work` drafts, durably, or nothing of it.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut Draft<'_>) -> Result<Wanted<T>, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.ready()?;
        let mut write = self.database.begin_write().map_err(failed("begin to write"))?;
        // Two phases, and an allocator state that opening after a crash can use as it is.
        write.set_quick_repair(true);
        let mut draft = Draft::begin(&write)?;
        let done = match work(&mut draft)? {
            Wanted::Commit(done) => done,
            Wanted::Nothing(done) => return Ok(done),
        };
        draft.forget(self.settings.history_revisions, self.settings.history_bytes)?;
        let revision = draft.finish()?;
        write.commit().map_err(|error| {
            self.stopped.store(true, Ordering::Relaxed);
            LedgerError::Unknown(Box::new(error))
        })?;
        self.newest.send_if_modified(|newest| std::mem::replace(newest, revision) != revision);
        Ok(done)
    }

    /// Whether anything may be written still.
    pub(super) fn ready(&self) -> Result<(), LedgerError> {
        if self.stopped.load(Ordering::Relaxed) { Err(LedgerError::Stopped) } else { Ok(()) }
    }

    pub(super) fn transact(&self, transaction: &Transaction) -> Result<Outcome, LedgerError> {
        let _held = self.holds.hold(transaction.blobs().iter().map(Blob::digest));
        self.write(|draft| {
            let before = draft.revision;
            let mut found = Vec::new();
            for compare in transaction.compares() {
                let modified = draft.record(compare.key())?.map(|record| record.modified);
                if !compare.holds(modified) {
                    found.push(Found { key: compare.key().clone(), modified });
                }
            }
            if !found.is_empty() {
                return Ok(Wanted::Nothing(Outcome::Conflict { revision: before, found }));
            }
            draft.change(transaction.operations())?;
            draft.put_blobs(transaction.blobs())?;
            let done = Outcome::Committed { revision: draft.revision };
            let unchanged = draft.revision == before && transaction.blobs().is_empty();
            Ok(if unchanged { Wanted::Nothing(done) } else { Wanted::Commit(done) })
        })
    }

    pub(super) fn put_small(&self, blobs: &[Blob]) -> Result<(), LedgerError> {
        self.write(|draft| draft.put_blobs(blobs).map(Wanted::Commit))
    }

    pub(super) fn blob(&self, digest: Digest) -> Result<Vec<u8>, LedgerError> {
        let blobs = self.begin_read()?.open_table(BLOBS).map_err(failed("open the tables"))?;
        let small = blobs.get(digest.0).map_err(failed("read a blob"))?.map(|bytes| bytes.value().to_vec());
        let bytes = match small {
            Some(bytes) => bytes,
            None => large::read(&self.large, digest)?.ok_or(LedgerError::BlobMissing { digest })?,
        };
        if sha256(&bytes) == digest { Ok(bytes) } else { Err(LedgerError::BlobCorrupt { digest }) }
    }

    pub(super) fn has_blob(&self, digest: Digest) -> Result<bool, LedgerError> {
        let blobs = self.begin_read()?.open_table(BLOBS).map_err(failed("open the tables"))?;
        let small = blobs.get(digest.0).map_err(failed("read a blob"))?.is_some();
        Ok(small || large::is_there(&self.large, digest)?)
    }

    /// What a sweep has to look at. Found without holding anybody up: what is put meanwhile is held.
    pub(super) fn not_in(&self, live: &BTreeSet<Digest>) -> Result<Vec<Digest>, LedgerError> {
        let blobs = self.begin_read()?.open_table(BLOBS).map_err(failed("open the tables"))?;
        let mut candidates = large::all(&self.large)?;
        for blob in blobs.iter().map_err(failed("list the blobs"))? {
            candidates.insert(Digest(blob.map_err(failed("list the blobs"))?.0.value()));
        }
        Ok(candidates.difference(live).copied().collect())
    }

    /// Deletes those of `candidates` that were not held; gives how many were there.
    pub(super) fn sweep(&self, sweep: &Sweep, candidates: &[Digest]) -> Result<u64, LedgerError> {
        let dead = || candidates.iter().copied().filter(|digest| !self.holds.spares(sweep, *digest));
        let small = self.write(|draft| {
            let mut deleted = 0;
            for digest in dead() {
                deleted += u64::from(draft.remove_blob(digest.0)?);
            }
            Ok(if deleted > 0 { Wanted::Commit(deleted) } else { Wanted::Nothing(0) })
        })?;
        let _turn = self.large_turn.lock();
        Ok(small + large::delete(&self.large, dead())?)
    }
}
