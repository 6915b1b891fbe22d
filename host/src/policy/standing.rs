//! How a chain behaved of late, which decides on what thread it is asked.

use std::sync::atomic::{AtomicU32, Ordering};

use super::failure::FailureKind;

/// A question below this much fuel is cheap, in wasmtime's units: some 250 microseconds.
const CHEAP_FUEL: u64 = 500_000;
/// A question below this many ticks of the clock is cheap: one may pass by chance.
const CHEAP_TICKS: u64 = 2;
/// What an expensive question costs in standing; a cheap one earns 1.
const EXPENSIVE: u32 = 8;
/// The worst standing: so many cheap questions until a chain is trusted again.
const WORST: u32 = 64;

/// The number of cheap questions that a chain still owes. A new chain owes one.
#[derive(Debug)]
pub(super) struct Standing {
    owed: AtomicU32,
    always_apart: bool,
}

impl Standing {
    /// `always_apart` for chains that may never run on the caller's thread.
    pub(super) fn new(always_apart: bool) -> Self {
        Self { owed: AtomicU32::new(1), always_apart }
    }

    /// Whether the chain may run on the caller's thread.
    pub(super) fn is_good(&self) -> bool {
        !self.always_apart && self.owed.load(Ordering::Relaxed) == 0
    }

    /// The chain answered, for so much fuel and so many ticks.
    pub(super) fn answered(&self, fuel: u64, ticks: u64) {
        if fuel > CHEAP_FUEL || ticks > CHEAP_TICKS {
            self.add(EXPENSIVE);
        } else {
            self.earn();
        }
    }

    /// The chain failed.
    pub(super) fn failed(&self, kind: &FailureKind) {
        match kind {
            FailureKind::Interrupted { .. } | FailureKind::Fuel { .. } => self.add(WORST),
            FailureKind::Busy => {}
            _ => self.add(EXPENSIVE),
        }
    }

    fn add(&self, owed: u32) {
        // A lost update between two threads changes the standing by one question.
        let before = self.owed.load(Ordering::Relaxed);
        self.owed.store((before + owed).min(WORST), Ordering::Relaxed);
    }

    fn earn(&self) {
        let before = self.owed.load(Ordering::Relaxed);
        // A write only where it changes something: the line is shared by all cores.
        if before > 0 {
            self.owed.store(before - 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_chain_runs_apart_until_it_was_cheap_once() {
        let standing = Standing::new(false);
        assert!(!standing.is_good());
        standing.answered(1_000, 0);
        assert!(standing.is_good());
    }

    #[test]
    fn an_interrupted_chain_has_to_be_cheap_many_times_before_it_is_trusted_again() {
        let standing = Standing::new(false);
        standing.failed(&FailureKind::Interrupted { limit_ms: 5 });
        for _ in 0..WORST {
            assert!(!standing.is_good());
            standing.answered(1_000, 0);
        }
        assert!(standing.is_good());
    }

    #[test]
    fn an_expensive_answer_loses_the_good_standing() {
        let standing = Standing::new(false);
        standing.answered(1_000, 0);
        standing.answered(CHEAP_FUEL + 1, 0);
        assert!(!standing.is_good());
    }

    #[test]
    fn a_chain_that_imports_wasi_is_never_trusted() {
        let standing = Standing::new(true);
        standing.answered(1_000, 0);
        assert!(!standing.is_good());
    }
}
