//! Releases are registered: by API, or because a directory that is pushed names them. What is registered stays
//! as it is, and is activated where an environment takes releases by itself and has what it needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Author, ChangeError, Changed, Host, Writer, rotation};
use crate::{
    change::{Edit, MAX_EDITS, Precondition, ResourceEdit},
    control::ControlError,
    generation::Served,
    id::{DeploymentId, EnvironmentName, VariableName, WorkspaceId},
    made::ResourceKey,
    model::{Configuration, Release, SealedValue, Trigger},
    plan::Plan,
    state::{Alteration, Promotion, Why},
};

/// The most releases of a deployment that are kept of those registered by API, and all that a kept activation
/// or a promotion under way names. The oldest of the others makes room for the next.
pub const MADE_RELEASES: usize = 500;

/// A release that is to be registered.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its number; none for the next.
    pub number: Option<u64>,
    /// The digest of what was released.
    pub digest: String,
    /// Free-form.
    pub labels: BTreeMap<String, String>,
    /// The keys that it reads.
    pub keys: BTreeSet<VariableName>,
}

/// A release that is registered.
#[derive(Debug)]
pub struct Registered {
    /// It.
    pub release: Release,
    /// The change; none where it was registered before, with the same content.
    pub changed: Option<Changed>,
    /// Where it is active by that.
    pub activated: Vec<EnvironmentName>,
    /// Where it would be.
    pub not_activated: Vec<NotActivated>,
}

/// An environment that takes releases by itself, and not this one.
#[derive(Debug)]
pub struct NotActivated {
    /// Which.
    pub environment: EnvironmentName,
    /// Why, and what to do.
    pub reason: String,
}

impl Host {
    /// Registers a release, and activates it in the environments of which `may_activate` says so among those
    /// that take releases by themselves.
    ///
    /// # Errors
    /// See [`ChangeError`]; also when another release has the number.
    pub fn register(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        wanted: Wanted,
        may_activate: &dyn Fn(&EnvironmentName) -> Result<(), String>,
    ) -> Result<Registered, ChangeError> {
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let one = served.snapshot.configuration.deployments.get(deployment).ok_or(ChangeError::Unknown)?;
        let mark = self.writer.lock().last_gone(workspace, deployment)?;
        let last = one.releases.keys().last().copied().max(mark);
        let next = last.map_or(1, |last| last.saturating_add(1));
        let number = wanted.number.unwrap_or(next);
        let created_at = u64::try_from(self.clock.now().0).unwrap_or_default();
        let Wanted { digest, labels, keys, .. } = wanted;
        let release = Release { number, digest, created_at, labels, keys };
        if let Some(known) = one.releases.get(&number) {
            if !is_same(known, &release) {
                let what = format!(
                    "release {number} of {deployment} is registered with another content, and stays as it is; register the next number"
                );
                return Err(ChangeError::Taken { what });
            }
            let (release, activated) = (known.clone(), Vec::new());
            return Ok(Registered { release, changed: None, activated, not_activated: Vec::new() });
        }
        let gone = self.outdated(served, workspace, deployment)?;
        // What somebody approved, or goes back to, is not another release of the same number.
        if mark.max(gone.iter().max().copied()).is_some_and(|mark| number <= mark) {
            let what = format!(
                "release {number} of {deployment} is older than those that are kept, and may have been another once; register the next number"
            );
            return Err(ChangeError::Taken { what });
        }
        let put = ResourceEdit::PutRelease { deployment: deployment.clone(), release: release.clone(), gone };
        let (mut taking, mut not_activated) = (Vec::new(), Vec::new());
        for environment in automatic(served, deployment) {
            match may_activate(&environment)
                .and_then(|()| self.takes(served, deployment, &environment, &release))
            {
                Ok(()) => taking.push(environment),
                Err(reason) => not_activated.push(NotActivated { environment, reason }),
            }
        }
        let activating = |environment| activation(deployment, environment, number, Why::Registered);
        let (first, rest) = taking.split_at(taking.len().min(MAX_EDITS - 1));
        let edits: Vec<_> = [Edit::Resource(put)].into_iter().chain(first.iter().map(activating)).collect();
        let mut changed = self.change(author, workspace, &edits, Precondition::Any)?;
        let mut activated = first.to_vec();
        // It is registered; whatever one change does not hold follows.
        for some in rest.chunks(MAX_EDITS) {
            let edits: Vec<_> = some.iter().map(activating).collect();
            match self.change(author, workspace, &edits, Precondition::Any) {
                Ok(Changed { revision, digest, warnings, .. }) => {
                    (changed.revision, changed.digest) = (revision, digest);
                    changed.warnings.extend(warnings);
                    activated.extend_from_slice(some);
                }
                Err(error) => not_activated.extend(some.iter().map(|environment| {
                    let (environment, reason) = (environment.clone(), error.to_string());
                    NotActivated { environment, reason }
                })),
            }
        }
        Ok(Registered { release, changed: Some(changed), activated, not_activated })
    }

    /// Activates what a push named anew, the newest of each deployment, where environments take releases by
    /// themselves. What is active at a workspace's first push is its bootstrap's to say.
    pub(super) fn activate_pushed(
        &self,
        author: &Author,
        before: Option<&Served>,
        pushed: Changed,
    ) -> Changed {
        let live = self.store.load_full();
        let (Some(before), Some(served)) = (before, live.workspace(&pushed.workspace)) else { return pushed };
        let (mut edits, mut warnings) = (Vec::new(), Vec::new());
        for (id, environment, release) in named_anew(before, served) {
            match self.takes(served, &id, &environment, release) {
                Ok(()) => edits.push(activation(&id, &environment, release.number, Why::Pushed)),
                Err(reason) => warnings.push(format!(
                    "release {} of {id} is not activated in {environment}: {reason}",
                    release.number
                )),
            }
        }
        let mut changed = pushed;
        for some in edits.chunks(MAX_EDITS) {
            match self.change(author, &changed.workspace.clone(), some, Precondition::Any) {
                Ok(Changed { revision, digest, warnings: more, .. }) => {
                    (changed.revision, changed.digest) = (revision, digest);
                    warnings.extend(more);
                }
                Err(error) => warnings.push(format!("new releases are not activated: {error}")),
            }
        }
        changed.warnings.extend(warnings);
        changed
    }

    /// Whether an environment takes a release as things stand; says what is in the way.
    fn takes(
        &self,
        served: &Served,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
        release: &Release,
    ) -> Result<(), String> {
        let prepared = served.prepared(deployment, environment);
        let plan = &prepared.ok_or_else(|| format!("{deployment} does not use {environment}"))?.plan;
        if !plan.environment.takes_releases(self.clock.now()) {
            return Err(format!("{environment} is deprecated or expired, and takes nothing new"));
        }
        let rotated = rotation::under_way(served, plan);
        if !rotated.is_empty() {
            return Err(rotation::in_the_way(&rotated, environment));
        }
        let lacking = Lacking::of(plan, release);
        if lacking.is_empty() { Ok(()) } else { Err(format!("{lacking}; set them in {environment}")) }
    }

    /// What of a deployment's releases goes, so that there is room for one more.
    fn outdated(
        &self,
        served: &Served,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
    ) -> Result<Vec<u64>, ChangeError> {
        let made = served.made.resources.keys().filter_map(|key| match key {
            ResourceKey::Release(of, number) if of == deployment => Some(*number),
            _ => None,
        });
        let made: Vec<_> = made.collect();
        let surplus = (made.len() + 1).saturating_sub(MADE_RELEASES);
        if surplus == 0 {
            return Ok(Vec::new());
        }
        let active = served.pairs().filter(|pair| pair.plan.deployment == *deployment);
        let mut named: BTreeSet<_> =
            active.filter_map(|pair| Some(pair.plan.release.as_ref()?.number)).collect();
        named.extend(self.activations(workspace, deployment)?.iter().map(|one| one.activation.release));
        let writer = self.writer.lock();
        for prefix in [Promotion::all_running(workspace), Promotion::open_records(workspace)] {
            let found = writer.control.read(&format!("{prefix}{deployment}/"))?;
            let found = found.values().filter_map(|content| Promotion::from_bytes(content));
            named.extend(found.map(|promotion| promotion.release));
        }
        Ok(made.into_iter().filter(|number| !named.contains(number)).take(surplus).collect())
    }
}

/// The record of the highest number of a deployment's releases that made room: what is not kept up to there is
/// not registered again.
pub(super) fn mark_record(workspace: &WorkspaceId, deployment: &DeploymentId) -> String {
    format!("workspace/{workspace}/outdated/{deployment}/release")
}

impl Writer {
    fn last_gone(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
    ) -> Result<Option<u64>, ControlError> {
        let found = self.control.read(&mark_record(workspace, deployment))?;
        let read = |content: &Vec<u8>| std::str::from_utf8(content).ok()?.parse().ok();
        Ok(found.values().filter_map(read).max())
    }

    /// The mark, where releases of these numbers go; none where none does.
    pub(super) fn mark(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        gone: &[u64],
    ) -> Result<Option<Alteration>, ControlError> {
        let highest = self.last_gone(workspace, deployment)?.max(gone.iter().max().copied());
        let name = mark_record(workspace, deployment);
        Ok(highest.map(|number| Alteration::Put { name, content: number.to_string().into_bytes() }))
    }
}

/// What a release needs in an environment, and is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    /// Keys that no instance starts without there.
    pub(super) required: Vec<VariableName>,
    /// Keys that the release says that it reads.
    pub(super) declared: Vec<VariableName>,
}

impl Lacking {
    /// What `release` would miss in the environment of `plan`, whatever is active there.
    pub(super) fn of(plan: &Plan<SealedValue>, release: &Release) -> Self {
        let is_given = |name: &VariableName| {
            let found = plan.variables.binary_search_by(|variable| variable.name.cmp(name));
            found.is_ok_and(|at| plan.variables[at].inject)
        };
        let declared = release.keys.iter().filter(|name| !is_given(name) && !plan.missing.contains(name));
        Self { required: plan.missing.clone(), declared: declared.cloned().collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.required.is_empty() && self.declared.is_empty()
    }
}

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let listed = |names: &[VariableName]| {
            let names: Vec<_> = names.iter().take(crate::change::LISTED).map(VariableName::as_str).collect();
            names.join(", ")
        };
        let parts = [("required", &self.required), ("declared by the release", &self.declared)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<_> =
            parts.map(|(what, names)| format!("{} {what} and not set", listed(names))).collect();
        f.write_str(&parts.join("; "))
    }
}

/// Where what is named anew would be activated by itself: the newest release of each deployment.
pub(super) fn named_anew<'a>(
    before: &Served,
    after: &'a Served,
) -> Vec<(DeploymentId, EnvironmentName, &'a Release)> {
    let mut anew = Vec::new();
    for (id, one) in &after.snapshot.configuration.deployments {
        let known = before.snapshot.configuration.deployments.get(id);
        let is_new = |number: &u64| known.is_none_or(|known| !known.releases.contains_key(number));
        let Some(release) = one.releases.values().rev().find(|one| is_new(&one.number)) else { continue };
        let takes = |name: &EnvironmentName| {
            let active = after.prepared(id, name).and_then(|one| one.plan.release.as_ref());
            active.is_none_or(|active| active.number < release.number)
        };
        anew.extend(automatic(after, id).into_iter().filter(takes).map(|name| (id.clone(), name, release)));
    }
    anew
}

/// The environments of a deployment that take releases by themselves.
fn automatic(served: &Served, deployment: &DeploymentId) -> Vec<EnvironmentName> {
    let configuration = &served.snapshot.configuration;
    let uses = configuration.deployments.get(deployment).into_iter().flat_map(|one| one.environments.keys());
    let takes = |name: &&EnvironmentName| {
        configuration.environments.get(*name).is_some_and(|one| one.trigger() == Trigger::Automatic)
    };
    uses.filter(takes).cloned().collect()
}

fn activation(deployment: &DeploymentId, environment: &EnvironmentName, release: u64, why: Why) -> Edit {
    let (deployment, environment) = (deployment.clone(), environment.clone());
    Edit::Activate { deployment, environment, release, why, pin: None }
}

/// Whether two releases of one number are one: whenever they were registered.
pub(super) fn is_same(one: &Release, other: &Release) -> bool {
    (&one.digest, &one.labels, &one.keys) == (&other.digest, &other.labels, &other.keys)
}

/// Refuses a configuration that says something else of a release than the one before.
pub(super) fn stay_as_they_are<V, W>(
    before: &Configuration<V>,
    after: &Configuration<W>,
) -> Result<(), ChangeError> {
    let mut changed = Vec::new();
    for (id, one) in &after.deployments {
        let known = before.deployments.get(id).filter(|known| known.uid == one.uid);
        let Some(known) = known.map(|known| &known.releases) else { continue };
        let other = one
            .releases
            .values()
            .filter(|one| known.get(&one.number).is_some_and(|known| !is_same(known, one)));
        changed.extend(other.map(|one| {
            format!(
                "release {} of {id} is registered with another content, and stays as it is; name a new one",
                one.number
            )
        }));
    }
    if changed.is_empty() { Ok(()) } else { Err(ChangeError::Invalid(changed)) }
}
