//! Whether an environment's secrets are another's, asked when a release is about to move there. What may be
//! compared is bounded ([`fingerprint`]); what is, is durable and recorded before the
//! answer is known.
//!
//! | record of a workspace | what was compared of a secret |
//! |---|---|
//! | `compared/<deployment>/<name>` | of a deployment's, and goes with it |
//! | `compared-in/<environment>/<name>` | with the value of all deployments in an environment, and goes with that |
//! | `compared-for-all/<name>` | with the value of all deployments everywhere |
//!
//! A value that several deployments share would else be guessed at through each of them, and through one that is
//! made again and again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Author, ChangeError, Host, Writer};
use crate::{
    audit::{self, ChangeRecord},
    control::ControlError,
    fingerprint::{self, Compared, Home, Version},
    generation::Served,
    id::{DeploymentId, EnvironmentName, UnixSeconds, VariableName, WorkspaceId},
    ledger::MAX_OPERATIONS,
    model::{Configuration, SealedValue},
    prepared::Prepared,
    state::Alteration,
};

/// What a comparison came to. The names are for those alone who may read both environments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared {
    /// The target's versions that are another environment's, too, each with that one's.
    pub equal: Vec<(Version, Version)>,
    /// The secrets of which a version was left for a later day.
    pub withheld: BTreeSet<VariableName>,
    /// When more of them can be compared, if some were left: what was not compared is not taken for different,
    /// whoever used up the day's.
    pub retry_at: Option<UnixSeconds>,
}

impl Host {
    /// Compares the secrets of `deployment` in `target` with those of the same names in its other
    /// environments; the source of a promotion comes first.
    ///
    /// # Errors
    /// When that cannot be recorded: nothing was compared then. Or there is no such deployment, or one that it is
    /// about is gone.
    pub fn shared_secrets(
        &self,
        author: &Author,
        served: &Served,
        deployment: &DeploymentId,
        (source, target): (&EnvironmentName, &EnvironmentName),
    ) -> Result<Shared, ChangeError> {
        let workspace = &served.snapshot.configuration.workspace;
        // Where it is pinned, what it would be given is compared, and not what it is given yet.
        let own = self.unpinned(served, deployment, target)?;
        let versions = of_same_names(served, deployment, source, (target, own.as_deref()))?;
        if versions.is_empty() {
            return Ok(Shared::default());
        }
        let mut shared = Shared::default();
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        // What went meanwhile took along what was compared of it, and nothing more is.
        let live = self.store.load_full();
        let now_served = live.workspace(workspace).map(|live| &**live);
        let versions = still_there(versions, (served, now_served), deployment, (source, target))?;
        if versions.is_empty() {
            return Ok(shared);
        }
        let (now, mut admitted) = (self.clock.now(), Vec::new());
        let homes = homes(&versions);
        let mut known = writer.compared((workspace, deployment), &homes)?;
        let before = known.clone();
        for version in versions {
            let of_name = homes.get_key_value(&version.name).into_iter();
            let all: Vec<_> =
                of_name.flat_map(|(name, of)| of.iter().map(move |home| (home, name))).collect();
            let full = all.iter().filter_map(|at| known.get(at).filter(|one| !one.has_room(version.id, now)));
            let full: Vec<_> = full.map(|one| one.next(now)).collect();
            if full.is_empty() {
                for at in all {
                    known.entry(at).or_default().admit(version.id, now);
                }
                admitted.push(version);
                continue;
            }
            shared.retry_at = full.into_iter().fold(shared.retry_at, Option::max);
            shared.withheld.insert(version.name);
        }
        let changed = known.iter().filter(|(at, one)| before.get(*at) != Some(*one));
        let records: Vec<_> = changed
            .map(|((home, name), one)| Alteration::Put {
                name: format!("{}{name}", records(workspace, deployment, home)),
                content: one.to_bytes(),
            })
            .collect();
        let names: BTreeSet<_> = admitted.iter().map(|version| version.name.to_string()).collect();
        // Whoever does not see both ends is not told which names they share.
        let looked_at = admitted.iter().map(|version| &version.environment);
        let environments: BTreeSet<_> = looked_at.chain([source, target]).map(ToString::to_string).collect();
        let withheld = shared.withheld.iter().map(ToString::to_string).collect();
        let details = json!({
            "workspace": workspace.as_str(), "deployment": deployment.as_str(), "target": target.as_str(),
            "keys": audit::listed(names.into_iter().collect()), "withheld": audit::listed(withheld),
            "environments": audit::listed(environments.into_iter().collect()),
        });
        let (kind, principal) = ("compare-secrets", author.principal());
        let change = ChangeRecord { at: now, kind, outcome: "done", principal, details };
        self.place_of_note(&mut writer)?;
        let (early, late) = records.split_at(records.len().saturating_sub(MAX_OPERATIONS / 2));
        for some in early.chunks(MAX_OPERATIONS) {
            self.write(&writer, some, Vec::new())?;
        }
        self.write_noted(&mut writer, author, late.to_vec(), Vec::new(), &change)?;
        drop(writer);
        shared.equal = self.equal(served, deployment, (target, own.as_deref()), &admitted);
        Ok(shared)
    }

    fn equal(
        &self,
        served: &Served,
        deployment: &DeploymentId,
        (target, own): (&EnvironmentName, Option<&Prepared>),
        admitted: &[Version],
    ) -> Vec<(Version, Version)> {
        let of = |prepared: Option<&Prepared>| {
            let is_admitted = |version: &Version| admitted.contains(version);
            prepared.map_or_else(Vec::new, |prepared| {
                fingerprint::of(prepared, &self.engine.capsule_key, &self.fingerprints, is_admitted)
            })
        };
        let others: BTreeSet<_> = admitted.iter().map(|version| &version.environment).collect();
        let others = others.into_iter().filter(|name| *name != target);
        let others: Vec<_> =
            others.flat_map(|name| of(served.prepared(deployment, name).map(|one| &**one))).collect();
        fingerprint::equal(&of(own), &others)
    }
}

/// What was compared, by whose value and name.
type Known<'a> = BTreeMap<(&'a Home, &'a VariableName), Compared>;

impl Writer {
    /// What was compared of secrets so far.
    fn compared<'a>(
        &self,
        (workspace, deployment): (&WorkspaceId, &DeploymentId),
        homes: &'a BTreeMap<VariableName, BTreeSet<Home>>,
    ) -> Result<Known<'a>, ChangeError> {
        let mut found = Known::new();
        let all: BTreeSet<_> = homes.values().flatten().collect();
        for home in all {
            let prefix = records(workspace, deployment, home);
            let mut contents = self.control.read(&prefix)?;
            for name in homes.iter().filter(|(_, of)| of.contains(home)).map(|(name, _)| name) {
                let record = format!("{prefix}{name}");
                let Some(content) = contents.remove(&record) else { continue };
                let invalid = |_| ChangeError::Ledger(ControlError::Forged { name: record });
                found.insert((home, name), Compared::from_bytes(&content).map_err(invalid)?);
            }
        }
        Ok(found)
    }
}

/// By name, who is told something of its value: the deployment, and whoever shares one of the versions.
fn homes(versions: &[Version]) -> BTreeMap<VariableName, BTreeSet<Home>> {
    let mut homes = BTreeMap::new();
    for version in versions {
        let of_name: &mut BTreeSet<_> = homes.entry(version.name.clone()).or_default();
        of_name.extend([Home::Deployment, version.home.clone()]);
    }
    homes
}

/// How the names of the records begin of what was compared with such values.
pub(super) fn records(workspace: &WorkspaceId, deployment: &DeploymentId, home: &Home) -> String {
    match home {
        Home::Deployment => format!("workspace/{workspace}/compared/{deployment}/"),
        Home::Environment(name) => records_in(workspace, name),
        Home::Workspace => format!("workspace/{workspace}/compared-for-all/"),
    }
}

/// The same of an environment's.
pub(super) fn records_in(workspace: &WorkspaceId, environment: &EnvironmentName) -> String {
    format!("workspace/{workspace}/compared-in/{environment}/")
}

/// Those of `versions`, as they were in `served`, whose environments are there yet, and of names that the target and
/// another have.
fn still_there(
    versions: Vec<Version>,
    (served, live): (&Served, Option<&Served>),
    deployment: &DeploymentId,
    (source, target): (&EnvironmentName, &EnvironmentName),
) -> Result<Vec<Version>, ChangeError> {
    let (before, now) = (&served.snapshot.configuration, live.map(|live| &live.snapshot.configuration));
    let now = now.ok_or(ChangeError::Unknown)?;
    let is_there = |name: &EnvironmentName| {
        let uid = |of: &Configuration<SealedValue>| of.environments.get(name).map(|one| one.uid);
        uid(before) == uid(now)
    };
    let uid = |of: &Configuration<SealedValue>| of.deployments.get(deployment).map(|one| one.uid);
    if uid(before) != uid(now) || !is_there(source) || !is_there(target) {
        return Err(ChangeError::Unknown);
    }
    let mut versions = versions;
    versions.retain(|one| is_there(&one.environment));
    let others = versions.iter().filter(|one| one.environment != *target);
    let names: BTreeSet<_> = others.map(|one| one.name.clone()).collect();
    versions.retain(|one| names.contains(&one.name));
    Ok(versions)
}

/// The target's secrets, and those of the same names elsewhere: the target's own first, then the
/// source's, so that these are compared before a day's are used up.
fn of_same_names(
    served: &Served,
    deployment: &DeploymentId,
    source: &EnvironmentName,
    (target, own): (&EnvironmentName, Option<&Prepared>),
) -> Result<Vec<Version>, ChangeError> {
    let uses = served.snapshot.configuration.deployments.get(deployment).ok_or(ChangeError::Unknown)?;
    let of = |environment: &EnvironmentName| {
        served.prepared(deployment, environment).map_or_else(Vec::new, |one| fingerprint::versions(one))
    };
    let own = own.map_or_else(Vec::new, fingerprint::versions);
    let others = uses.environments.keys().filter(|name| *name != source && *name != target);
    let others: Vec<_> = [source].into_iter().filter(|name| *name != target).chain(others).collect();
    let others: Vec<_> = others.into_iter().flat_map(of).collect();
    let names: BTreeSet<_> = others.iter().map(|version| version.name.clone()).collect();
    let own_names: BTreeSet<_> = own.iter().map(|version| version.name.clone()).collect();
    let own = own.into_iter().filter(|version| names.contains(&version.name));
    Ok(own.chain(others.into_iter().filter(|version| own_names.contains(&version.name))).collect())
}
