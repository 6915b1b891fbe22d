//! What must end in a limit of the host's.

use std::hint::black_box;

use bootlace_policy::{Level, Outcome, PolicyError, Resolution, log};

type Answer = Result<Outcome, PolicyError>;

/// Burns fuel.
pub(crate) fn spin() -> Answer {
    loop {
        black_box(0);
    }
}

/// Burns much time for little fuel, if a bulk instruction is charged as one.
pub(crate) fn fill() -> Answer {
    let mut block = vec![0_u8; 512 * 1024];
    for byte in (0..=u8::MAX).cycle() {
        block.fill(black_box(byte));
        black_box(&mut block);
    }
    unreachable!("the cycle has no end")
}

/// Grows the memory until the host refuses, then traps.
pub(crate) fn grow() -> Answer {
    #[cfg(target_arch = "wasm32")]
    while core::arch::wasm32::memory_grow::<0>(1) != usize::MAX {}
    trap()
}

/// Allocates until the allocator has nothing left, which ends in an abort.
pub(crate) fn allocate() -> Answer {
    let mut blocks = Vec::new();
    loop {
        blocks.push(vec![1_u8; 64 * 1024]);
        black_box(&mut blocks);
    }
}

/// Recursion in calls only: the engine's stack overflows, not the one in linear memory.
pub(crate) fn overflow() -> Answer {
    let depth = deeper(black_box(1), 0);
    Ok(annotated("depth", depth.to_string()))
}

#[inline(never)]
fn deeper(seed: u64, depth: u64) -> u64 {
    if seed == 0 {
        return depth;
    }
    // Neither a tail call nor an accumulator: no compiler makes a loop of it.
    let below = deeper(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, depth + 1);
    below.rotate_left(7) ^ seed
}

/// Recursion with an array in every frame: the stack in linear memory runs below address 0.
pub(crate) fn overflow_memory() -> Answer {
    let sum = heavier(black_box(1));
    Ok(annotated("sum", sum.to_string()))
}

#[inline(never)]
fn heavier(seed: u64) -> u64 {
    if seed == 0 {
        return 0;
    }
    let mut frame = [seed; 128];
    black_box(&mut frame);
    heavier(frame[127] + 1).rotate_left(3) ^ frame[0]
}

/// The `unreachable` instruction.
pub(crate) fn trap() -> Answer {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("a trap is for Wasm only");
}

/// More host calls than anyone may make.
pub(crate) fn log_flood() -> Answer {
    for line in 0..100_000 {
        log(Level::Info, &format!("line {line}"));
    }
    Ok(Resolution::new().into())
}

/// One line of 1 MiB.
pub(crate) fn log_long_line() -> Answer {
    log(Level::Info, &"x".repeat(1024 * 1024));
    Ok(Resolution::new().into())
}

fn annotated(key: &str, value: String) -> Outcome {
    let mut resolution = Resolution::new();
    resolution.annotate(key, value);
    resolution.into()
}
