//! A policy that keeps failing soon after it came. Its boots are refused; where its owner said
//! `fallback = "previous"` and it fails for several instances, the version before it is put back,
//! as a revision of its own that the audit log tells of.
//!
//! Instances are told apart by the address they connect from, not by what they say about
//! themselves: one instance's odd facts must not be able to force a laxer policy.

use std::{
    collections::{BTreeMap, HashSet},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::Mutex;
use serde_json::json;

use super::{Author, ChangeError, Changed, Host, Workshop, prepare::Ingredients, push::Told};
use crate::{
    audit,
    auth::InstanceCaller,
    bundle,
    change::{Edit, Precondition, ResourceEdit},
    generation::{Served, Sets},
    id::{Digest, PolicyName, UnixSeconds, WorkspaceId},
    keyring::Keyring,
    made::{MadePolicy, ResourceKey},
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
        failed.len() < INSTANCES && failed.insert(one_instance(instance)) && failed.len() == INSTANCES
    }

    /// Begins anew for a workspace: another revision of it is served.
    pub(super) fn forget(&self, workspace: &WorkspaceId) {
        self.0.lock().retain(|(watched, ..), _| watched != workspace);
    }
}

/// What counts as one instance: whoever has one IPv6 address mostly has all 2^64 of its network.
fn one_instance(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl Host {
    /// Notes that a boot was refused since a policy failed, and puts the version before it back
    /// when that was once too often. Takes no time of the boot: the change is made on a thread of
    /// its own.
    pub fn note_failure(self: &Arc<Self>, caller: &InstanceCaller, instance: IpAddr, refusal: &Refusal) {
        // What a clock stopped may be this host's own doing.
        let Refusal::Failed { policy, deterministic: true, .. } = refusal else { return };
        let snapshot = &caller.served.snapshot;
        let Some(failing) = snapshot.configuration.policies.get(policy.as_str()) else { return };
        let plan = &caller.prepared.plan;
        // What is pinned is asked the policies of its set, and another version here changes nothing there.
        let is_pinned = caller.served.is_pinned(&plan.deployment, &plan.environment.name);
        if failing.fallback != Fallback::Previous || is_pinned {
            return;
        }
        let workspace = snapshot.configuration.workspace.clone();
        let (name, digest) = (failing.name.clone(), failing.digest);
        if self.watch.note((workspace.clone(), name.clone(), digest), instance) {
            let host = Arc::clone(self);
            tokio::task::spawn_blocking(move || host.quarantine(&workspace, &name, digest));
        }
    }

    /// Puts the version before `digest` back, when that is new.
    ///
    /// # Errors
    /// When it is not, there is none before it, or it cannot be served with today's configuration.
    pub fn quarantine(
        &self,
        workspace: &WorkspaceId,
        policy: &PolicyName,
        digest: Digest,
    ) -> Result<Changed, ChangeError> {
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let changed = match served.made.policy(policy) {
            Some(made) => self.try_restore(served, made, digest),
            None => self.try_quarantine(workspace, policy, digest),
        };
        if let Ok(changed) = &changed {
            self.metrics.quarantines.inc();
            // The change itself is recorded as one by API.
            if served.made.policy(policy).is_some() {
                self.record("quarantine", "done", "host", quarantined(policy, digest, changed));
            }
        }
        let refused = |error: &ChangeError| {
            json!({
                "workspace": workspace.as_str(), "policy": policy.as_str(), "failing": digest.to_string(),
                "reason": audit::reason(error),
            })
        };
        self.finished("quarantine", "host", refused, changed)
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
        let now = self.clock.now();
        let versions = self.versions(&workshop, workspace, name, failing);
        self.still_new(name, versions.since)?;
        let previous = versions.previous.ok_or(ChangeError::Unknown)?;
        let stored = self.stored_bundle(workspace)?;
        let stored = bundle::open_stored(&stored, &workshop.keys.store.verifying_key(), &self.limits)?;
        let mut configuration = stored.configuration;
        let restored = Policy { fallback: current.fallback, ..previous };
        configuration.policies.insert(name.clone(), restored);
        let keyring = Keyring::unwrap(configuration.uid, &served.snapshot.keys, &workshop.roots);
        let active = self.validated_alone(&configuration)?;
        let ingredients = Ingredients {
            configuration,
            keys: served.snapshot.keys.clone(),
            keyring: &keyring,
            revision: served.snapshot.revision.next(),
            created: now,
            not_after: served.snapshot.not_after,
            made: Arc::clone(&served.made),
            active: &active,
            sets: Sets::new(),
            certified: false,
            parent: Some(served),
            touched: None,
        };
        let details = |changed: &Changed| quarantined(name, failing, changed);
        let told = Told { kind: "quarantine", details: &details };
        self.take_over(&Author::process("host"), &workshop, ingredients, None, &told)
    }

    /// The same of a policy that was made by API: by a change by API.
    fn try_restore(
        &self,
        served: &Served,
        made: &MadePolicy,
        failing: Digest,
    ) -> Result<Changed, ChangeError> {
        let name = &made.policy.name;
        if made.policy.digest != failing {
            return Err(ChangeError::Unknown);
        }
        self.still_new(name, Some(made.since()))?;
        let previous = made.previous().ok_or(ChangeError::Unknown)?;
        let component = self.control.blob(previous)?.into();
        let policy = Policy { digest: previous, component, ..made.policy.clone() };
        let key = ResourceKey::Policy(name.clone());
        let record = served.made.resources.get(&key).ok_or(ChangeError::Unknown)?;
        // Whoever replaced it meanwhile knew better.
        let unchanged = Precondition::ChangedBy(record.changed.revision);
        let edits = [Edit::Resource(ResourceEdit::RestorePolicy(policy))];
        let workspace = &served.snapshot.configuration.workspace;
        self.try_change(&Author::process("host"), workspace, &edits, unchanged)
    }

    /// What came long ago and fails now met something else that is new.
    fn still_new(&self, name: &PolicyName, since: Option<UnixSeconds>) -> Result<(), ChangeError> {
        if since.is_some_and(|since| self.clock.now().0 - since.0 < NEW_SECONDS) {
            return Ok(());
        }
        let minutes = NEW_SECONDS / 60;
        let rule = format!("policy {name} fails, but came more than {minutes} minutes ago; it stays");
        Err(ChangeError::Invalid(vec![rule]))
    }

    /// Looks for a policy in the revisions that are kept.
    fn versions(
        &self,
        workshop: &Workshop,
        workspace: &WorkspaceId,
        name: &PolicyName,
        failing: Digest,
    ) -> Versions {
        let mut versions = Versions { since: None, previous: None };
        for kept in self.history(workspace) {
            let Ok(bytes) = self.writer.lock().stored(workspace, kept.revision) else { continue };
            let opened = bundle::open_stored(&bytes, &workshop.keys.store.verifying_key(), &self.limits);
            let policy = opened.ok().and_then(|mut opened| opened.configuration.policies.remove(name));
            match policy {
                Some(policy) if policy.digest == failing => versions.since = Some(kept.created),
                Some(policy) => drop(versions.previous.get_or_insert(policy)),
                None => {}
            }
        }
        versions
    }
}

/// What the revisions that are kept know of a policy.
struct Versions {
    /// When the failing version first came; later pushes of other things do not make it new.
    since: Option<UnixSeconds>,
    /// The newest other version.
    previous: Option<Policy>,
}

/// What is recorded of a policy that was put back.
fn quarantined(policy: &PolicyName, failing: Digest, changed: &Changed) -> serde_json::Value {
    json!({
        "workspace": changed.workspace.as_str(), "policy": policy.as_str(), "failing": failing.to_string(),
        "revision": changed.revision.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(workspace: &str) -> (WorkspaceId, PolicyName, Digest) {
        (workspace.parse().unwrap(), "regions".parse().unwrap(), Digest([1; 32]))
    }

    fn note(watch: &Watch, workspace: &str, addresses: &[&str]) -> Vec<bool> {
        addresses.iter().map(|text| watch.note(policy(workspace), text.parse().unwrap())).collect()
    }

    #[test]
    fn three_instances_are_enough_once() {
        let watch = Watch::default();
        let four = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
        assert_eq!(note(&watch, "acme", &four), [false, false, true, false]);
    }

    #[test]
    fn addresses_of_one_network_or_one_host_are_one_instance() {
        let watch = Watch::default();
        let one = ["2001:db8::1", "2001:db8::2", "2001:db8::3:4", "10.0.0.1", "::ffff:10.0.0.1"];
        assert_eq!(note(&watch, "acme", &one), [false; 5]);
        assert_eq!(note(&watch, "acme", &["2001:db8:0:1::1"]), [true]);
    }

    #[test]
    fn a_new_revision_begins_anew_for_its_workspace_only() {
        let watch = Watch::default();
        for workspace in ["acme", "other"] {
            assert_eq!(note(&watch, workspace, &["10.0.0.1", "10.0.0.2"]), [false; 2]);
        }
        watch.forget(&"acme".parse().unwrap());
        assert_eq!(note(&watch, "acme", &["10.0.0.3"]), [false]);
        assert_eq!(note(&watch, "other", &["10.0.0.3"]), [true]);
    }
}
