//! Randomness as an argument. L0 to L2 draw none themselves, so that a test can say which bytes a
//! seal or a key was made from; [`crate::system::entropy`] is what a running host passes in.

use zeroize::Zeroizing;

/// Fills a buffer with bytes that nobody can guess. It cannot fail: a host without randomness must
/// stop, not go on with less of it.
pub type Entropy<'a> = dyn FnMut(&mut [u8]) + 'a;

/// `N` fresh bytes that need not stay secret, such as a nonce or an id.
pub fn fresh<const N: usize>(entropy: &mut Entropy<'_>) -> [u8; N] {
    let mut bytes = [0; N];
    entropy(&mut bytes);
    bytes
}

/// A fresh 32-byte key, wiped on drop.
pub fn fresh_key(entropy: &mut Entropy<'_>) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy(&mut *bytes);
    bytes
}
