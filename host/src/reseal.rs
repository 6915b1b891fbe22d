//! A push's way from what a directory says to what a host keeps: every value opened with the
//! environment's private key (or taken as it is, when plain) and sealed again under the host's
//! data key. The value never leaves this module.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    entropy::{Entropy, fresh},
    id::{EnvironmentName, Uid},
    keyring::{self, Keyring, RootKey, RootKeys, WrappedDataKey},
    model::{Address, Configuration, InputValue, SealedValue},
    plan::Identified as _,
    seal::{self, EnvironmentPrivateKey},
    secret::Secret,
};

/// What a push is sealed with.
pub struct Sealing<'a> {
    /// The root keys of this host.
    pub roots: &'a RootKeys,
    /// Wraps the key of the base layers, which belong to no environment.
    pub base_root: &'a RootKey,
    /// The revision that this one replaces: values that did not change are not sealed again.
    pub parent: Option<&'a Configuration<SealedValue>>,
    /// The parent's data keys.
    pub keys: &'a [WrappedDataKey],
}

/// A configuration under data keys, and the keys.
pub struct Resealed {
    /// Every value sealed.
    pub configuration: Configuration<SealedValue>,
    /// The data keys, wrapped.
    pub keys: Vec<WrappedDataKey>,
    /// The same, opened.
    pub keyring: Keyring,
}

/// A value that could not be taken over: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct ResealError {
    /// The variable's name, or the service's.
    pub name: String,
    reason: String,
}

/// Seals `pushed` under data keys, making those that are missing.
///
/// Where this host holds no root key for an environment, its values are kept as a name only: they
/// count in digests and never open, so that a staging host need not be able to open production.
///
/// # Errors
/// Every value that does not open or does not fit.
pub fn reseal(
    pushed: &Configuration<InputValue>,
    sealing: &Sealing<'_>,
    entropy: &mut Entropy<'_>,
) -> Result<Resealed, Vec<ResealError>> {
    let privates = private_keys(pushed, sealing.roots)?;
    let mut keys = live_keys(pushed, sealing.keys);
    add_missing_keys(pushed, &privates, sealing, &mut keys, entropy);
    let keyring = Keyring::unwrap(pushed.uid, &keys, sealing.roots);
    let known = sealing.parent.map(addresses).unwrap_or_default();

    let configuration = pushed.try_map(|address, value| {
        let fault = |reason: String| ResealError { name: address.name.to_string(), reason };
        let id = value.id(&address.name);
        if let Some(same) = known.get(address).filter(|same| same.id == id)
            && stays(same, keyring.key_for(address.environment, same).err())
        {
            return Ok(same.clone());
        }
        if address.environment != Uid::NONE && !privates.contains_key(&address.environment) {
            return Ok(SealedValue { id, bytes: Vec::new().into() });
        }
        let key = keyring.current(address.environment).map_err(|error| fault(error.to_string()))?;
        let opened;
        let plaintext = match value {
            InputValue::Plain(plain) => plain.injected().as_bytes(),
            InputValue::Sealed(text) => {
                let private = privates.get(&address.environment);
                let private = private.ok_or_else(|| fault("a base layer holds no secrets".into()))?;
                opened = seal::open_text(private, address, text)
                    .map_err(|error| fault(error.reason.to_string()))?;
                checked(&opened).map_err(fault)?
            }
        };
        seal::seal(key, address, id, plaintext, &fresh(entropy)).map_err(|error| fault(error.to_string()))
    })?;
    Ok(Resealed { configuration, keys, keyring })
}

/// The environments whose values, or some of them, do not open with `keyring`.
#[must_use]
pub fn closed_environments(
    configuration: &Configuration<SealedValue>,
    keyring: &Keyring,
) -> BTreeSet<EnvironmentName> {
    let mut closed = BTreeSet::new();
    let walked = configuration.try_map(|address, value| {
        if keyring.key_for(address.environment, value).is_err() {
            closed.insert(address.environment);
        }
        Ok::<(), std::convert::Infallible>(())
    });
    drop(walked);
    let named =
        configuration.environments.iter().filter(|(_, environment)| closed.contains(&environment.uid));
    named.map(|(name, _)| name.clone()).collect()
}

/// Whether a value that did not change is kept as it was sealed. Also where the root key is merely
/// missing: a host may lack it for a while, and a push in between must not destroy the value.
fn stays(same: &SealedValue, fault: Option<keyring::KeyringError>) -> bool {
    match fault {
        None => true,
        Some(keyring::KeyringError::RootKeyMissing { .. }) => !same.bytes.is_empty(),
        Some(_) => false,
    }
}

/// Environment variables are texts without NUL; everything after this may rely on it.
fn checked(opened: &Secret) -> Result<&[u8], String> {
    let bytes = opened.expose();
    let text = std::str::from_utf8(bytes).map_err(|_| "the sealed value is not UTF-8 text".to_owned())?;
    if text.contains('\0') { Err("the sealed value holds a NUL byte".to_owned()) } else { Ok(bytes) }
}

fn private_keys(
    pushed: &Configuration<InputValue>,
    roots: &RootKeys,
) -> Result<BTreeMap<Uid, EnvironmentPrivateKey>, Vec<ResealError>> {
    let mut opened = BTreeMap::new();
    let mut errors = Vec::new();
    for (name, keys) in &pushed.keys {
        let Some(environment) = pushed.environments.get(name) else { continue };
        match keyring::unwrap_environment_key(keys, pushed.uid, environment.uid, roots) {
            Ok(private) => {
                opened.insert(environment.uid, private);
            }
            Err(keyring::KeyringError::RootKeyMissing { .. }) => {}
            Err(error) => {
                errors.push(ResealError { name: format!("environment {name}"), reason: error.to_string() });
            }
        }
    }
    if errors.is_empty() { Ok(opened) } else { Err(errors) }
}

/// The parent's data keys of environments that are still there.
fn live_keys(pushed: &Configuration<InputValue>, keys: &[WrappedDataKey]) -> Vec<WrappedDataKey> {
    let live = |uid: Uid| uid == Uid::NONE || pushed.environments.values().any(|one| one.uid == uid);
    keys.iter().filter(|key| live(key.environment)).cloned().collect()
}

/// A new data key is wrapped by the root key that wraps the environment's private key: what keeps
/// a host from opening the one keeps it from opening the other.
fn add_missing_keys(
    pushed: &Configuration<InputValue>,
    privates: &BTreeMap<Uid, EnvironmentPrivateKey>,
    sealing: &Sealing<'_>,
    keys: &mut Vec<WrappedDataKey>,
    entropy: &mut Entropy<'_>,
) {
    let of_environments = pushed.keys.iter().filter_map(|(name, pair)| {
        let uid = pushed.environments.get(name)?.uid;
        privates.contains_key(&uid).then_some((uid, sealing.roots.named(pair.root_key)?))
    });
    for (uid, root) in std::iter::once((Uid::NONE, sealing.base_root)).chain(of_environments) {
        if !keys.iter().any(|key| key.environment == uid) {
            let (_, wrapped) = keyring::new_data_key(root, pushed.uid, uid, 1, entropy);
            keys.push(wrapped);
        }
    }
}

fn addresses(configuration: &Configuration<SealedValue>) -> BTreeMap<Address, SealedValue> {
    let mut known = BTreeMap::new();
    let walked = configuration.try_map(|address, value| {
        known.insert(address.clone(), value.clone());
        Ok::<(), std::convert::Infallible>(())
    });
    drop(walked);
    known
}

#[cfg(test)]
mod tests;
