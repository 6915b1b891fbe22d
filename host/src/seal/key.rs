use zeroize::Zeroizing;

use crate::{canonical::Canonical, model::KeyId};

/// A random key for the values of one environment, or for the base layers of a workspace. It seals
/// values and nothing else. Not printable, not copyable, wiped on drop.
pub struct DataKey {
    pub(super) bytes: Zeroizing<[u8; 32]>,
    id: KeyId,
    epoch: u32,
}

impl DataKey {
    /// A key from 32 random bytes. Its epoch counts the keys of its environment, from 1.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>, epoch: u32) -> Self {
        Self { id: key_id("bootlace data key 1", &*bytes), bytes, epoch }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Its place in the order of its environment's keys.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// For wrapping.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
}

/// The name of a key: it tells nothing about 256 random bits.
pub(crate) fn key_id(domain: &str, key: &[u8]) -> KeyId {
    let digest = Canonical::new(domain).bytes(key).finish();
    let mut id = [0; 8];
    id.copy_from_slice(&digest.0[..8]);
    KeyId(id)
}
