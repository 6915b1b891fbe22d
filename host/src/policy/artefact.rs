//! Compiled code, and the only way in which stored code becomes code that runs.
#![allow(unsafe_code)]

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wasmtime::component::Component;

use super::engine::Engine;
use crate::{canonical::Canonical, id::Digest};

/// Length of the MAC that a stored artefact starts with, in bytes.
pub(crate) const MAC_BYTES: usize = 32;

/// Machine code that this host's own compiler made.
///
/// wasmtime trusts such bytes completely: of 1,500 single-bit flips, 122 crashed the process and 5
/// gave a wrong answer silently. Hence there are two ways only to have one: from the compiler, or
/// from storage with a MAC under a key that only this host has.
pub struct Artefact(Vec<u8>);

impl Artefact {
    /// What [`Engine::compile`] returned, here or in the process that it was called in.
    pub(crate) fn from_compiler(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads back what [`Artefact::store`] wrote under the same key, for the same component and
    /// engine configuration; anything else is `None` and has to be compiled again.
    #[must_use]
    pub fn restore(stored: &[u8], key: &[u8; 32], component: Digest, configuration: Digest) -> Option<Self> {
        let (tag, bytes) = stored.split_at_checked(MAC_BYTES)?;
        mac(key, component, configuration, bytes).verify_slice(tag).ok()?;
        Some(Self(bytes.to_vec()))
    }

    /// The bytes to store: HMAC-SHA256 (RFC 2104) over a domain, the component's digest, the
    /// engine's configuration and the code, then the code.
    #[must_use]
    pub fn store(&self, key: &[u8; 32], component: Digest, configuration: Digest) -> Vec<u8> {
        let tag = mac(key, component, configuration, &self.0).finalize().into_bytes();
        [tag.as_slice(), &self.0].concat()
    }

    /// The code alone, for the way from the compiling process to its parent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Makes the code runnable.
    ///
    /// # Errors
    /// When it was made for another configuration, or exceeds the pool's caps.
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `Component::deserialize` requires bytes that `precompile_component` of this very
        // wasmtime made and nobody changed since. An `Artefact` holds no others: it comes from our
        // compiler over a pipe of our own, or from `restore`, where the MAC says that this host
        // stored it, under a name that has the runtime's version and configuration in it.
        #[allow(clippy::disallowed_methods, reason = "the one place, with the argument above")]
        unsafe {
            Component::deserialize(engine.wasmtime(), &self.0)
        }
    }
}

fn mac(key: &[u8; 32], component: Digest, configuration: Digest, code: &[u8]) -> Hmac<Sha256> {
    let name =
        Canonical::new("bootlace policy artefact 1").bytes(&component.0).bytes(&configuration.0).finish();
    // A key shorter than a block is padded with zeros (RFC 2104, 2).
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::<Sha256>::new(&block.into()).chain_update(name.0).chain_update(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const COMPONENT: Digest = Digest([1; 32]);
    const CONFIGURATION: Digest = Digest([2; 32]);

    #[test]
    fn a_stored_artefact_reads_back() {
        let stored = Artefact(b"code".to_vec()).store(&KEY, COMPONENT, CONFIGURATION);
        let restored = Artefact::restore(&stored, &KEY, COMPONENT, CONFIGURATION);
        assert_eq!(restored.as_ref().map(Artefact::bytes), Some(&b"code"[..]));
    }

    #[test]
    fn a_flipped_truncated_extended_or_swapped_artefact_is_not_read() {
        let stored = Artefact(b"code".to_vec()).store(&KEY, COMPONENT, CONFIGURATION);
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Artefact::restore(&flipped, &KEY, COMPONENT, CONFIGURATION).is_none(), "bit {bit}");
        }
        for length in 0..stored.len() {
            assert!(Artefact::restore(&stored[..length], &KEY, COMPONENT, CONFIGURATION).is_none());
        }
        let longer = [&stored[..], b"x"].concat();
        assert!(Artefact::restore(&longer, &KEY, COMPONENT, CONFIGURATION).is_none());
        assert!(Artefact::restore(&stored, &[8; 32], COMPONENT, CONFIGURATION).is_none());
        assert!(Artefact::restore(&stored, &KEY, CONFIGURATION, CONFIGURATION).is_none());
        assert!(Artefact::restore(&stored, &KEY, COMPONENT, COMPONENT).is_none());
    }
}
