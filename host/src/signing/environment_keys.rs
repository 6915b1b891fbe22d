//! The public keys that `bootlace seal` seals to, vouched for by an operator: a pull request that
//! swaps one must not capture secrets.

use super::{BadSignature, OperatorKey, Signature, Statement, VerifyingKey};
use crate::{
    canonical::Canonical,
    id::{EnvironmentName, Uid},
    seal::EnvironmentPublicKey,
};

/// An environment's public key, with everything that a sealed text is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// The environment's name.
    pub environment: EnvironmentName,
    /// Its random id.
    pub uid: Uid,
    /// Its public key.
    pub public: EnvironmentPublicKey,
}

/// Vouches for the public keys of a workspace.
#[must_use]
pub fn sign_environment_keys(key: &OperatorKey, workspace: Uid, keys: &[PublishedKey]) -> Signature {
    key.sign(Statement::EnvironmentKeys, &canonical(workspace, keys))
}

/// Checks that `signer` vouches for exactly these public keys of this workspace.
///
/// # Errors
/// When it does not.
pub fn verify_environment_keys(
    signer: &VerifyingKey,
    workspace: Uid,
    keys: &[PublishedKey],
    signature: &Signature,
) -> Result<(), BadSignature> {
    signer.verify(Statement::EnvironmentKeys, &canonical(workspace, keys), signature)
}

/// A digest of everything, in the order of the names: the order in a file does not matter.
fn canonical(workspace: Uid, keys: &[PublishedKey]) -> [u8; 32] {
    let mut sorted: Vec<_> = keys.iter().collect();
    sorted.sort_by(|a, b| a.environment.cmp(&b.environment));
    Canonical::new("bootlace environment keys 1")
        .bytes(&workspace.0)
        .each(sorted.into_iter(), |hash, key| {
            hash.text(key.environment.as_str()).bytes(&key.uid.0).bytes(&key.public.0)
        })
        .finish()
        .0
}
