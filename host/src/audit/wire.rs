//! The lines that the audit log writes about itself, among the records: what a file begins with,
//! seals, checkpoints, and files that retention removed.

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{canonical::Canonical, id::Digest};

/// The format of the files. What is newer is not read.
pub(super) const FORMAT: u32 = 2;
/// The oldest that is read: its boots tell all but the names of their keys by themselves.
const OLDEST_FORMAT: u32 = 1;

/// Whether a file of that format is read.
pub(super) fn is_read(format: u32) -> bool {
    (OLDEST_FORMAT..=FORMAT).contains(&format)
}

/// A line about the log itself. It has one spelling, so that no byte of it can change unseen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Notice {
    File(Header),
    Seal(Seal),
    Checkpoint(Checkpoint),
    Removed(Removed),
}

/// What a file begins with: how far the log had come, and what was found behind the last seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) file: u64,
    pub(super) at: i64,
    /// The file of the last seal; 0 where a chain begins.
    pub(super) before: u64,
    pub(super) seals: u64,
    pub(super) lines: u64,
    #[serde(with = "text")]
    pub(super) chain: Digest,
    /// What no seal vouches for: a host that was killed left it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unsealed: Vec<Unsealed>,
    /// Why the last seal is not where it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) damage: Option<String>,
}

/// The end of a file that was not sealed in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unsealed {
    pub(super) file: u64,
    pub(super) lines: u64,
    #[serde(with = "text")]
    pub(super) digest: Digest,
}

/// Vouches for the lines since the seal before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seal {
    pub(super) file: u64,
    pub(super) seal: u64,
    pub(super) lines: u64,
    #[serde(with = "text")]
    pub(super) chain: Digest,
    pub(super) tag: String,
}

/// How far the log had come, signed: to be kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    pub(super) at: i64,
    pub(super) file: u64,
    pub(super) seal: u64,
    pub(super) lines: u64,
    #[serde(with = "text")]
    pub(super) chain: Digest,
    pub(super) signer: String,
    pub(super) signature: String,
}

/// A file that retention removed, and where the log stood at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removed {
    pub(super) at: i64,
    pub(super) file: u64,
    /// When its last record was written.
    pub(super) until: i64,
    pub(super) seals: u64,
    #[serde(with = "text")]
    pub(super) chain: Digest,
}

impl Notice {
    /// The line, with its line feed.
    pub(super) fn to_line(&self) -> Vec<u8> {
        // Texts and numbers always encode.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a line; nothing when it is a record, or not spelt as [`Notice::to_line`] would.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        Self::is_one(line).then_some(())?;
        let notice: Self = serde_json::from_slice(line).ok()?;
        (notice.to_line() == line).then_some(notice)
    }

    /// Whether a line is about the log itself. Records of changes begin otherwise, whatever their
    /// kind is.
    pub(super) fn is_one(line: &[u8]) -> bool {
        let kind = line.strip_prefix(br#"{"kind":""#);
        kind.is_some_and(|kind| !kind.starts_with(br#"boot""#))
    }
}

/// The chain behind seal number `seal`: over the chain before it and the digest of its lines.
pub(super) fn link(before: &Digest, file: u64, seal: u64, lines: u64, content: &Digest) -> Digest {
    let hash = Canonical::new("bootlace audit chain 1").bytes(&before.0);
    hash.number(file).number(seal).number(lines).bytes(&content.0).finish()
}

/// Digests as they print.
mod text {
    use super::{Deserialize as _, Deserializer, Display, FromStr, Serializer, de};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| de::Error::custom("not a digest"))
    }
}
