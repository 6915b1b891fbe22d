//! A clock that only counts: for how long something lasts, whatever the machine's date does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Time since some moment, never set back or forward.
#[derive(Clone, Debug)]
pub struct Steady(Source);

#[derive(Clone, Debug)]
enum Source {
    System(Instant),
    /// In milliseconds.
    Manual(Arc<AtomicU64>),
}

impl Steady {
    /// Follows the machine's monotonic clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// Stands still until it is advanced; clones advance together.
    #[must_use]
    pub fn manual() -> Self {
        Self(Source::Manual(Arc::default()))
    }

    /// The time since this clock was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System(start) => start.elapsed(),
            Source::Manual(elapsed_ms) => Duration::from_millis(elapsed_ms.load(Ordering::Relaxed)),
        }
    }

    /// Moves a manual clock; one that follows the machine's is not to be moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(elapsed_ms) = &self.0 {
            elapsed_ms.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}
