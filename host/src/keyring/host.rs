//! A host's own keys, made at its first start and kept in its data directory, wrapped by a root
//! key: without the root key, a stolen disk signs and vouches for nothing.

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use super::{ArtefactKey, AuditKey, FloorKey, RootKey, RootKeys};
use crate::{
    entropy::{Entropy, fresh, fresh_key},
    id::Uid,
    model::KeyId,
    seal::{self, KeyRole, WrapAddress},
    signing::StoreKey,
};

const PREFIX: &str = "bootlace-host-keys:1:";
const KEYS: usize = 4;

/// One key for each role of a host that outlives its process.
pub struct HostKeys {
    /// Signs every revision and every slot.
    pub store: StoreKey,
    /// Vouches for compiled policies.
    pub artefact: ArtefactKey,
    /// Signs the audit log's checkpoints, and keeps its state.
    pub audit: AuditKey,
    /// Vouches for the highest revisions seen.
    pub floor: FloorKey,
}

/// Why a host's keys were not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostKeys {
    /// Not the format.
    #[error("not a file of host keys")]
    Malformed,
    /// This host does not hold the root key.
    #[error("the host's keys are wrapped by root key {root_key}, which this host does not hold")]
    RootKeyMissing {
        /// The root key's name.
        root_key: KeyId,
    },
    /// The wrapped bytes were changed.
    #[error("the host's keys do not unwrap under root key {root_key}")]
    Refused {
        /// The root key's name.
        root_key: KeyId,
    },
}

impl HostKeys {
    /// Fresh keys.
    #[must_use]
    pub fn generate(entropy: &mut Entropy<'_>) -> Self {
        Self {
            store: StoreKey::new(fresh_key(entropy)),
            artefact: ArtefactKey::new(fresh_key(entropy)),
            audit: AuditKey::new(fresh_key(entropy)),
            floor: FloorKey::new(fresh_key(entropy)),
        }
    }

    /// What stands in the file: `bootlace-host-keys:1:<root key>:<base64>` and a line feed.
    #[must_use]
    pub fn to_file(&self, root: &RootKey, entropy: &mut Entropy<'_>) -> String {
        let mut keys = Zeroizing::new([0; KEYS * 32]);
        let each = [self.store.expose(), self.artefact.expose(), self.audit.expose(), self.floor.expose()];
        for (place, key) in keys.chunks_exact_mut(32).zip(each) {
            place.copy_from_slice(key);
        }
        let wrapped = seal::wrap(root.expose(), &address(root.id()), &*keys, &fresh(entropy));
        format!("{PREFIX}{}:{}\n", root.id(), BASE64_STANDARD.encode(wrapped))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is malformed or changed, or its root key is not among `roots`.
    pub fn from_file(text: &str, roots: &RootKeys) -> Result<Self, InvalidHostKeys> {
        let (root_key, wrapped) = parse(text).ok_or(InvalidHostKeys::Malformed)?;
        let root = roots.named(root_key).ok_or(InvalidHostKeys::RootKeyMissing { root_key })?;
        let keys = seal::unwrap::<{ KEYS * 32 }>(root.expose(), &address(root_key), &wrapped)
            .ok_or(InvalidHostKeys::Refused { root_key })?;
        let key = |place: usize| {
            let mut key = Zeroizing::new([0; 32]);
            key.copy_from_slice(&keys[place * 32..][..32]);
            key
        };
        Ok(Self {
            store: StoreKey::new(key(0)),
            artefact: ArtefactKey::new(key(1)),
            audit: AuditKey::new(key(2)),
            floor: FloorKey::new(key(3)),
        })
    }
}

fn parse(text: &str) -> Option<(KeyId, Vec<u8>)> {
    let (root_key, wrapped) = text.strip_prefix(PREFIX)?.strip_suffix('\n')?.split_once(':')?;
    let mut id = [0; 8];
    hex::decode_to_slice(root_key, &mut id).ok()?;
    // One spelling each: hex in capitals would decode, too.
    (KeyId(id).to_string() == root_key).then_some(())?;
    Some((KeyId(id), BASE64_STANDARD.decode(wrapped).ok()?))
}

fn address(root_key: KeyId) -> WrapAddress {
    WrapAddress { role: KeyRole::Host, root_key, workspace: Uid::NONE, environment: Uid::NONE, epoch: 0 }
}
