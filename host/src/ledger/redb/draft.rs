//! One write transaction under way: what it changes, and what it leaves for watches to tell.

use redb::{ReadableTable as _, ReadableTableMetadata as _, Table, WriteTransaction};

use super::tables::{
    BLOBS, FORGOTTEN, HISTORY, HISTORY_BYTES, LAST_LEASE, LEASED, LEASES, NUMBERS, RECORDS, REVISION,
    Remembered, corrupt, failed, key_from_bytes, record_from_bytes, record_to_bytes, remembered_to_bytes,
};
use crate::ledger::{
    Blob, Change, Key, LeaseId, LedgerError, MAX_KEYS_PER_LEASE, MAX_LEASES, Operation, OverLimit, Record,
    StoreRevision, Ttl,
};

/// A revision's place in the history and its bytes, for the bound in bytes.
const ENTRY_BYTES: u64 = 12;
/// How many revisions one commit forgets at most: a smaller bound takes effect bit by bit.
const FORGOTTEN_AT_ONCE: u64 = 256;

pub(super) struct Draft<'a> {
    numbers: Table<'a, &'static str, u64>,
    records: Table<'a, &'static [u8], &'static [u8]>,
    history: Table<'a, (u64, u32), &'static [u8]>,
    leases: Table<'a, u64, u32>,
    leased: Table<'a, (u64, &'static [u8]), ()>,
    blobs: Table<'a, [u8; 32], &'static [u8]>,
    /// The newest, with what this has changed so far.
    pub(super) revision: StoreRevision,
}

impl<'a> Draft<'a> {
    pub(super) fn begin(write: &'a WriteTransaction) -> Result<Self, LedgerError> {
        let open = || -> Result<_, redb::TableError> {
            Ok(Self {
                numbers: write.open_table(NUMBERS)?,
                records: write.open_table(RECORDS)?,
                history: write.open_table(HISTORY)?,
                leases: write.open_table(LEASES)?,
                leased: write.open_table(LEASED)?,
                blobs: write.open_table(BLOBS)?,
                revision: StoreRevision(0),
            })
        };
        let mut draft = open().map_err(failed("open the tables"))?;
        draft.revision = StoreRevision(draft.number(REVISION)?);
        Ok(draft)
    }

    pub(super) fn record(&self, key: &Key) -> Result<Option<Record>, LedgerError> {
        let found = self.records.get(key.as_bytes()).map_err(failed("read a record"))?;
        found.map(|bytes| record_from_bytes(key.clone(), bytes.value())).transpose()
    }

    /// Does `operations` at the next revision; at none when they change nothing.
    pub(super) fn change(&mut self, operations: &[Operation]) -> Result<(), LedgerError> {
        let revision = self.revision.next();
        let mut place = 0;
        for operation in operations {
            let before = self.record(operation.key())?;
            let record = match operation {
                Operation::Put { key, value, lease } => Some(Record {
                    key: key.clone(),
                    value: value.clone(),
                    created: before.as_ref().map_or(revision, |before| before.created),
                    modified: revision,
                    lease: *lease,
                }),
                Operation::Delete { .. } if before.is_none() => continue,
                Operation::Delete { .. } => None,
            };
            self.write_record(operation.key(), record.as_ref())?;
            self.hang(operation.key(), before.as_ref(), record.as_ref())?;
            let change = Change { key: operation.key().clone(), record };
            self.remember(revision, place, &Remembered { change, before })?;
            place += 1;
            self.revision = revision;
        }
        Ok(())
    }

    fn write_record(&mut self, key: &Key, record: Option<&Record>) -> Result<(), LedgerError> {
        let written = match record {
            Some(record) => self.records.insert(key.as_bytes(), record_to_bytes(record).as_slice()),
            None => self.records.remove(key.as_bytes()),
        };
        written.map(drop).map_err(failed("write a record"))
    }

    /// Takes a key off the lease that it hung on, and hangs it on the one that it names.
    fn hang(&mut self, key: &Key, old: Option<&Record>, new: Option<&Record>) -> Result<(), LedgerError> {
        let (old, new) = (old.and_then(|record| record.lease), new.and_then(|record| record.lease));
        let failed = || failed("write a lease");
        if let Some(lease) = old.filter(|_| old != new) {
            self.leased.remove((lease.0, key.as_bytes())).map_err(failed())?;
        }
        let Some(lease) = new else { return Ok(()) };
        if self.ttl(lease)?.is_none() {
            return Err(LedgerError::NoSuchLease { lease });
        }
        self.leased.insert((lease.0, key.as_bytes()), ()).map_err(failed())?;
        match self.keys_of(lease)?.len() {
            0..=MAX_KEYS_PER_LEASE => Ok(()),
            _ => Err(OverLimit::LeaseKeys.into()),
        }
    }

    fn remember(&mut self, at: StoreRevision, place: u32, change: &Remembered) -> Result<(), LedgerError> {
        let bytes = remembered_to_bytes(change);
        let more = bytes.len() as u64 + ENTRY_BYTES;
        self.history.insert((at.0, place), bytes.as_slice()).map_err(failed("write the history"))?;
        self.set(HISTORY_BYTES, self.number(HISTORY_BYTES)? + more)
    }

    /// Forgets the oldest changes, down to the bounds; the newest revision's are always kept.
    pub(super) fn forget(&mut self, revisions: u64, bytes: u64) -> Result<(), LedgerError> {
        let before = self.number(FORGOTTEN)?;
        let (mut forgotten, mut left) = (before, self.number(HISTORY_BYTES)?);
        let newest = self.revision.0;
        while forgotten + 1 < newest
            && forgotten - before < FORGOTTEN_AT_ONCE
            && (newest - forgotten > revisions || left > bytes)
        {
            forgotten += 1;
            let old = (forgotten, 0)..=(forgotten, u32::MAX);
            let failed = || failed("forget old changes");
            let mut freed = 0;
            self.history
                .retain_in(old, |_, change| {
                    freed += change.len() as u64 + ENTRY_BYTES;
                    false
                })
                .map_err(failed())?;
            left = left.saturating_sub(freed);
        }
        if forgotten > before {
            self.set(FORGOTTEN, forgotten)?;
            self.set(HISTORY_BYTES, left)?;
        }
        Ok(())
    }

    pub(super) fn ttl(&self, lease: LeaseId) -> Result<Option<Ttl>, LedgerError> {
        let found = self.leases.get(lease.0).map_err(failed("read a lease"))?;
        found.map(|ttl| Ttl::seconds(ttl.value()).map_err(|_| corrupt("a lease"))).transpose()
    }

    pub(super) fn keys_of(&self, lease: LeaseId) -> Result<Vec<Key>, LedgerError> {
        let failed = || failed("read a lease's keys");
        let span = (lease.0, [].as_slice())..(lease.0 + 1, [].as_slice());
        let mut keys = Vec::new();
        for entry in self.leased.range(span).map_err(failed())? {
            let (name, _) = entry.map_err(failed())?;
            keys.push(key_from_bytes(name.value().1)?);
        }
        Ok(keys)
    }

    pub(super) fn add_lease(&mut self, ttl: Ttl) -> Result<LeaseId, LedgerError> {
        if self.leases.len().map_err(failed("count the leases"))? >= MAX_LEASES {
            return Err(OverLimit::Leases.into());
        }
        let id = self.number(LAST_LEASE)? + 1;
        self.set(LAST_LEASE, id)?;
        self.leases.insert(id, ttl.as_seconds()).map_err(failed("write a lease"))?;
        Ok(LeaseId(id))
    }

    /// Takes a lease away, and its keys with it, at one revision.
    pub(super) fn end_lease(&mut self, lease: LeaseId) -> Result<(), LedgerError> {
        let keys = self.keys_of(lease)?;
        let gone: Vec<_> = keys.into_iter().map(|key| Operation::Delete { key }).collect();
        self.change(&gone)?;
        self.leases.remove(lease.0).map(drop).map_err(failed("write a lease"))
    }

    /// Writes blobs, those that are there and whole excepted.
    pub(super) fn put_blobs(&mut self, blobs: &[Blob]) -> Result<(), LedgerError> {
        for blob in blobs {
            let there = self.blobs.get(blob.digest().0).map_err(failed("read a blob"))?;
            if there.is_some_and(|bytes| bytes.value() == blob.bytes()) {
                continue;
            }
            self.blobs.insert(blob.digest().0, blob.bytes()).map_err(failed("write a blob"))?;
        }
        Ok(())
    }

    /// Whether a blob was there.
    pub(super) fn remove_blob(&mut self, digest: [u8; 32]) -> Result<bool, LedgerError> {
        Ok(self.blobs.remove(digest).map_err(failed("delete a blob"))?.is_some())
    }

    /// Writes down the revision that this has come to.
    pub(super) fn finish(mut self) -> Result<StoreRevision, LedgerError> {
        let revision = self.revision;
        self.set(REVISION, revision.0)?;
        Ok(revision)
    }

    fn number(&self, name: &str) -> Result<u64, LedgerError> {
        let found = self.numbers.get(name).map_err(failed("read a number"))?;
        Ok(found.map_or(0, |number| number.value()))
    }

    fn set(&mut self, name: &str, number: u64) -> Result<(), LedgerError> {
        self.numbers.insert(name, number).map(drop).map_err(failed("write a number"))
    }
}
