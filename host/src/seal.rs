//! Seal and open: the AEAD, and everything that must hold around it. XChaCha20-Poly1305
//! (draft-irtf-cfrg-xchacha-03) under random 24-byte nonces; a sealed value is
//! `format u16 | algorithm u8 | key id[8] | key epoch u32 | nonce[24] | ciphertext | tag[16]`.
//!
//! - The *address* of a value is associated data, so that a production blob copied into staging,
//!   or onto another name, does not open.
//! - Poly1305 does not commit to its key, so the plaintext starts with 32 zero bytes, checked
//!   after opening: nobody can make one ciphertext that opens to two texts under two keys.
//! - Plaintext is padded to 64, 256, 1024, 4096 and then multiples of 4096 bytes, so that a
//!   length says little.
//!
//! A capsule is sealed in another way, since it never leaves the process.
//!
//! Nothing here draws randomness, keeps what it opened, or names a value in an error: errors name
//! the variable. Invariant: this module and what is below it are the only users of an AEAD crate.

mod aead;
mod buffer;
mod capsule;
mod key;
mod padding;
mod part;
mod text;
mod wrap;

use std::{ops::Range, sync::Arc};

pub use buffer::{Buffer, NoRoom};
pub use capsule::{Capsule, CapsuleKey, MAX_CAPSULE_BYTES, capsule_binding, open_capsule, seal_capsule};
pub use key::DataKey;
pub(crate) use key::key_id;
pub(crate) use part::{PartPlace, open_part, seal_part};
pub use text::{EnvironmentPrivateKey, EnvironmentPublicKey, InvalidPublicKey, open_text, seal_text};
pub(crate) use wrap::{KeyRole, WrapAddress, unwrap, wrap};

use crate::{
    fields::{Reader, Writer},
    id::ValueId,
    model::{Address, KeyId, SealedValue},
    secret::Secret,
};

/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// The longest name that an address may carry, in bytes; checked names are shorter.
const MAX_NAME_BYTES: usize = 255;
/// The length of a nonce, in bytes. Random ones of 12 bytes would collide at volumes that we can
/// reach (2^-33 at 2^32 messages); random ones of 24 bytes do not.
pub const NONCE_BYTES: usize = 24;

/// The version of the sealed form.
const FORMAT: u16 = 1;
/// XChaCha20-Poly1305; the only algorithm so far.
const ALGORITHM: u8 = 1;

/// Why a value was not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More than [`MAX_VALUE_BYTES`].
    #[error("cannot seal the value of {name}: it is longer than {MAX_VALUE_BYTES} bytes")]
    ValueTooLong {
        /// The variable's name, or the service's.
        name: Arc<str>,
    },
    /// The address cannot be written down.
    #[error("cannot seal a value under a name of more than {MAX_NAME_BYTES} bytes")]
    NameTooLong,
    /// The public key is none that anything can be sealed to (RFC 9180, section 7.1.4).
    #[error("cannot seal the value of {name}: the environment's public key is not usable")]
    UnusablePublicKey {
        /// The variable's name, or the service's.
        name: Arc<str>,
    },
}

/// A value that did not open: which one, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot open the value of {name}")]
pub struct OpenError {
    /// The variable's name, or the service's. Never the value.
    pub name: Arc<str>,
    /// Why.
    #[source]
    pub reason: OpenReason,
}

/// Why something sealed did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenReason {
    /// The bytes are not a sealed value of a known format.
    #[error("not a sealed value of a known format")]
    Malformed,
    /// It was sealed under another key than the one at hand.
    #[error("sealed under the key {wanted}, epoch {epoch}")]
    OtherKey {
        /// The key it wants.
        wanted: KeyId,
        /// That key's epoch.
        epoch: u32,
    },
    /// It was changed, moved to another address, or sealed under a key of the same name.
    #[error("changed, or sealed for another place")]
    Refused,
    /// The buffer has too little capacity left, and growing it would leave copies behind.
    #[error("the buffer is too small")]
    NoRoom,
}

/// Seals `plaintext` for `address`. The nonce must be random.
///
/// # Errors
/// When the value or its name is too long.
pub fn seal(
    key: &DataKey,
    address: &Address,
    id: ValueId,
    plaintext: &[u8],
    nonce: &[u8; NONCE_BYTES],
) -> Result<SealedValue, SealError> {
    if plaintext.len() > MAX_VALUE_BYTES {
        return Err(SealError::ValueTooLong { name: address.name.clone() });
    }
    let associated = associated_data(key, address).ok_or(SealError::NameTooLong)?;
    let header = Writer::new().u16(FORMAT).u8(ALGORITHM).raw(&key.id().0).u32(key.epoch()).finish();
    let bytes = aead::seal(&key.bytes, nonce, &associated, plaintext, header);
    Ok(SealedValue { id, bytes: bytes.into() })
}

/// Opens a value that lives at `address`.
///
/// # Errors
/// When it is malformed, under another key, changed, or from another address.
pub fn open(key: &DataKey, address: &Address, value: &SealedValue) -> Result<Secret, OpenError> {
    let mut buffer = Buffer::with_capacity(room(value));
    let at = open_into(key, address, value, &mut buffer)?;
    Ok(Secret::new(buffer.expose(at).to_vec()))
}

/// Opens a value into `buffer`, behind what is already there, and returns where its bytes are.
/// This is for a boot: one buffer for everything, wiped when it is dropped.
///
/// # Errors
/// As [`open`]; also when the buffer has less than [`room`] left.
pub fn open_into(
    key: &DataKey,
    address: &Address,
    value: &SealedValue,
    buffer: &mut Buffer,
) -> Result<Range<usize>, OpenError> {
    open_bytes(key, address, &value.bytes, buffer)
        .map_err(|reason| OpenError { name: address.name.clone(), reason })
}

/// How much capacity of a buffer opening `value` takes, in bytes.
#[must_use]
pub fn room(value: &SealedValue) -> usize {
    value.bytes.len()
}

/// Which key a sealed value wants: its id and epoch. Says nothing about whether it would open.
///
/// # Errors
/// When the bytes are not a sealed value of a known format.
pub fn sealed_under(value: &SealedValue) -> Result<(KeyId, u32), OpenReason> {
    split(&value.bytes).map(|(id, epoch, _)| (id, epoch))
}

fn open_bytes(
    key: &DataKey,
    address: &Address,
    bytes: &[u8],
    buffer: &mut Buffer,
) -> Result<Range<usize>, OpenReason> {
    let (wanted, epoch, sealed) = split(bytes)?;
    if (wanted, epoch) != (key.id(), key.epoch()) {
        return Err(OpenReason::OtherKey { wanted, epoch });
    }
    let associated = associated_data(key, address).ok_or(OpenReason::Refused)?;
    aead::open(&key.bytes, &associated, sealed, buffer)
}

fn split(bytes: &[u8]) -> Result<(KeyId, u32, &[u8]), OpenReason> {
    let mut reader = Reader::new(bytes);
    let mut fields =
        || Ok::<_, crate::fields::Malformed>((reader.u16()?, reader.u8()?, reader.array()?, reader.u32()?));
    match fields() {
        Ok((FORMAT, ALGORITHM, id, epoch)) => Ok((KeyId(id), epoch, reader.rest())),
        _ => Err(OpenReason::Malformed),
    }
}

/// `"BLACE" | format | algorithm | kind | key id | key epoch | workspace | environment |
/// deployment | version | name`: the bytes are unambiguous because every field but the last has
/// one length.
fn associated_data(key: &DataKey, address: &Address) -> Option<Vec<u8>> {
    let head = Writer::new().raw(b"BLACE").u16(FORMAT).u8(ALGORITHM).u8(address.kind as u8);
    with_place(head.raw(&key.id().0).u32(key.epoch()), address)
}

fn with_place(head: Writer, address: &Address) -> Option<Vec<u8>> {
    (address.name.len() <= MAX_NAME_BYTES).then(|| {
        head.raw(&address.workspace.0)
            .raw(&address.environment.0)
            .raw(&address.deployment.0)
            .u64(address.version)
            .text(&address.name)
            .finish()
    })
}

#[cfg(test)]
mod tests;
