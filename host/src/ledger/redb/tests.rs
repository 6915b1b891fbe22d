mod disk;
mod failures;
mod files;

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::ledger::{
    LeaseId,
    conformance::{Subject, all, conforms, done, get, put},
};

/// How many revisions the ledgers of these tests remember.
const HISTORY: u64 = 400;

conforms!(subject);

fn subject() -> Subject {
    let directory = TempDir::new().unwrap();
    let clock = Steady::manual();
    let ledger = open(&directory, &clock);
    Subject {
        ledger: Arc::new(ledger),
        pass: Box::new(move |time| clock.advance(time)),
        forget: Box::new(|ledger| {
            async move {
                for number in 0..=HISTORY {
                    done(&*ledger, vec![put("forget", number.to_string())]).await;
                }
            }
            .boxed()
        }),
        _keep: Box::new(directory),
    }
}

fn settings(clock: &Steady) -> RedbSettings {
    RedbSettings { history_revisions: HISTORY, clock: clock.clone(), ..RedbSettings::default() }
}

fn open(directory: &TempDir, clock: &Steady) -> RedbLedger {
    RedbLedger::open(directory.path(), settings(clock)).unwrap()
}

#[tokio::test]
async fn everything_is_there_after_it_was_closed() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let ledger = open(&directory, &clock);
    let lease = ledger.grant(Ttl::seconds(10).unwrap()).await.unwrap().id;
    let leased = crate::ledger::Operation::Put {
        key: crate::ledger::Key::new("leased").unwrap(),
        value: crate::ledger::Value::default(),
        lease: Some(lease),
    };
    let first = done(&ledger, vec![put("a", "1"), leased]).await;
    let second = done(&ledger, vec![put("b", "2")]).await;
    let blobs = [Blob::new(vec![1]).unwrap(), Blob::new(vec![2; 1 << 20]).unwrap()];
    drop(ledger.put_blobs(blobs.to_vec()).await.unwrap());
    let before = all(&ledger, Read::newest(Span::prefix(""))).await.unwrap();
    drop(ledger);

    let ledger = open(&directory, &clock);
    assert_eq!(all(&ledger, Read::newest(Span::prefix(""))).await.unwrap(), before);
    assert_eq!(before.0, second);
    assert!(ledger.watch(Span::prefix(""), first).await.is_ok(), "the history, too");
    for blob in blobs {
        assert_eq!(ledger.blob(blob.digest()).await.unwrap(), blob.bytes());
    }
    assert_eq!(ledger.keep_alive(lease).await.unwrap().as_seconds(), 10);
    let another = ledger.grant(Ttl::seconds(10).unwrap()).await.unwrap().id;
    assert_ne!(another, lease, "no lease has the name of one before");
}

#[tokio::test]
async fn a_lease_has_its_whole_time_again_after_a_restart() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let ledger = open(&directory, &clock);
    let lease = ledger.grant(Ttl::seconds(10).unwrap()).await.unwrap().id;
    clock.advance(Duration::from_secs(9));
    drop(ledger);
    clock.advance(Duration::from_secs(100));
    let ledger = open(&directory, &clock);
    clock.advance(Duration::from_secs(9));
    assert!(ledger.keep_alive(lease).await.is_ok());
    clock.advance(Duration::from_secs(10));
    assert!(ledger.keep_alive(lease).await.is_err());
}

#[tokio::test]
async fn a_watch_hears_of_a_lease_that_ends_when_nothing_else_happens() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let ledger = open(&directory, &clock);
    let lease = ledger.grant(Ttl::seconds(10).unwrap()).await.unwrap().id;
    let key = crate::ledger::Key::new("a").unwrap();
    let value = crate::ledger::Value::default();
    let revision =
        done(&ledger, vec![crate::ledger::Operation::Put { key, value, lease: Some(lease) }]).await;
    let mut watch = ledger.watch(Span::prefix(""), revision).await.unwrap();
    clock.advance(Duration::from_secs(10));
    ledger.end_leases().await.unwrap();
    let told = crate::ledger::conformance::watches::next(&mut watch).await.unwrap();
    assert_eq!(told.revision, revision.next());
}

#[tokio::test]
async fn a_watch_ends_with_the_ledger_and_does_not_keep_it_open() {
    use futures_util::StreamExt as _;
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let ledger = open(&directory, &clock);
    let mut watch = ledger.watch(Span::prefix(""), StoreRevision(0)).await.unwrap();
    drop(ledger);
    assert!(watch.next().await.is_none());
    drop(open(&directory, &clock));
}

#[tokio::test]
async fn a_lease_holds_so_many_keys_and_no_more() {
    use crate::ledger::{Key, MAX_KEYS_PER_LEASE, Operation, Transaction, Value};
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let ledger = open(&directory, &clock);
    let lease: LeaseId = ledger.grant(Ttl::seconds(10).unwrap()).await.unwrap().id;
    let hang = |n: usize| Operation::Put {
        key: Key::new(format!("{n}")).unwrap(),
        value: Value::default(),
        lease: Some(lease),
    };
    done(&ledger, (0..MAX_KEYS_PER_LEASE).map(hang).collect()).await;
    done(&ledger, vec![hang(0)]).await;
    let more = Transaction::new(Vec::new(), vec![hang(MAX_KEYS_PER_LEASE)]).unwrap();
    let refused = ledger.transact(more).await.unwrap_err();
    assert!(matches!(refused, LedgerError::OverLimit(OverLimit::LeaseKeys)), "{refused}");
    assert!(get(&ledger, "100").await.is_none());
}

#[tokio::test]
async fn the_history_is_bounded_in_bytes() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let bounded = RedbSettings { history_bytes: 100_000, ..settings(&clock) };
    let ledger = RedbLedger::open(directory.path(), bounded).unwrap();
    for number in 0..40_u8 {
        done(&ledger, vec![put([number], [number; 10_000])]).await;
    }
    let refused = ledger.watch(Span::prefix(""), StoreRevision(1)).await.map(drop).unwrap_err();
    let LedgerError::Compacted { oldest: StoreRevision(oldest) } = refused else { panic!("{refused}") };
    assert!((30..=32).contains(&oldest), "{oldest}");
    done(&ledger, vec![put("one", [0; 200_000])]).await;
    assert!(ledger.watch(Span::prefix(""), StoreRevision(40)).await.is_ok(), "the newest is always told");
}
