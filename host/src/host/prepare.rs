//! A snapshot made ready to serve: planned, policies compiled, values put together. What did not
//! change since the parent is shared with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Workshop;
use crate::{
    change::Pair,
    generation::{DecisionEngine, Pairs, Served, Sets},
    id::{DeploymentId, Digest, EnvironmentName, PolicyName, Revision, UnixSeconds},
    keyring::{Keyring, WrappedDataKey},
    made::Made,
    model::{
        Configuration, Interval, Place, PolicyKind, SealedValue,
        question::{Answer, Attribute, Facts, attributes},
    },
    permit::{Grant, Refusal},
    plan::{Attached, Chains, EnvironmentPlans, Plan, snapshot_digest},
    policy::{Chain, Link, Loaded, Tally, Verdict},
    prepared::Prepared,
    snapshot::Snapshot,
    state::Runs,
    upload::{UploadError, rehearse},
    validate::limits,
};

/// Why a snapshot cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Policies that may not serve; everything that is wrong with each.
    #[error("{}", .0.join("; "))]
    Policies(Vec<String>),
    /// Plans that cannot be made, or whose policies fail; all of them.
    #[error("{}", .0.join("; "))]
    Plans(Vec<String>),
    /// A policy of the workspace is being compiled already.
    #[error("{}", UploadError::Compiling)]
    Busy,
}

impl PrepareError {
    /// What is wrong with the policy `name`.
    pub(super) fn policy(name: &PolicyName, error: &UploadError) -> Self {
        Self::Policies(match error {
            UploadError::Compiling => return Self::Busy,
            UploadError::Refused(rules) => {
                rules.iter().map(|rule| format!("policy {name}: {rule}")).collect()
            }
            error => vec![format!("policy {name}: {error}")],
        })
    }
}

/// What a snapshot is made from.
pub(super) struct Ingredients<'a> {
    pub(super) configuration: Configuration<SealedValue>,
    pub(super) keys: Vec<WrappedDataKey>,
    pub(super) keyring: &'a Keyring,
    pub(super) revision: Revision,
    pub(super) created: UnixSeconds,
    pub(super) not_after: UnixSeconds,
    /// What of the configuration was made by API.
    pub(super) made: Arc<Made>,
    /// What runs.
    pub(super) active: &'a Runs,
    /// The sets of what is pinned.
    pub(super) sets: Sets,
    /// Whether this very revision was served before. It is not rehearsed again then: a busy machine,
    /// or a rule that came later, is no reason to stop serving it.
    pub(super) certified: bool,
    /// What is served now: plans with the same digest are taken over as they are.
    pub(super) parent: Option<&'a Served>,
    /// The pairs that may differ from the parent's, where that is known: no other is planned again,
    /// and the policies are the parent's.
    pub(super) touched: Option<&'a BTreeSet<Pair>>,
}

impl Workshop {
    /// Prepares a workspace.
    ///
    /// # Errors
    /// Everything that keeps it from being served.
    pub(super) fn prepare(
        &self,
        from: Ingredients<'_>,
        engine: &DecisionEngine,
    ) -> Result<Served, PrepareError> {
        let inherited = from.touched.and(from.parent).map(|parent| Arc::clone(&parent.policies));
        let policies = match inherited {
            Some(policies) => policies,
            None => Arc::new(self.admit(&from.configuration, from.certified)?),
        };
        let (mut next, mut errors) = (Next::of(&from), Vec::new());
        for plan in plans(&from, &mut errors) {
            let parent =
                from.parent.and_then(|parent| parent.prepared(&plan.deployment, &plan.environment.name));
            if let Some(shared) = parent.filter(|shared| may_be_shared(shared, &plan)) {
                next.insert(Arc::clone(shared));
                continue;
            }
            let place = format!("{} in {}", plan.deployment, plan.environment.name);
            let set = from.sets.get(&(plan.deployment.clone(), plan.environment.name.clone()));
            let set = set.and_then(|set| set.as_ref().ok());
            let policies = set.map_or(&*policies, |set| &set.policies);
            let one = self.prepare_plan(plan, policies, from.keyring, engine).and_then(|one| {
                if !from.certified {
                    well_typed(&one)?;
                    dry_run(&one, engine)?;
                }
                Ok(one)
            });
            match one {
                Ok(mut one) => {
                    parent.into_iter().for_each(|before| one.go_on_from(before));
                    next.insert(Arc::new(one));
                }
                Err(reason) => errors.push(format!("{place}: {reason}")),
            }
        }
        if !errors.is_empty() {
            // One mistake in a shared layer is one in every plan.
            errors.truncate(limits::VIOLATIONS);
            return Err(PrepareError::Plans(errors));
        }
        let (prepared, environments) = next.finish(&from.configuration);
        let snapshot = Snapshot {
            revision: from.revision,
            created: from.created,
            not_after: from.not_after,
            digest: snapshot_digest(from.configuration.uid, &environments),
            environments,
            configuration: from.configuration,
            keys: from.keys,
        };
        let share = engine.lanes.share(&snapshot.configuration.workspace);
        Ok(Served::new(snapshot, from.made, share, policies, prepared).with(from.sets).after(from.parent))
    }

    /// Every policy through its way in; all refusals at once.
    fn admit(
        &self,
        configuration: &Configuration<SealedValue>,
        certified: bool,
    ) -> Result<BTreeMap<PolicyName, Arc<Loaded>>, PrepareError> {
        let mut admitted = BTreeMap::new();
        let mut refused = Vec::new();
        for (name, policy) in &configuration.policies {
            match self.admit_one(configuration, name, &policy.component, certified) {
                Ok(loaded) => drop(admitted.insert(name.clone(), loaded)),
                Err(error) => match PrepareError::policy(name, &error) {
                    PrepareError::Policies(rules) => refused.extend(rules),
                    other => return Err(other),
                },
            }
        }
        if refused.is_empty() { Ok(admitted) } else { Err(PrepareError::Policies(refused)) }
    }

    fn admit_one(
        &self,
        configuration: &Configuration<SealedValue>,
        name: &PolicyName,
        component: &[u8],
        certified: bool,
    ) -> Result<Arc<Loaded>, UploadError> {
        let loaded = self.uploads.admit(&configuration.workspace, component)?;
        if !certified {
            well_placed(configuration, name, loaded.kind())?;
            for settings in settings_of(configuration, name) {
                rehearse(&loaded, name.as_str(), &settings)?;
            }
        }
        Ok(loaded)
    }

    pub(super) fn prepare_plan(
        &self,
        plan: Plan<SealedValue>,
        policies: &BTreeMap<PolicyName, Arc<Loaded>>,
        keyring: &Keyring,
        engine: &DecisionEngine,
    ) -> Result<Prepared, String> {
        let workspace = plan.workspace.clone();
        let tally = |policy: &PolicyName| self.tallies.of(&workspace, policy);
        self.prepare_counted(plan, policies, (keyring, engine), tally)
    }

    /// The same, for questions that count nowhere.
    pub(super) fn prepare_apart(
        &self,
        plan: Plan<SealedValue>,
        policies: &BTreeMap<PolicyName, Arc<Loaded>>,
        keyring: &Keyring,
        engine: &DecisionEngine,
    ) -> Result<Prepared, String> {
        self.prepare_counted(plan, policies, (keyring, engine), |_| Arc::default())
    }

    fn prepare_counted(
        &self,
        plan: Plan<SealedValue>,
        policies: &BTreeMap<PolicyName, Arc<Loaded>>,
        (keyring, engine): (&Keyring, &DecisionEngine),
        tally: impl Fn(&PolicyName) -> Arc<Tally>,
    ) -> Result<Prepared, String> {
        let links = plan.chain.iter();
        let links = links.filter_map(|attached| link(attached, policies, tally(&attached.policy))).collect();
        let chain = Chain::new(&self.policies, links, Arc::new(plan.subject()));
        let chain = chain.map_err(|error| error.to_string())?;
        let prepared = Prepared::new(plan, chain, keyring, &engine.capsule_key);
        prepared.map_err(|error| error.to_string())
    }
}

fn plans(from: &Ingredients<'_>, errors: &mut Vec<String>) -> Vec<Plan<SealedValue>> {
    let (configuration, active) = (&from.configuration, from.active);
    let wanted: Vec<_> = match from.touched {
        Some(touched) => {
            let used = |(id, environment): &&Pair| {
                let uses = configuration.deployments.get(id);
                uses.is_some_and(|uses| uses.environments.contains_key(environment))
            };
            touched.iter().filter(used).map(|(id, environment)| (id, environment)).collect()
        }
        None => {
            let all = configuration.deployments.iter();
            all.flat_map(|(id, uses)| uses.environments.keys().map(move |environment| (id, environment)))
                .collect()
        }
    };
    let chains = Chains::of(configuration);
    let mut plans = Vec::new();
    for (id, environment) in wanted {
        let running = active.get(id).and_then(|environments| environments.get(environment));
        let merged = match from.sets.get(&(id.clone(), environment.clone())) {
            Some(Ok(set)) => set.plan(configuration, (id, environment)),
            // Never the layers in its place: whoever pinned it meant these not to run.
            Some(Err(_)) => continue,
            None => {
                let release = running.map(|running| running.release);
                Plan::merge_with(configuration, &chains, id, environment, release)
            }
        };
        match merged {
            Ok(plan) => plans.push(plan),
            Err(error) => errors.push(format!("{id} in {environment}: {error}")),
        }
    }
    plans
}

/// Equal digests mean equal environments, though other descriptions and intervals; a value that did not open may
/// open by now.
fn may_be_shared(shared: &Prepared, plan: &Plan<SealedValue>) -> bool {
    shared.plan.digest == plan.digest
        && shared.plan.environment == plan.environment
        && beside_the_digest(&shared.plan).eq(beside_the_digest(plan))
        && shared.values.unopened.is_empty()
        && shared.values.mistyped.is_empty()
}

fn beside_the_digest<V>(plan: &Plan<V>) -> impl Iterator<Item = (&str, Option<Interval>)> {
    plan.variables.iter().map(|variable| (variable.description.as_str(), variable.interval))
}

/// Whether everything that opens here has the form that is asked of it: all that a policy could
/// choose, and the templates as the plan itself fills them in. What a policy makes of a template is
/// known at a boot, and refused there.
fn well_typed(prepared: &Prepared) -> Result<(), String> {
    let chosen = prepared.values.mistyped.iter().map(|(found, origin)| format!("{found} ({origin})"));
    let mut found: Vec<_> = chosen.collect();
    if let (Err(Refusal::Mistyped(filled_in)), true) = (&prepared.unasked, found.is_empty()) {
        found.extend(filled_in.iter().map(ToString::to_string));
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
}

/// Asks the policies once, for an instance that says nothing about itself, and puts together what
/// they answer. A denial is an answer, and so is leaving out what is required, which other facts
/// may change; a policy that fails here would fail at boot, and refuses the push.
fn dry_run(prepared: &Prepared, engine: &DecisionEngine) -> Result<(), String> {
    if prepared.chain.is_empty() {
        return Ok(());
    }
    let share = engine.lanes.share(&prepared.plan.workspace);
    let resolution = match engine.lanes.decide_blocking(&share, &prepared.chain, &Facts::default()) {
        Ok(Verdict { answer: Answer::Resolved(resolution), .. }) => resolution,
        Ok(_) => return Ok(()),
        // Not the policy's own doing: the next boot may find the host less busy.
        Err(failure) if !failure.is_deterministic() => return Ok(()),
        Err(failure) => return Err(format!("in a dry run, {failure}")),
    };
    match Grant::compose(prepared, &resolution, &engine.capsule_key) {
        Err(Refusal::Failed { policy, reason, .. }) => Err(format!("in a dry run, policy {policy} {reason}")),
        Err(Refusal::TooLarge) => Err("in a dry run, the answer was larger than an answer may be".to_owned()),
        _ => Ok(()),
    }
}

fn link(
    attached: &Attached,
    policies: &BTreeMap<PolicyName, Arc<Loaded>>,
    tally: Arc<Tally>,
) -> Option<Link> {
    let loaded = policies.get(&attached.policy)?;
    // Promotion policies stand in the same lists, and are asked when a release wants to move.
    (loaded.kind() == PolicyKind::Resolve).then(|| Link {
        loaded: Arc::clone(loaded),
        settings: attributes(&attached.settings),
        name: attached.policy.to_string(),
        tally,
    })
}

/// A promotion policy belongs to where releases move, and a deployment is no such place: what is attached
/// to one would never be asked, while its owner believes that it guards something.
fn well_placed<V>(
    configuration: &Configuration<V>,
    name: &PolicyName,
    kind: PolicyKind,
) -> Result<(), UploadError> {
    let mut attached = configuration.attachments.iter().filter(|attachment| attachment.policy == *name);
    let misplaced = attached.find(|attachment| matches!(attachment.place, Place::Deployment(..)));
    match (kind, misplaced) {
        (PolicyKind::Promotion, Some(attachment)) => Err(UploadError::Misplaced(attachment.place.clone())),
        _ => Ok(()),
    }
}

/// The settings of every attachment of a policy.
fn settings_of(configuration: &Configuration<SealedValue>, name: &PolicyName) -> Vec<Vec<Attribute>> {
    let attached = configuration.attachments.iter().filter(|attachment| attachment.policy == *name);
    attached.map(|attachment| attributes(&attachment.settings)).collect()
}

/// What is served next: what the parent has and the change cannot touch, and what was prepared since.
struct Next<'a> {
    pairs: Pairs,
    digests: BTreeMap<EnvironmentName, EnvironmentPlans>,
    /// The digest of each pair that is not as it was.
    changes: BTreeMap<EnvironmentName, BTreeMap<DeploymentId, Option<Digest>>>,
    parent: Option<&'a Served>,
}

impl<'a> Next<'a> {
    fn of(from: &Ingredients<'a>) -> Self {
        let mut next =
            Self { pairs: Pairs::new(), digests: BTreeMap::new(), changes: BTreeMap::new(), parent: None };
        let (Some(touched), Some(parent)) = (from.touched, from.parent) else { return next };
        (next.pairs, next.digests) = (parent.prepared_pairs().clone(), parent.digests.clone());
        next.parent = Some(parent);
        for (deployment, environment) in touched {
            next.changes.entry(environment.clone()).or_default().insert(deployment.clone(), None);
            let Some(pairs) = next.pairs.get_mut(deployment) else { continue };
            pairs.remove(environment);
            if pairs.is_empty() {
                next.pairs.remove(deployment);
            }
        }
        next
    }

    fn insert(&mut self, one: Arc<Prepared>) {
        let (deployment, environment) = (one.plan.deployment.clone(), one.plan.environment.name.clone());
        let changes = self.changes.entry(environment.clone()).or_default();
        changes.insert(deployment.clone(), Some(one.plan.digest));
        match self.pairs.get_mut(&deployment) {
            Some(pairs) => drop(pairs.insert(environment, one)),
            None => self.pairs.insert(deployment, [(environment, one)].into()),
        }
    }

    /// With the digest of each environment, from the parent's where nothing of it changed.
    fn finish<V>(mut self, configuration: &Configuration<V>) -> (Plans, BTreeMap<EnvironmentName, Digest>) {
        self.digests.retain(|name, _| configuration.environments.contains_key(name));
        let mut environments = BTreeMap::new();
        for (name, environment) in &configuration.environments {
            let before = self.parent.map(|parent| &parent.snapshot).filter(|snapshot| {
                let before = snapshot.configuration.environments.get(name);
                before.is_some_and(|before| before.uid == environment.uid)
            });
            let unchanged = before.filter(|_| !self.changes.contains_key(name));
            let digest = unchanged.and_then(|snapshot| snapshot.environments.get(name).copied());
            let digest = digest.unwrap_or_else(|| {
                let plans = self.digests.entry(name.clone()).or_default();
                plans.update(self.changes.remove(name).unwrap_or_default());
                plans.digest(name, environment.uid)
            });
            environments.insert(name.clone(), digest);
        }
        ((self.pairs, self.digests), environments)
    }
}

/// What was prepared, with its digests.
type Plans = (Pairs, BTreeMap<EnvironmentName, EnvironmentPlans>);
