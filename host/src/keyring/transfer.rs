//! The key of one exported workspace: random, and wrapped by a root key that both hosts hold.

use zeroize::Zeroizing;

use super::RootKey;
pub(crate) use crate::seal::PartPlace;
use crate::{
    entropy::{Entropy, fresh, fresh_key},
    id::Uid,
    seal::{self, Buffer, KeyRole, WrapAddress},
};

/// Seals what an export holds, and nothing else.
pub struct TransferKey(Zeroizing<[u8; 32]>);

impl TransferKey {
    /// A fresh key for an export of `workspace`, and the same wrapped under `root`.
    #[must_use]
    pub fn generate(root: &RootKey, workspace: Uid, entropy: &mut Entropy<'_>) -> (Self, Vec<u8>) {
        let key = Self(fresh_key(entropy));
        let wrapped = seal::wrap(root.expose(), &address(root, workspace), &*key.0, &fresh(entropy));
        (key, wrapped)
    }

    /// Unwraps it; none when the bytes, the root key or the workspace are others.
    #[must_use]
    pub fn unwrap(root: &RootKey, workspace: Uid, wrapped: &[u8]) -> Option<Self> {
        seal::unwrap(root.expose(), &address(root, workspace), wrapped).map(Self)
    }

    /// Seals a part of an export.
    pub(crate) fn seal(&self, place: &PartPlace, plaintext: &[u8], entropy: &mut Entropy<'_>) -> Vec<u8> {
        seal::seal_part(&self.0, place, plaintext, &fresh(entropy))
    }

    /// A part of an export; none when it is not that part, unchanged.
    pub(crate) fn open(&self, place: &PartPlace, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = Buffer::with_capacity(sealed.len());
        let opened = seal::open_part(&self.0, place, sealed, &mut buffer);
        opened.then(|| buffer.expose(0..buffer.len()).to_vec())
    }
}

fn address(root: &RootKey, workspace: Uid) -> WrapAddress {
    let (root_key, environment) = (root.id(), Uid::NONE);
    WrapAddress { role: KeyRole::Transfer, root_key, workspace, environment, epoch: 0 }
}
