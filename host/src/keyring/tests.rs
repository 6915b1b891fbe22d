use zeroize::Zeroizing;

use super::*;
use crate::{
    id::ValueId,
    model::{Address, AddressKind},
};

fn counting() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |bytes| {
        for byte in bytes {
            next = next.wrapping_add(37);
            *byte = next;
        }
    }
}

fn root(fill: u8) -> RootKey {
    RootKey::new(Zeroizing::new([fill; 32]))
}

const WORKSPACE: Uid = Uid([1; 16]);
const PRODUCTION: Uid = Uid([2; 16]);
const STAGING: Uid = Uid([3; 16]);

#[test]
fn a_missing_root_key_leaves_only_its_environments_without_keys() {
    let mut entropy = counting();
    let (_, production) = new_data_key(&root(1), WORKSPACE, PRODUCTION, 1, &mut entropy);
    let (staging, wrapped) = new_data_key(&root(2), WORKSPACE, STAGING, 1, &mut entropy);
    let keyring = Keyring::unwrap(WORKSPACE, &[production, wrapped], &RootKeys::new([root(2)]));
    assert_eq!(keyring.current(STAGING).map(DataKey::id).ok(), Some(staging.id()));
    let missing = KeyringError::RootKeyMissing { environment: PRODUCTION, root_key: root(1).id() };
    assert_eq!(keyring.current(PRODUCTION).err(), Some(missing.clone()));
    assert_eq!(keyring.missing().collect::<Vec<_>>(), [&missing]);
    assert_eq!(keyring.current(Uid::NONE).err(), Some(KeyringError::Unknown { environment: Uid::NONE }));
}

#[test]
fn the_key_of_the_highest_epoch_seals_and_older_ones_still_open() {
    let mut entropy = counting();
    let (old, first) = new_data_key(&root(1), WORKSPACE, PRODUCTION, 1, &mut entropy);
    let (new, second) = new_data_key(&root(1), WORKSPACE, PRODUCTION, 2, &mut entropy);
    let keyring = Keyring::unwrap(WORKSPACE, &[second, first], &RootKeys::new([root(1)]));
    assert_eq!(keyring.current(PRODUCTION).map(DataKey::id).ok(), Some(new.id()));
    let address = Address {
        kind: AddressKind::Variable,
        workspace: WORKSPACE,
        environment: PRODUCTION,
        deployment: Uid::NONE,
        version: 1,
        name: "A".into(),
    };
    let value = seal::seal(&old, &address, ValueId([0; 16]), b"x", &[0; 24]).unwrap();
    let key = keyring.key_for(PRODUCTION, &value).ok().unwrap();
    assert!(seal::open(key, &address, &value).is_ok());
    assert!(keyring.key_for(STAGING, &value).is_err());
}

#[test]
fn a_wrapped_key_unwraps_only_in_its_place() {
    let (_, wrapped) = new_data_key(&root(1), WORKSPACE, PRODUCTION, 1, &mut counting());
    let roots = RootKeys::new([root(1), root(2)]);
    let refused = |workspace, wrapped: WrappedDataKey| {
        let environment = wrapped.environment;
        Keyring::unwrap(workspace, &[wrapped], &roots).current(environment).is_err()
    };
    assert!(!refused(WORKSPACE, wrapped.clone()));
    assert!(refused(STAGING, wrapped.clone()), "workspace");
    assert!(refused(WORKSPACE, WrappedDataKey { environment: STAGING, ..wrapped.clone() }), "environment");
    let key = |change: &dyn Fn(&mut WrappedKey)| {
        let mut changed = wrapped.clone();
        change(&mut changed.key);
        changed
    };
    assert!(refused(WORKSPACE, key(&|key| key.epoch = 2)), "epoch");
    assert!(refused(WORKSPACE, key(&|key| key.root_key = root(2).id())), "root key");
    for at in 0..wrapped.key.bytes.len() {
        assert!(refused(WORKSPACE, key(&|key| key.bytes[at] ^= 1)), "byte {at}");
    }
    assert!(refused(WORKSPACE, key(&|key| key.bytes.truncate(20))), "truncated");
}

#[test]
fn a_private_key_is_not_a_data_key() {
    let keys = new_environment_keys(&root(1), WORKSPACE, PRODUCTION, &mut counting());
    let roots = RootKeys::new([root(1)]);
    assert!(unwrap_environment_key(&keys, WORKSPACE, PRODUCTION, &roots).is_ok());
    assert!(unwrap_environment_key(&keys, WORKSPACE, STAGING, &roots).is_err());
    let swapped = EnvironmentKeys { public: [9; 32], ..keys.clone() };
    assert!(unwrap_environment_key(&swapped, WORKSPACE, PRODUCTION, &roots).is_err());
    assert!(unwrap_environment_key(&keys, WORKSPACE, PRODUCTION, &RootKeys::default()).is_err());
    let key = WrappedKey { root_key: keys.root_key, epoch: 0, bytes: keys.wrapped_private };
    let posing = WrappedDataKey { environment: PRODUCTION, key };
    assert!(Keyring::unwrap(WORKSPACE, &[posing], &roots).current(PRODUCTION).is_err());
}

#[test]
fn root_keys_read_back_what_they_print() {
    let file = root(7).to_file();
    assert_eq!(file.parse::<RootKey>().ok().map(|key| key.id()), Some(root(7).id()));
    assert!(file.trim_end().parse::<RootKey>().is_ok());
    for bad in ["", "bootlace-root-key:1:", "bootlace-root-key:2:AAAA", &file[..40], &format!("{}\n", *file)]
    {
        assert_eq!(bad.parse::<RootKey>().err(), Some(InvalidRootKey), "{}", bad.len());
    }
}

#[test]
fn host_keys_read_back_and_their_neighbours_do_not() {
    let keys = HostKeys::generate(&mut counting());
    let file = keys.to_file(&root(1), &mut counting());
    let roots = RootKeys::new([root(1)]);
    let read = HostKeys::from_file(&file, &roots).ok().unwrap();
    assert_eq!(read.store.verifying_key(), keys.store.verifying_key());
    assert_eq!(read.audit.mac(b"x"), keys.audit.mac(b"x"));
    assert_eq!(read.floor.mac(b"x"), keys.floor.mac(b"x"));
    assert_eq!(read.artefact.mac(b"x"), keys.artefact.mac(b"x"));
    assert_ne!(keys.artefact.mac(b"x"), keys.floor.mac(b"x"));
    let missing = InvalidHostKeys::RootKeyMissing { root_key: root(1).id() };
    assert_eq!(HostKeys::from_file(&file, &RootKeys::new([root(2)])).err(), Some(missing));
    for at in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(HostKeys::from_file(&String::from_utf8(bytes).unwrap(), &roots).is_err(), "{at}");
    }
}

/// The same bytes as two keys give different codes: the role is in the message.
#[test]
fn one_key_has_one_role() {
    let bytes = || Zeroizing::new([4; 32]);
    assert_ne!(AuditKey::new(bytes()).mac(b"x"), FloorKey::new(bytes()).mac(b"x"));
}
