//! Keys under a root key: `nonce[24] | ciphertext | tag[16]`, bound to the key's role and place,
//! so that one key cannot be passed off as another.

use zeroize::Zeroizing;

use super::{ALGORITHM, Buffer, FORMAT, NONCE_BYTES, aead};
use crate::{fields::Writer, id::Uid, model::KeyId};

/// What a wrapped key is for. One key, one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum KeyRole {
    /// Seals values.
    Data = 1,
    /// Opens `sealed:…` texts.
    EnvironmentPrivate = 2,
    /// A host's own keys.
    Host = 3,
    /// What a host's audit log goes on with.
    AuditChain = 4,
    /// Seals an exported workspace.
    Transfer = 5,
}

/// What a wrapped key is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrapAddress {
    pub(crate) role: KeyRole,
    pub(crate) root_key: KeyId,
    pub(crate) workspace: Uid,
    pub(crate) environment: Uid,
    pub(crate) epoch: u32,
}

/// Wraps `key` under `root`.
pub(crate) fn wrap(root: &[u8; 32], address: &WrapAddress, key: &[u8], nonce: &[u8; NONCE_BYTES]) -> Vec<u8> {
    aead::seal(root, nonce, &associated_data(address), key, Vec::new())
}

/// Unwraps a key of `N` bytes; nothing when the bytes, the root key, the role or the place differ.
pub(crate) fn unwrap<const N: usize>(
    root: &[u8; 32],
    address: &WrapAddress,
    wrapped: &[u8],
) -> Option<Zeroizing<[u8; N]>> {
    let mut buffer = Buffer::with_capacity(wrapped.len());
    let at = aead::open(root, &associated_data(address), wrapped, &mut buffer).ok()?;
    let mut key = Zeroizing::new([0; N]);
    let opened = buffer.expose(at);
    (opened.len() == N).then(|| {
        key.copy_from_slice(opened);
        key
    })
}

fn associated_data(address: &WrapAddress) -> Vec<u8> {
    Writer::new()
        .raw(b"BLACE-WRAP")
        .u16(FORMAT)
        .u8(ALGORITHM)
        .u8(address.role as u8)
        .raw(&address.root_key.0)
        .raw(&address.workspace.0)
        .raw(&address.environment.0)
        .u32(address.epoch)
        .finish()
}
