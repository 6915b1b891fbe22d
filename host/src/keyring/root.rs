use std::{collections::BTreeMap, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::{Zeroize, Zeroizing};

use crate::{model::KeyId, seal::key_id};

const PREFIX: &str = "bootlace-root-key:1:";

/// Wraps other keys and nothing else. It lives in a file of mode 0600 or a service manager's
/// credential; never in a snapshot, never in an environment variable.
pub struct RootKey {
    bytes: Zeroizing<[u8; 32]>,
    id: KeyId,
}

/// The text is not a root key. It says no more, because the text may nearly be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a root key; expected {PREFIX} and 32 bytes in base64")]
pub struct InvalidRootKey;

impl RootKey {
    /// A key from 32 random bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { id: key_id("bootlace root key 1", &*bytes), bytes }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What stands in its file: `bootlace-root-key:1:<base64>` and a line feed.
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        secret_line(PREFIX, &self.bytes)
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl FromStr for RootKey {
    type Err = InvalidRootKey;
    /// Reads a root key's file.
    fn from_str(text: &str) -> Result<Self, InvalidRootKey> {
        parse_secret_line(PREFIX, text).map(Self::new).ok_or(InvalidRootKey)
    }
}

/// The root keys that this host holds.
#[derive(Default)]
pub struct RootKeys(BTreeMap<KeyId, RootKey>);

impl RootKeys {
    /// These keys.
    pub fn new(keys: impl IntoIterator<Item = RootKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id(), key)).collect())
    }

    /// The key of that name.
    #[must_use]
    pub fn named(&self, id: KeyId) -> Option<&RootKey> {
        self.0.get(&id)
    }
}

/// `<prefix><base64 of 32 bytes>` and a line feed.
pub(crate) fn secret_line(prefix: &str, bytes: &[u8; 32]) -> Zeroizing<String> {
    // Room for everything first: a text that grows leaves copies of itself behind.
    let mut line = Zeroizing::new(String::with_capacity(prefix.len() + 64));
    line.push_str(prefix);
    BASE64_STANDARD.encode_string(bytes, &mut line);
    line.push('\n');
    line
}

/// Reads back what [`secret_line`] wrote; one line feed at the end may be missing.
pub(crate) fn parse_secret_line(prefix: &str, text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let encoded = text.strip_prefix(prefix)?;
    let encoded = encoded.strip_suffix('\n').unwrap_or(encoded);
    // 44 characters decode to at most 33 bytes.
    let mut decoded = [0; 36];
    let length =
        (encoded.len() == 44).then(|| BASE64_STANDARD.decode_slice(encoded, &mut decoded).ok()).flatten();
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&decoded[..32]);
    decoded.zeroize();
    (length == Some(32)).then_some(key)
}
