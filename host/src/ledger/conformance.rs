//! What every ledger must do, whatever keeps it: one suite, run against each. `conforms!(open)` makes
//! a test of each promise; `open` gives a [`Subject`] that nobody else uses.

pub(super) mod blobs;
pub(super) mod leases;
pub(super) mod records;
pub(super) mod watches;

use std::{any::Any, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    Compare, Key, Ledger, LedgerError, Operation, Outcome, Page, Read, Record, Span, StoreRevision,
    Transaction, Value,
};

/// A ledger and the world around it.
pub(super) struct Subject {
    pub(super) ledger: Arc<dyn Ledger>,
    /// Lets that much time pass for leases.
    pub(super) pass: Box<dyn Fn(Duration) + Send + Sync>,
    /// Makes the ledger forget what was changed before now.
    pub(super) forget: Box<dyn Fn(Arc<dyn Ledger>) -> BoxFuture<'static, ()> + Send + Sync>,
    /// Lives as long as the ledger.
    pub(super) _keep: Box<dyn Any + Send + Sync>,
}

macro_rules! conforms {
    ($open:path) => {
        conforms!($open, records:
            an_absent_key_is_created_once
            a_change_needs_what_was_read
            a_conflict_changes_nothing_and_says_what_is_there
            of_writers_that_race_exactly_one_wins
            revisions_have_no_gaps
            what_changes_nothing_makes_no_revision
            a_record_says_when_it_came_to_be_and_when_it_changed
            pages_are_of_one_revision_whatever_is_written
            an_older_revision_reads_as_it_was
            a_span_ends_where_it_says
            any_bytes_are_a_key
            the_largest_is_taken_and_one_more_refused
            a_page_of_large_records_is_cut
        );
        conforms!($open, watches:
            a_watch_tells_every_change_in_order
            a_watch_hears_of_its_own_span_only
            a_watch_tells_a_transaction_as_a_whole
            a_watch_hears_what_comes_after_it_began
            what_is_forgotten_is_said_to_be
            a_slow_watch_misses_nothing_in_silence
            the_future_cannot_be_read
        );
        conforms!($open, leases:
            keys_vanish_with_their_lease_and_not_before
            a_lease_that_is_kept_alive_goes_on
            a_revoked_lease_takes_its_keys_at_once
            a_key_that_is_put_again_leaves_its_lease
            a_key_cannot_hang_on_what_is_not_there
            leases_that_end_together_are_told_one_by_one
        );
        conforms!($open, blobs:
            a_blob_reads_back_as_put
            a_sweep_leaves_what_is_live_or_held
            a_transaction_brings_its_blobs
            a_sweep_never_takes_what_a_writer_has_just_put
            too_many_blobs_are_refused
        );
    };
    ($open:path, $part:ident: $($name:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::ledger::conformance::$part::$name($open()).await;
        }
    )* };
}
pub(super) use conforms;

pub(super) fn key(name: impl AsRef<[u8]>) -> Key {
    Key::new(name).unwrap()
}

pub(super) fn value(text: impl AsRef<[u8]>) -> Value {
    Value::new(text.as_ref().to_vec()).unwrap()
}

pub(super) fn put(name: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Operation {
    Operation::put(key(name), value(text))
}

pub(super) fn delete(name: impl AsRef<[u8]>) -> Operation {
    Operation::Delete { key: key(name) }
}

pub(super) async fn transact(
    ledger: &dyn Ledger,
    compares: Vec<Compare>,
    changes: Vec<Operation>,
) -> Outcome {
    ledger.transact(Transaction::new(compares, changes).unwrap()).await.unwrap()
}

/// Does it without a condition; gives the revision.
pub(super) async fn done(ledger: &dyn Ledger, changes: Vec<Operation>) -> StoreRevision {
    match transact(ledger, Vec::new(), changes).await {
        Outcome::Committed { revision } => revision,
        conflict => panic!("{conflict:?} without a compare"),
    }
}

pub(super) async fn get(ledger: &dyn Ledger, name: &str) -> Option<Record> {
    ledger.get(&key(name)).await.unwrap()
}

/// What every page says, and its revision.
pub(super) async fn all(
    ledger: &dyn Ledger,
    read: Read,
) -> Result<(StoreRevision, Vec<Record>), LedgerError> {
    let Page { revision, mut records, mut rest } = ledger.range(read).await?;
    while let Some(read) = rest {
        let page = ledger.range(read).await?;
        assert_eq!(page.revision, revision);
        records.extend(page.records);
        rest = page.rest;
    }
    assert!(records.is_sorted_by_key(|record| record.key.clone()));
    Ok((revision, records))
}

pub(super) async fn newest(ledger: &dyn Ledger) -> StoreRevision {
    ledger.range(Read::newest(Span::prefix("")).limited(1).unwrap()).await.unwrap().revision
}

pub(super) fn text(record: &Record) -> String {
    String::from_utf8(record.value.as_bytes().to_vec()).unwrap()
}
