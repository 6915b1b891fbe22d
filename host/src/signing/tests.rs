use super::*;
use crate::{id::Uid, seal::EnvironmentPublicKey};

fn operator(fill: u8) -> OperatorKey {
    OperatorKey::new(Zeroizing::new([fill; 32]))
}

#[test]
fn a_signature_is_for_one_statement_and_one_signer() {
    let (key, bytes) = (operator(1), b"header");
    let signature = key.sign(Statement::PushedBundle, bytes);
    let signer = key.verifying_key();
    assert_eq!(signer.verify(Statement::PushedBundle, bytes, &signature), Ok(()));
    let bad = Err(BadSignature { signer: signer.id() });
    assert_eq!(signer.verify(Statement::StoredBundle, bytes, &signature), bad);
    assert_eq!(signer.verify(Statement::PushedBundle, b"headex", &signature), bad);
    assert!(operator(2).verifying_key().verify(Statement::PushedBundle, bytes, &signature).is_err());
    for bit in 0..512 {
        let mut changed = signature;
        changed.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(signer.verify(Statement::PushedBundle, bytes, &changed), bad, "bit {bit}");
    }
}

#[test]
fn keys_read_back_what_they_print() {
    let key = operator(3);
    let signer = key.verifying_key();
    assert_eq!(signer.to_string().parse(), Ok(signer.clone()));
    assert_eq!(key.to_file().parse::<OperatorKey>().ok().map(|key| key.verifying_key()), Some(signer));
    assert!("bootlace-signing-key:1:AAAA".parse::<OperatorKey>().is_err());
    assert!("bootlace-signer:1:AAAA".parse::<VerifyingKey>().is_err());
}

/// A key of small order verifies anything for some message (Chalkias et al., "Taming the many
/// EdDSAs").
#[test]
fn weak_public_keys_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    for point in [[0; 32], identity] {
        let text = format!("{SIGNER_PREFIX}{}", BASE64_STANDARD.encode(point));
        assert_eq!(text.parse::<VerifyingKey>(), Err(InvalidSigner));
    }
}

#[test]
fn a_swapped_environment_key_is_refused() {
    let published = |name: &str, fill: u8| PublishedKey {
        environment: name.parse().unwrap(),
        uid: Uid([fill; 16]),
        public: EnvironmentPublicKey([fill; 32]),
    };
    let workspace = Uid([9; 16]);
    let keys = [published("production", 1), published("staging", 2)];
    let signature = sign_environment_keys(&operator(1), workspace, &keys);
    let signer = operator(1).verifying_key();
    let check =
        |workspace, keys: &[PublishedKey]| verify_environment_keys(&signer, workspace, keys, &signature);
    assert!(check(workspace, &keys).is_ok());
    assert!(check(workspace, &[keys[1].clone(), keys[0].clone()]).is_ok(), "order does not matter");
    assert!(check(Uid([8; 16]), &keys).is_err());
    assert!(check(workspace, &keys[..1]).is_err());
    let swapped = [PublishedKey { public: keys[1].public, ..keys[0].clone() }, keys[1].clone()];
    assert!(check(workspace, &swapped).is_err());
}
