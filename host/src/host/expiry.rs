//! Environments that expire: announced before, and deleted with what was set in them a while after they
//! stopped serving. What a directory names is only told; the directory deletes it.

use std::collections::BTreeSet;

use super::{Author, ChangeError, Host};
use crate::{
    change::{Edit, Precondition},
    id::{EnvironmentName, Revision, WorkspaceId},
};

/// How long an environment that expired is kept, in seconds: a day, for who notices late.
pub const EXPIRED_GRACE_SECONDS: i64 = 86_400;

/// What could not be deleted, as it was then: tried again when it was changed.
pub type Undeletable = BTreeSet<(WorkspaceId, EnvironmentName, Revision)>;

impl Host {
    /// Shows how many environments are about to expire.
    pub fn note_expiring(&self) {
        let now = self.clock.now();
        for (name, served) in self.store.load().workspaces() {
            let environments = served.snapshot.configuration.environments.values();
            let many = environments.filter(|one| one.expires_soon(now).is_some()).count();
            self.metrics.set_expiring(name.as_str(), many);
        }
    }

    /// Deletes the environments made by API that expired [`EXPIRED_GRACE_SECONDS`] ago, in the host's own
    /// name. The tokens of their instances go with them: another of that name is not theirs.
    pub fn delete_expired(&self, undeletable: &mut Undeletable) {
        let now = self.clock.now();
        let mut gone = Vec::new();
        for (workspace, served) in self.store.load().workspaces() {
            for (name, made) in &served.made.environments {
                let is_over = |at: i64| at.saturating_add(EXPIRED_GRACE_SECONDS) <= now.0;
                if made.environment.expires.is_some_and(|at| is_over(at.0)) {
                    gone.push((workspace.clone(), name.clone(), made.changed.revision));
                }
            }
        }
        undeletable.retain(|known| gone.contains(known));
        for (workspace, name, revision) in gone {
            if undeletable.contains(&(workspace.clone(), name.clone(), revision)) {
                continue;
            }
            let edits = [Edit::DeleteEnvironment { name: name.clone(), expired: true }];
            match self.change(&Author::process("host"), &workspace, &edits, Precondition::ChangedBy(revision))
            {
                Ok(_) => drop(self.metrics.environments_expired.inc()),
                Err(error) => {
                    tracing::warn!(workspace = %workspace, environment = %name, error = %error, "an environment that expired could not be deleted");
                    // What is busy, or changes meanwhile, is tried again.
                    if matches!(error, ChangeError::Invalid(_) | ChangeError::Owned { .. }) {
                        undeletable.insert((workspace, name, revision));
                    }
                }
            }
        }
    }
}
