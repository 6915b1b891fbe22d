//! What would show that an instance is not fresh, or that an answer is not a function of the
//! question.

#![allow(unsafe_code, reason = "looks at memory that no allocation has handed out, which is the point")]

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use bootlace_policy::{Outcome, PolicyError, Resolution};

/// What `leave_marks` leaves.
#[cfg(target_arch = "wasm32")]
const MARK: u8 = 0xa5;

/// Annotates `calls` with how often this instance has been asked: 1, as long as it is fresh.
pub(crate) fn count() -> Result<Outcome, PolicyError> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    annotated("calls", calls.to_string())
}

/// Fills 2 MiB of fresh memory with marks, for the instance that gets the slot next.
pub(crate) fn leave_marks() -> Result<Outcome, PolicyError> {
    #[cfg(target_arch = "wasm32")]
    fresh_memory().fill(MARK);
    annotated("marks", "left".into())
}

/// Annotates `marks` with how many bytes of fresh memory are not zero: 0, as long as it is fresh.
pub(crate) fn find_marks() -> Result<Outcome, PolicyError> {
    #[cfg(target_arch = "wasm32")]
    let found = {
        // Eight bytes at a time: 2 MiB must not cost more fuel than a question has.
        // SAFETY: every bit pattern is a valid `u64`.
        let (_, words, _) = unsafe { fresh_memory().align_to::<u64>() };
        8 * words.iter().filter(|word| **word != 0).count()
    };
    #[cfg(not(target_arch = "wasm32"))]
    let found = 0;
    annotated("marks", found.to_string())
}

/// Annotates `nan` with the bits of a NaN that the engine computed: canonical, on every machine.
pub(crate) fn nan() -> Result<Outcome, PolicyError> {
    let (zero, other) = (black_box(0.0_f32), black_box(0.0_f32));
    let payload = black_box(f32::from_bits(0xffab_cdef));
    let bits = [zero / other, -(zero / other), payload + zero].map(|nan| format!("{:08x}", nan.to_bits()));
    annotated("nan", bits.join(" "))
}

/// 2 MiB that the host has just added to the memory.
#[cfg(target_arch = "wasm32")]
fn fresh_memory() -> &'static mut [u8] {
    const PAGES: usize = 32;
    let first = core::arch::wasm32::memory_grow::<0>(PAGES);
    if first == usize::MAX {
        core::arch::wasm32::unreachable();
    }
    // SAFETY: the pages were added by this call, so that nothing else refers to them.
    unsafe { std::slice::from_raw_parts_mut((first * 65_536) as *mut u8, PAGES * 65_536) }
}

fn annotated(key: &str, value: String) -> Result<Outcome, PolicyError> {
    let mut resolution = Resolution::new();
    resolution.annotate(key, value);
    Ok(resolution.into())
}
