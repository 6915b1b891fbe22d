//! When to ask again. Everything is spread: instances that were started together must not ask
//! together, and must not come back together when their host does.

use std::time::Duration;

use crate::{lease::MIN_SECONDS, system};

/// The longest pause between two questions to a host that is away, unless the interval is longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(120);

/// A number from 0 (included) to 1 (excluded). An argument wherever time depends on it.
pub(super) type Random = fn() -> f64;

/// When to ask next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    interval: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, failures: 0 }
    }

    /// The host was heard.
    pub(super) fn heard(&mut self) {
        self.failures = 0;
    }

    /// The host was not heard.
    pub(super) fn silent(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// The pause before the next question: the interval, give or take a fifth; or, for a host that
    /// is away, between half and all of an interval that doubles each time.
    pub(super) fn pause(&self, random: Random) -> Duration {
        if self.failures == 0 {
            return self.interval.mul_f64(0.8 + 0.4 * random());
        }
        let doubled = self.interval.saturating_mul(1 << self.failures.min(16));
        doubled.min(LONGEST_BACKOFF.max(self.interval)).mul_f64(0.5 + 0.5 * random())
    }
}

/// Somewhere between now and `spread` from now.
pub(super) fn within(spread: Duration, random: Random) -> Duration {
    spread.mul_f64(random())
}

/// Randomness of the operating system.
pub(super) fn random() -> f64 {
    let mut bytes = [0; 4];
    system::entropy(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / 4_294_967_296.0
}

/// Reads `250ms`, `10s`, `5m` or `1h`.
pub(in crate::cli) fn span(text: &str) -> Result<Duration, &'static str> {
    const HOW: &str = "write it like 250ms, 10s, 5m or 1h, at most 24h";
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or(HOW)?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| HOW)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(HOW),
    };
    let all_ms = number.checked_mul(unit_ms).filter(|ms| *ms <= 24 * 3_600_000).ok_or(HOW)?;
    Ok(Duration::from_millis(all_ms))
}

/// The same, in the bounds of a lease.
pub(super) fn lease(text: &str) -> Result<Duration, &'static str> {
    let span = span(text)?;
    if span < Duration::from_secs(MIN_SECONDS.into()) { Err("at least 10s") } else { Ok(span) }
}

/// The same, but no shorter than what a host can be asked without being flooded.
pub(in crate::cli) fn interval(text: &str) -> Result<Duration, &'static str> {
    let span = span(text)?;
    if span < Duration::from_millis(10) { Err("at least 10ms") } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOWEST: Random = || 0.0;
    const MIDDLE: Random = || 0.5;
    const HIGHEST: Random = || 0.999_999;

    #[test]
    fn a_host_that_answers_is_asked_about_once_an_interval() {
        let pace = Pace::new(Duration::from_secs(10));
        assert_eq!(pace.pause(LOWEST), Duration::from_secs(8));
        assert_eq!(pace.pause(MIDDLE), Duration::from_secs(10));
        assert!(pace.pause(HIGHEST) < Duration::from_secs(12));
    }

    #[test]
    fn a_host_that_is_away_is_asked_ever_more_rarely_and_never_in_step() {
        let mut pace = Pace::new(Duration::from_secs(10));
        let mut pauses = Vec::new();
        for _ in 0..40 {
            pace.silent();
            pauses.push((pace.pause(LOWEST).as_secs(), pace.pause(HIGHEST).as_secs_f64().ceil() as u64));
        }
        assert_eq!(pauses[..4], [(10, 20), (20, 40), (40, 80), (60, 120)]);
        assert_eq!(pauses[39], (60, 120));
        pace.heard();
        assert_eq!(pace.pause(MIDDLE), Duration::from_secs(10));
        // An interval that is longer than the longest pause stays what it is.
        let mut slow = Pace::new(Duration::from_secs(600));
        slow.silent();
        assert_eq!(slow.pause(LOWEST), Duration::from_secs(300));
    }

    #[test]
    fn a_span_has_a_unit_and_a_bound() {
        for (text, ms) in [("0s", 0), ("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("24h", 86_400_000)] {
            assert_eq!(span(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "1d", "10 s", "25h", "99999999999999999999s"] {
            assert!(span(text).is_err(), "{text}");
        }
        assert!(interval("9ms").is_err() && interval("10ms").is_ok());
    }

    #[test]
    fn randomness_stays_below_one() {
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random())));
    }
}
