use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::{
    id::Digest,
    ledger::{Blob, MAX_BLOBS_PER_PUT, MAX_BLOBS_PER_TRANSACTION, MAX_VALUE_BYTES, OverLimit},
};

fn blob(text: impl AsRef<[u8]>) -> Blob {
    Blob::new(text.as_ref().to_vec()).unwrap()
}

/// Larger than a record.
fn large(byte: u8) -> Blob {
    blob(vec![byte; 3 * MAX_VALUE_BYTES])
}

async fn sweep(ledger: &dyn Ledger, live: impl IntoIterator<Item = Digest>) -> u64 {
    let sweep = ledger.begin_sweep().await.unwrap();
    ledger.sweep_blobs(sweep, live.into_iter().collect()).await.unwrap().blobs
}

pub(crate) async fn a_blob_reads_back_as_put(subject: Subject) {
    let ledger = &*subject.ledger;
    let before = newest(ledger).await;
    let blobs = [
        blob(""),
        blob("small"),
        blob(vec![1; MAX_VALUE_BYTES]),
        blob(vec![2; MAX_VALUE_BYTES + 1]),
        large(3),
    ];
    let _held = ledger.put_blobs(blobs.to_vec()).await.unwrap();
    let _again = ledger.put_blobs(blobs.to_vec()).await.unwrap();
    for blob in &blobs {
        assert_eq!(ledger.blob(blob.digest()).await.unwrap(), blob.bytes());
        assert!(ledger.has_blob(blob.digest()).await.unwrap());
    }
    let unknown = blob("unknown").digest();
    assert!(!ledger.has_blob(unknown).await.unwrap());
    let missing = ledger.blob(unknown).await.unwrap_err();
    assert!(matches!(missing, LedgerError::BlobMissing { digest } if digest == unknown));
    assert_eq!(newest(ledger).await, before, "blobs make no revision");
}

pub(crate) async fn a_sweep_leaves_what_is_live_or_held(subject: Subject) {
    let ledger = &*subject.ledger;
    drop(ledger.put_blobs(vec![blob("dead"), large(1), blob("live"), large(2)]).await.unwrap());
    let held = ledger.put_blobs(vec![blob("held"), large(3)]).await.unwrap();
    let live = [blob("live").digest(), large(2).digest()];
    assert_eq!(sweep(ledger, live).await, 2);
    for gone in [blob("dead"), large(1)] {
        assert!(matches!(ledger.blob(gone.digest()).await, Err(LedgerError::BlobMissing { .. })));
    }
    for stays in [blob("live"), large(2), blob("held"), large(3)] {
        assert_eq!(ledger.blob(stays.digest()).await.unwrap(), stays.bytes());
    }
    // Held when the sweep began, though not when it ended.
    let begun = ledger.begin_sweep().await.unwrap();
    drop(held);
    drop(ledger.put_blobs(vec![blob("dead"), large(1)]).await.unwrap());
    assert_eq!(ledger.sweep_blobs(begun, live.into()).await.unwrap().blobs, 0);
    assert_eq!(sweep(ledger, live).await, 4);
    assert_eq!(sweep(ledger, []).await, 2);
}

pub(crate) async fn a_transaction_brings_its_blobs(subject: Subject) {
    let ledger = &*subject.ledger;
    let bringing = |compare, text: &str| {
        let transaction = Transaction::new(vec![compare], vec![put("a", text)]).unwrap();
        ledger.transact(transaction.with_blobs(vec![blob(text)]).unwrap())
    };
    assert!(matches!(bringing(Compare::Absent(key("a")), "1").await.unwrap(), Outcome::Committed { .. }));
    assert_eq!(ledger.blob(blob("1").digest()).await.unwrap(), b"1");
    assert!(matches!(bringing(Compare::Absent(key("a")), "2").await.unwrap(), Outcome::Conflict { .. }));
    let many = |count| (0..count).map(|n| blob(format!("{n}"))).collect();
    let bring = |count| Transaction::new(Vec::new(), Vec::new()).unwrap().with_blobs(many(count));
    let brought = bring(MAX_BLOBS_PER_TRANSACTION).unwrap();
    assert!(matches!(ledger.transact(brought).await.unwrap(), Outcome::Committed { .. }));
    assert!(ledger.has_blob(blob("99").digest()).await.unwrap());
    let found = MAX_BLOBS_PER_TRANSACTION + 1;
    let limit = MAX_BLOBS_PER_TRANSACTION;
    assert_eq!(bring(found).unwrap_err(), OverLimit::Blobs { found, limit });
}

/// Writers name blobs that were garbage a moment ago, while a sweeper sweeps as fast as it can.
pub(crate) async fn a_sweep_never_takes_what_a_writer_has_just_put(subject: Subject) {
    let finished = Arc::new(AtomicBool::new(false));
    let sweeper = {
        let (ledger, finished) = (Arc::clone(&subject.ledger), Arc::clone(&finished));
        tokio::spawn(async move {
            let mut swept = 0;
            while !finished.load(Ordering::Relaxed) {
                let begun = ledger.begin_sweep().await.unwrap();
                let (_, roots) = all(&*ledger, Read::newest(Span::prefix("root/"))).await.unwrap();
                let named = roots.iter().flat_map(|root| root.value.as_bytes().chunks(32));
                let live: BTreeSet<_> = named.map(|digest| Digest(digest.try_into().unwrap())).collect();
                swept += ledger.sweep_blobs(begun, live).await.unwrap().blobs;
            }
            swept
        })
    };
    let writers = (0..3).map(|writer| {
        let ledger = Arc::clone(&subject.ledger);
        tokio::spawn(async move {
            for number in 0..40_u8 {
                // Few different ones, so that they come back; every tenth is large.
                let small = blob(format!("{writer}/{}", number % 4));
                let other = if number % 10 == 0 { large(writer) } else { blob(format!("{}", number % 3)) };
                let named = value([small.digest().0, other.digest().0].concat());
                let root = Operation::put(key(format!("root/{writer}")), named);
                let held = ledger.put_blobs(vec![small.clone(), other.clone()]).await.unwrap();
                done(&*ledger, vec![root]).await;
                drop(held);
                for named in [small, other] {
                    assert_eq!(
                        ledger.blob(named.digest()).await.unwrap(),
                        named.bytes(),
                        "{writer}/{number}"
                    );
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    finished.store(true, Ordering::Relaxed);
    assert!(sweeper.await.unwrap() > 0, "it had something to do");
}

pub(crate) async fn too_many_blobs_are_refused(subject: Subject) {
    let found = MAX_BLOBS_PER_PUT + 1;
    let refused = subject.ledger.put_blobs(vec![blob("a"); found]).await.map(drop).unwrap_err();
    assert!(
        matches!(refused, LedgerError::OverLimit(OverLimit::Blobs { found: named, .. }) if named == found)
    );
}
