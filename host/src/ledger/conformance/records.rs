use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::ledger::{
    Found, MAX_KEY_BYTES, MAX_OPERATIONS, MAX_TRANSACTION_BYTES, MAX_VALUE_BYTES, OverLimit,
};

pub(crate) async fn an_absent_key_is_created_once(subject: Subject) {
    let ledger = &*subject.ledger;
    let create = || transact(ledger, vec![Compare::Absent(key("a"))], vec![put("a", "1")]);
    let before = newest(ledger).await;
    assert_eq!(create().await, Outcome::Committed { revision: before.next() });
    let found = vec![Found { key: key("a"), modified: Some(before.next()) }];
    assert_eq!(create().await, Outcome::Conflict { revision: before.next(), found });
    done(ledger, vec![delete("a")]).await;
    assert!(matches!(create().await, Outcome::Committed { .. }));
}

pub(crate) async fn a_change_needs_what_was_read(subject: Subject) {
    let ledger = &*subject.ledger;
    let first = done(ledger, vec![put("a", "1")]).await;
    let at = |revision| vec![Compare::ModifiedAt(key("a"), revision)];
    let changed = transact(ledger, at(first), vec![put("a", "2")]).await;
    let Outcome::Committed { revision: second } = changed else { panic!("{changed:?}") };
    let found = vec![Found { key: key("a"), modified: Some(second) }];
    let late = transact(ledger, at(first), vec![put("a", "late")]).await;
    assert_eq!(late, Outcome::Conflict { revision: second, found });
    assert_eq!(text(&get(ledger, "a").await.unwrap()), "2");
    // Not even when it holds the same again: it was changed twice in between.
    done(ledger, vec![put("a", "1")]).await;
    assert!(matches!(transact(ledger, at(first), vec![put("a", "late")]).await, Outcome::Conflict { .. }));
}

pub(crate) async fn a_conflict_changes_nothing_and_says_what_is_there(subject: Subject) {
    let ledger = &*subject.ledger;
    let there = done(ledger, vec![put("there", "1")]).await;
    let compares = vec![
        Compare::Present(key("there")),
        Compare::Present(key("gone")),
        Compare::Absent(key("there")),
        Compare::ModifiedAt(key("gone"), there),
        Compare::Absent(key("gone")),
    ];
    let outcome = transact(ledger, compares, vec![put("new", "1"), delete("there")]).await;
    let gone = Found { key: key("gone"), modified: None };
    let found = vec![gone.clone(), Found { key: key("there"), modified: Some(there) }, gone];
    assert_eq!(outcome, Outcome::Conflict { revision: there, found });
    assert!(get(ledger, "new").await.is_none() && get(ledger, "there").await.is_some());
    assert_eq!(newest(ledger).await, there);
}

pub(crate) async fn of_writers_that_race_exactly_one_wins(subject: Subject) {
    let mut last = done(&*subject.ledger, vec![put("a", "start")]).await;
    for round in 0..10 {
        let race = (0..8).map(|writer| {
            let ledger = Arc::clone(&subject.ledger);
            tokio::spawn(async move {
                let compare = vec![Compare::ModifiedAt(key("a"), last)];
                (writer, transact(&*ledger, compare, vec![put("a", format!("{round}/{writer}"))]).await)
            })
        });
        let mut winners = Vec::new();
        for racer in race.collect::<Vec<_>>() {
            if let (writer, Outcome::Committed { revision }) = racer.await.unwrap() {
                winners.push((writer, revision));
            }
        }
        let [(winner, revision)] = winners[..] else { panic!("{winners:?}") };
        let record = get(&*subject.ledger, "a").await.unwrap();
        assert_eq!((text(&record), record.modified), (format!("{round}/{winner}"), revision));
        last = revision;
    }
}

pub(crate) async fn revisions_have_no_gaps(subject: Subject) {
    let before = newest(&*subject.ledger).await;
    let writers = (0..8).map(|writer| {
        let ledger = Arc::clone(&subject.ledger);
        tokio::spawn(async move {
            let mut revisions = Vec::new();
            for number in 0..12 {
                revisions.push(done(&*ledger, vec![put(format!("{writer}/{number}"), "")]).await);
            }
            assert!(revisions.is_sorted());
            revisions
        })
    });
    let mut revisions = BTreeSet::new();
    for writer in writers.collect::<Vec<_>>() {
        revisions.extend(writer.await.unwrap());
    }
    let expected = (before.0 + 1..=before.0 + 96).map(StoreRevision);
    assert!(revisions.into_iter().eq(expected));
}

pub(crate) async fn what_changes_nothing_makes_no_revision(subject: Subject) {
    let ledger = &*subject.ledger;
    let first = done(ledger, vec![put("a", "1")]).await;
    assert_eq!(done(ledger, vec![]).await, first);
    assert_eq!(done(ledger, vec![delete("b"), delete("c")]).await, first);
    assert_eq!(done(ledger, vec![put("a", "1")]).await, first.next(), "the same again is a change");
    assert_eq!(done(ledger, vec![delete("b"), delete("a")]).await, first.next().next());
}

pub(crate) async fn a_record_says_when_it_came_to_be_and_when_it_changed(subject: Subject) {
    let ledger = &*subject.ledger;
    let first = done(ledger, vec![put("a", "1"), put("b", "1")]).await;
    let second = done(ledger, vec![put("a", "2")]).await;
    let record = get(ledger, "a").await.unwrap();
    assert_eq!((record.created, record.modified, record.lease), (first, second, None));
    let record = get(ledger, "b").await.unwrap();
    assert_eq!((record.created, record.modified), (first, first));
    done(ledger, vec![delete("a")]).await;
    let again = done(ledger, vec![put("a", "3")]).await;
    assert_eq!(get(ledger, "a").await.unwrap().created, again);
}

pub(crate) async fn pages_are_of_one_revision_whatever_is_written(subject: Subject) {
    let ledger = &subject.ledger;
    // Every generation writes half of the keys and deletes the others.
    let generation = |number: u64| -> Vec<Operation> {
        let name = |n: u64| format!("page/{n:02}");
        let change = |n| if n % 2 == number % 2 { put(name(n), number.to_string()) } else { delete(name(n)) };
        (0..60).map(change).collect()
    };
    done(&**ledger, generation(0)).await;
    let finished = Arc::new(AtomicBool::new(false));
    let writer = {
        let (ledger, finished) = (Arc::clone(ledger), Arc::clone(&finished));
        tokio::spawn(async move {
            let mut number = 0;
            while !finished.load(Ordering::Relaxed) {
                number += 1;
                done(&*ledger, generation(number)).await;
                done(&*ledger, vec![put(format!("beside/{number}"), "")]).await;
            }
            number
        })
    };
    for limit in (1..=25).chain([1000]) {
        let (mut seen, mut rest) = (BTreeSet::new(), None);
        let mut count = 0;
        let first = Read::newest(Span::prefix("page/")).limited(limit).unwrap();
        loop {
            let page = ledger.range(rest.take().unwrap_or_else(|| first.clone())).await;
            let page = match page {
                Ok(page) => page,
                // The writer was that much faster: said, and begun anew.
                Err(LedgerError::Compacted { .. }) => {
                    (seen, count) = (BTreeSet::new(), 0);
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            assert!(page.records.len() <= limit);
            count += page.records.len();
            seen.extend(page.records.iter().map(text));
            match page.rest {
                Some(read) => rest = Some(read),
                None => break,
            }
        }
        assert_eq!((seen.len(), count), (1, 30), "{seen:?} at {limit} a page");
    }
    finished.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0);
}

pub(crate) async fn an_older_revision_reads_as_it_was(subject: Subject) {
    let ledger = &*subject.ledger;
    let mut states = Vec::new();
    for changes in [
        vec![put("b", "1"), put("d", "1")],
        vec![put("a", "2"), put("b", "2")],
        vec![delete("d"), put("z", "3")],
        vec![put("d", "4"), delete("a"), delete("z")],
        vec![delete("b"), delete("d")],
    ] {
        let revision = done(ledger, changes).await;
        let (at, records) = all(ledger, Read::newest(Span::prefix(""))).await.unwrap();
        assert_eq!(at, revision);
        states.push((revision, records));
    }
    for limit in [1, 2, 100] {
        for (revision, expected) in &states {
            let read = Read::at(*revision, Span::prefix("")).limited(limit).unwrap();
            assert_eq!(all(ledger, read).await.unwrap(), (*revision, expected.clone()));
        }
    }
}

pub(crate) async fn a_span_ends_where_it_says(subject: Subject) {
    let ledger = &*subject.ledger;
    done(ledger, ["a", "a/", "a/b", "a/c", "a0", "b"].map(|name| put(name, "")).into()).await;
    let names = |span| async {
        let (_, records) = all(ledger, Read::newest(span)).await.unwrap();
        records.iter().map(|record| record.key.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(Span::prefix("a/")).await, "a/ a/b a/c");
    assert_eq!(names(Span::prefix("")).await, "a a/ a/b a/c a0 b");
    assert_eq!(names(Span::only(&key("a"))).await, "a");
    assert_eq!(names(Span::between("a/b", "b")).await, "a/b a/c a0");
    assert_eq!(names(Span::between("b", "a")).await, "");
    assert_eq!(names(Span::prefix("c")).await, "");
}

pub(crate) async fn any_bytes_are_a_key(subject: Subject) {
    let ledger = &*subject.ledger;
    let names: [&[u8]; 6] = [b"\0", b"\0\0", b"\xff", b"\xff\xff", "ä".as_bytes(), b"a b\n"];
    done(ledger, names.map(|name| put(name, name)).into()).await;
    for name in names {
        assert_eq!(ledger.get(&key(name)).await.unwrap().unwrap().value.as_bytes(), name);
    }
    let (_, records) = all(ledger, Read::newest(Span::prefix(b"\xff"))).await.unwrap();
    assert_eq!(records.len(), 2);
}

pub(crate) async fn the_largest_is_taken_and_one_more_refused(subject: Subject) {
    let ledger = &*subject.ledger;
    let longest = vec![b'k'; MAX_KEY_BYTES];
    done(ledger, vec![put(&longest, vec![7; MAX_VALUE_BYTES])]).await;
    let record = ledger.get(&key(&longest)).await.unwrap().unwrap();
    assert_eq!(record.value.as_bytes(), vec![7; MAX_VALUE_BYTES]);
    let found = MAX_VALUE_BYTES + 1;
    assert_eq!(Value::new(vec![7; found]), Err(OverLimit::ValueBytes { found }));

    let many = |count: usize| (0..count).map(|n| put(format!("many/{n}"), "")).collect::<Vec<_>>();
    let compares = |count: usize| (0..count).map(|n| Compare::Absent(key(format!("many/{n}")))).collect();
    let outcome = transact(ledger, compares(MAX_OPERATIONS), many(MAX_OPERATIONS)).await;
    assert!(matches!(outcome, Outcome::Committed { .. }));
    let found = MAX_OPERATIONS + 1;
    assert_eq!(refused(Vec::new(), many(found)), OverLimit::Operations { found });
    assert_eq!(refused(compares(found), Vec::new()), OverLimit::Operations { found });

    let quarter = MAX_TRANSACTION_BYTES / 4 - 1;
    let four = |more: &[u8]| {
        let big = |n: u8| put([n], vec![n; quarter]);
        let last = put([4], [&vec![4; quarter], more].concat());
        vec![big(1), big(2), big(3), last]
    };
    done(ledger, four(&[])).await;
    let found = MAX_TRANSACTION_BYTES + 1;
    assert_eq!(refused(Vec::new(), four(&[1])), OverLimit::TransactionBytes { found });
    let twice = vec![put("a", "1"), put("b", "1"), delete("a")];
    assert_eq!(refused(Vec::new(), twice), OverLimit::KeyTwice { position: 2 });
}

pub(crate) async fn a_page_of_large_records_is_cut(subject: Subject) {
    let ledger = &*subject.ledger;
    for n in 0..12 {
        done(ledger, vec![put(format!("{n:02}"), vec![n; MAX_VALUE_BYTES])]).await;
    }
    let page = ledger.range(Read::newest(Span::prefix(""))).await.unwrap();
    assert!(page.records.len() < 12 && page.rest.is_some());
    assert_eq!(all(ledger, Read::newest(Span::prefix(""))).await.unwrap().1.len(), 12);
}

fn refused(compares: Vec<Compare>, changes: Vec<Operation>) -> OverLimit {
    Transaction::new(compares, changes).unwrap_err()
}
