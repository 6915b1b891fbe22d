//! What is in the file: six tables, and how a record and a change are written into theirs.

use redb::TableDefinition;

use crate::{
    fields::{Malformed, Reader, Writer},
    ledger::{Change, Key, LeaseId, LedgerError, Record, StoreRevision, Value},
};

/// The version of everything below. Another one is not read: see `file`.
pub(super) const FORMAT: u64 = 1;

/// Single numbers, by name.
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// The newest of every key.
pub(super) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
/// What was changed, by revision and place in the transaction: for watches, and for reading what was.
pub(super) const HISTORY: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("history");
/// The time to live of each lease, in seconds. When one ends is in memory only: after a restart each has
/// its whole time.
pub(super) const LEASES: TableDefinition<'_, u64, u32> = TableDefinition::new("leases");
/// The keys that hang on a lease.
pub(super) const LEASED: TableDefinition<'_, (u64, &[u8]), ()> = TableDefinition::new("leased");
/// Blobs that are no larger than a record.
pub(super) const BLOBS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("blobs");

/// Names in [`NUMBERS`].
pub(super) const FORMAT_NUMBER: &str = "format";
pub(super) const REVISION: &str = "revision";
/// The newest revision whose changes are forgotten.
pub(super) const FORGOTTEN: &str = "forgotten";
/// How many bytes the history has.
pub(super) const HISTORY_BYTES: &str = "history bytes";
/// The last lease that was granted.
pub(super) const LAST_LEASE: &str = "last lease";

/// A change as the history keeps it: what watches tell, and what was there before.
pub(super) struct Remembered {
    pub(super) change: Change,
    pub(super) before: Option<Record>,
}

pub(super) fn record_to_bytes(record: &Record) -> Vec<u8> {
    let lease = record.lease.map_or(0, |lease| lease.0);
    let head = Writer::new().u64(record.created.0).u64(record.modified.0).u64(lease);
    head.raw(record.value.as_bytes()).finish()
}

pub(super) fn record_from_bytes(key: Key, bytes: &[u8]) -> Result<Record, LedgerError> {
    let read = || -> Result<_, Malformed> {
        let mut reader = Reader::new(bytes);
        Ok((StoreRevision(reader.u64()?), StoreRevision(reader.u64()?), reader.u64()?, reader.rest()))
    };
    let (created, modified, lease, value) = read().map_err(|_| corrupt("a record"))?;
    let value = Value::new(value.to_vec()).map_err(|_| corrupt("a record"))?;
    let lease = (lease != 0).then_some(LeaseId(lease));
    Ok(Record { key, value, created, modified, lease })
}

pub(super) fn key_from_bytes(bytes: &[u8]) -> Result<Key, LedgerError> {
    Key::new(bytes).map_err(|_| corrupt("a key"))
}

pub(super) fn remembered_to_bytes(remembered: &Remembered) -> Vec<u8> {
    let key = remembered.change.key.as_bytes();
    let head = Writer::new().u16(u16::try_from(key.len()).unwrap_or(u16::MAX)).raw(key);
    let records = [&remembered.before, &remembered.change.record];
    let with = |writer: Writer, record: &Option<Record>| match record.as_ref().map(record_to_bytes) {
        // A record is never empty: its numbers come first.
        Some(bytes) => writer.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).raw(&bytes),
        None => writer.u32(0),
    };
    records.into_iter().fold(head, with).finish()
}

pub(super) fn remembered_from_bytes(bytes: &[u8]) -> Result<Remembered, LedgerError> {
    let read = || -> Result<_, Malformed> {
        let mut reader = Reader::new(bytes);
        let length = reader.u16()?;
        let key = reader.raw(length.into())?;
        let length = reader.u32()?;
        let before = reader.raw(length as usize)?;
        let length = reader.u32()?;
        let after = reader.raw(length as usize)?;
        reader.end()?;
        Ok((key, before, after))
    };
    let (key, before, after) = read().map_err(|_| corrupt("a remembered change"))?;
    let key = key_from_bytes(key)?;
    let record = |bytes: &[u8]| match bytes {
        [] => Ok(None),
        bytes => record_from_bytes(key.clone(), bytes).map(Some),
    };
    let (before, record) = (record(before)?, record(after)?);
    Ok(Remembered { change: Change { key, record }, before })
}

/// The key of a remembered change, without the rest.
pub(super) fn remembered_key(bytes: &[u8]) -> Result<&[u8], LedgerError> {
    let mut reader = Reader::new(bytes);
    let key = reader.u16().and_then(|length| reader.raw(length.into()));
    key.map_err(|_| corrupt("a remembered change"))
}

pub(super) fn corrupt(what: &str) -> LedgerError {
    LedgerError::Corrupt { what: what.to_owned() }
}

/// Says what failed before anything was committed.
pub(super) fn failed<E: Into<redb::Error>>(doing: &'static str) -> impl Fn(E) -> LedgerError {
    move |error| match error.into() {
        redb::Error::PreviousIo => LedgerError::Stopped,
        redb::Error::Corrupted(what) => LedgerError::Corrupt { what },
        error => LedgerError::Aborted { doing, source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered() -> Remembered {
        let key = Key::new("workspace/acme").unwrap();
        let record = |modified, value: &str, lease| Record {
            key: key.clone(),
            value: Value::new(value.as_bytes().to_vec()).unwrap(),
            created: StoreRevision(3),
            modified: StoreRevision(modified),
            lease,
        };
        let change = Change { key: key.clone(), record: Some(record(9, "new", Some(LeaseId(4)))) };
        Remembered { change, before: Some(record(7, "", None)) }
    }

    #[test]
    fn a_change_reads_back_as_written() {
        let written = remembered_to_bytes(&remembered());
        let read = remembered_from_bytes(&written).unwrap();
        assert_eq!((read.change, read.before), (remembered().change, remembered().before));
        assert_eq!(remembered_key(&written).unwrap(), b"workspace/acme");
        let gone = Remembered { change: Change { record: None, ..remembered().change }, before: None };
        let read = remembered_from_bytes(&remembered_to_bytes(&gone)).unwrap();
        assert!(read.before.is_none() && read.change.record.is_none());
    }

    #[test]
    fn a_change_that_is_cut_short_or_goes_on_is_refused() {
        let written = remembered_to_bytes(&remembered());
        for length in 0..written.len() {
            assert!(remembered_from_bytes(&written[..length]).is_err(), "{length} bytes");
        }
        assert!(remembered_from_bytes(&[&written[..], &[0]].concat()).is_err());
        for length in 0..24 {
            assert!(record_from_bytes(remembered().change.key, &[1; 24][..length]).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_or_reads_as_something_else() {
        let written = remembered_to_bytes(&remembered());
        for bit in 0..written.len() * 8 {
            let mut flipped = written.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = remembered_from_bytes(&flipped) {
                assert_eq!(remembered_to_bytes(&read), flipped, "bit {bit}: there is one way to write it");
            }
        }
    }
}
