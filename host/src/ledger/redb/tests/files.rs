use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{super::tables, *};

fn place(directory: &TempDir) -> PathBuf {
    directory.path().join("ledger.redb")
}

fn refused(directory: &TempDir) -> LedgerOpenError {
    RedbLedger::open(directory.path(), RedbSettings::default()).unwrap_err()
}

#[test]
fn the_file_is_its_owners_alone() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    drop(open(&directory, &clock));
    let mode = || fs::metadata(place(&directory)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    fs::set_permissions(place(&directory), fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&directory, &clock));
    assert_eq!(mode(), 0o600);
    let blobs = fs::metadata(directory.path().join("ledger-blobs")).unwrap();
    assert_eq!(blobs.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_ledger_in_use_is_refused() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let _first = open(&directory, &clock);
    assert!(matches!(refused(&directory), LedgerOpenError::InUse { .. }));
}

#[test]
fn an_unknown_format_is_refused_and_says_what_to_do() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    drop(open(&directory, &clock));
    let database = Database::open(place(&directory)).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(tables::NUMBERS).unwrap().insert("format", 2).unwrap();
    write.commit().unwrap();
    drop(database);
    let refused = refused(&directory);
    assert!(matches!(refused, LedgerOpenError::UnknownFormat { found: 2 }));
    assert!(refused.to_string().contains("start the version that wrote it"), "{refused}");
}

#[test]
fn what_is_not_a_ledger_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    for stranger in [&b""[..], b"hello", &[0; 100_000], &[0xff; 100_000]] {
        fs::write(place(&directory), stranger).unwrap();
        let refused = refused(&directory);
        assert!(matches!(refused, LedgerOpenError::NotALedger | LedgerOpenError::Corrupt(_)), "{refused}");
        assert_eq!(fs::read(place(&directory)).unwrap(), stranger);
    }
    fs::remove_file(place(&directory)).unwrap();
    let database = Database::create(place(&directory)).unwrap();
    drop(database);
    assert!(matches!(refused(&directory), LedgerOpenError::NotALedger), "another program's");
}

#[test]
fn what_an_interrupted_start_left_is_no_hindrance() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    fs::write(directory.path().join("ledger.redb.new"), b"half").unwrap();
    drop(open(&directory, &clock));
    assert!(!directory.path().join("ledger.redb.new").exists());
}

#[tokio::test]
async fn a_damaged_file_is_an_error_or_reads_as_before_never_otherwise() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let ledger = open(&directory, &clock);
    for number in 0..20_u8 {
        done(&ledger, vec![put(format!("key/{number}"), [number; 500])]).await;
    }
    let expected = all(&ledger, Read::newest(Span::prefix(""))).await.unwrap();
    drop(ledger);
    let whole = fs::read(place(&directory)).unwrap();
    let mut damaged: Vec<Vec<u8>> = [0, 1, 63, 64, 4095, 4096, 8192, whole.len() / 2, whole.len() - 1]
        .map(|n| whole[..n].to_vec())
        .into();
    let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    for at in (0..320).chain(used.iter().copied().step_by(used.len() / 300)) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        damaged.push(flipped);
    }
    let (mut refused, total) = (0, damaged.len());
    for bytes in damaged {
        fs::write(place(&directory), bytes).unwrap();
        match RedbLedger::open(directory.path(), settings(&clock)) {
            Err(_) => refused += 1,
            // What was opened was checked: it reads, too.
            Ok(ledger) => {
                assert_eq!(all(&ledger, Read::newest(Span::prefix(""))).await.unwrap(), expected);
            }
        }
    }
    // The rest hit pages that nothing refers to any more.
    assert!(refused > total / 4, "{refused} of {total}");
}

#[tokio::test]
async fn a_damaged_blob_is_refused_and_mended_by_the_next_put() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let ledger = open(&directory, &clock);
    let blob = Blob::new(vec![7; 1 << 20]).unwrap();
    drop(ledger.put_blobs(vec![blob.clone()]).await.unwrap());
    let file = directory.path().join("ledger-blobs").join(hex::encode(blob.digest().0));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut flipped = vec![7; 1 << 20];
    flipped[99] ^= 1;
    for damaged in [&flipped[..], &[], &vec![7; (1 << 20) - 1], &vec![7; (1 << 20) + 1]] {
        fs::write(&file, damaged).unwrap();
        let refused = ledger.blob(blob.digest()).await.unwrap_err();
        assert!(matches!(refused, LedgerError::BlobCorrupt { digest } if digest == blob.digest()));
        drop(ledger.put_blobs(vec![blob.clone()]).await.unwrap());
        assert_eq!(ledger.blob(blob.digest()).await.unwrap(), blob.bytes());
    }
}

#[tokio::test]
async fn a_sweep_takes_the_rest_of_an_interrupted_put() {
    let (directory, clock) = (TempDir::new().unwrap(), Steady::manual());
    let ledger = open(&directory, &clock);
    let rest = directory.path().join("ledger-blobs").join(format!("{}.new", "ab".repeat(32)));
    fs::write(&rest, b"half").unwrap();
    let sweep = ledger.begin_sweep().await.unwrap();
    ledger.sweep_blobs(sweep, BTreeSet::new()).await.unwrap();
    assert!(!rest.exists());
}
