use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::*;
use crate::{
    id::UnixSeconds,
    keyring::{RootKey, RootKeys},
    signing::OperatorKey,
};

const ACME: Uid = Uid([1; 16]);

fn root_key() -> RootKey {
    RootKey::new(Zeroizing::new([7; 32]))
}

fn operator() -> OperatorKey {
    OperatorKey::new(Zeroizing::new([8; 32]))
}

fn load_with(path: &Path, overrides: &[FloorOverride]) -> Result<(Slots, Vec<Degraded>), LoadError> {
    let directory = DataDirectory::open(path).unwrap();
    let mut entropy = |bytes: &mut [u8]| bytes.fill(3);
    let keys = directory.host_keys(&RootKeys::new([root_key()]), &root_key(), &mut entropy).unwrap();
    let trusted = TrustedSigners::new([operator().verifying_key()]);
    Slots::load(directory, Arc::new(keys), overrides, &trusted)
}

fn load(path: &Path) -> Result<(Slots, Vec<Degraded>), LoadError> {
    load_with(path, &[])
}

fn healthy(path: &Path) -> Slots {
    let (slots, degraded) = load(path).unwrap();
    assert!(degraded.is_empty(), "{degraded:?}");
    slots
}

fn acme() -> WorkspaceId {
    "acme".parse().unwrap()
}

fn revision(number: u64) -> Change {
    Change::Configuration {
        workspace: acme(),
        uid: ACME,
        revision: Revision(number),
        bundle: format!("bundle {number}").into_bytes(),
        created: UnixSeconds(5),
        pushed: Some(Pushed { digest: Digest([4; 32]), signer: operator().verifying_key().id() }),
    }
}

fn state(text: &str) -> Change {
    Change::State { workspace: acme(), state: text.as_bytes().to_vec() }
}

fn commit(slots: &mut Slots, changes: &[Change]) {
    assert!(slots.commit(changes).unwrap().incomplete.is_none());
}

fn current(slots: &Slots) -> u64 {
    slots.root().workspaces.get(&acme()).map_or(0, |workspace| workspace.current.revision.0)
}

/// A directory with revisions 1 to `last`, closed.
fn with_revisions(last: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut slots = healthy(directory.path());
    for number in 1..=last {
        commit(&mut slots, &[revision(number), state(&format!("state {number}"))]);
    }
    directory
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("blobs")).unwrap();
    for directory in ["", "blobs"] {
        for entry in fs::read_dir(from.join(directory)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(directory).join(entry.file_name())).unwrap();
            }
        }
    }
}

fn change_byte(path: PathBuf, at: usize) {
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let directory = with_revisions(3);
    let slots = healthy(directory.path());
    let workspace = &slots.root().workspaces[&acme()];
    assert_eq!((workspace.uid, workspace.current.revision), (ACME, Revision(3)));
    assert_eq!(slots.read(workspace.current.configuration).unwrap(), b"bundle 3");
    assert_eq!(slots.read(workspace.state.unwrap()).unwrap(), b"state 3");
    assert_eq!(workspace.earlier.len(), 2);
    assert_eq!(slots.read(workspace.earlier[0].configuration).unwrap(), b"bundle 1");
    assert_eq!(slots.root().sequence, 3);
}

#[test]
fn a_crash_at_any_step_leaves_exactly_the_old_or_the_new_root() {
    for before in [0, 1, 2] {
        let directory = with_revisions(before);
        let crashes = tempfile::tempdir().unwrap();
        let mut slots = healthy(directory.path());
        let mut steps = Vec::new();
        let changes = [revision(before + 1), state("new state")];
        let committed = slots.commit_observed(&changes, &mut |step| {
            copy(directory.path(), &crashes.path().join(format!("{step:?}")));
            steps.push(step);
        });
        assert!(committed.unwrap().incomplete.is_none());
        use Step::*;
        assert_eq!(steps, [BlobsDurable, SlotStaged, SlotReplaced, FloorRaised, SlotsAgree, Collected]);
        for step in steps {
            let path = crashes.path().join(format!("{step:?}"));
            let mut restarted = healthy(&path);
            let expected = if matches!(step, BlobsDurable | SlotStaged) { before } else { before + 1 };
            assert_eq!(current(&restarted), expected, "{step:?}");
            let workspace = restarted.root().workspaces.get(&acme()).cloned();
            if let Some(workspace) = workspace {
                let state = restarted.read(workspace.state.unwrap()).unwrap();
                assert_eq!(state == b"new state", expected == before + 1, "{step:?}");
            }
            commit(&mut restarted, &[revision(expected + 1)]);
            drop(restarted);
            assert_eq!(current(&healthy(&path)), expected + 1, "{step:?}");
        }
    }
}

#[test]
fn either_slot_may_be_lost_once_both_agree() {
    let directory = with_revisions(2);
    for slot in SLOTS {
        let length = fs::read(directory.path().join(slot)).unwrap().len();
        for at in [0, 7, 8, 71, 72, 73, 80, length / 2, length - 1] {
            let copied = tempfile::tempdir().unwrap();
            copy(directory.path(), copied.path());
            change_byte(copied.path().join(slot), at);
            let (slots, degraded) = load(copied.path()).unwrap();
            assert_eq!(current(&slots), 2, "{slot} {at}");
            assert!(matches!(degraded.as_slice(), [Degraded::Slot { .. }]), "{degraded:?}");
        }
        let copied = tempfile::tempdir().unwrap();
        copy(directory.path(), copied.path());
        fs::write(copied.path().join(slot), b"").unwrap();
        assert_eq!(current(&load(copied.path()).unwrap().0), 2);
    }
}

#[test]
fn the_next_commit_replaces_a_corrupt_slot() {
    let directory = with_revisions(2);
    change_byte(directory.path().join("slot-a"), 100);
    let (mut slots, _) = load(directory.path()).unwrap();
    commit(&mut slots, &[revision(3)]);
    drop(slots);
    assert_eq!(current(&healthy(directory.path())), 3);
}

#[test]
fn both_slots_lost_is_an_error_that_says_why() {
    let directory = with_revisions(2);
    change_byte(directory.path().join("slot-a"), 0);
    fs::remove_file(directory.path().join("slot-b")).unwrap();
    let error = load(directory.path()).err().unwrap().to_string();
    assert!(error.contains("slot-a: not a slot of a known format; slot-b: there is no such file"), "{error}");
}

#[test]
fn a_slot_whose_state_is_missing_or_corrupt_is_passed_over() {
    // Interrupted before the floor: slot contents differ, so that the older one may be taken.
    let directory = with_revisions(1);
    let crashed = tempfile::tempdir().unwrap();
    let mut slots = healthy(directory.path());
    commit(&mut slots, &[Change::HostState(b"before".to_vec())]);
    let later = Change::HostState(b"later".to_vec());
    let committed = slots.commit_observed(&[later], &mut |step| {
        if step == Step::SlotReplaced {
            copy(directory.path(), crashed.path());
        }
    });
    assert!(committed.unwrap().incomplete.is_none());
    let blob = crashed.path().join("blobs").join(hex::encode(sha256(b"later").0));
    fs::write(&blob, b"latex").unwrap();
    let (slots, degraded) = load(crashed.path()).unwrap();
    assert!(matches!(degraded[0], Degraded::Slot { reason: SlotFault::Blob(BlobError::Corrupt { .. }), .. }));
    assert_eq!(slots.read(slots.root().host_state.unwrap()).unwrap(), b"before");
    drop(slots);
    fs::remove_file(&blob).unwrap();
    let (_, degraded) = load(crashed.path()).unwrap();
    assert!(matches!(degraded[0], Degraded::Slot { reason: SlotFault::Blob(BlobError::Missing { .. }), .. }));
}

#[test]
fn a_workspaces_corrupt_blob_keeps_no_other_from_loading() {
    let directory = with_revisions(1);
    change_byte(directory.path().join("blobs").join(hex::encode(sha256(b"bundle 1").0)), 0);
    let slots = healthy(directory.path());
    let current = slots.root().workspaces[&acme()].current.configuration;
    assert!(matches!(slots.read(current), Err(BlobError::Corrupt { .. })));
}

/// A directory whose slots are both at revision 2 of sequence 2, while 3 was seen.
fn behind_its_floor() -> tempfile::TempDir {
    let directory = with_revisions(2);
    let old = tempfile::tempdir().unwrap();
    copy(directory.path(), old.path());
    let mut slots = healthy(directory.path());
    commit(&mut slots, &[revision(3)]);
    fs::copy(directory.path().join("floor"), old.path().join("floor")).unwrap();
    old
}

#[test]
fn an_older_snapshot_does_not_load_by_accident() {
    let error = load(behind_its_floor().path()).err().unwrap();
    let LoadError::BelowFloor { uid, found, floor, sequence, .. } = error else { panic!("{error}") };
    assert_eq!((uid, found, floor, sequence), (ACME, Revision(2), Revision(3), 3));
}

#[test]
fn an_operators_override_lets_an_older_snapshot_load_once() {
    let directory = behind_its_floor();
    let stranger = OperatorKey::new(Zeroizing::new([9; 32]));
    let mut reworded = FloorOverride::sign(&operator(), ACME, Revision(1), 3);
    reworded.revision = Revision(2);
    let refused = [
        reworded,
        FloorOverride::sign(&stranger, ACME, Revision(2), 3),
        FloorOverride::sign(&operator(), Uid([2; 16]), Revision(2), 3),
        FloorOverride::sign(&operator(), ACME, Revision(1), 3),
        FloorOverride::sign(&operator(), ACME, Revision(2), 2),
    ];
    assert!(load_with(directory.path(), &refused).is_err());
    let allowed = FloorOverride::sign(&operator(), ACME, Revision(2), 3);
    let allowed: FloorOverride = allowed.to_string().parse().unwrap();
    let (mut slots, degraded) = load_with(directory.path(), std::slice::from_ref(&allowed)).unwrap();
    assert!(degraded.iter().any(|each| matches!(each, Degraded::Overridden { .. })), "{degraded:?}");
    commit(&mut slots, &[revision(3)]);
    drop(slots);
    let stale = tempfile::tempdir().unwrap();
    copy(directory.path(), stale.path());
    assert_eq!(current(&healthy(directory.path())), 3);
    // The same override does not bring revision 2 back a second time.
    let again = behind_its_floor();
    fs::copy(stale.path().join("floor"), again.path().join("floor")).unwrap();
    assert!(load_with(again.path(), &[allowed]).is_err());
}

#[test]
fn a_state_that_is_behind_is_served_and_told() {
    let directory = with_revisions(1);
    let old = tempfile::tempdir().unwrap();
    copy(directory.path(), old.path());
    let mut slots = healthy(directory.path());
    commit(&mut slots, &[state("later")]);
    fs::copy(directory.path().join("floor"), old.path().join("floor")).unwrap();
    let (mut slots, degraded) = load(old.path()).unwrap();
    assert!(matches!(degraded.as_slice(), [Degraded::Behind { found: 1, highest: 2 }]), "{degraded:?}");
    commit(&mut slots, &[state("again")]);
    assert_eq!(slots.root().sequence, 3, "a sequence is never used twice");
}

#[test]
fn a_changed_floor_is_not_believed() {
    let directory = with_revisions(2);
    let length = fs::read(directory.path().join("floor")).unwrap().len();
    for at in 0..length {
        let copied = tempfile::tempdir().unwrap();
        copy(directory.path(), copied.path());
        change_byte(copied.path().join("floor"), at);
        let (slots, degraded) = load(copied.path()).unwrap();
        assert!(matches!(degraded.as_slice(), [Degraded::Floor]), "{at}: {degraded:?}");
        drop(slots);
        healthy(copied.path());
        change_byte(copied.path().join("floor"), at);
        change_byte(copied.path().join("slot-a"), 100);
        assert!(matches!(load(copied.path()).err(), Some(LoadError::FloorUnknown)), "{at}");
    }
    fs::remove_file(directory.path().join("floor")).unwrap();
    fs::remove_file(directory.path().join("slot-a")).unwrap();
    assert!(matches!(load(directory.path()).err(), Some(LoadError::FloorUnknown)));
}

#[test]
fn a_commit_compares_the_revision() {
    let directory = with_revisions(2);
    let mut slots = healthy(directory.path());
    for wrong in [0, 1, 2] {
        let refused = slots.commit(&[revision(wrong)]).err();
        let is_conflict = matches!(refused, Some(CommitError::Conflict { current: Revision(2), .. }));
        assert!(is_conflict, "{wrong}: {refused:?}");
    }
    let mut recreated = revision(3);
    if let Change::Configuration { uid, .. } = &mut recreated {
        *uid = Uid([2; 16]);
    }
    assert!(matches!(slots.commit(&[recreated]).err(), Some(CommitError::OtherWorkspace { .. })));
    let nobody = Change::Remove("nobody".parse().unwrap());
    let refused = slots.commit(&[revision(3), nobody]).err();
    assert!(matches!(refused, Some(CommitError::UnknownWorkspace { .. })));
    assert_eq!(current(&slots), 2, "all changes or none");
}

#[test]
fn a_removed_workspace_that_comes_back_goes_on_from_its_highest_revision() {
    let directory = with_revisions(2);
    let mut slots = healthy(directory.path());
    commit(&mut slots, &[Change::Remove(acme())]);
    assert_eq!(slots.highest_seen(ACME), Revision(2));
    assert!(slots.commit(&[revision(1)]).is_err());
    commit(&mut slots, &[revision(3)]);
    drop(slots);
    assert_eq!(current(&healthy(directory.path())), 3);
}

#[test]
fn fifty_revisions_are_kept_and_the_blobs_of_older_ones_go() {
    let directory = with_revisions(MAX_REVISIONS as u64 + 2);
    let slots = healthy(directory.path());
    let workspace = &slots.root().workspaces[&acme()];
    assert_eq!(workspace.earlier.len() + 1, MAX_REVISIONS);
    assert_eq!(workspace.earlier[0].revision, Revision(3));
    assert!(slots.read(workspace.earlier[0].configuration).is_ok());
    assert!(matches!(slots.read(sha256(b"bundle 2")).err(), Some(BlobError::Missing { .. })));
    let blobs = fs::read_dir(directory.path().join("blobs")).unwrap().count();
    assert_eq!(blobs, MAX_REVISIONS + 1, "one for each revision, one for the state");
}

#[test]
fn what_an_interrupted_commit_left_behind_is_swept() {
    let directory = with_revisions(1);
    let orphan = directory.path().join("blobs").join(hex::encode([5; 32]));
    fs::write(&orphan, b"x").unwrap();
    healthy(directory.path());
    assert!(!orphan.exists());
}

#[test]
fn a_failing_disk_aborts_the_commit_and_leaves_the_old_root() {
    let directory = with_revisions(2);
    let mut slots = healthy(directory.path());
    // A directory in the place of the file to be written: works for root, too.
    let staged = directory.path().join("slot-a.new");
    fs::create_dir(&staged).unwrap();
    fs::create_dir(directory.path().join("slot-b.new")).unwrap();
    assert!(matches!(slots.commit(&[revision(3)]).err(), Some(CommitError::Aborted { .. })));
    assert_eq!(current(&slots), 2);
    fs::remove_dir(&staged).unwrap();
    fs::remove_dir(directory.path().join("slot-b.new")).unwrap();
    commit(&mut slots, &[revision(3)]);
    drop(slots);
    assert_eq!(current(&healthy(directory.path())), 3);
}

#[test]
fn after_an_unknown_outcome_nothing_is_committed_until_a_restart() {
    let directory = with_revisions(2);
    let mut slots = healthy(directory.path());
    let slot = directory.path().join(SLOTS[1 - slots.newest]);
    let lost = slots.commit_observed(&[revision(3)], &mut |step| {
        if step == Step::SlotStaged {
            fs::remove_file(&slot).unwrap();
            fs::create_dir(&slot).unwrap();
        }
    });
    assert!(matches!(lost.err(), Some(CommitError::Unknown(_))));
    assert_eq!(current(&slots), 2);
    assert!(matches!(slots.commit(&[revision(3)]).err(), Some(CommitError::Refused)));
    drop(slots);
    fs::remove_dir(&slot).unwrap();
    let mut restarted = load(directory.path()).unwrap().0;
    commit(&mut restarted, &[revision(3)]);
}

#[test]
fn a_commit_that_could_not_be_finished_stands_and_says_so() {
    let directory = with_revisions(2);
    let mut slots = healthy(directory.path());
    let blocked = directory.path().join("floor.new");
    fs::create_dir(&blocked).unwrap();
    assert!(slots.commit(&[revision(3)]).unwrap().incomplete.is_some());
    assert_eq!(current(&slots), 3);
    fs::remove_dir(&blocked).unwrap();
    drop(slots);
    let mut slots = healthy(directory.path());
    assert_eq!(current(&slots), 3);
    commit(&mut slots, &[revision(4)]);
}

#[test]
fn two_hosts_cannot_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = DataDirectory::open(directory.path()).unwrap();
    assert!(matches!(DataDirectory::open(directory.path()).err(), Some(DirectoryError::InUse { .. })));
    // As a child has it that another thread is just starting.
    let child = first.lock.try_clone().unwrap();
    drop(first);
    assert!(DataDirectory::open(directory.path()).is_ok());
    drop(child);
}

#[test]
fn files_and_directories_are_private() {
    let directory = with_revisions(1);
    let mode = |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode() & 0o777;
    for private in ["slot-a", "slot-b", "floor", "keys", "lock"] {
        assert_eq!(mode(private), 0o600, "{private}");
    }
    assert_eq!((mode(""), mode("blobs")), (0o700, 0o700));
}

#[test]
fn lost_host_keys_are_not_replaced_behind_the_slots_backs() {
    let directory = with_revisions(1);
    fs::remove_file(directory.path().join("keys")).unwrap();
    let opened = DataDirectory::open(directory.path()).unwrap();
    let keys = opened.host_keys(&RootKeys::new([root_key()]), &root_key(), &mut |bytes| bytes.fill(4));
    assert!(matches!(keys.err(), Some(DirectoryError::KeysMissing)));
}

#[test]
fn another_hosts_slots_are_not_believed() {
    let directory = with_revisions(1);
    let other = DataDirectory::open(directory.path()).unwrap();
    let keys = HostKeys::generate(&mut |bytes| bytes.fill(9));
    let loaded = Slots::load(other, Arc::new(keys), &[], &TrustedSigners::default());
    assert!(matches!(loaded.err(), Some(LoadError::NoSlot { .. })));
}
