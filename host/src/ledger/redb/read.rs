//! Reading as of a revision. The newest of everything is in one table; what it was before is undone
//! with the changes since, which the history remembers.

use std::{collections::BTreeMap, iter::Peekable};

use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::tables::{
    FORGOTTEN, HISTORY, NUMBERS, RECORDS, REVISION, failed, key_from_bytes, record_from_bytes,
    remembered_from_bytes, remembered_key,
};
use crate::ledger::{Changes, Key, LedgerError, MAX_PAGE_BYTES, Page, Read, Record, Span, StoreRevision};

/// How many revisions a watch looks through before it lets others go on.
const WATCHED_AT_ONCE: u64 = 1024;

/// A page, all of one revision.
pub(super) fn page(database: &Database, read: &Read) -> Result<Page, LedgerError> {
    let view = View::begin(database)?;
    let at = read.at.unwrap_or(view.newest);
    view.check(at)?;
    let mut page = Page { revision: at, records: Vec::new(), rest: None };
    if read.span.is_empty() {
        return Ok(page);
    }
    let table = view.read.open_table(RECORDS).map_err(failed("open the tables"))?;
    let newest = table.range::<&[u8]>(read.span.bounds()).map_err(failed("read records"))?;
    let newest = newest.map(|entry| {
        let (key, bytes) = entry.map_err(failed("read records"))?;
        record_from_bytes(key_from_bytes(key.value())?, bytes.value())
    });
    let past = view.past(&read.span, at)?.into_iter();
    let mut bytes = 0;
    for record in (Overlay { newest: newest.peekable(), past: past.peekable() }) {
        let record = record?;
        if page.records.len() == read.limit() || bytes >= MAX_PAGE_BYTES {
            let behind = page.records.last().map(|last| read.span.behind(&last.key));
            page.rest = behind.map(|span| read.clone().continued(at, span));
            break;
        }
        bytes += record.key.as_bytes().len() + record.value.as_bytes().len();
        page.records.push(record);
    }
    Ok(page)
}

/// Whether every change after `after` is remembered.
pub(super) fn is_watchable(database: &Database, after: StoreRevision) -> Result<(), LedgerError> {
    View::begin(database)?.check(after)
}

/// Changes of `span` after `seen`, and up to where that is all of them: not too much at once.
pub(super) fn changes(
    database: &Database,
    span: &Span,
    seen: StoreRevision,
) -> Result<(Vec<Changes>, StoreRevision), LedgerError> {
    let view = View::begin(database)?;
    view.check(seen)?;
    let history = view.read.open_table(HISTORY).map_err(failed("open the tables"))?;
    let (mut found, mut bytes, mut last): (Vec<Changes>, _, _) = (Vec::new(), 0, seen);
    for entry in history.range((seen.0 + 1, 0)..).map_err(failed("read the history"))? {
        let (place, remembered) = entry.map_err(failed("read the history"))?;
        let revision = StoreRevision(place.value().0);
        let enough = bytes >= MAX_PAGE_BYTES || last.0 - seen.0 >= WATCHED_AT_ONCE;
        if revision != last && enough {
            return Ok((found, last));
        }
        last = revision;
        if !span.contains(remembered_key(remembered.value())?) {
            continue;
        }
        bytes += remembered.value().len();
        let change = remembered_from_bytes(remembered.value())?.change;
        match found.last_mut().filter(|changes| changes.revision == revision) {
            Some(changes) => changes.changes.push(change),
            None => found.push(Changes { revision, changes: vec![change] }),
        }
    }
    Ok((found, view.newest))
}

/// One state of the file, whatever is committed meanwhile.
struct View {
    read: ReadTransaction,
    newest: StoreRevision,
    forgotten: StoreRevision,
}

impl View {
    fn begin(database: &Database) -> Result<Self, LedgerError> {
        let read = database.begin_read().map_err(failed("begin to read"))?;
        let numbers = read.open_table(NUMBERS).map_err(failed("open the tables"))?;
        let number = |name| -> Result<_, LedgerError> {
            let found = numbers.get(name).map_err(failed("read a number"))?;
            Ok(StoreRevision(found.map_or(0, |number| number.value())))
        };
        let (newest, forgotten) = (number(REVISION)?, number(FORGOTTEN)?);
        Ok(Self { read, newest, forgotten })
    }

    fn check(&self, revision: StoreRevision) -> Result<(), LedgerError> {
        if revision > self.newest {
            return Err(LedgerError::Ahead { newest: self.newest });
        }
        if revision < self.forgotten {
            return Err(LedgerError::Compacted { oldest: self.forgotten });
        }
        Ok(())
    }

    /// What the keys of `span` that were changed after `at` were then. No more than the history holds.
    fn past(&self, span: &Span, at: StoreRevision) -> Result<BTreeMap<Key, Option<Record>>, LedgerError> {
        let mut past = BTreeMap::new();
        if at == self.newest {
            return Ok(past);
        }
        let history = self.read.open_table(HISTORY).map_err(failed("open the tables"))?;
        for entry in history.range((at.0 + 1, 0)..).map_err(failed("read the history"))? {
            let (_, remembered) = entry.map_err(failed("read the history"))?;
            if span.contains(remembered_key(remembered.value())?) {
                // The first change after then says what was there then.
                let remembered = remembered_from_bytes(remembered.value())?;
                past.entry(remembered.change.key).or_insert(remembered.before);
            }
        }
        Ok(past)
    }
}

/// The newest records in order, with those that were changed since replaced by what they were.
struct Overlay<N: Iterator, P: Iterator> {
    newest: Peekable<N>,
    past: Peekable<P>,
}

impl<N, P> Iterator for Overlay<N, P>
where
    N: Iterator<Item = Result<Record, LedgerError>>,
    P: Iterator<Item = (Key, Option<Record>)>,
{
    type Item = Result<Record, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let newest = match self.newest.peek() {
                Some(Ok(record)) => Some(&record.key),
                Some(Err(_)) => return self.newest.next(),
                None => None,
            };
            let past = self.past.peek().map(|(key, _)| key);
            let (Some(key), true) =
                (past, newest.is_none_or(|newest| past.is_some_and(|past| past <= newest)))
            else {
                return self.newest.next();
            };
            if newest == Some(key) {
                self.newest.next();
            }
            if let Some((_, Some(record))) = self.past.next() {
                return Some(Ok(record));
            }
        }
    }
}
