//! A promotion, from its request to its end. Whoever carries it on holds its target by a record that hangs on a
//! lease of the ledger; the verdict is taken on one generation, and what takes effect is one transaction: the
//! activation, the promotion's record, and the target's release. A host that is killed meanwhile has done it or
//! has not, and the lease ends by itself. One that waits is a record, which the next start finds again.

mod asked;
mod carry;
pub(super) mod gone;
pub(super) mod hold;
mod question;
mod standing;

use std::{collections::BTreeMap, sync::atomic::Ordering};

use serde_json::json;

pub use self::asked::Requested;
use self::{hold::target, question::OWN};
use super::{Author, ChangeError, Host};
use crate::{
    control::{Expected, Hold},
    id::{DeploymentId, Revision, WorkspaceId},
    model::{Role, TokenRecord, promotion::Approval},
    state::{Alteration, Approved, Bearer, Promotion, Status, Word},
};

/// How long a target is held by whoever stopped carrying a promotion on, in seconds.
pub const HOLD_SECONDS: u32 = 60;
/// How long a promotion waits for what it wants, in seconds: a week, where nothing says when that comes.
pub const WAIT_SECONDS: i64 = 7 * 86_400;
/// The most promotions of a deployment that are kept when they have ended.
pub const PAST_PROMOTIONS: usize = 200;

impl Host {
    /// Promotes a release as far as it goes now: to its end, or to where it waits.
    ///
    /// # Errors
    /// When it names nothing that there is, or the target is held; see [`ChangeError`].
    pub fn promote(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        requested: &Requested,
    ) -> Result<Promotion, ChangeError> {
        // What waits there may be over by now.
        self.advance(workspace, Some(&requested.deployment), &|_| true);
        self.promote_beside(author, workspace, requested)
    }

    /// The same, where what waits was looked at a moment ago.
    ///
    /// # Errors
    /// As for [`Host::promote`].
    pub fn promote_beside(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        requested: &Requested,
    ) -> Result<Promotion, ChangeError> {
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let promotion = self.asked_for(author, served, requested)?;
        let held = self.hold_target(workspace, &promotion, Expected::Absent)?;
        self.carry(author, workspace, promotion, held)
    }

    /// Approves a promotion that waits, and carries it on.
    ///
    /// # Errors
    /// When nothing of that id waits, or the approval does not count; see [`ChangeError`].
    pub fn approve(
        &self,
        author: &Author,
        (token, role): (&TokenRecord, Role),
        workspace: &WorkspaceId,
        (deployment, id): (&DeploymentId, &str),
    ) -> Result<Promotion, ChangeError> {
        let found = self.waiting_as(workspace, deployment, id)?;
        let held = self.hold_target(workspace, &found, Expected::Present)?;
        let approved = self.approved(author, (token, role), workspace, (deployment, id), held);
        match approved {
            Ok(promotion) => {
                let (requester, approved) = (Author::process(&promotion.by), promotion.clone());
                match self.carry(&requester, workspace, promotion, held) {
                    Err(error) if !matches!(error, ChangeError::Unknown) => {
                        // It is approved for good, and waits for another try.
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a promotion that was approved cannot be carried on; it is tried again"
                        );
                        self.unlooked.store(true, Ordering::SeqCst);
                        Ok(approved)
                    }
                    carried => carried,
                }
            }
            Err(error) => {
                self.let_go(&target(workspace, &found), held);
                let details = json!({
                    "workspace": workspace.as_str(), "promotion": found.id, "deployments": [deployment.as_str()],
                    "environments": found.ends(), "release": found.release, "requested_by": found.by,
                });
                Err(self.refused("approval", author.principal(), details, error))
            }
        }
    }

    /// With one approval more.
    fn approved(
        &self,
        author: &Author,
        (token, role): (&TokenRecord, Role),
        workspace: &WorkspaceId,
        (deployment, id): (&DeploymentId, &str),
        held: Hold,
    ) -> Result<Promotion, ChangeError> {
        // As it is now that nobody else carries it on.
        let mut promotion = self.waiting_as(workspace, deployment, id)?;
        self.keep_standing(&self.writer.lock().state, workspace, &mut promotion);
        standing::counts(&promotion, token)?;
        let role = standing::counted_as(&promotion.wanted, role);
        let approval = Approval { principal: token.principal.clone(), role, approved_at: self.seconds() };
        promotion.approvals.push(Approved { approval, bearer: Some(Bearer::from(token)) });
        self.tell_promotion(author, workspace, "approved", (&mut promotion, held), |_, promotion| {
            let name = Promotion::open_record(workspace, deployment, &promotion.to);
            Ok(vec![Alteration::Put { name, content: promotion.to_bytes() }])
        })?;
        Ok(promotion)
    }

    /// Takes back a promotion that waits: its target is free again. Whoever may is asked before.
    ///
    /// # Errors
    /// When nothing of that id waits, or somebody carries it on right now; see [`ChangeError`].
    pub fn withdraw(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (deployment, id): (&DeploymentId, &str),
    ) -> Result<Promotion, ChangeError> {
        let found = self.waiting_as(workspace, deployment, id)?;
        let held = self.hold_target(workspace, &found, Expected::Present)?;
        // As it is now that nobody else carries it on.
        let withdrawn = self.waiting_as(workspace, deployment, id).and_then(|mut promotion| {
            promotion.status = Status::Withdrawn;
            promotion.reasons = vec![Word::plain(OWN, format!("withdrawn by {}", author.principal()))];
            self.close(author, workspace, (promotion, held))
        });
        self.let_go(&target(workspace, &found), held);
        withdrawn
    }

    /// Carries on what waits, everywhere: its time may have come, or be over. The first time after a start, or
    /// when something that arrived could not be looked at, all of it.
    pub fn advance_promotions(&self) {
        let live = self.store.load_full();
        self.forget_missed(&live);
        let all = self.unlooked.swap(false, Ordering::SeqCst);
        for (workspace, served) in live.workspaces() {
            self.advance(workspace, None, &|one| {
                all || self.is_due(one, workspace, served.snapshot.revision)
            });
        }
    }

    /// The same of a workspace, where something may not stand any more.
    pub(super) fn advance_in(&self, workspace: &WorkspaceId) {
        let live = self.store.load_full();
        let Some(served) = live.workspace(workspace) else { return };
        self.advance(workspace, None, &|one| self.is_due(one, workspace, served.snapshot.revision));
    }

    /// Shows how many promotions wait.
    pub fn note_promotions(&self) {
        let live = self.store.load_full();
        for workspace in live.workspaces().keys() {
            // What cannot be read now is shown as it was.
            if let Ok(waiting) = self.waiting(workspace, None) {
                self.metrics.set_promotions_waiting(workspace.as_str(), waiting.len());
            }
        }
    }

    /// Whether there is something new to say of one that waits: who approves or reports carries it on anyway.
    fn is_due(&self, waits: &Promotion, workspace: &WorkspaceId, revision: Revision) -> bool {
        let now = self.clock.now();
        let is_over = waits.until <= now;
        let is_time = is_over || waits.retry_at.is_some_and(|at| at <= now);
        let mut now_standing = waits.clone();
        is_time
            || waits.judged != revision
            || !self.keep_standing(&self.writer.lock().state, workspace, &mut now_standing)
            || now_standing != *waits
    }

    /// The same of one deployment, where something arrived.
    pub(super) fn go_on(&self, workspace: &WorkspaceId, deployment: &DeploymentId) {
        // One that is judged for the first time is no record that waits yet, and may not know what arrived.
        match self.control.read(&format!("{}{deployment}/", Promotion::all_running(workspace))) {
            Ok(running) => {
                let running = running.values().filter_map(|content| Promotion::from_bytes(content));
                running.for_each(|one| self.missed(target(workspace, &one)));
            }
            Err(_) => self.unlooked.store(true, Ordering::SeqCst),
        }
        self.advance(workspace, Some(deployment), &|_| true);
    }

    /// The promotions of a deployment that run, wait or are kept, the newest first.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn promotions(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
    ) -> Result<Vec<Promotion>, ChangeError> {
        let prefixes = [
            format!("{}{deployment}/", Promotion::all_running(workspace)),
            format!("{}{deployment}/", Promotion::open_records(workspace)),
            Promotion::past_records(workspace, deployment),
        ];
        let mut found = BTreeMap::new();
        for prefix in prefixes {
            let records = self.control.read(&prefix)?;
            let read = records.values().filter_map(|content| Promotion::from_bytes(content));
            // Who holds a target began with what it was before. In this order, one that moves on is seen.
            found.extend(read.map(|one| (one.id.clone(), one)));
        }
        let mut all: Vec<_> = found.into_values().collect();
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let one = served.snapshot.configuration.deployments.get(deployment).ok_or(ChangeError::Unknown)?;
        all.retain(|found| found.deployment.1 == one.uid);
        all.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(all)
    }

    /// A promotion as it has become meanwhile, if that can be read.
    fn as_it_is(&self, workspace: &WorkspaceId, promotion: Promotion) -> Promotion {
        let all = self.promotions(workspace, &promotion.deployment.0).unwrap_or_default();
        all.into_iter().find(|one| one.id == promotion.id).unwrap_or(promotion)
    }

    /// What waits.
    fn waiting(
        &self,
        workspace: &WorkspaceId,
        deployment: Option<&DeploymentId>,
    ) -> Result<Vec<Promotion>, ChangeError> {
        let mut prefix = Promotion::open_records(workspace);
        if let Some(deployment) = deployment {
            prefix = format!("{prefix}{deployment}/");
        }
        let records = self.control.read(&prefix)?;
        Ok(records.values().filter_map(|content| Promotion::from_bytes(content)).collect())
    }

    fn waiting_as(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        id: &str,
    ) -> Result<Promotion, ChangeError> {
        let open = self.waiting(workspace, Some(deployment))?;
        open.into_iter().find(|one| one.id == id).ok_or(ChangeError::Unknown)
    }
}
