//! Leases as a store grants, renews and ends them.

use super::{Inner, store::Wanted};
use crate::ledger::{Lease, LeaseId, LedgerError, Ttl};

/// How many leases that are over one commit ends. Each makes a revision of its own, if it held keys.
const ENDED_AT_ONCE: usize = 100;

impl Inner {
    pub(super) fn grant(&self, ttl: Ttl) -> Result<Lease, LedgerError> {
        let id = self.write(|draft| draft.add_lease(ttl).map(Wanted::Commit))?;
        self.deadlines.lock().set(id, ttl, self.settings.clock.now());
        Ok(Lease { id, ttl })
    }

    pub(super) fn keep_alive(&self, lease: LeaseId) -> Result<Ttl, LedgerError> {
        // The clock is read under the lock: who ends leases must not see an earlier time after this.
        let mut deadlines = self.deadlines.lock();
        deadlines.renew(lease, self.settings.clock.now()).ok_or(LedgerError::NoSuchLease { lease })
    }

    pub(super) fn revoke(&self, lease: LeaseId) -> Result<(), LedgerError> {
        let ttl = self.deadlines.lock().remove(lease).ok_or(LedgerError::NoSuchLease { lease })?;
        self.end(&[(lease, ttl)])
    }

    pub(super) fn is_lease_over(&self) -> bool {
        self.deadlines.lock().is_any_over(self.settings.clock.now())
    }

    /// Ends every lease whose time is over.
    pub(super) fn end_leases(&self) -> Result<(), LedgerError> {
        loop {
            let over = {
                let mut deadlines = self.deadlines.lock();
                deadlines.take_over(ENDED_AT_ONCE, self.settings.clock.now())
            };
            if over.is_empty() {
                return Ok(());
            }
            self.end(&over)?;
        }
    }

    fn end(&self, leases: &[(LeaseId, Ttl)]) -> Result<(), LedgerError> {
        let ended = self.write(|draft| {
            leases.iter().try_for_each(|(lease, _)| draft.end_lease(*lease)).map(Wanted::Commit)
        });
        ended.inspect_err(|_| {
            // They are still there; somebody will have to end them yet.
            let (mut deadlines, now) = (self.deadlines.lock(), self.settings.clock.now());
            leases.iter().for_each(|(lease, ttl)| deadlines.set(*lease, *ttl, now));
        })
    }
}
