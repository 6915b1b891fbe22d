//! `32 zero bytes | length u32 | plaintext | zero bytes`: what is encrypted. The zeros in front
//! commit to the key; those behind hide the length.

use std::ops::Range;

use subtle::ConstantTimeEq;

/// The zeros that commit to the key. 32 bytes: finding two keys that both give them costs 2^128.
pub(super) const COMMITMENT_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;
const HEAD_BYTES: usize = COMMITMENT_BYTES + LENGTH_BYTES;

/// How long `plaintext` bytes are once framed.
pub(super) fn framed_len(plaintext: usize) -> usize {
    COMMITMENT_BYTES + bucket(LENGTH_BYTES + plaintext)
}

/// Appends the framed plaintext to `out`, which has the capacity for it.
pub(super) fn frame(plaintext: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + framed_len(plaintext.len());
    out.extend_from_slice(&[0; COMMITMENT_BYTES]);
    // A frame is at most a capsule of 4 MiB long.
    out.extend_from_slice(&u32::try_from(plaintext.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(plaintext);
    out.resize(end, 0);
}

/// Where the plaintext is in `framed`; nothing when the frame is not one that [`frame`] writes.
pub(super) fn unframe(framed: &[u8]) -> Option<Range<usize>> {
    let commitment = framed.get(..COMMITMENT_BYTES)?;
    let length = framed.get(COMMITMENT_BYTES..HEAD_BYTES)?.try_into().ok().map(u32::from_le_bytes)?;
    let end = HEAD_BYTES.checked_add(usize::try_from(length).ok()?)?;
    let padding = framed.get(end..)?;
    let committed = bool::from(commitment.ct_eq(&[0; COMMITMENT_BYTES]));
    let padded = padding.iter().fold(0, |all, byte| all | byte) == 0;
    let canonical = framed.len() == framed_len(end - HEAD_BYTES);
    (committed && padded && canonical).then_some(HEAD_BYTES..end)
}

fn bucket(bytes: usize) -> usize {
    match bytes {
        0..=64 => 64,
        65..=256 => 256,
        257..=1024 => 1024,
        _ => bytes.div_ceil(4096) * 4096,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_fall_into_few_buckets() {
        for (plaintext, framed) in
            [(0, 64), (60, 64), (61, 256), (252, 256), (253, 1024), (1021, 4096), (4093, 8192)]
        {
            assert_eq!(framed_len(plaintext), COMMITMENT_BYTES + framed, "{plaintext}");
        }
    }

    #[test]
    fn a_frame_reads_back_and_its_neighbours_do_not() {
        let mut framed = Vec::new();
        frame(b"hello", &mut framed);
        assert_eq!(unframe(&framed).and_then(|at| framed.get(at)), Some(&b"hello"[..]));
        assert!(unframe(framed.get(..framed.len() - 1).unwrap()).is_none(), "truncated");
        let longer = [framed.as_slice(), &[0; 192]].concat();
        assert!(unframe(&longer).is_none(), "in a bucket that is too large");
        for (at, what) in [(0, "commitment"), (31, "commitment"), (34, "length"), (95, "padding")] {
            let mut changed = framed.clone();
            changed[at] ^= 1;
            assert!(unframe(&changed).is_none(), "{what}");
        }
    }
}
