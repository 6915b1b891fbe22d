//! What the operating system gives: randomness. The only place that draws it.

/// Fills `bytes` from the kernel's generator (`getrandom`).
///
/// # Panics
/// If the kernel has no randomness to give, which it only says on a machine that is not up yet.
/// Going on would mean guessable keys.
pub fn entropy(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the kernel's random generator is up before any process of ours");
}
