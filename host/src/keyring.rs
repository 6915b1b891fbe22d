//! Who holds which key. A *root key* wraps a random *data key* for each environment of a workspace
//! (and one for its base layers) and the private half of each environment's HPKE pair; the wrapped
//! keys travel with the configuration, each naming its root key. A [`Keyring`] is what a host
//! could unwrap of one workspace: a missing root key leaves environments without keys, never with
//! plaintext, and a staging host need not be able to open production.
//!
//! One key, one role: every role is a type of its own.

mod chain;
mod host;
mod locked;
mod mac;
mod root;
mod transfer;

use std::collections::BTreeMap;

pub use chain::{ChainKey, InvalidVerifierKey, SealKey, VerifierKey};
pub use host::{HostKeys, InvalidHostKeys};
pub use mac::{ArtefactKey, AuditKey, FingerprintKey, FloorKey, Mac, RecordKey};
pub use root::{InvalidRootKey, RootKey, RootKeys};
pub(crate) use root::{parse_secret_line, secret_line};
pub(crate) use transfer::PartPlace;
pub use transfer::TransferKey;

use crate::{
    entropy::{Entropy, fresh, fresh_key},
    id::Uid,
    model::{EnvironmentKeys, KeyId, SealedValue},
    seal::{self, DataKey, EnvironmentPrivateKey, EnvironmentPublicKey, KeyRole, WrapAddress},
};
use locked::Locked;

/// A key under a root key: safe to keep anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Names the root key.
    pub root_key: KeyId,
    /// The wrapped key's place in the order of its environment's keys, from 1.
    pub epoch: u32,
    /// `nonce[24] | ciphertext | tag[16]`.
    pub bytes: Vec<u8>,
}

/// A data key as it travels: for which environment, and wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// The environment's random id, or [`Uid::NONE`] for the workspace's base layers.
    pub environment: Uid,
    /// The key.
    pub key: WrappedKey,
}

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// This host does not hold the root key that wraps them.
    #[error(
        "the keys of environment {environment} are wrapped by root key {root_key}, which this host does not hold"
    )]
    RootKeyMissing {
        /// The environment's random id.
        environment: Uid,
        /// The root key's name.
        root_key: KeyId,
    },
    /// The wrapped bytes were changed, or belong elsewhere.
    #[error("a key of environment {environment} does not unwrap under root key {root_key}")]
    Refused {
        /// The environment's random id.
        environment: Uid,
        /// The root key's name.
        root_key: KeyId,
    },
    /// No such key came with the configuration.
    #[error("environment {environment} has no such key")]
    Unknown {
        /// The environment's random id.
        environment: Uid,
    },
}

impl KeyringError {
    /// The environment that is without the key.
    #[must_use]
    pub fn environment(&self) -> Uid {
        match self {
            Self::RootKeyMissing { environment, .. }
            | Self::Refused { environment, .. }
            | Self::Unknown { environment } => *environment,
        }
    }
}

/// The opened data keys of one workspace, in locked memory.
pub struct Keyring {
    keys: Locked<DataKey>,
    /// Where each key of an environment is; the last is the current one.
    places: BTreeMap<Uid, BTreeMap<(u32, KeyId), usize>>,
    missing: BTreeMap<Uid, KeyringError>,
}

impl Keyring {
    /// Unwraps what `roots` can unwrap. Never fails as a whole: what is missing is told by
    /// [`Keyring::missing`] and by whoever asks for it.
    #[must_use]
    pub fn unwrap(workspace: Uid, wrapped: &[WrappedDataKey], roots: &RootKeys) -> Self {
        let (mut keys, mut places, mut missing) =
            (Vec::with_capacity(wrapped.len()), BTreeMap::new(), BTreeMap::new());
        for each in wrapped {
            match unwrap_data_key(workspace, each, roots) {
                Ok(key) => {
                    let of_environment: &mut BTreeMap<_, _> = places.entry(each.environment).or_default();
                    of_environment.insert((key.epoch(), key.id()), keys.len());
                    keys.push(key);
                }
                Err(error) => {
                    missing.insert(each.environment, error);
                }
            }
        }
        Self { keys: Locked::new(keys), places, missing }
    }

    /// The key that new values of `environment` are sealed under: the one of the highest epoch.
    ///
    /// # Errors
    /// When any key of the environment could not be unwrapped: sealing under an older key than the
    /// current one would undo a rotation.
    pub fn current(&self, environment: Uid) -> Result<&DataKey, KeyringError> {
        if let Some(error) = self.missing.get(&environment) {
            return Err(error.clone());
        }
        let last = self.places.get(&environment).and_then(|keys| keys.values().next_back());
        last.and_then(|&at| self.keys.at(at)).ok_or(KeyringError::Unknown { environment })
    }

    /// The key that `value`, sealed for `environment`, says it wants.
    ///
    /// # Errors
    /// When it is not here.
    pub fn key_for(&self, environment: Uid, value: &SealedValue) -> Result<&DataKey, KeyringError> {
        let missing = || match self.missing.get(&environment) {
            Some(error) => error.clone(),
            None => KeyringError::Unknown { environment },
        };
        let (id, epoch) = seal::sealed_under(value).map_err(|_| missing())?;
        let place = self.places.get(&environment).and_then(|keys| keys.get(&(epoch, id)));
        place.and_then(|&at| self.keys.at(at)).ok_or_else(missing)
    }

    /// Every environment that is without a key, and why.
    pub fn missing(&self) -> impl Iterator<Item = &KeyringError> {
        self.missing.values()
    }
}

/// Makes a new data key for `environment` and wraps it under `root`.
#[must_use]
pub fn new_data_key(
    root: &RootKey,
    workspace: Uid,
    environment: Uid,
    epoch: u32,
    entropy: &mut Entropy<'_>,
) -> (DataKey, WrappedDataKey) {
    let key = DataKey::new(fresh_key(entropy), epoch);
    let wrapped = wrap_data_key(root, workspace, environment, &key, entropy);
    (key, wrapped)
}

/// Wraps a data key under `root`: for a new key, or for a new root key.
#[must_use]
pub fn wrap_data_key(
    root: &RootKey,
    workspace: Uid,
    environment: Uid,
    key: &DataKey,
    entropy: &mut Entropy<'_>,
) -> WrappedDataKey {
    let address =
        WrapAddress { role: KeyRole::Data, root_key: root.id(), workspace, environment, epoch: key.epoch() };
    let bytes = seal::wrap(root.expose(), &address, key.expose(), &fresh(entropy));
    WrappedDataKey { environment, key: WrappedKey { root_key: root.id(), epoch: key.epoch(), bytes } }
}

/// Makes an environment's HPKE key pair, the private half wrapped under `root`.
#[must_use]
pub fn new_environment_keys(
    root: &RootKey,
    workspace: Uid,
    environment: Uid,
    entropy: &mut Entropy<'_>,
) -> EnvironmentKeys {
    let private = EnvironmentPrivateKey::generate(entropy);
    let address = private_address(root.id(), workspace, environment);
    EnvironmentKeys {
        public: private.public().0,
        root_key: root.id(),
        wrapped_private: seal::wrap(root.expose(), &address, private.expose(), &fresh(entropy)),
    }
}

/// Unwraps the private half of an environment's key pair, for as long as a push needs it.
///
/// # Errors
/// When the root key is missing, the bytes were changed, or the halves do not belong together.
pub fn unwrap_environment_key(
    keys: &EnvironmentKeys,
    workspace: Uid,
    environment: Uid,
    roots: &RootKeys,
) -> Result<EnvironmentPrivateKey, KeyringError> {
    let root_key = keys.root_key;
    let root = roots.named(root_key).ok_or(KeyringError::RootKeyMissing { environment, root_key })?;
    let address = private_address(root_key, workspace, environment);
    seal::unwrap(root.expose(), &address, &keys.wrapped_private)
        .map(EnvironmentPrivateKey::from_bytes)
        .filter(|private| private.public() == EnvironmentPublicKey(keys.public))
        .ok_or(KeyringError::Refused { environment, root_key })
}

fn unwrap_data_key(
    workspace: Uid,
    wrapped: &WrappedDataKey,
    roots: &RootKeys,
) -> Result<DataKey, KeyringError> {
    let WrappedDataKey { environment, key: WrappedKey { root_key, epoch, bytes } } = wrapped;
    let (environment, root_key, epoch) = (*environment, *root_key, *epoch);
    let root = roots.named(root_key).ok_or(KeyringError::RootKeyMissing { environment, root_key })?;
    let address = WrapAddress { role: KeyRole::Data, root_key, workspace, environment, epoch };
    let key = seal::unwrap(root.expose(), &address, bytes);
    key.map(|key| DataKey::new(key, epoch)).ok_or(KeyringError::Refused { environment, root_key })
}

fn private_address(root_key: KeyId, workspace: Uid, environment: Uid) -> WrapAddress {
    WrapAddress { role: KeyRole::EnvironmentPrivate, root_key, workspace, environment, epoch: 0 }
}

#[cfg(test)]
mod tests;
