//! What is pinned runs with the set of an earlier activation. A set is put together from the tree of its
//! revision when something is pinned to it or a host starts, and goes on from generation to generation.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    ChangeError, Host, LookBackError, Workshop, Writer,
    history::{fetched, in_tree},
};
use crate::{
    change::{Edit, Pair},
    chunks::Fetch,
    control::ControlError,
    generation::{Served, Set, Sets},
    id::{Digest, PolicyName, ValueId, WorkspaceId},
    made::{Made, ValueKey},
    model::{Configuration, SealedValue},
    plan::{Plan, PlanError, What},
    policy::Loaded,
    state::{Alteration, Runs, State},
    upload::{UploadError, Uploads},
};

/// Loads policies by name.
pub(super) type Policies = BTreeMap<PolicyName, Arc<Loaded>>;

impl Workshop {
    /// The sets of what is pinned in `runs`: those of `known`, the others from their trees.
    pub(super) fn sets(
        &self,
        configuration: &Configuration<SealedValue>,
        runs: &Runs,
        known: Option<&Served>,
        fetch: &mut Fetch<'_>,
    ) -> Sets {
        let mut sets = Sets::new();
        for (id, names) in runs {
            for (name, root) in names.iter().filter_map(|(name, running)| Some((name, running.set?))) {
                let pair = (id.clone(), name.clone());
                let same = known.and_then(|served| served.sets.get(&pair)?.as_ref().ok());
                let same = same.filter(|set| set.root == root);
                let set = match same {
                    Some(same) => Ok(Arc::clone(same)),
                    None => self.set(configuration, &pair, root, known, fetch).map(Arc::new),
                };
                let set = set.map_err(|error| {
                    let chain =
                        std::iter::successors(Some(&error as &dyn std::error::Error), |one| one.source());
                    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
                });
                sets.insert(pair, set);
            }
        }
        sets
    }

    fn set(
        &self,
        configuration: &Configuration<SealedValue>,
        pair: &Pair,
        root: Digest,
        known: Option<&Served>,
        fetch: &mut Fetch<'_>,
    ) -> Result<Set, LookBackError> {
        let known = known.map(|served| &*served.policies);
        read((&configuration.workspace, configuration.uid), pair, root, (&self.uploads, known), fetch)
    }
}

/// Puts a set together.
fn read(
    workspace: (&WorkspaceId, crate::id::Uid),
    pair: &Pair,
    root: Digest,
    (uploads, known): (&Uploads, Option<&Policies>),
    fetch: &mut Fetch<'_>,
) -> Result<Set, LookBackError> {
    let (mut part, release) = part_of(workspace, pair, root, fetch)?;
    let mut component = |digest| fetch(digest).map_err(|error| LookBackError::Unplanned(error.to_string()));
    let policies = policies_of(&mut part, known, uploads, &mut component)?;
    Ok(Set { root, part, release, policies })
}

/// A pair's part of a tree, and the release that ran.
fn part_of(
    workspace: (&WorkspaceId, crate::id::Uid),
    pair: &Pair,
    root: Digest,
    fetch: &mut Fetch<'_>,
) -> Result<(Configuration<SealedValue>, u64), LookBackError> {
    let (part, running) = in_tree(root, workspace, (&pair.0, &pair.1), fetch)?;
    let running = running.ok_or_else(|| LookBackError::Unplanned("no release was active".to_owned()))?;
    Ok((part, running.release))
}

/// The policies that are attached in a part, loaded: those of `known` that are the same, the others from their
/// components, which takes seconds where they have to be compiled again.
pub(super) fn policies_of(
    part: &mut Configuration<SealedValue>,
    known: Option<&Policies>,
    uploads: &Uploads,
    component: &mut dyn FnMut(Digest) -> Result<Vec<u8>, LookBackError>,
) -> Result<Policies, LookBackError> {
    let attached: std::collections::BTreeSet<_> =
        part.attachments.iter().map(|one| one.policy.clone()).collect();
    part.policies.retain(|name, _| attached.contains(name));
    let mut loaded = Policies::new();
    for (name, policy) in &part.policies {
        let same = known.and_then(|known| known.get(name)).filter(|loaded| loaded.digest() == policy.digest);
        let one = match same {
            Some(same) => Arc::clone(same),
            None => {
                uploads.admit(&part.workspace, &component(policy.digest)?).map_err(|error| match error {
                    UploadError::Compiling => LookBackError::Busy,
                    error => LookBackError::Unplanned(format!("policy {name}: {error}")),
                })?
            }
        };
        loaded.insert(name.clone(), one);
    }
    Ok(loaded)
}

impl Host {
    /// A set of what is served, before anybody holds changes up for it: what has to be compiled is by then,
    /// for as long as this is kept.
    pub(super) fn set_early(&self, served: &Served, pair: &Pair, root: Digest) -> Result<Set, ChangeError> {
        let mut place = None;
        let configuration = &served.snapshot.configuration;
        let mut fetch = |digest| fetched(&self.control, digest);
        let (mut part, release) =
            part_of((&configuration.workspace, configuration.uid), pair, root, &mut fetch)
                .map_err(|error| unread(pair, error))?;
        // Only what has to be compiled waits for others.
        let mut component = |digest| {
            if place.is_none() {
                place = Some(self.looking_back.try_acquire().map_err(|_| LookBackError::Busy)?);
            }
            Ok(self.component(digest)?)
        };
        let policies = policies_of(&mut part, Some(&*served.policies), &self.uploads, &mut component)
            .map_err(|error| unread(pair, error))?;
        Ok(Set { root, part, release, policies })
    }

    /// The sets of what is pinned after a change.
    pub(super) fn sets_after(
        &self,
        workshop: &Workshop,
        configuration: &Configuration<SealedValue>,
        runs: &Runs,
        known: Option<&Served>,
    ) -> Sets {
        let mut fetch = |digest| fetched(&self.control, digest);
        workshop.sets(configuration, runs, known, &mut fetch)
    }

    /// Refuses to pin to what needs a version that was revoked.
    pub(super) fn nothing_revoked(
        &self,
        configuration: &Configuration<SealedValue>,
        edits: &[Edit],
        sets: &Sets,
    ) -> Result<(), ChangeError> {
        for edit in edits {
            let Edit::Activate { deployment, environment, pin: Some(_), .. } = edit else { continue };
            let pair = (deployment.clone(), environment.clone());
            let set = match sets.get(&pair) {
                Some(Ok(set)) => set,
                Some(Err(reason)) => return Err(not_kept(&pair, reason)),
                None => continue,
            };
            let plan = set.plan(configuration, (deployment, environment)).map_err(unplanned(&pair))?;
            let revoked = self.writer.lock().revoked(&configuration.workspace)?;
            let needed: std::collections::BTreeSet<&str> = stored(&plan)
                .filter(|(_, id)| revoked.contains_key(&revoked_name(&configuration.workspace, *id)))
                .map(|(name, _)| name)
                .collect();
            if !needed.is_empty() {
                let needed: Vec<_> = needed.into_iter().collect();
                let reason = format!(
                    "that set needs a version that was revoked, of {}; roll back without the configuration, or to another activation",
                    needed.join(", ")
                );
                return Err(ChangeError::NotNow { reason, current: None });
            }
        }
        Ok(())
    }

    /// Refuses to revoke a version that something pinned runs with.
    pub(super) fn nothing_pinned(
        &self,
        served: &Served,
        made: &Made,
        edits: &[Edit],
    ) -> Result<(), ChangeError> {
        for edit in edits {
            let Edit::RevokeVersion { key, version, .. } = edit else { continue };
            let Some(value) = made.stored_version(key, *version) else { continue };
            let needs = |(id, name): &&Pair| {
                let prepared = served.prepared(id, name);
                prepared.is_some_and(|one| stored(&one.plan).any(|(_, found)| found == value.id))
            };
            if let Some((id, name)) = served.sets.keys().find(needs) {
                let reason = format!(
                    "{id} in {name} is pinned to a set that has version {version} of {key}; unpin it first"
                );
                return Err(ChangeError::NotNow {
                    reason,
                    current: made.values.get(key).map(|set| set.changed.revision),
                });
            }
        }
        Ok(())
    }
}

/// What of `pairs` is pinned.
pub(super) fn pinned_among<'a>(
    state: &State,
    configuration: &Configuration<SealedValue>,
    pairs: impl Iterator<Item = &'a Pair>,
) -> Runs {
    let mut pinned = Runs::new();
    for (id, name) in pairs {
        let uids = configuration.deployments.get(id).zip(configuration.environments.get(name));
        let active = state.activation(&configuration.workspace, id, name).zip(uids);
        let running = active.map(|(active, (one, environment))| active.running((one.uid, environment.uid)));
        if let Some(running) = running.filter(|running| running.set.is_some()) {
            pinned.entry(id.clone()).or_default().insert(name.clone(), running);
        }
    }
    pinned
}

/// What whoever changes something is told that is not given to instances yet.
pub(super) fn held_back_warning((deployment, environment): &Pair) -> String {
    format!(
        "{deployment} in {environment} is pinned to an earlier set: what changes there is held back until the next promotion or `unpin`"
    )
}

/// What a host says of what it does not serve.
pub(super) fn unset(sets: &Sets) -> Option<String> {
    let unset = |(pair, set): (&Pair, &Result<_, String>)| {
        let reason = set.as_ref().err()?;
        Some(format!(
            "{} in {} is not served: what it is pinned to cannot be put together ({reason}); unpin it",
            pair.0, pair.1
        ))
    };
    let all: Vec<_> = sets.iter().filter_map(unset).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Refuses to pin to what does not open any more.
pub(super) fn opens(next: &Served, edits: &[Edit]) -> Result<(), ChangeError> {
    for edit in edits {
        let Edit::Activate { deployment, environment, pin: Some(_), .. } = edit else { continue };
        let unopened = next.prepared(deployment, environment).map(|one| &one.values.unopened[..]);
        let names: Vec<_> = unopened.unwrap_or_default().iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            let reason = format!(
                "that set has what this host cannot open any more: {}; roll back without the configuration",
                names.join(", ")
            );
            return Err(ChangeError::NotNow { reason, current: None });
        }
    }
    Ok(())
}

impl Writer {
    /// The records of what was revoked.
    fn revoked(&self, workspace: &WorkspaceId) -> Result<BTreeMap<String, Vec<u8>>, ControlError> {
        self.control.read(&format!("workspace/{workspace}/revoked/"))
    }
}

/// What tells for good that versions were revoked: no earlier set brings them back.
pub(super) fn revoked_by(workspace: &WorkspaceId, before: &Made, edits: &[Edit]) -> Vec<Alteration> {
    let revoked = edits.iter().filter_map(|edit| match edit {
        Edit::RevokeVersion { key, version, .. } => {
            Some((key, before.stored_version(key, *version)?, version))
        }
        _ => None,
    });
    let record = |(key, value, version): (&ValueKey, &SealedValue, &u64)| Alteration::Put {
        name: revoked_name(workspace, value.id),
        content: format!("version {version} of {key}").into_bytes(),
    };
    revoked.map(record).collect()
}

fn revoked_name(workspace: &WorkspaceId, id: ValueId) -> String {
    format!("workspace/{workspace}/revoked/{id}")
}

/// What a plan has stored, with the variable that it is for.
fn stored(plan: &Plan<SealedValue>) -> impl Iterator<Item = (&str, ValueId)> {
    plan.candidates.iter().filter_map(|candidate| match &candidate.what {
        What::Stored { value, .. } => {
            Some((plan.variables.get(candidate.variable as usize)?.name.as_str(), value.id))
        }
        _ => None,
    })
}

/// What is only in the way for now is not said to be gone.
fn unread(pair: &Pair, error: LookBackError) -> ChangeError {
    match error {
        LookBackError::Busy | LookBackError::Interrupted => ChangeError::Busy,
        LookBackError::Ledger(error) => error.into(),
        error => not_kept(pair, &error),
    }
}

fn not_kept(pair: &Pair, error: &dyn std::fmt::Display) -> ChangeError {
    let reason = format!(
        "the set that {} ran with in {} cannot be put together any more: {error}; roll back without the configuration",
        pair.0, pair.1
    );
    ChangeError::NotNow { reason, current: None }
}

fn unplanned(pair: &Pair) -> impl Fn(PlanError) -> ChangeError {
    move |error| ChangeError::Invalid(vec![format!("{} in {}: {error}", pair.0, pair.1)])
}
