//! Unambiguous hashing: every field is preceded by its length, every hash by a domain string, so
//! that no two different inputs write the same bytes.

use sha2::{Digest as _, Sha256};

use crate::id::Digest;

/// A SHA-256 (FIPS 180-4) over length-prefixed fields.
#[derive(Clone)]
pub struct Canonical(Sha256);

impl Canonical {
    /// Starts a hash of its own domain, such as `bootlace plan 1`.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self(Sha256::new()).text(domain)
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_le_bytes());
        self
    }

    /// Adds the count of `items`, then each of them.
    #[must_use]
    pub fn each<T>(self, items: impl ExactSizeIterator<Item = T>, add: impl Fn(Self, T) -> Self) -> Self {
        let counted = self.number(items.len() as u64);
        items.fold(counted, add)
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Plain SHA-256 (FIPS 180-4), as `sha256sum` prints it: for whole files, components and blobs.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}
