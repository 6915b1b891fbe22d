use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::*;
use crate::ledger::{Change, Changes, Watch};

/// Longer than anything takes on a busy machine: who waits longer waits in vain.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn next(watch: &mut Watch) -> Result<Changes, LedgerError> {
    timeout(PATIENCE, watch.next()).await.expect("something to be told").expect("no end")
}

pub(crate) async fn a_watch_tells_every_change_in_order(subject: Subject) {
    let ledger = &subject.ledger;
    let (before, mut model) = all(&**ledger, Read::newest(Span::prefix(""))).await.map(model).unwrap();
    let mut watch = ledger.watch(Span::prefix(""), before).await.unwrap();
    let writers = (0..4).map(|writer| {
        let ledger = Arc::clone(ledger);
        tokio::spawn(async move {
            for number in 0..25 {
                let shared =
                    if number % 3 == 0 { delete("shared") } else { put("shared", format!("{writer}")) };
                let own = put(format!("{writer}/{}", number % 5), format!("{number}"));
                done(&*ledger, vec![own, shared]).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for expected in before.0 + 1..=before.0 + 100 {
        let changes = next(&mut watch).await.unwrap();
        assert_eq!(changes.revision, StoreRevision(expected));
        for Change { key, record } in changes.changes {
            match record {
                Some(record) => {
                    assert_eq!(record.modified, changes.revision);
                    model.insert(key, record);
                }
                None => drop(model.remove(&key)),
            }
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (_, newest) = all(&**ledger, Read::newest(Span::prefix(""))).await.map(self::model).unwrap();
    assert_eq!(newest, model, "what was told leads to what is there");
}

fn model((revision, records): (StoreRevision, Vec<Record>)) -> (StoreRevision, BTreeMap<Key, Record>) {
    (revision, records.into_iter().map(|record| (record.key.clone(), record)).collect())
}

pub(crate) async fn a_watch_hears_of_its_own_span_only(subject: Subject) {
    let ledger = &*subject.ledger;
    let before = newest(ledger).await;
    done(ledger, vec![put("a", "")]).await;
    done(ledger, vec![put("b/1", ""), put("a", "")]).await;
    done(ledger, vec![put("c", "")]).await;
    let last = done(ledger, vec![delete("b/1")]).await;
    let mut watch = ledger.watch(Span::prefix("b/"), before).await.unwrap();
    let first = next(&mut watch).await.unwrap();
    assert_eq!((first.revision.0, first.changes.len()), (before.0 + 2, 1));
    let second = next(&mut watch).await.unwrap();
    assert_eq!(second.revision, last);
    assert_eq!(second.changes, [Change { key: key("b/1"), record: None }]);
}

pub(crate) async fn a_watch_tells_a_transaction_as_a_whole(subject: Subject) {
    let ledger = &*subject.ledger;
    let before = newest(ledger).await;
    let mut watch = ledger.watch(Span::prefix("w/"), before).await.unwrap();
    let names: Vec<_> = (0..100).rev().map(|n| format!("w/{n}")).collect();
    done(ledger, names.iter().map(|name| put(name, vec![0; 9_000])).collect()).await;
    let changes = next(&mut watch).await.unwrap();
    let told: Vec<_> = changes.changes.iter().map(|change| change.key.to_string()).collect();
    assert_eq!(told, names, "in the order of the operations");
}

pub(crate) async fn a_watch_hears_what_comes_after_it_began(subject: Subject) {
    let ledger = &subject.ledger;
    let before = done(&**ledger, vec![put("a", "old")]).await;
    let mut watch = ledger.watch(Span::only(&key("a")), before).await.unwrap();
    let waiting = tokio::spawn(async move { next(&mut watch).await.unwrap() });
    let after = done(&**ledger, vec![put("a", "new")]).await;
    let told = waiting.await.unwrap();
    assert_eq!(told.revision, after);
    assert_eq!(told.changes[0].record, get(&**ledger, "a").await);
}

pub(crate) async fn what_is_forgotten_is_said_to_be(subject: Subject) {
    let ledger = &subject.ledger;
    let old = done(&**ledger, vec![put("a", "1")]).await;
    done(&**ledger, vec![put("a", "2")]).await;
    (subject.forget)(Arc::clone(ledger)).await;
    let refused = ledger.watch(Span::prefix(""), old).await.map(drop).unwrap_err();
    let LedgerError::Compacted { oldest } = refused else { panic!("{refused}") };
    let refused = ledger.range(Read::at(old, Span::prefix(""))).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Compacted { oldest: same } if same == oldest), "{refused}");
    // What it says is where one can begin.
    assert!(ledger.watch(Span::prefix(""), oldest).await.is_ok());
    assert!(ledger.range(Read::at(oldest, Span::prefix(""))).await.is_ok());
    assert_eq!(text(&get(&**ledger, "a").await.unwrap()), "2", "what is there stays");
}

pub(crate) async fn a_slow_watch_misses_nothing_in_silence(subject: Subject) {
    let ledger = &subject.ledger;
    let before = newest(&**ledger).await;
    let mut watch = ledger.watch(Span::prefix(""), before).await.unwrap();
    done(&**ledger, vec![put("a", "1")]).await;
    (subject.forget)(Arc::clone(ledger)).await;
    match next(&mut watch).await {
        Ok(changes) => assert_eq!(changes.revision, before.next(), "a store may have kept it for the watch"),
        Err(LedgerError::Compacted { oldest }) => {
            assert!(oldest > before);
            assert!(watch.next().await.is_none(), "nothing comes after that");
        }
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn the_future_cannot_be_read(subject: Subject) {
    let ledger = &*subject.ledger;
    let newest = done(ledger, vec![put("a", "1")]).await;
    let refusals = [
        ledger.watch(Span::prefix(""), newest.next()).await.map(drop).unwrap_err(),
        ledger.range(Read::at(newest.next(), Span::prefix(""))).await.map(drop).unwrap_err(),
    ];
    for refused in refusals {
        assert!(matches!(refused, LedgerError::Ahead { newest: at } if at == newest), "{refused}");
    }
}
