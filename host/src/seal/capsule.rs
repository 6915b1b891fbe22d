//! A capsule: what a plan's usual boot hands over, sealed once when a generation is prepared, so
//! that a boot opens once, not once per secret. It lives in this process's memory only, so it has
//! no frame: nobody outside sees its length or could bring one made for two keys.
//!
//! ChaCha20-Poly1305 (RFC 8439) as aws-lc has it, which TLS brings along: a boot opens kilobytes, and
//! aws-lc takes a third of the time. Its nonce has 12 bytes, too few to be random, so it is counted:
//! one process is the key's only user.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{Buffer, OpenReason};
use crate::{canonical::Canonical, id::Digest};

/// The most that fits into a capsule, in bytes.
pub const MAX_CAPSULE_BYTES: usize = 4 * 1024 * 1024;

/// `"BLACE" | 0xc4 | format`, then the binding: no sealed value's associated data has this length.
const CAPSULE_HEAD: [u8; 7] = *b"BLACE\xc4\x02";
const TAG_BYTES: usize = 16;

/// Seals capsules and nothing else; random, made at start, never written down.
pub struct CapsuleKey {
    key: LessSafeKey,
    sealed: AtomicU64,
}

impl CapsuleKey {
    /// A key from 32 random bytes that were never one before.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes.as_slice()).expect("a key has 32 bytes");
        Self { key: LessSafeKey::new(key), sealed: AtomicU64::new(0) }
    }

    /// Never the same twice: a host would have to seal for centuries to come round.
    fn next_nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        let count = self.sealed.fetch_add(1, Ordering::Relaxed);
        nonce[..8].copy_from_slice(&count.to_le_bytes());
        nonce
    }
}

/// A sealed capsule.
#[derive(Clone)]
pub struct Capsule {
    nonce: [u8; NONCE_LEN],
    /// `ciphertext | tag[16]`.
    bytes: Box<[u8]>,
}

impl Capsule {
    /// How much capacity of a buffer opening takes, in bytes.
    #[must_use]
    pub fn room(&self) -> usize {
        self.bytes.len()
    }
}

/// What a capsule is bound to: a plan, and what the capsule is for.
#[must_use]
pub fn capsule_binding(plan: Digest, purpose: &str) -> Digest {
    Canonical::new("bootlace capsule 1").bytes(&plan.0).text(purpose).finish()
}

/// Seals `plaintext`; nothing when it is more than [`MAX_CAPSULE_BYTES`].
#[must_use]
pub fn seal_capsule(key: &CapsuleKey, binding: &Digest, plaintext: &[u8]) -> Option<Capsule> {
    if plaintext.len() > MAX_CAPSULE_BYTES {
        return None;
    }
    // Sized first: growing would leave a copy behind.
    let mut bytes = Vec::with_capacity(plaintext.len() + TAG_BYTES);
    bytes.extend_from_slice(plaintext);
    let nonce = key.next_nonce();
    let associated = Aad::from(associated_data(binding));
    key.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), associated, &mut bytes).ok()?;
    Some(Capsule { nonce, bytes: bytes.into() })
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
    let (ciphertext, tag) = capsule.bytes.split_last_chunk::<TAG_BYTES>().ok_or(OpenReason::Malformed)?;
    let at = buffer.push(ciphertext).map_err(|_| OpenReason::NoRoom)?;
    let nonce = Nonce::assume_unique_for_key(capsule.nonce);
    let associated = Aad::from(associated_data(binding));
    let opened = key.key.open_separate_gather(nonce, associated, ciphertext, tag, buffer.tail(at.start));
    opened.map(|()| at.clone()).map_err(|_| {
        buffer.rewind(at.start);
        OpenReason::Refused
    })
}

fn associated_data(binding: &Digest) -> [u8; 39] {
    let mut bytes = [0; 39];
    let (head, rest) = bytes.split_at_mut(CAPSULE_HEAD.len());
    head.copy_from_slice(&CAPSULE_HEAD);
    rest.copy_from_slice(&binding.0);
    bytes
}
