//! The one caller of the AEAD for what is stored or sent: `nonce[24] | ciphertext | tag[16]`, over a
//! framed plaintext.

use std::ops::Range;

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};

use super::{Buffer, NONCE_BYTES, OpenReason, padding};

const TAG_BYTES: usize = 16;

/// Appends `nonce | ciphertext | tag` of the framed plaintext to `out`. It is encrypted where it
/// will stay; the capacity is reserved first, so that nothing of it is left behind by growing.
pub(super) fn seal(
    key: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    plaintext: &[u8],
    mut out: Vec<u8>,
) -> Vec<u8> {
    out.reserve_exact(NONCE_BYTES + padding::framed_len(plaintext.len()) + TAG_BYTES);
    out.extend_from_slice(nonce);
    let start = out.len();
    padding::frame(plaintext, &mut out);
    let cipher = XChaCha20Poly1305::new(key.into());
    let buffer = out.get_mut(start..).unwrap_or_default();
    let tag = cipher
        .encrypt_inout_detached(&XNonce::from(*nonce), associated, buffer.into())
        .expect("a frame is shorter than the 256 GiB that ChaCha20 can encrypt under one nonce");
    out.extend_from_slice(&tag);
    out
}

/// Opens what [`seal`] wrote behind what is in `buffer`. What is left directly behind is the
/// plaintext alone, without its frame, so that one opening may follow another and a body may go on
/// behind.
pub(super) fn open(
    key: &[u8; 32],
    associated: &[u8],
    sealed: &[u8],
    buffer: &mut Buffer,
) -> Result<Range<usize>, OpenReason> {
    let framed = open_frame(key, associated, sealed, buffer)?;
    let start = framed.start;
    match padding::unframe(buffer.tail(start)) {
        Some(at) => {
            let length = at.len();
            buffer.tail(start).copy_within(at, 0);
            buffer.rewind(start + length);
            Ok(start..start + length)
        }
        None => {
            buffer.rewind(start);
            Err(OpenReason::Refused)
        }
    }
}

/// The frame, opened in place: the bytes are copied once, as ciphertext.
fn open_frame(
    key: &[u8; 32],
    associated: &[u8],
    sealed: &[u8],
    buffer: &mut Buffer,
) -> Result<Range<usize>, OpenReason> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(OpenReason::Malformed)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(OpenReason::Malformed)?;
    let at = buffer.push(ciphertext).map_err(|_| OpenReason::NoRoom)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let bytes = buffer.tail(at.start);
    let opened =
        cipher.decrypt_inout_detached(&XNonce::from(*nonce), associated, bytes.into(), &Tag::from(*tag));
    opened.map(|()| at.clone()).map_err(|_| {
        buffer.rewind(at.start);
        OpenReason::Refused
    })
}
