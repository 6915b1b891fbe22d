//! How often policies were asked, and what it cost, since the host started: counted where they are
//! asked, by workspace and name, because tenants share what is compiled.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use crate::id::{PolicyName, WorkspaceId};

/// Steps of fuel to every power of two: a median is right to an eighth.
const STEPS: u64 = 8;
/// Steps that are counted apart; what is above counts with the last.
const COUNTED: usize = 256;

/// What became of one policy's questions.
pub struct Tally {
    denied: AtomicU64,
    failed: AtomicU64,
    most_fuel: AtomicU64,
    /// Questions by the step of their fuel; all of them together are how often it was asked.
    by_fuel: [AtomicU64; COUNTED],
}

/// The tallies of every policy that is in a chain.
#[derive(Default)]
pub struct Tallies(Mutex<HashMap<(WorkspaceId, PolicyName), Weak<Tally>>>);

/// A tally at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Questions that were put to it; remembered decisions put none.
    pub asked: u64,
    /// Of these, denials.
    pub denied: u64,
    /// Of these, failures.
    pub failed: u64,
    /// The fuel of a question in the middle, in wasmtime's units: not below it, and above by at most an
    /// eighth.
    pub median_fuel: u64,
    /// The fuel of the dearest.
    pub most_fuel: u64,
}

/// What a question came to.
pub(super) enum Came {
    Resolved,
    Denied,
    Failed,
}

impl Default for Tally {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            denied: zero(),
            failed: zero(),
            most_fuel: zero(),
            by_fuel: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Tally {
    /// Counts a question.
    pub(super) fn note(&self, came: &Came, fuel: u64) {
        match came {
            Came::Resolved => {}
            Came::Denied => drop(self.denied.fetch_add(1, Ordering::Relaxed)),
            Came::Failed => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
        self.most_fuel.fetch_max(fuel, Ordering::Relaxed);
        self.by_fuel[step(fuel)].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted.
    #[must_use]
    pub fn read(&self) -> Tallied {
        let counts: Vec<_> = self.by_fuel.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let (asked, mut seen) = (counts.iter().sum::<u64>(), 0);
        let most_fuel = self.most_fuel.load(Ordering::Relaxed);
        let middle = counts.iter().position(|count| {
            seen += count;
            asked > 0 && seen * 2 >= asked
        });
        Tallied {
            asked,
            denied: self.denied.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            median_fuel: middle.map_or(0, |step| most_of(step).min(most_fuel)),
            most_fuel,
        }
    }
}

impl Tallies {
    /// The tally of a policy: the one that is counted on already, while any chain has it.
    #[must_use]
    pub fn of(&self, workspace: &WorkspaceId, policy: &PolicyName) -> Arc<Tally> {
        let key = (workspace.clone(), policy.clone());
        let mut all = self.0.lock();
        if let Some(there) = all.get(&key).and_then(Weak::upgrade) {
            return there;
        }
        all.retain(|_, tally| tally.strong_count() > 0);
        let tally = Arc::default();
        all.insert(key, Arc::downgrade(&tally));
        tally
    }

    /// What was counted of a policy; nothing of one that is in no chain.
    #[must_use]
    pub fn read(&self, workspace: &WorkspaceId, policy: &PolicyName) -> Tallied {
        let tally = self.0.lock().get(&(workspace.clone(), policy.clone())).and_then(Weak::upgrade);
        tally.map(|tally| tally.read()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.read().fmt(f)
    }
}

/// The step of this much fuel: every number below 8 its own, then eight to every power of two.
fn step(fuel: u64) -> usize {
    let power = u64::from(fuel.max(1).ilog2());
    let step = match power {
        0..3 => fuel,
        _ => (power - 2) * STEPS + ((fuel >> (power - 3)) - STEPS),
    };
    usize::try_from(step).unwrap_or(usize::MAX).min(COUNTED - 1)
}

/// The most fuel of a step.
fn most_of(step: usize) -> u64 {
    let step = step as u64;
    if step < STEPS {
        return step;
    }
    let shift = step / STEPS - 1;
    ((step % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fuel_is_in_its_step() {
        let mut before = 0;
        for fuel in (0..5_000).chain([10_000_000, 1 << 32]) {
            let step = step(fuel);
            assert!(step >= before, "{fuel}");
            assert!(fuel <= most_of(step) && most_of(step) <= fuel + fuel / 8, "{fuel}: {}", most_of(step));
            before = step;
        }
        assert_eq!(super::step(u64::MAX), COUNTED - 1);
    }

    #[test]
    fn a_tally_counts_what_came_and_finds_the_middle() {
        let tallies = Tallies::default();
        let (workspace, policy) = ("acme".parse().unwrap(), "near-zone".parse().unwrap());
        assert_eq!(tallies.read(&workspace, &policy), Tallied::default());
        let tally = tallies.of(&workspace, &policy);
        for fuel in [1_000, 1_000, 1_000, 9_000] {
            tally.note(&Came::Resolved, fuel);
        }
        tally.note(&Came::Denied, 20_000);
        tallies.of(&workspace, &policy).note(&Came::Failed, 0);
        let read = tallies.read(&workspace, &policy);
        assert_eq!((read.asked, read.denied, read.failed, read.most_fuel), (6, 1, 1, 20_000));
        assert!((1_000..=1_125).contains(&read.median_fuel), "{read:?}");
        assert_eq!(tallies.read(&"other".parse().unwrap(), &policy), Tallied::default());
        drop(tally);
        assert_eq!(tallies.read(&workspace, &policy), Tallied::default(), "it is in no chain any more");
    }
}
