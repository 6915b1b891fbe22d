//! What time it is, for expiry and records. Never goes back: an expired token stays expired
//! though the machine's clock is set back. Timeouts use the runtime's monotonic timer instead,
//! leases a [`Steady`] clock.

mod steady;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

pub use steady::Steady;

use crate::id::UnixSeconds;

/// A clock that shows the highest time it has seen.
#[derive(Clone, Debug)]
pub struct Clock {
    highest: Arc<AtomicI64>,
    follows_system: bool,
}

impl Clock {
    /// Follows the machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { highest: Arc::new(AtomicI64::new(0)), follows_system: true }
    }

    /// Shows `start` until it is advanced.
    #[must_use]
    pub fn manual(start: UnixSeconds) -> Self {
        Self { highest: Arc::new(AtomicI64::new(start.0)), follows_system: false }
    }

    /// The highest time seen so far.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        if !self.follows_system {
            return UnixSeconds(self.highest.load(Ordering::Relaxed));
        }
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        // Written only when it moves: the boot path of every core reads this line.
        let highest = self.highest.load(Ordering::Relaxed);
        if seconds > highest {
            self.highest.fetch_max(seconds, Ordering::Relaxed);
            return UnixSeconds(seconds);
        }
        UnixSeconds(highest)
    }

    /// Moves a manual clock (or the floor of a following one) to `to`, never back.
    pub fn advance(&self, to: UnixSeconds) {
        self.highest.fetch_max(to.0, Ordering::Relaxed);
    }
}

/// `at` as RFC 3339 in UTC, such as `2026-03-01T12:00:00Z`.
#[must_use]
pub fn rfc3339(at: UnixSeconds) -> String {
    jiff::Timestamp::from_second(at.0).map_or_else(|_| at.0.to_string(), |stamp| stamp.to_string())
}

/// The second that an RFC 3339 text names.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<UnixSeconds> {
    text.parse::<jiff::Timestamp>().ok().map(|stamp| UnixSeconds(stamp.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back() {
        let clock = Clock::manual(UnixSeconds(100));
        clock.advance(UnixSeconds(90));
        assert_eq!(clock.now(), UnixSeconds(100));
        clock.advance(UnixSeconds(101));
        assert_eq!(clock.now(), UnixSeconds(101));
    }
}
