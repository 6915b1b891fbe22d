//! Leases: keys that hang on one vanish when it ends, unless somebody keeps it alive.

use std::{fmt, time::Duration};

use super::{MAX_TTL_SECONDS, OverLimit};

/// Names a lease. Never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaseId(pub u64);

/// How long a lease lasts after it was granted or last kept alive: 1 second to a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ttl(u32);

/// A lease that was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// How long it lasts: what was asked for, or more where the store has a minimum.
    pub ttl: Ttl,
}

impl Ttl {
    /// Checks the bounds.
    ///
    /// # Errors
    /// When it is zero or too long.
    pub fn seconds(seconds: u32) -> Result<Self, OverLimit> {
        match seconds {
            1..=MAX_TTL_SECONDS => Ok(Self(seconds)),
            found => Err(OverLimit::Ttl { found }),
        }
    }

    /// In seconds.
    #[must_use]
    pub fn as_seconds(self) -> u32 {
        self.0
    }

    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
