//! After which time a secret is to be rotated. A reminder, and nothing else: what is due is served as before.

use std::{fmt, num::NonZeroU32, str::FromStr};

use super::{Configuration, Instance, Place, Variable};
use crate::id::{EnvironmentName, ServiceId, UnixSeconds, VariableName};

const SECONDS_PER_DAY: i64 = 86_400;

/// How often a secret is rotated, and since when what is handed out is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// After how many days.
    pub every: Days,
    /// From when on they count.
    pub since: UnixSeconds,
}

impl Interval {
    /// When it is over.
    #[must_use]
    pub fn due(self) -> UnixSeconds {
        UnixSeconds(self.since.0.saturating_add(i64::from(self.every.number()) * SECONDS_PER_DAY))
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_due(self, now: UnixSeconds) -> bool {
        self.due() <= now
    }
}

/// A number of days, 1 to [`Days::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(NonZeroU32);

impl Days {
    /// The most: ten years.
    pub const MAX: u32 = 3_650;

    /// So many days, if there may be so many.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).filter(|number| number.get() <= Self::MAX).map(Self)
    }

    /// How many.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Days {
    /// What [`Days::from_str`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

/// The text is no number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no number of days; write 1d to {}d, such as 90d", Days::MAX)]
pub struct InvalidDays;

impl FromStr for Days {
    type Err = InvalidDays;

    /// Reads `90d`, or `90`.
    fn from_str(text: &str) -> Result<Self, InvalidDays> {
        let digits = text.strip_suffix('d').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number).and_then(Self::new).ok_or(InvalidDays)
    }
}

impl<V> Configuration<V> {
    /// Every variable with an interval, and where it is set.
    pub fn intervals(&self) -> impl Iterator<Item = (Place, &VariableName, &Variable<V>, Interval)> {
        let base = [(Place::Workspace, &self.base)];
        let everywhere = self.environment_layers.iter();
        let everywhere = everywhere.map(|(name, layer)| (Place::Environment(name.clone()), layer));
        let of_deployments = self.deployments.iter().flat_map(|(id, deployment)| {
            let here = deployment.environments.iter().map(|(name, here)| (Some(name), &here.layer));
            let layers = std::iter::once((None, &deployment.base)).chain(here);
            layers.map(|(name, layer)| (Place::Deployment(id.clone(), name.cloned()), layer))
        });
        base.into_iter().chain(everywhere).chain(of_deployments).flat_map(|(place, layer)| {
            let with = layer.variables.iter().filter_map(|(name, one)| Some((name, one, one.interval?)));
            with.map(move |(name, one, interval)| (place.clone(), name, one, interval))
        })
    }

    /// Every service whose credential has an interval, with the environment that owns the instance.
    pub fn credential_intervals(
        &self,
    ) -> impl Iterator<Item = (&ServiceId, &EnvironmentName, &Instance<V>, Interval)> {
        self.services.iter().flat_map(|(id, service)| {
            let instances = service.instances.iter();
            instances.filter_map(move |(owner, one)| Some((id, owner, one, one.interval()?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_within_bounds_and_read_back() {
        let days = |text: &str| text.parse::<Days>().map(Days::number);
        assert_eq!((days("90d"), days("1"), days("3650d")), (Ok(90), Ok(1), Ok(Days::MAX)));
        for wrong in ["", "d", "0", "0d", "-1", "+1", "1.5d", "3h", "3651d", "99999999999d", "1dd"] {
            assert_eq!(days(wrong), Err(InvalidDays), "{wrong}");
        }
        assert_eq!(Days::new(90).map(|days| days.to_string()).as_deref(), Some("90d"));
    }

    #[test]
    fn an_interval_is_over_at_its_second() {
        let interval = |since| Interval { every: Days::new(2).unwrap(), since: UnixSeconds(since) };
        assert!(!interval(100).is_due(UnixSeconds(100 + 2 * SECONDS_PER_DAY - 1)));
        assert!(interval(100).is_due(UnixSeconds(100 + 2 * SECONDS_PER_DAY)));
        assert_eq!(interval(i64::MAX).due(), UnixSeconds(i64::MAX), "a far day is no overflow");
    }
}
