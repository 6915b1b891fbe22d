//! Parts of a file that is too long to be sealed at once: each is bound to the file, to its place in it and
//! to whether it is the last, so that none is left out, moved, doubled or taken from another file.

use super::{ALGORITHM, Buffer, FORMAT, NONCE_BYTES, aead};
use crate::{fields::Writer, id::Digest};

/// Where a part belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartPlace {
    /// What stands in front of the parts, by its digest.
    pub(crate) file: Digest,
    /// Counted from 0.
    pub(crate) number: u64,
    pub(crate) is_last: bool,
}

/// Seals a part. The nonce must be random.
pub(crate) fn seal_part(
    key: &[u8; 32],
    place: &PartPlace,
    plaintext: &[u8],
    nonce: &[u8; NONCE_BYTES],
) -> Vec<u8> {
    aead::seal(key, nonce, &associated_data(place), plaintext, Vec::new())
}

/// Opens a part behind what is in `buffer`; whether it is that part, unchanged.
pub(crate) fn open_part(key: &[u8; 32], place: &PartPlace, sealed: &[u8], buffer: &mut Buffer) -> bool {
    aead::open(key, &associated_data(place), sealed, buffer).is_ok()
}

fn associated_data(place: &PartPlace) -> Vec<u8> {
    Writer::new()
        .raw(b"BLACE-PART")
        .u16(FORMAT)
        .u8(ALGORITHM)
        .raw(&place.file.0)
        .u64(place.number)
        .u8(u8::from(place.is_last))
        .finish()
}
