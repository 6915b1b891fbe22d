//! What a promotion policy is asked.

use crate::settings::Settings;
use crate::wire::{Check, promotion};

/// May this release move? The fields are the contract's (`wit/policy.wit`); `evaluated_at` is the
/// only clock that a policy has.
pub use promotion::Request as PromotionRequest;

impl promotion::Request {
    /// The settings of this policy's attachment.
    pub fn settings(&self) -> Settings<'_> {
        Settings::new(&self.settings)
    }

    /// A check that was reported where the release comes from, by name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.source.checks.iter().find(|check| check.name == name)
    }

    /// How many different principals approved in a role. Whoever asked for the promotion does not
    /// count.
    pub fn approvals_as(&self, role: &str) -> usize {
        let mut principals: Vec<&str> = Vec::new();
        for approval in self.approvals.iter().filter(|approval| approval.role == role) {
            let principal = approval.principal.as_str();
            if principal != self.requested_by && !principals.contains(&principal) {
                principals.push(principal);
            }
        }
        principals.len()
    }

    /// Seconds that the release has been active where it comes from; none if it is not.
    pub fn soaked_seconds(&self) -> Option<u64> {
        let active = self.source.active.as_ref()?;
        if active.number != self.release.number {
            return None;
        }
        Some(self.evaluated_at.saturating_sub(self.source.active_since?))
    }
}
