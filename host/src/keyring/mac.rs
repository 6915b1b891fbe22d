//! The keys of a host that authenticate rather than encrypt: HMAC-SHA256 (RFC 2104, FIPS 198-1).

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A message authentication code. Compared in constant time.
#[derive(Clone, Copy)]
pub struct Mac(pub [u8; 32]);

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Mac {}

impl std::fmt::Debug for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// HMAC-SHA256 over a domain string, a zero byte and `message`.
pub(super) fn hmac(key: &[u8; 32], domain: &str, message: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    hmac.update(domain.as_bytes());
    hmac.update(&[0]);
    hmac.update(message);
    Zeroizing::new(hmac.finalize().into_bytes().into())
}

macro_rules! mac_key {
    ($(#[$doc:meta])* $type:ident, $domain:literal) => {
        $(#[$doc])*
        pub struct $type(Zeroizing<[u8; 32]>);

        impl $type {
            /// A key from 32 random bytes.
            #[must_use]
            pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
                Self(bytes)
            }

            /// HMAC-SHA256 over this role's domain string, a zero byte and `message`.
            #[must_use]
            pub fn mac(&self, message: &[u8]) -> Mac {
                Mac(*hmac(&self.0, $domain, message))
            }
        }
    };
}

/// For a key that is kept, wrapped, in the data directory.
macro_rules! kept {
    ($($type:ident),*) => {
        $(impl $type {
            pub(crate) fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        })*
    };
}

kept!(AuditKey, ArtefactKey, FloorKey);

mac_key!(
    /// What a host keeps for its audit log: signs its checkpoints, wraps its chain's state on disk.
    AuditKey,
    "bootlace audit 1"
);
mac_key!(
    /// Vouches for compiled policies on disk: loading one runs it as machine code.
    ArtefactKey,
    "bootlace artefact 1"
);
mac_key!(
    /// Vouches for the highest revisions seen.
    FloorKey,
    "bootlace floor 1"
);
mac_key!(
    /// Vouches for the records of the ledger: whoever can write the file cannot make a token of it.
    RecordKey,
    "bootlace record 1"
);

mac_key!(
    /// Makes fingerprints of secrets, which are compared and never leave the process.
    FingerprintKey,
    "bootlace fingerprint 1"
);

impl FloorKey {
    /// The key of the ledger's records. Derived (HMAC as a PRF over a domain of its own) and not kept,
    /// so that a directory of an older version, whose file has no such key, needs no new file.
    #[must_use]
    pub fn record_key(&self) -> RecordKey {
        RecordKey::new(Zeroizing::new(self.mac(b"derive bootlace record key 1").0))
    }
}
