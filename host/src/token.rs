//! Tokens: `bl_<kind>_<base62 of 32 random bytes, 43 digits><base62 of CRC-32, 6 digits>`. The
//! checksum lets scanners and the host reject garbage without a lookup; the kind and the `bl_` are
//! part of what is summed. A host keeps the SHA-256 of a token under a domain string: with 256
//! random bits, a keyed or slow hash would add nothing.

use std::str::FromStr;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    canonical::Canonical,
    model::{TokenHash, TokenKind},
};

const SECRET_DIGITS: usize = 43;
const CHECKSUM_DIGITS: usize = 6;
/// The longest token, in bytes: `bl_instance_` and the digits. Nothing longer is looked at.
pub const MAX_TOKEN_BYTES: usize = 3 + 8 + 1 + SECRET_DIGITS + CHECKSUM_DIGITS;

const KINDS: [TokenKind; 3] = [TokenKind::Instance, TokenKind::Tenant, TokenKind::Operator];
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token in full. No `Debug`, no `Display`, no `Clone`; wiped on drop.
pub struct Token {
    kind: TokenKind,
    text: Zeroizing<String>,
}

/// Why a text is not a token. The text is never quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Not of the form, or of no known kind.
    #[error("not a token")]
    Malformed,
    /// Mistyped, cut or made up.
    #[error("not a token: its checksum does not fit")]
    Checksum,
}

impl Token {
    /// A token from 32 random bytes.
    #[must_use]
    pub fn mint(kind: TokenKind, random: Zeroizing<[u8; 32]>) -> Self {
        // Room for everything first: a text that grows leaves copies of itself behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_TOKEN_BYTES));
        text.push_str("bl_");
        text.push_str(kind.as_str());
        text.push('_');
        push_base62(&mut text, random);
        let sum = checksum(&text);
        sum.iter().for_each(|&digit| text.push(digit.into()));
        Self { kind, text }
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The text, to be handed over once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What a host keeps of it and finds it by.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Canonical::new("bootlace token 1").text(&self.text).finish().0)
    }
}

impl FromStr for Token {
    type Err = InvalidToken;
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(InvalidToken::Malformed);
        }
        let (kind, digits) = split_kind(text).ok_or(InvalidToken::Malformed)?;
        if digits.len() != SECRET_DIGITS + CHECKSUM_DIGITS
            || !digits.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Err(InvalidToken::Malformed);
        }
        let (summed, sum) = text.split_at(text.len() - CHECKSUM_DIGITS);
        if checksum(summed) != sum.as_bytes() {
            return Err(InvalidToken::Checksum);
        }
        Ok(Self { kind, text: Zeroizing::new(text.to_owned()) })
    }
}

/// Compares two hashes in constant time.
#[must_use]
pub fn same_hash(one: &TokenHash, other: &TokenHash) -> bool {
    one.0.ct_eq(&other.0).into()
}

/// How a token is named in lists and logs: the first 12 hex digits of its hash.
#[must_use]
pub fn token_id(hash: &TokenHash) -> String {
    hex::encode(&hash.0[..6])
}

fn split_kind(text: &str) -> Option<(TokenKind, &str)> {
    let (kind, digits) = text.strip_prefix("bl_")?.split_once('_')?;
    KINDS.into_iter().find(|known| known.as_str() == kind).map(|kind| (kind, digits))
}

/// CRC-32 as base62 digits.
fn checksum(text: &str) -> [u8; CHECKSUM_DIGITS] {
    let mut sum = crc32fast::hash(text.as_bytes());
    let mut digits = [0; CHECKSUM_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(sum % 62) as usize];
        sum /= 62;
    }
    digits
}

/// Appends a big-endian number as [`SECRET_DIGITS`] base62 digits: schoolbook division, last digit first. The
/// `base62` crate stops at 128 bits.
fn push_base62(text: &mut String, mut number: Zeroizing<[u8; 32]>) {
    let mut digits = [0_u8; SECRET_DIGITS];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in number.iter_mut() {
            let dividend = remainder << 8 | u32::from(*byte);
            *byte = (dividend / 62) as u8;
            remainder = dividend % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
    digits.iter().for_each(|&digit| text.push(digit.into()));
    digits.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(fill: u8) -> Token {
        Token::mint(TokenKind::Instance, Zeroizing::new([fill; 32]))
    }

    #[test]
    fn tokens_have_one_length_and_read_back() {
        for kind in KINDS {
            for fill in [0, 1, 0x7f, 0xff] {
                let token = Token::mint(kind, Zeroizing::new([fill; 32]));
                assert_eq!(token.expose().len(), 3 + kind.as_str().len() + 1 + 49);
                let parsed: Token = token.expose().parse().ok().unwrap();
                assert_eq!(parsed.kind(), kind);
                assert!(same_hash(&parsed.hash(), &token.hash()));
            }
        }
        assert!(token(0xff).expose().len() <= MAX_TOKEN_BYTES);
    }

    /// Computed with Python's integers and zlib.
    #[test]
    fn a_token_is_what_it_was() {
        assert_eq!(token(1).expose(), "bl_instance_0El6XFXwsUFD8J2vGxsaboW7rZYnQRBP5d9erwRwd293duDjI");
    }

    #[test]
    fn every_change_of_one_character_is_refused() {
        let token = token(0x5a);
        for at in 0..token.expose().len() {
            for other in DIGITS.iter().chain(b"_ -\n") {
                let mut bytes = token.expose().as_bytes().to_vec();
                if bytes[at] == *other {
                    continue;
                }
                bytes[at] = *other;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(changed.parse::<Token>().is_err(), "{at} {other}");
            }
        }
    }

    #[test]
    fn garbage_is_refused() {
        let good = token(3);
        let text = good.expose();
        let longer = format!("{text}0");
        let huge = "bl_instance_".to_owned() + &"0".repeat(1 << 20);
        let kind = text.replace("instance", "operator");
        for bad in
            ["", "bl_", "bl__", "bl_instance_", "Bearer x", &text[1..], &text[..60], &longer, &huge, &kind]
        {
            assert!(bad.parse::<Token>().is_err());
        }
        let wide = format!("bl_instance_{}", "é".repeat(24));
        assert_eq!(wide.parse::<Token>().err(), Some(InvalidToken::Malformed));
        assert_eq!(kind.parse::<Token>().err(), Some(InvalidToken::Checksum));
    }

    #[test]
    fn different_tokens_have_different_hashes() {
        assert!(!same_hash(&token(1).hash(), &token(2).hash()));
        assert_eq!(token_id(&token(1).hash()).len(), 12);
    }
}
