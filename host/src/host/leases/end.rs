//! What leases end by: their instances, somebody who vouches for that, and what is revoked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{forget_gone, is_instance_gone};
use crate::{
    audit::ChangeRecord,
    auth::InstanceCaller,
    change::{Edit, ResourceEdit},
    host::{Author, ChangeError, Host},
    id::{UnixSeconds, ValueId, WorkspaceId},
    lease::{COUNTED, Holders, Lease, LeaseId, ended},
    made::Made,
};

impl Host {
    /// Whether `edits` take away what boots are given: a version, or a service's credential. Whoever looks for
    /// its holders after that finds all of them.
    pub(in crate::host) fn is_revoked_by(&self, edits: &[Edit]) -> bool {
        edits.iter().any(|edit| match edit {
            Edit::RevokeVersion { .. } => true,
            Edit::Resource(ResourceEdit::PutService(change)) => change.has_another_credential(),
            _ => false,
        })
    }

    /// Who holds the versions that `edits` revoke.
    pub(in crate::host) fn holders_of(
        &self,
        workspace: &WorkspaceId,
        made: &Made,
        edits: &[Edit],
    ) -> BTreeMap<ValueId, Holders> {
        let book = self.leases.book.lock();
        revoked(made, edits).map(|id| (id, book.holders(workspace, id))).collect()
    }

    /// Forgets the counts of versions that were revoked, and of credentials whose instances went.
    pub(in crate::host) fn forget_revoked(&self, workspace: &WorkspaceId, before: &Made, edits: &[Edit]) {
        let revoked: BTreeSet<_> = revoked(before, edits).collect();
        let live = self.store.load_full();
        let Some(served) = live.workspace(workspace) else { return };
        let mut book = self.leases.book.lock();
        let forgotten = match book.counted(workspace) >= COUNTED {
            // What is deleted with its environment, or makes room for newer versions, is looked for then.
            true => forget_gone(&mut book, workspace, served),
            false => book.forget_counts(workspace, |id, credential| {
                revoked.contains(&id) || credential.is_some_and(|of| is_instance_gone(served, of))
            }),
        };
        self.leases.later(forgotten);
    }

    /// Shows how many leases there are, and how many are lost.
    pub fn note_leases(&self) {
        let now = self.clock.now();
        for workspace in self.store.load().workspaces().keys() {
            let (all, lost) = self.leases.sizes(workspace, now);
            self.metrics.set_leases(workspace.as_str(), all, lost);
        }
    }

    /// The workspace of a lease, if that is of the pair that `caller` boots.
    #[must_use]
    pub fn own_lease(&self, caller: &InstanceCaller<'_>, id: LeaseId) -> Option<WorkspaceId> {
        let plan = &caller.prepared.plan;
        let workspace = &caller.served.snapshot.configuration.workspace;
        let book = self.leases.book.lock();
        let lease = book.lease(workspace, id)?;
        let is_own = lease.deployment == plan.deployment && lease.environment == plan.environment.name;
        is_own.then(|| workspace.clone())
    }

    /// Gives a lease its whole time again. That is not written down: a start does the same for all.
    pub fn renew_lease(&self, caller: &InstanceCaller<'_>, id: LeaseId, now: UnixSeconds) -> Option<Lease> {
        let workspace = self.own_lease(caller, id)?;
        self.leases.book.lock().renew(&workspace, id, now).cloned()
    }

    /// Ends a lease of a boot that was not answered in the end.
    pub fn forsake_lease(&self, caller: &InstanceCaller<'_>, id: LeaseId) {
        let workspace = &caller.served.snapshot.configuration.workspace;
        let ended = self.leases.book.lock().end(workspace, id);
        self.leases.later(ended.map(|(_, record)| record).into_iter().collect());
    }

    /// Ends a lease, because the instance says that it is over; whether there was one. May block. What cannot be
    /// written down now is written with what comes next; should that be lost, a lease is one that was lost, and
    /// nothing is revoked too early.
    pub fn end_lease(&self, workspace: &WorkspaceId, id: LeaseId) -> bool {
        let Some((_, record)) = self.leases.book.lock().end(workspace, id) else { return false };
        if let Err(error) = self.told_by_ledger(self.leases.settle(vec![record])) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the end of a lease is not durable yet");
        }
        true
    }

    /// Ends a lease because somebody vouches that its instance is gone.
    ///
    /// # Errors
    /// When there is none of that deployment, or it cannot be made durable and recorded.
    pub fn report_gone(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        id: LeaseId,
        may: impl Fn(&Lease) -> bool,
    ) -> Result<Lease, ChangeError> {
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        let now = self.clock.now();
        let found = self.leases.book.lock().lease(workspace, id).filter(|lease| may(lease)).cloned();
        let lease = found.ok_or(ChangeError::Unknown)?;
        let details = json!({
            "workspace": workspace.as_str(), "lease": id.to_string(),
            "deployments": [lease.deployment.as_str()], "environments": [lease.environment.as_str()],
            "instance": lease.instance, "since": lease.since.0, "lost": lease.is_lost(now),
            "reported": "gone",
        });
        let principal = author.principal();
        let record = ChangeRecord { at: now, kind: "lease", outcome: "done", principal, details };
        // Its grant is durable by now, or will be before this.
        self.told_by_ledger(self.leases.settle(Vec::new()))?;
        self.write_noted(&mut writer, author, vec![ended(workspace, id)], Vec::new(), &record)?;
        self.leases.book.lock().end(workspace, id);
        Ok(lease)
    }
}

/// The stored values of the versions that `edits` revoke.
fn revoked(made: &Made, edits: &[Edit]) -> impl Iterator<Item = ValueId> {
    edits.iter().filter_map(|edit| match edit {
        Edit::RevokeVersion { key, version, .. } => made.stored_version(key, *version).map(|value| value.id),
        _ => None,
    })
}
