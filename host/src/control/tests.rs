use zeroize::Zeroizing;

use super::*;

fn open(directory: &Path, key: u8) -> Control {
    Control::open(directory, RecordKey::new(Zeroizing::new([key; 32]))).unwrap()
}

fn put(name: &str, content: &str) -> Alteration {
    Alteration::Put { name: name.to_owned(), content: content.into() }
}

#[test]
fn records_read_back_and_another_hosts_are_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let control = open(directory.path(), 1);
    control.change(&[("a/1", Expected::Absent)], &[put("a/1", "one"), put("b", "two")]).unwrap();
    let found = control.read("a/").unwrap();
    assert_eq!(found, [("a/1".to_owned(), b"one".to_vec())].into());
    drop(control);
    assert!(matches!(open(directory.path(), 2).read(""), Err(ControlError::Forged { .. })));
}

#[test]
fn a_record_moved_to_another_name_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let control = open(directory.path(), 1);
    control.change(&[], &[put("workspace/acme/token/1", "admin")]).unwrap();
    let key = Key::new("workspace/acme/token/1").unwrap();
    let record = control.wait(control.ledger.get(&key)).unwrap().unwrap();
    let stolen = Operation::put(Key::new("workspace/other/token/1").unwrap(), record.value);
    let transaction = Transaction::new(Vec::new(), vec![stolen]).unwrap();
    assert!(matches!(control.wait(control.ledger.transact(transaction)), Ok(Outcome::Committed { .. })));
    assert!(control.read("workspace/acme/").is_ok());
    assert!(matches!(control.read("workspace/other/"), Err(ControlError::Forged { .. })));
}

#[test]
fn whoever_held_a_record_that_another_holds_by_now_changes_nothing() {
    let (directory, steady) = (tempfile::tempdir().unwrap(), Steady::manual());
    let key = RecordKey::new(Zeroizing::new([1; 32]));
    let control = Control::open_with(directory.path(), key, steady.clone()).unwrap();
    let hold =
        || control.lease(&[("held", Expected::Absent)], ("held", b"x"), Ttl::seconds(60).unwrap()).unwrap();
    let change =
        |held, content: &str| control.change(&[("held", Expected::Held(held))], &[put("done", content)]);
    let first = hold();
    change(first, "by the first").unwrap();
    steady.advance(std::time::Duration::from_secs(60));
    assert!(matches!(change(first, "too late"), Err(ControlError::Conflict { .. })), "nobody holds it");
    let second = hold();
    assert!(matches!(change(first, "too late"), Err(ControlError::Conflict { .. })), "another does");
    control.let_go(first).unwrap();
    change(second, "by the second").unwrap();
    assert_eq!(control.read("done").unwrap()["done"], b"by the second");
    control.let_go(second).unwrap();
    assert!(control.read("held").unwrap().is_empty());
}

#[test]
fn of_two_who_expect_the_same_one_is_told_of_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let control = open(directory.path(), 1);
    let first = control.change(&[("a", Expected::Absent)], &[put("a", "1")]);
    let second = control.change(&[("a", Expected::Absent)], &[put("a", "2")]);
    assert!(first.is_ok() && matches!(second, Err(ControlError::Conflict { name }) if name == "a"));
    assert_eq!(control.read("").unwrap()["a"], b"1");
}

#[test]
fn a_blob_stays_while_it_is_held_or_live() {
    let directory = tempfile::tempdir().unwrap();
    let control = open(directory.path(), 1);
    let blob = |byte, length| Blob::new(vec![byte; length]).unwrap();
    let (small, large) = (blob(1, 10), blob(2, 300_000));
    let (one, other) = (small.digest(), large.digest());
    let held = control.hold(vec![small, large]).unwrap();
    assert_eq!(control.sweep(BTreeSet::new).unwrap(), 0);
    drop(held);
    assert_eq!(control.sweep(|| [one].into()).unwrap(), 1);
    assert_eq!(control.blob(one).unwrap(), [1; 10]);
    let missing = control.blob(other);
    assert!(matches!(missing, Err(ControlError::Ledger(LedgerError::BlobMissing { .. }))));
}

#[test]
fn more_changes_than_a_transaction_takes_are_made_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let control = open(directory.path(), 1);
    let many: Vec<_> = (0..2 * MAX_OPERATIONS + 1).map(|n| put(&format!("{n:04}"), "")).collect();
    control.change(&[], &many).unwrap();
    assert_eq!(control.revision(), 3);
    assert_eq!(control.read("").unwrap().len(), many.len());
}
