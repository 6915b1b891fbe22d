use zeroize::Zeroizing;

use super::*;
use crate::{
    id::{Digest, Uid},
    model::{AddressKind, SealedText},
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

fn key(fill: u8) -> DataKey {
    DataKey::new(Zeroizing::new([fill; 32]), 1)
}

fn address() -> Address {
    Address {
        kind: AddressKind::Variable,
        workspace: Uid([1; 16]),
        environment: Uid([2; 16]),
        deployment: Uid([3; 16]),
        version: 4,
        name: "DATABASE_URL".into(),
    }
}

fn neighbours() -> Vec<(&'static str, Address)> {
    let at = address();
    vec![
        ("kind", Address { kind: AddressKind::Credential, ..at.clone() }),
        ("workspace", Address { workspace: Uid([9; 16]), ..at.clone() }),
        ("environment", Address { environment: Uid([9; 16]), ..at.clone() }),
        ("deployment", Address { deployment: Uid::NONE, ..at.clone() }),
        ("version", Address { version: 5, ..at.clone() }),
        ("name", Address { name: "DATABASE_UR".into(), ..at.clone() }),
        ("swapped ids", Address { workspace: at.environment, environment: at.workspace, ..at }),
    ]
}

const ID: ValueId = ValueId([7; 16]);

fn sealed(plaintext: &[u8]) -> SealedValue {
    seal(&key(5), &address(), ID, plaintext, &[6; 24]).unwrap()
}

fn reason(result: Result<Secret, OpenError>) -> Option<OpenReason> {
    result.err().map(|error| error.reason)
}

#[test]
fn a_value_opens_where_it_was_sealed() {
    for length in [0, 1, 60, 61, 252, 253, 4092, 4093, MAX_VALUE_BYTES] {
        let plaintext = vec![b'x'; length];
        let opened = open(&key(5), &address(), &sealed(&plaintext)).unwrap();
        assert!(opened.expose() == plaintext, "{length}");
    }
}

#[test]
fn a_value_opens_nowhere_else() {
    let value = sealed(b"postgres://");
    for (what, address) in neighbours() {
        assert_eq!(reason(open(&key(5), &address, &value)), Some(OpenReason::Refused), "{what}");
    }
}

#[test]
fn a_value_does_not_open_under_another_key_or_epoch() {
    let value = sealed(b"postgres://");
    let other = OpenReason::OtherKey { wanted: key(5).id(), epoch: 1 };
    assert_eq!(reason(open(&key(8), &address(), &value)), Some(other));
    let later = DataKey::new(Zeroizing::new([5; 32]), 2);
    assert_eq!(reason(open(&later, &address(), &value)), Some(other));
}

#[test]
fn every_bit_of_a_sealed_value_counts() {
    let value = sealed(b"postgres://");
    for bit in 0..value.bytes.len() * 8 {
        let mut bytes = value.bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = SealedValue { id: ID, bytes: bytes.into() };
        assert!(open(&key(5), &address(), &changed).is_err(), "bit {bit}");
    }
}

#[test]
fn a_truncated_or_extended_value_is_refused() {
    let value = sealed(b"postgres://");
    for length in 0..value.bytes.len() {
        let cut = SealedValue { id: ID, bytes: value.bytes[..length].into() };
        assert!(open(&key(5), &address(), &cut).is_err(), "{length}");
    }
    let longer = SealedValue { id: ID, bytes: [&*value.bytes, &[0]].concat().into() };
    assert!(open(&key(5), &address(), &longer).is_err());
}

#[test]
fn a_ciphertext_without_the_commitment_is_refused() {
    use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
    let value = sealed(b"postgres://");
    let header = &value.bytes[..15];
    let mut framed = vec![0; 96];
    framed[0] = 1; // everything else is as `frame` writes it for the empty text
    let associated = associated_data(&key(5), &address()).unwrap();
    let tag = XChaCha20Poly1305::new(&[5; 32].into())
        .encrypt_inout_detached(&XNonce::from([6; 24]), &associated, framed.as_mut_slice().into())
        .unwrap();
    let bytes = [header, &[6; 24], &framed, &tag].concat();
    let forged = SealedValue { id: ID, bytes: bytes.into() };
    assert_eq!(reason(open(&key(5), &address(), &forged)), Some(OpenReason::Refused));
}

#[test]
fn values_of_like_length_seal_to_the_same_length() {
    assert_eq!(sealed(b"").bytes.len(), sealed(&[b'x'; 60]).bytes.len());
    assert_eq!(sealed(&[b'x'; 61]).bytes.len(), sealed(&[b'x'; 252]).bytes.len());
}

#[test]
fn what_is_too_long_is_not_sealed() {
    let long = vec![0; MAX_VALUE_BYTES + 1];
    let refused = seal(&key(5), &address(), ID, &long, &[6; 24]).err();
    assert_eq!(refused, Some(SealError::ValueTooLong { name: "DATABASE_URL".into() }));
    let named = Address { name: "x".repeat(256).into(), ..address() };
    assert_eq!(seal(&key(5), &named, ID, b"", &[6; 24]).err(), Some(SealError::NameTooLong));
}

#[test]
fn a_buffer_takes_several_values_and_never_grows() {
    let (one, two) = (sealed(b"one"), sealed(b"two"));
    let mut buffer = Buffer::with_capacity(room(&one) + room(&two));
    let first = open_into(&key(5), &address(), &one, &mut buffer).unwrap();
    let second = open_into(&key(5), &address(), &two, &mut buffer).unwrap();
    assert_eq!((buffer.expose(first), buffer.expose(second)), (&b"one"[..], &b"two"[..]));
    let mut small = Buffer::with_capacity(8);
    let refused = open_into(&key(5), &address(), &one, &mut small).err().map(|error| error.reason);
    assert_eq!(refused, Some(OpenReason::NoRoom));
}

#[test]
fn a_refused_value_leaves_nothing_in_the_buffer() {
    let mut value = sealed(b"secret").bytes.to_vec();
    *value.last_mut().unwrap() ^= 1;
    let mut buffer = Buffer::with_capacity(1024);
    let changed = SealedValue { id: ID, bytes: value.into() };
    assert!(open_into(&key(5), &address(), &changed, &mut buffer).is_err());
    assert!(buffer.is_empty());
}

#[test]
fn a_capsule_opens_for_its_plan_and_purpose_only() {
    let key = CapsuleKey::new(Zeroizing::new([1; 32]));
    let plan = Digest([2; 32]);
    let capsule = seal_capsule(&key, &capsule_binding(plan, "boot"), b"answer").unwrap();
    let open = |key: &CapsuleKey, binding: Digest| {
        let mut buffer = Buffer::with_capacity(capsule.room());
        open_capsule(key, &binding, &capsule, &mut buffer).map(|at| buffer.expose(at).to_vec())
    };
    assert_eq!(open(&key, capsule_binding(plan, "boot")), Ok(b"answer".to_vec()));
    assert_eq!(open(&key, capsule_binding(plan, "preview")), Err(OpenReason::Refused));
    assert_eq!(open(&key, capsule_binding(Digest([3; 32]), "boot")), Err(OpenReason::Refused));
    let other = CapsuleKey::new(Zeroizing::new([9; 32]));
    assert_eq!(open(&other, capsule_binding(plan, "boot")), Err(OpenReason::Refused));
    assert!(seal_capsule(&key, &plan, &vec![0; MAX_CAPSULE_BYTES + 1]).is_none());
}

#[test]
fn a_sealed_text_opens_where_it_was_sealed_and_nowhere_else() {
    let private = EnvironmentPrivateKey::generate(&mut counting());
    let multiline = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let text = seal_text(&private.public(), &address(), multiline, &mut counting()).unwrap();
    assert!(text.0.starts_with("sealed:1:"));
    assert!(open_text(&private, &address(), &text).unwrap().expose() == multiline);
    for (what, address) in neighbours() {
        assert_eq!(reason(open_text(&private, &address, &text)), Some(OpenReason::Refused), "{what}");
    }
    let mut seed = counting();
    seed(&mut [0; 1]);
    let other = EnvironmentPrivateKey::generate(&mut seed);
    let wanted = private.public().id();
    assert_eq!(reason(open_text(&other, &address(), &text)), Some(OpenReason::OtherKey { wanted, epoch: 0 }));
}

#[test]
fn every_character_of_a_sealed_text_counts() {
    let private = EnvironmentPrivateKey::generate(&mut counting());
    let text = seal_text(&private.public(), &address(), b"x", &mut counting()).unwrap().0;
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = SealedText(String::from_utf8(bytes).unwrap().into());
        assert!(open_text(&private, &address(), &changed).is_err(), "{at}");
        let cut = SealedText(text[..at].into());
        assert!(open_text(&private, &address(), &cut).is_err(), "{at}");
    }
    for noise in ["=", "A", "AAAA", "\n"] {
        let longer = SealedText(format!("{text}{noise}").into());
        assert!(open_text(&private, &address(), &longer).is_err(), "{noise:?}");
    }
}

#[test]
fn sealed_texts_of_like_length_have_one_length() {
    let public = EnvironmentPrivateKey::generate(&mut counting()).public();
    let length =
        |plaintext: &[u8]| seal_text(&public, &address(), plaintext, &mut counting()).unwrap().0.len();
    assert_eq!(length(b""), length(&[b'x'; 60]));
    assert!(length(&[b'x'; MAX_VALUE_BYTES]) <= (MAX_VALUE_BYTES + 8192) / 3 * 4);
    let private = EnvironmentPrivateKey::generate(&mut counting());
    let longest = seal_text(&public, &address(), &vec![b'x'; MAX_VALUE_BYTES], &mut counting()).unwrap();
    assert_eq!(open_text(&private, &address(), &longest).unwrap().len(), MAX_VALUE_BYTES);
}

#[test]
fn nothing_is_sealed_to_a_point_of_low_order() {
    let refused = seal_text(&EnvironmentPublicKey([0; 32]), &address(), b"x", &mut counting()).err();
    assert_eq!(refused, Some(SealError::UnusablePublicKey { name: "DATABASE_URL".into() }));
}

#[test]
fn public_keys_read_back_what_they_print() {
    let public = EnvironmentPrivateKey::generate(&mut counting()).public();
    assert_eq!(public.to_string().parse(), Ok(public));
    assert!("bootlace-environment:1:AAAA".parse::<EnvironmentPublicKey>().is_err());
}

/// Pins the sealed form: a change here is a new format version.
#[test]
fn the_sealed_form_is_what_it_was() {
    let value = sealed(b"golden");
    let digest = crate::canonical::Canonical::new("golden").bytes(&value.bytes).finish();
    assert_eq!(&value.bytes[..2], &[1, 0]);
    assert_eq!(digest.to_string(), "sha256:b9811d2d978b78ab5284448fa5f0cc49a2ebe5e5a48e64935e66178722df5958");
}
