//! A policy that keeps failing soon after it came. Its boots are refused; where its owner said
//! `fallback = "previous"` and it fails for several instances, the version before it is put back,
//! as a revision of its own that the audit log tells of.
//!
//! Instances are told apart by the address they connect from, not by what they say about
//! themselves: one instance's odd facts must not be able to force a laxer policy.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;
use serde_json::json;

use super::{ChangeError, Changed, Host, Workshop, prepare::Ingredients};
use crate::{
    auth::InstanceCaller,
    bundle,
    generation::Served,
    id::{Digest, PolicyName, WorkspaceId},
    keyring::Keyring,
    model::{Fallback, Policy},
    permit::Refusal,
};

/// Instances that a policy must have failed for.
const INSTANCES: usize = 3;
/// How long after its revision a policy counts as new, in seconds.
const NEW_SECONDS: i64 = 3600;
/// Policies that are watched at once. A failing policy beyond them only refuses its boots.
const WATCHED: usize = 1024;

/// Which instances each new policy failed for.
#[derive(Default)]
pub(super) struct Watch(Mutex<BTreeMap<(WorkspaceId, PolicyName, Digest), HashSet<IpAddr>>>);

impl Watch {
    /// Notes a failure; whether it is the one that is enough. It is so once only.
    fn note(&self, policy: (WorkspaceId, PolicyName, Digest), instance: IpAddr) -> bool {
        let mut watched = self.0.lock();
        if watched.len() >= WATCHED && !watched.contains_key(&policy) {
            return false;
        }
        let failed = watched.entry(policy).or_default();
        failed.len() < INSTANCES && failed.insert(instance) && failed.len() == INSTANCES
    }
}

impl Host {
    /// Notes that a boot was refused since a policy failed, and puts the version before it back
    /// when that was once too often. Takes no time of the boot: the change is made on a thread of
    /// its own.
    pub fn note_failure(self: &Arc<Self>, caller: &InstanceCaller, instance: IpAddr, refusal: &Refusal) {
        let Refusal::Failed { policy, .. } = refusal else { return };
        let snapshot = &caller.served.snapshot;
        let Some(failing) = snapshot.configuration.policies.get(policy.as_str()) else { return };
        let is_new = self.clock.now().0 - snapshot.created.0 < NEW_SECONDS;
        if failing.fallback != Fallback::Previous || !is_new {
            return;
        }
        let workspace = snapshot.configuration.workspace.clone();
        let (name, digest) = (failing.name.clone(), failing.digest);
        if self.watch.note((workspace.clone(), name.clone(), digest), instance) {
            let host = Arc::clone(self);
            tokio::task::spawn_blocking(move || host.quarantine(&workspace, &name, digest));
        }
    }

    /// Puts the version before `digest` back.
    ///
    /// # Errors
    /// When there is none, or it cannot be served with today's configuration.
    pub fn quarantine(
        &self,
        workspace: &WorkspaceId,
        policy: &PolicyName,
        digest: Digest,
    ) -> Result<Changed, ChangeError> {
        let changed = self.try_quarantine(workspace, policy, digest);
        let details = json!({
            "workspace": workspace.as_str(), "policy": policy.as_str(), "failing": digest.to_string(),
            "revision": changed.as_ref().ok().map(|changed| changed.revision.0),
            "reason": changed.as_ref().err().map(ToString::to_string),
        });
        self.finished("quarantine", "host", details, changed)
    }

    fn try_quarantine(
        &self,
        workspace: &WorkspaceId,
        name: &PolicyName,
        failing: Digest,
    ) -> Result<Changed, ChangeError> {
        let workshop = self.workshop.lock();
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        // A push may have replaced it while this was on its way.
        let current = served.snapshot.configuration.policies.get(name);
        let current = current.filter(|policy| policy.digest == failing).ok_or(ChangeError::Unknown)?;
        let previous = self.previous(&workshop, served, name, failing).ok_or(ChangeError::Unknown)?;
        let mut configuration = served.snapshot.configuration.clone();
        let restored = Policy { fallback: current.fallback, ..previous };
        configuration.policies.insert(name.clone(), restored);
        let keyring = Keyring::unwrap(configuration.uid, &served.snapshot.keys, &workshop.roots);
        let active = self.validated(&configuration)?;
        let ingredients = Ingredients {
            configuration,
            keys: served.snapshot.keys.clone(),
            keyring: &keyring,
            revision: served.snapshot.revision.next(),
            created: self.clock.now(),
            not_after: served.snapshot.not_after,
            active: &active,
            certified: false,
            parent: Some(served),
        };
        self.take_over(&workshop, ingredients, None)
    }

    /// The newest other version of a policy among the revisions that are kept.
    fn previous(
        &self,
        workshop: &Workshop,
        served: &Served,
        name: &PolicyName,
        failing: Digest,
    ) -> Option<Policy> {
        let workspace = &served.snapshot.configuration.workspace;
        self.history(workspace).iter().find_map(|kept| {
            let bytes = self.writer.lock().stored(workspace, kept.revision).ok()?;
            let opened =
                bundle::open_stored(&bytes, &workshop.keys.store.verifying_key(), &self.limits).ok()?;
            opened.configuration.policies.get(name).filter(|policy| policy.digest != failing).cloned()
        })
    }
}
