use super::{disk::Disk, *};
use crate::ledger::{Transaction, conformance::text};

/// More operations of the disk than the work below needs.
const OPERATIONS: u64 = 400;

fn start(disk: &Disk, new: bool) -> Result<RedbLedger, LedgerOpenError> {
    RedbLedger::start(file::open_backend(disk.clone(), new)?, PathBuf::new(), RedbSettings::default())
}

/// Changes two keys together until the disk fails or there are enough; gives the last acknowledged.
async fn work(ledger: &RedbLedger) -> (u64, Option<LedgerError>) {
    for number in 1..=12_u64 {
        let text = format!("{number}").repeat(if number % 4 == 0 { 3_000 } else { 1 });
        let changes = vec![put("a", &text), put("b", &text), put(format!("n/{number}"), "")];
        match ledger.transact(Transaction::new(Vec::new(), changes).unwrap()).await {
            Ok(_) => {}
            Err(error) => return (number - 1, Some(error)),
        }
    }
    (12, None)
}

/// What was acknowledged is there, and of the transaction after it all or nothing.
async fn check(ledger: &RedbLedger, acknowledged: u64) {
    let (revision, records) = all(ledger, Read::newest(Span::prefix(""))).await.unwrap();
    assert!((acknowledged..=acknowledged + 1).contains(&revision.0), "{revision} after {acknowledged}");
    assert_eq!(records.len() as u64, if revision.0 == 0 { 0 } else { revision.0 + 2 });
    if let [a, b, ..] = &records[..] {
        assert_eq!(text(a), text(b));
        assert!(text(a).starts_with(&revision.to_string()));
        assert_eq!((a.modified, b.modified), (revision, revision));
    }
}

#[tokio::test]
async fn a_disk_that_fails_stops_the_ledger_and_loses_nothing() {
    let mut failed = 0;
    for operations in 0..OPERATIONS {
        let disk = Disk::default();
        let ledger = start(&disk, true).unwrap();
        disk.fail_after(operations);
        let (acknowledged, error) = work(&ledger).await;
        let Some(error) = error else { break };
        failed += 1;
        assert!(matches!(error, LedgerError::Unknown(_) | LedgerError::Aborted { .. }), "{error:?}");
        // The disk is well again, and nobody can know what it holds: nothing is written.
        disk.fail_after(u64::MAX);
        let again = ledger.transact(Transaction::new(Vec::new(), vec![put("a", "")]).unwrap()).await;
        assert!(matches!(again, Err(LedgerError::Stopped)), "{again:?} after {operations}");
        let put_too = ledger.put_blobs(vec![Blob::new(vec![1]).unwrap()]).await.map(drop);
        assert!(matches!(put_too, Err(LedgerError::Stopped)));
        drop(ledger);
        check(&start(&disk.restarted(), false).unwrap(), acknowledged).await;
    }
    assert!((20..OPERATIONS).contains(&failed), "{failed} of the disk's operations were made to fail");
}

#[tokio::test]
async fn a_power_loss_at_any_operation_leaves_what_was_acknowledged() {
    let mut draws = 0x5eed_u64;
    let mut draw = move || {
        draws = draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        draws >> 33
    };
    for operations in 0..OPERATIONS {
        let disk = Disk::default();
        let ledger = start(&disk, true).unwrap();
        disk.fail_after(operations);
        let (acknowledged, error) = work(&ledger).await;
        for _ in 0..4 {
            check(&start(&disk.after_power_loss(&mut draw), false).unwrap(), acknowledged).await;
        }
        if error.is_none() {
            return;
        }
    }
    panic!("the work never came to its end");
}
