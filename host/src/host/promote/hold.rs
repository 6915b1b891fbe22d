//! The hold on a target, so that nobody else promotes to it: a record that hangs on a lease of the ledger, and ends
//! with that if whoever has it is killed. What arrives meanwhile may have come too late for the verdict that is
//! being taken, so it is noted, and whoever lets go looks again.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use parking_lot::Mutex;

use crate::{
    control::{ControlError, Expected, Hold},
    generation::Generation,
    host::{Author, ChangeError, HOLD_SECONDS, Host, Writer},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    ledger::Ttl,
    state::Promotion,
};

/// Where a release is promoted to.
pub(super) type Target = (WorkspaceId, DeploymentId, EnvironmentName);

/// The targets that were held when something arrived for them. It is durable by then: who takes a verdict next has it
/// before them, and takes the target from here.
#[derive(Default)]
pub(in crate::host) struct Missed(Mutex<BTreeSet<Target>>);

/// How often whoever lets go looks again; the sweep looks at what arrives even then.
const LOOKS: usize = 3;

pub(super) fn target(workspace: &WorkspaceId, promotion: &Promotion) -> Target {
    (workspace.clone(), promotion.deployment.0.clone(), promotion.to.clone())
}

impl Host {
    /// Holds the target. `open` is what there is of the promotion: nothing yet, or the record of one that waits.
    pub(super) fn hold_target(
        &self,
        workspace: &WorkspaceId,
        promotion: &Promotion,
        open: Expected,
    ) -> Result<Hold, ChangeError> {
        let (id, to) = (&promotion.deployment.0, &promotion.to);
        let running = Promotion::running_record(workspace, id, to);
        let waiting = Promotion::open_record(workspace, id, to);
        let ttl = Ttl::seconds(HOLD_SECONDS).map_err(ControlError::from)?;
        let expected = [(running.as_str(), Expected::Absent), (waiting.as_str(), open)];
        let writer = self.writer.lock();
        // Asked first: a lease that is for nothing is two transactions.
        let is_taken = self.told_by_ledger(writer.control.read(&running))?.contains_key(&running);
        let held = match is_taken {
            true => Err(ControlError::Conflict { name: running.clone() }),
            false => writer.control.lease(&expected, (&running, &promotion.to_bytes()), ttl),
        };
        match held {
            Err(ControlError::Conflict { .. }) => {
                let found = writer.holder(&running, &waiting)?;
                let (id, by) = found.map(|one| (one.id, one.by)).unwrap_or_default();
                Err(ChangeError::Promoting { what: format!("{} in {to}", promotion.deployment.0), id, by })
            }
            held => Ok(self.told_by_ledger(held)?),
        }
    }

    /// Holds the target of one that waits, to look at it again; where somebody else has it, they will.
    fn hold_or_tell(&self, target: &Target, promotion: &Promotion) -> Result<Hold, ChangeError> {
        let hold = || self.hold_target(&target.0, promotion, Expected::Present);
        match hold() {
            Err(ChangeError::Promoting { .. }) => {
                self.missed(target.clone());
                // They may have let go before they could see that.
                hold()
            }
            held => held,
        }
    }

    /// Notes that something arrived for a target that somebody has.
    pub(super) fn missed(&self, target: Target) {
        self.missed.0.lock().insert(target);
    }

    /// What arrived so far is looked at now.
    pub(super) fn looking_at(&self, target: &Target) {
        self.missed.0.lock().remove(target);
    }

    /// Forgets what arrived for what is gone.
    pub(super) fn forget_missed(&self, live: &Generation) {
        self.missed.0.lock().retain(|(workspace, deployment, to)| {
            live.workspace(workspace).is_some_and(|served| served.prepared(deployment, to).is_some())
        });
    }

    /// Lets go of a target, and looks again at what waits there where something arrived meanwhile; whether it did.
    pub(super) fn let_go(&self, target: &Target, held: Hold) -> bool {
        self.release(held);
        self.look_again(target)
    }

    fn release(&self, held: Hold) {
        if let Err(error) = self.writer.lock().control.let_go(held) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a promotion's hold ends when its time is over");
        }
        self.promoted.send_modify(|count| *count += 1);
    }

    fn look_again(&self, target: &Target) -> bool {
        let (workspace, deployment, to) = target;
        let is_missed = || self.missed.0.lock().contains(target);
        for look in 0..LOOKS {
            if !is_missed() {
                return look > 0;
            }
            let waiting = self.waiting_or_told(workspace, Some(deployment));
            // One that is judged for the first time is no record yet: whoever judges it looks again.
            let Some(promotion) = waiting.into_iter().find(|one| one.to == *to) else { return look > 0 };
            if !self.look(target, &promotion) {
                return true;
            }
        }
        if is_missed() {
            self.unlooked.store(true, Ordering::SeqCst);
        }
        true
    }

    /// Carries on what waits and is due, in a workspace or of a deployment.
    pub(super) fn advance(
        &self,
        workspace: &WorkspaceId,
        deployment: Option<&DeploymentId>,
        is_due: &dyn Fn(&Promotion) -> bool,
    ) {
        for promotion in self.waiting_or_told(workspace, deployment).into_iter().filter(is_due) {
            let target = target(workspace, &promotion);
            if self.look(&target, &promotion) {
                self.look_again(&target);
            }
        }
    }

    fn waiting_or_told(&self, workspace: &WorkspaceId, deployment: Option<&DeploymentId>) -> Vec<Promotion> {
        self.waiting(workspace, deployment).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "promotions that wait cannot be read");
            self.unlooked.store(true, Ordering::SeqCst);
            Vec::new()
        })
    }

    /// Carries one on that waits, as far as it goes now; whether nobody else had it, who looks then.
    fn look(&self, target: &Target, promotion: &Promotion) -> bool {
        let workspace = &target.0;
        let carried = self.hold_or_tell(target, promotion).and_then(|held| {
            // As it is now that nobody else carries it on: somebody may have approved it, or it is another.
            let waits = self.waiting_as(workspace, &promotion.deployment.0, &promotion.id);
            let carried = waits.and_then(|promotion| {
                self.try_carry(&Author::process(&promotion.by), workspace, promotion, held)
            });
            self.release(held);
            carried
        });
        match carried {
            // It may be gone with what it was about.
            Ok(_) | Err(ChangeError::Unknown) => {}
            Err(ChangeError::Promoting { .. }) => {
                // They look when they let go, and the next sweep, should they not come to that.
                self.unlooked.store(true, Ordering::SeqCst);
                return false;
            }
            Err(error) => {
                self.unlooked.store(true, Ordering::SeqCst);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a promotion that waits cannot be carried on; it is tried again"
                );
            }
        }
        true
    }
}

impl Writer {
    /// The promotion that holds a target: the one that runs, or the one that waits.
    fn holder(&self, running: &str, waiting: &str) -> Result<Option<Promotion>, ControlError> {
        for name in [running, waiting] {
            let found = self.control.read(name)?.remove(name);
            if let Some(found) = found.and_then(|content| Promotion::from_bytes(&content)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
