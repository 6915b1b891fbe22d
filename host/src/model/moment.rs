use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::id::UnixSeconds;

/// When something last happened.
#[derive(Debug, Default)]
pub struct Moment(AtomicI64);

impl Moment {
    /// Moves it on to `now`, and says whether it was before. Written once a second at most: the
    /// boots of other cores read it where it is.
    pub fn advance(&self, now: UnixSeconds) -> bool {
        let is_news = self.0.load(Relaxed) < now.0;
        if is_news {
            self.0.fetch_max(now.0, Relaxed);
        }
        is_news
    }

    /// When; nothing for never.
    #[must_use]
    pub fn at(&self) -> Option<UnixSeconds> {
        let at = self.0.load(Relaxed);
        (at > 0).then_some(UnixSeconds(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_never_goes_back() {
        let moment = Moment::default();
        assert!(moment.advance(UnixSeconds(5)) && !moment.advance(UnixSeconds(5)));
        assert!(!moment.advance(UnixSeconds(4)));
        assert_eq!(moment.at(), Some(UnixSeconds(5)));
    }
}
