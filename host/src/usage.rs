//! How a (deployment, environment) is used: boots, denials, when it last booted, and when each
//! variable was last handed out. Counted while it boots, in memory alone: a boot adds to a few
//! numbers, takes no lock and allocates nothing. A pair's numbers go on with the next generation.
//!
//! They begin with the host's start. What the audit log's end still holds would make them counts
//! since an hour that nobody chose, and a start longer the more there was to read; what was before
//! is a question to the audit log, which knows it whole.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{id::UnixSeconds, model::Moment};

/// A pair's numbers.
pub struct Usage {
    counts: Arc<Counts>,
    /// When each variable of the plan was last handed out, by index.
    keys: Vec<Arc<Moment>>,
}

#[derive(Default)]
struct Counts {
    boots: AtomicU64,
    unchanged: AtomicU64,
    denials: AtomicU64,
    refusals: AtomicU64,
    last_boot: Moment,
}

/// A pair's numbers at one moment, which need not agree to the last boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Boots that were given their environment.
    pub boots: u64,
    /// Boots that were told that they have it already.
    pub unchanged: u64,
    /// Boots that a policy denied.
    pub denials: u64,
    /// Boots that were refused otherwise.
    pub refusals: u64,
    /// When the last one that was not refused came.
    pub last_boot: Option<UnixSeconds>,
}

impl Usage {
    /// Nothing yet, for a plan of so many variables.
    #[must_use]
    pub fn of(variables: usize) -> Self {
        let keys = std::iter::repeat_with(Arc::default).take(variables).collect();
        Self { counts: Arc::default(), keys }
    }

    /// Goes on where `before` is; `same` finds what stood there at which index. Boots that are
    /// under way with what was before count here, too.
    pub fn go_on(&mut self, before: &Self, same: impl Fn(usize) -> Option<usize>) {
        self.counts = Arc::clone(&before.counts);
        for (index, key) in self.keys.iter_mut().enumerate() {
            if let Some(moment) = same(index).and_then(|index| before.keys.get(index)) {
                *key = Arc::clone(moment);
            }
        }
    }

    /// Counts a boot by what its audit record says.
    pub fn note(&self, outcome: &str, now: UnixSeconds) {
        let counts = &*self.counts;
        let count = match outcome {
            "allowed" => &counts.boots,
            "unchanged" => &counts.unchanged,
            "policy-denied" => &counts.denials,
            _ => &counts.refusals,
        };
        count.fetch_add(1, Relaxed);
        if matches!(outcome, "allowed" | "unchanged") {
            counts.last_boot.advance(now);
        }
    }

    /// Notes that the variables at `keys` were handed out.
    pub fn read(&self, keys: &[u32], now: UnixSeconds) {
        for key in keys.iter().filter_map(|key| self.keys.get(*key as usize)) {
            key.advance(now);
        }
    }

    /// The numbers.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let counts = &self.counts;
        Counted {
            boots: counts.boots.load(Relaxed),
            unchanged: counts.unchanged.load(Relaxed),
            denials: counts.denials.load(Relaxed),
            refusals: counts.refusals.load(Relaxed),
            last_boot: counts.last_boot.at(),
        }
    }

    /// When the variable at `index` was last handed out.
    #[must_use]
    pub fn last_read(&self, index: usize) -> Option<UnixSeconds> {
        self.keys.get(index)?.at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_by_name_and_late_boots_count_in_both() {
        let before = Usage::of(2);
        before.note("allowed", UnixSeconds(10));
        before.read(&[0, 1, 9], UnixSeconds(10));
        let mut after = Usage::of(3);
        // What was first is second now, and what was second is gone.
        after.go_on(&before, |index| (index == 1).then_some(0));
        before.note("policy-denied", UnixSeconds(11));
        before.read(&[0], UnixSeconds(12));
        after.note("unchanged", UnixSeconds(11));
        after.note("invalid", UnixSeconds(13));
        let expected =
            Counted { boots: 1, unchanged: 1, denials: 1, refusals: 1, last_boot: Some(UnixSeconds(11)) };
        assert_eq!((after.counted(), before.counted()), (expected, expected));
        let read: Vec<_> = (0..4).map(|index| after.last_read(index)).collect();
        assert_eq!(read, [None, Some(UnixSeconds(12)), None, None]);
    }
}
