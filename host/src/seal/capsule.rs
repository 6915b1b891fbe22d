//! A capsule: what a plan's usual boot hands over, sealed once when a generation is prepared, so
//! that a boot opens once, not once per secret. It lives in this process's memory only, so it has
//! no frame: nobody outside sees its length or could bring one made for two keys.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Buffer, NONCE_BYTES, OpenReason, aead};
use crate::{canonical::Canonical, id::Digest};

/// The most that fits into a capsule, in bytes.
pub const MAX_CAPSULE_BYTES: usize = 4 * 1024 * 1024;

/// `"BLACE" | 0xc4 | format`, then the binding: no sealed value's associated data has this length.
const CAPSULE_HEAD: [u8; 7] = *b"BLACE\xc4\x01";

/// Seals capsules and nothing else; random, made at start, never written down.
pub struct CapsuleKey(Zeroizing<[u8; 32]>);

impl CapsuleKey {
    /// A key from 32 random bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }
}

/// A sealed capsule: `nonce[24] | ciphertext | tag[16]`.
#[derive(Clone)]
pub struct Capsule(Box<[u8]>);

impl Capsule {
    /// How much capacity of a buffer opening takes, in bytes.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.len()
    }
}

/// What a capsule is bound to: a plan, and what the capsule is for.
#[must_use]
pub fn capsule_binding(plan: Digest, purpose: &str) -> Digest {
    Canonical::new("bootlace capsule 1").bytes(&plan.0).text(purpose).finish()
}

/// Seals `plaintext`; nothing when it is more than [`MAX_CAPSULE_BYTES`]. The nonce must be random.
#[must_use]
pub fn seal_capsule(
    key: &CapsuleKey,
    binding: &Digest,
    plaintext: &[u8],
    nonce: &[u8; NONCE_BYTES],
) -> Option<Capsule> {
    (plaintext.len() <= MAX_CAPSULE_BYTES)
        .then(|| Capsule(aead::seal_bare(&key.0, nonce, &associated_data(binding), plaintext).into()))
}

/// Opens a capsule into `buffer`, behind what is already there, and returns where its bytes are.
///
/// # Errors
/// When the binding or the key is another, or the buffer has less than [`Capsule::room`] left.
pub fn open_capsule(
    key: &CapsuleKey,
    binding: &Digest,
    capsule: &Capsule,
    buffer: &mut Buffer,
) -> Result<Range<usize>, OpenReason> {
    aead::open_bare(&key.0, &associated_data(binding), &capsule.0, buffer)
}

fn associated_data(binding: &Digest) -> [u8; 39] {
    let mut bytes = [0; 39];
    let (head, rest) = bytes.split_at_mut(CAPSULE_HEAD.len());
    head.copy_from_slice(&CAPSULE_HEAD);
    rest.copy_from_slice(&binding.0);
    bytes
}
