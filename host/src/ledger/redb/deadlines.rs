//! When each lease ends. In memory only: keeping a lease alive costs no write, and a restart gives
//! each its whole time again, because nobody could have kept it alive meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::ledger::{LeaseId, Ttl};

#[derive(Default)]
pub(super) struct Deadlines {
    leases: BTreeMap<LeaseId, (Ttl, Duration)>,
    /// The same, by when they end.
    order: BTreeSet<(Duration, LeaseId)>,
}

impl Deadlines {
    /// Gives a lease its whole time.
    pub(super) fn set(&mut self, lease: LeaseId, ttl: Ttl, now: Duration) {
        self.remove(lease);
        let end = now + ttl.duration();
        self.leases.insert(lease, (ttl, end));
        self.order.insert((end, lease));
    }

    /// Gives a lease its whole time again; none when it is over.
    pub(super) fn renew(&mut self, lease: LeaseId, now: Duration) -> Option<Ttl> {
        let (ttl, _) = *self.leases.get(&lease).filter(|(_, end)| *end > now)?;
        self.set(lease, ttl, now);
        Some(ttl)
    }

    /// Takes a lease out; gives how long it lasts.
    pub(super) fn remove(&mut self, lease: LeaseId) -> Option<Ttl> {
        let (ttl, end) = self.leases.remove(&lease)?;
        self.order.remove(&(end, lease));
        Some(ttl)
    }

    /// Whether any lease is over.
    pub(super) fn is_any_over(&self, now: Duration) -> bool {
        self.order.first().is_some_and(|(end, _)| *end <= now)
    }

    /// Takes out leases that are over, the first `most` of them: nobody can renew one from here on.
    pub(super) fn take_over(&mut self, most: usize, now: Duration) -> Vec<(LeaseId, Ttl)> {
        let over: Vec<_> = self.order.iter().take_while(|(end, _)| *end <= now).take(most).copied().collect();
        over.into_iter().filter_map(|(_, lease)| Some((lease, self.remove(lease)?))).collect()
    }
}
