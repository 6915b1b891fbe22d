//! When a secret that was set by API is due for another one: its interval counts from the version that is handed
//! out. A reminder, and nothing else: what is due is served as before.

use super::{Made, MadeValue, ValueKey};
use crate::{id::UnixSeconds, model::question::Sensitivity};

/// The longest interval, in days: ten years.
pub const MAX_ROTATE_EVERY_DAYS: u32 = 3_650;
const SECONDS_PER_DAY: i64 = 86_400;

impl MadeValue {
    /// When it is to be rotated; none where no interval was said.
    #[must_use]
    pub fn rotation_due(&self) -> Option<UnixSeconds> {
        let days = self.rotate_every_days.filter(|_| self.is_secret())?;
        Some(UnixSeconds(self.current.set.at.0.saturating_add(i64::from(days) * SECONDS_PER_DAY)))
    }

    /// Whether its time has come.
    #[must_use]
    pub fn is_rotation_due(&self, now: UnixSeconds) -> bool {
        self.rotation_due().is_some_and(|due| due <= now)
    }

    fn is_secret(&self) -> bool {
        self.current.sensitivity == Sensitivity::Secret
    }
}

impl Made {
    /// The secrets that are rotated: those with an interval, and those of which several versions are live.
    pub fn rotated(&self) -> impl Iterator<Item = (&ValueKey, &MadeValue)> {
        let is_rotated = |value: &MadeValue| value.rotate_every_days.is_some() || !value.live.is_empty();
        self.values.iter().filter(move |(_, value)| value.is_secret() && is_rotated(value))
    }
}
