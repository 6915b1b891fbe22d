//! The keys of the audit log's chain. They go one way only: from a file's key follow the keys of
//! its seals and of all later files, and none from before; whoever takes a host over finds no key
//! that made an older seal. (Bellare and Yee, "Forward integrity for secure audit logs", 1997.)

use std::str::FromStr;

use zeroize::Zeroizing;

use super::{
    AuditKey, Mac,
    mac::hmac,
    root::{parse_secret_line, secret_line},
};
use crate::{
    entropy::{Entropy, fresh},
    id::{Digest, Uid},
    seal::{self, KeyRole, WrapAddress, key_id},
    signing::AuditSigner,
};

const VERIFIER_PREFIX: &str = "bootlace-audit-verifier:1:";

/// Seals one file of the audit log: its keys follow from this one.
pub struct ChainKey(Zeroizing<[u8; 32]>);

impl ChainKey {
    /// The first file's key, from 32 random bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The next file's: HMAC-SHA256 of a domain string under this one.
    #[must_use]
    pub fn next(&self) -> Self {
        Self(hmac(&self.0, "bootlace audit file key 1", &[]))
    }

    /// The key of this file's first seal.
    #[must_use]
    pub fn first_seal(&self) -> SealKey {
        SealKey(hmac(&self.0, "bootlace audit seal key 1", &[]))
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Makes one seal.
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// Vouches for `chain`, and becomes the next seal's key: this one is gone.
    pub fn tag(&mut self, chain: &Digest) -> Mac {
        let tag = hmac(&self.0, "bootlace audit tag 1", &chain.0);
        self.0 = hmac(&self.0, "bootlace audit next key 1", &[]);
        Mac(*tag)
    }
}

/// What verifies a whole chain, and could have made it: kept away from the host that makes it.
pub struct VerifierKey {
    /// The first file of the chain.
    pub first: u64,
    key: ChainKey,
}

impl VerifierKey {
    /// The key of a chain that begins with file `first`.
    #[must_use]
    pub fn new(first: u64, bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { first, key: ChainKey::new(bytes) }
    }

    /// The key of the chain's first file.
    #[must_use]
    pub fn begin(&self) -> ChainKey {
        ChainKey(self.key.0.clone())
    }

    /// What stands in its file: `bootlace-audit-verifier:1:<first file>:<base64>` and a line feed.
    #[must_use]
    pub fn to_file(&self) -> Zeroizing<String> {
        secret_line(&format!("{VERIFIER_PREFIX}{}:", self.first), self.key.expose())
    }
}

/// The text is not a verifier's key. It says no more, because the text may nearly be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an audit verifier's key; expected {VERIFIER_PREFIX}, a number and 32 bytes in base64")]
pub struct InvalidVerifierKey;

impl FromStr for VerifierKey {
    type Err = InvalidVerifierKey;
    /// Reads a verifier's file.
    fn from_str(text: &str) -> Result<Self, InvalidVerifierKey> {
        let read = || {
            let (first, _) = text.strip_prefix(VERIFIER_PREFIX)?.split_once(':')?;
            let key = parse_secret_line(&format!("{VERIFIER_PREFIX}{first}:"), text)?;
            Some(Self::new(first.parse().ok()?, key))
        };
        read().ok_or(InvalidVerifierKey)
    }
}

impl AuditKey {
    /// For the log's state, which outlives no host.
    pub(crate) fn copy(&self) -> Self {
        Self::new(Zeroizing::new(*self.expose()))
    }

    /// Signs the log's checkpoints.
    #[must_use]
    pub fn signer(&self) -> AuditSigner {
        AuditSigner::new(hmac(self.expose(), "bootlace audit signer 1", &[]))
    }

    /// Wraps what the chain goes on with, for the disk.
    pub(crate) fn wrap(&self, state: &[u8], entropy: &mut Entropy<'_>) -> Vec<u8> {
        let key = self.wrapping_key();
        seal::wrap(&key, &address(&key), state, &fresh(entropy))
    }

    /// Unwraps it.
    pub(crate) fn unwrap<const N: usize>(&self, wrapped: &[u8]) -> Option<Zeroizing<[u8; N]>> {
        let key = self.wrapping_key();
        seal::unwrap(&key, &address(&key), wrapped)
    }

    fn wrapping_key(&self) -> Zeroizing<[u8; 32]> {
        hmac(self.expose(), "bootlace audit state 1", &[])
    }
}

fn address(key: &[u8; 32]) -> WrapAddress {
    let root_key = key_id("bootlace audit state 1", key);
    WrapAddress {
        role: KeyRole::AuditChain,
        root_key,
        workspace: Uid::NONE,
        environment: Uid::NONE,
        epoch: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seal_and_every_file_has_a_key_of_its_own() {
        let first = ChainKey::new(Zeroizing::new([1; 32]));
        let second = first.next();
        let mut seals = [first.first_seal(), second.first_seal()];
        let chain = Digest([7; 32]);
        let tags: Vec<_> = (0..6).map(|at| hex::encode(seals[at % 2].tag(&chain).0)).collect();
        let distinct: std::collections::BTreeSet<_> = tags.iter().collect();
        assert_eq!(distinct.len(), tags.len());
    }

    #[test]
    fn a_verifiers_key_reads_back_what_it_prints() {
        let key = VerifierKey::new(7, Zeroizing::new([3; 32]));
        let read: VerifierKey = key.to_file().parse().ok().unwrap();
        assert_eq!((read.first, read.begin().expose()), (7, &[3; 32]));
        for bad in ["bootlace-audit-verifier:1:", "bootlace-audit-verifier:1:x:AAAA", &key.to_file()[..60]] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_state_unwraps_under_its_own_key_only() {
        let key = |fill| AuditKey::new(Zeroizing::new([fill; 32]));
        let wrapped = key(1).wrap(&[9; 40], &mut |bytes: &mut [u8]| bytes.fill(5));
        assert_eq!(key(1).unwrap::<40>(&wrapped).map(|state| *state), Some([9; 40]));
        assert!(key(2).unwrap::<40>(&wrapped).is_none() && key(1).unwrap::<41>(&wrapped).is_none());
    }
}
