//! How often a secret that was set by API is rotated: its interval counts from the version that is handed out.

use super::{Made, MadeContent, MadeValue, ValueKey};
use crate::model::{Days, Interval, question::Sensitivity};

impl MadeValue {
    /// After which time it is to be rotated; none where that was not said.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        let is_rotated = self.is_secret() && matches!(self.current.content, MadeContent::Sealed(_));
        let every = self.rotate_every_days.filter(|_| is_rotated).and_then(Days::new)?;
        Some(Interval { every, since: self.current.set.at })
    }

    fn is_secret(&self) -> bool {
        self.current.sensitivity == Sensitivity::Secret
    }
}

impl Made {
    /// The secrets that are being rotated: those of which several versions are live.
    pub fn being_rotated(&self) -> impl Iterator<Item = (&ValueKey, &MadeValue)> {
        self.values.iter().filter(|(_, value)| value.is_secret() && !value.live.is_empty())
    }
}
