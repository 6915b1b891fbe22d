//! Who signs what: Ed25519 (RFC 8032), always verified strictly, always over a domain string and
//! the bytes, so that a signature for one purpose is none for another. An *operator's* key signs
//! what comes to a host; a host's *store* key signs what it keeps, and is trusted for nothing else.

mod environment_keys;

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::Signer as _;
pub use environment_keys::{PublishedKey, sign_environment_keys, verify_environment_keys};
use zeroize::Zeroizing;

use crate::{
    canonical::Canonical,
    keyring::{parse_secret_line, secret_line},
};

const SIGNER_PREFIX: &str = "bootlace-signer:1:";
const KEY_PREFIX: &str = "bootlace-signing-key:1:";

/// What is being said by signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    /// An operator pushes this bundle.
    PushedBundle,
    /// A host keeps this revision.
    StoredBundle,
    /// A host keeps this root.
    SlotRoot,
    /// An operator vouches for these public keys.
    EnvironmentKeys,
    /// An operator lets an older revision load.
    FloorOverride,
    /// A host's audit log had come this far.
    AuditCheckpoint,
}

impl Statement {
    fn domain(self) -> &'static [u8] {
        match self {
            Self::PushedBundle => b"bootlace pushed bundle 1\0",
            Self::StoredBundle => b"bootlace stored bundle 1\0",
            Self::SlotRoot => b"bootlace slot root 1\0",
            Self::EnvironmentKeys => b"bootlace environment keys 1\0",
            Self::FloorOverride => b"bootlace floor override 1\0",
            Self::AuditCheckpoint => b"bootlace audit checkpoint 1\0",
        }
    }

    /// The domain string, which ends at its only zero byte, then the bytes.
    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.domain(), bytes].concat()
    }
}

/// A signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The signature does not fit the key and the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature of {signer} does not fit")]
pub struct BadSignature {
    /// Whose it should be.
    pub signer: SignerId,
}

macro_rules! signing_key {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        pub struct $type(ed25519_dalek::SigningKey);

        impl $type {
            /// A key from 32 random bytes.
            #[must_use]
            pub fn new(seed: Zeroizing<[u8; 32]>) -> Self {
                Self(ed25519_dalek::SigningKey::from_bytes(&seed))
            }

            /// The public half.
            #[must_use]
            pub fn verifying_key(&self) -> VerifyingKey {
                VerifyingKey(self.0.verifying_key())
            }

            pub(crate) fn sign(&self, statement: Statement, bytes: &[u8]) -> Signature {
                Signature(self.0.sign(&statement.message(bytes)).to_bytes())
            }
        }
    };
}

signing_key!(
    /// An operator's key: signs pushes, public keys and overrides.
    OperatorKey
);
signing_key!(
    /// A host's key: signs what it keeps. Never trusted for a push.
    StoreKey
);

signing_key!(
    /// A host's key for the checkpoints of its audit log.
    AuditSigner
);

impl StoreKey {
    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl OperatorKey {
    /// What stands in the key's file: `bootlace-signing-key:1:<base64>` and a line feed.
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        secret_line(KEY_PREFIX, self.0.as_bytes())
    }
}

/// The text is not a signing key. It says no more, because the text may nearly be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing key; expected {KEY_PREFIX} and 32 bytes in base64")]
pub struct InvalidSigningKey;

impl FromStr for OperatorKey {
    type Err = InvalidSigningKey;
    /// Reads a key's file.
    fn from_str(text: &str) -> Result<Self, InvalidSigningKey> {
        parse_secret_line(KEY_PREFIX, text).map(Self::new).ok_or(InvalidSigningKey)
    }
}

/// A public key: whose signatures are believed, where it is trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Its 32 bytes (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> SignerId {
        let digest = Canonical::new("bootlace signer 1").bytes(self.0.as_bytes()).finish();
        let mut id = [0; 16];
        id.copy_from_slice(&digest.0[..16]);
        SignerId(id)
    }

    /// Strict verification: no malleable signatures, no weak keys (RFC 8032, section 5.1.7).
    pub(crate) fn verify(
        &self,
        statement: Statement,
        bytes: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0
            .verify_strict(&statement.message(bytes), &signature)
            .map_err(|_| BadSignature { signer: self.id() })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SIGNER_PREFIX}{}", BASE64_STANDARD.encode(self.0.as_bytes()))
    }
}

/// The text is not a usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signer; expected {SIGNER_PREFIX} and an Ed25519 public key in base64")]
pub struct InvalidSigner;

impl FromStr for VerifyingKey {
    type Err = InvalidSigner;
    fn from_str(text: &str) -> Result<Self, InvalidSigner> {
        let encoded = text.strip_prefix(SIGNER_PREFIX).ok_or(InvalidSigner)?;
        let bytes = BASE64_STANDARD.decode(encoded.trim_end()).map_err(|_| InvalidSigner)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| InvalidSigner)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| InvalidSigner)?;
        if key.is_weak() { Err(InvalidSigner) } else { Ok(Self(key)) }
    }
}

/// Names a signer: the head of a SHA-256 over a domain string and its public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignerId(pub [u8; 16]);

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The operators whose pushes, public keys and overrides are believed. Two may overlap, so that a
/// key can be changed without a gap.
#[derive(Debug, Clone, Default)]
pub struct TrustedSigners(BTreeMap<SignerId, VerifyingKey>);

impl TrustedSigners {
    /// These operators.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id(), key)).collect())
    }

    /// The trusted operator of that name.
    #[must_use]
    pub fn named(&self, id: SignerId) -> Option<&VerifyingKey> {
        self.0.get(&id)
    }
}

#[cfg(test)]
mod tests;
