//! What-if: the boots that a pair was asked for, put once more to what it is and to what it would be, before
//! anything is published. Whose answer would change is told exactly, and the same again as often as it is
//! asked: what a clock or a busy host stops ends the whole, rather than being told as a change.

mod answers;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{Host, components::sweep_artefacts};
use crate::{
    generation::{Decided, Generation, Served},
    id::{DeploymentId, EnvironmentName, PolicyName, WorkspaceId},
    keyring::Keyring,
    model::{
        Attachment, Configuration, Place, Policy, PolicyKind, SealedValue,
        question::{Facts, attributes},
    },
    plan::{Chains, Plan},
    policy::Loaded,
    prepared::Prepared,
    questions::Recorded,
    upload::{UploadError, rehearse},
    validate::limits,
};
pub use answers::{Answered, ChangedAnswer, ChangedKey, KeyFate};

/// What-ifs at once over all workspaces; of each workspace one.
const AT_ONCE: usize = 4;
/// How long all questions of one may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a pair would be.
pub enum Candidate {
    /// The same, with another active release.
    Release(u64),
    /// The same, with a policy that is other, or tells it something else.
    Policy(TriedPolicy),
}

/// A policy as it would be.
pub struct TriedPolicy {
    /// Its name in the workspace. Where none of that name is asked here, it is tried as the narrowest place's.
    pub name: PolicyName,
    /// Another component; none for the one that is served.
    pub component: Option<Vec<u8>>,
    /// What it would be told wherever it is attached; none for what it is told.
    pub settings: Option<BTreeMap<String, String>>,
}

/// What would be other.
pub struct WhatIf {
    /// What is served.
    pub before: Arc<Prepared>,
    /// What would be.
    pub after: Arc<Prepared>,
    /// The questions that were put to both.
    pub questions: usize,
    /// The boots that had put them since the host's start.
    pub boots: u64,
    /// Questions that were not kept.
    pub forgotten: u64,
    /// Whose answer would change, in the order of their facts.
    pub changed: Vec<ChangedAnswer>,
    /// What the questions cost before and after.
    pub fuel: [Fuel; 2],
}

/// The fuel of all questions, in wasmtime's units; of those that failed, none is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fuel {
    /// Of all together.
    pub total: u64,
    /// Of the dearest.
    pub most: u64,
}

/// Why there is no what-if.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// There is no such deployment in that environment.
    #[error("there is no such deployment in that environment")]
    Unknown,
    /// What is wanted cannot be.
    #[error("{0}")]
    Invalid(String),
    /// Others are at it, or the host has too much to do.
    #[error("{0}; try again")]
    Busy(&'static str),
    /// The policies take too long over so many questions.
    #[error("the policies took more than {} seconds over {asked} of {questions} questions", PATIENCE.as_secs())]
    TooLong {
        /// How many were put.
        asked: usize,
        /// Of how many.
        questions: usize,
    },
}

/// Who is at it.
pub(super) type UnderWay = Mutex<BTreeSet<WorkspaceId>>;

impl Host {
    /// Puts the questions that a pair's boots put to `candidate`, and to what is served. Nothing is
    /// published, and nothing becomes durable. Takes as long as the policies do, up to a limit: not for a
    /// serving thread.
    ///
    /// # Errors
    /// When there is no such candidate, or not now.
    pub fn what_if(
        &self,
        live: &Generation,
        workspace: &WorkspaceId,
        (deployment, environment): (&DeploymentId, &EnvironmentName),
        candidate: &Candidate,
    ) -> Result<WhatIf, WhatIfError> {
        let served = live.workspace(workspace).ok_or(WhatIfError::Unknown)?;
        let before = served.prepared(deployment, environment).ok_or(WhatIfError::Unknown)?;
        if matches!(candidate, Candidate::Policy(_)) && served.is_pinned(deployment, environment) {
            return Err(WhatIfError::Invalid(format!(
                "{deployment} in {environment} is pinned to an earlier set, which no change of a policy reaches; unpin it first"
            )));
        }
        let _turn = Turn::take(&self.trying, workspace)?;
        let tried = self.candidate(served, before, candidate);
        let compared = tried.and_then(|after| compare(live, served, [before, &after]));
        if let Candidate::Policy(TriedPolicy { component: Some(_), .. }) = candidate {
            // What was compiled to be tried leaves nothing behind.
            let kept = self.writer.lock().components_made();
            sweep_artefacts(&self.uploads, kept);
        }
        compared
    }

    /// The pair as it would be, prepared.
    fn candidate(
        &self,
        served: &Served,
        before: &Prepared,
        candidate: &Candidate,
    ) -> Result<Arc<Prepared>, WhatIfError> {
        let (deployment, environment) = (&before.plan.deployment, &before.plan.environment.name);
        let mut configuration = served.snapshot.configuration.clone();
        let mut policies = BTreeMap::clone(&served.policies);
        let mut active = before.plan.release.as_ref().map(|release| release.number);
        match candidate {
            Candidate::Release(number) => active = Some(*number),
            Candidate::Policy(policy) => {
                let loaded = self.tried(served, policy)?;
                put(&mut configuration, before, policy, &loaded)?;
                policies.insert(policy.name.clone(), loaded);
            }
        }
        let plan =
            Plan::merge_with(&configuration, &Chains::of(&configuration), deployment, environment, active);
        let plan = plan.map_err(|error| WhatIfError::Invalid(error.to_string()))?;
        let workshop = self.workshop.lock();
        let keyring = Keyring::unwrap(configuration.uid, &served.snapshot.keys, &workshop.roots);
        // Counted nowhere: these questions are no boots'.
        let prepared = workshop.prepare_apart(plan, &policies, &keyring, &self.engine);
        Ok(Arc::new(prepared.map_err(WhatIfError::Invalid)?))
    }

    /// A policy that is to be tried: the whole way in, but for its place.
    fn tried(&self, served: &Served, policy: &TriedPolicy) -> Result<Arc<Loaded>, WhatIfError> {
        let (name, workspace) = (&policy.name, &served.snapshot.configuration.workspace);
        let loaded = match &policy.component {
            Some(component) => self.uploads.admit(workspace, component).map_err(|error| match error {
                UploadError::Compiling => {
                    WhatIfError::Busy("another policy of this workspace is being compiled")
                }
                error => WhatIfError::Invalid(format!("policy {name}: {error}")),
            })?,
            None => served.policies.get(name).cloned().ok_or_else(|| {
                WhatIfError::Invalid(format!(
                    "there is no policy {name}; give the component that is to be tried"
                ))
            })?,
        };
        if loaded.kind() != PolicyKind::Resolve {
            let rule =
                format!("{name} is a promotion policy, and no boot asks it; check its answers with fixtures");
            return Err(WhatIfError::Invalid(rule));
        }
        Ok(loaded)
    }
}

/// Puts a policy in place of what is attached under its name here.
fn put(
    configuration: &mut Configuration<SealedValue>,
    before: &Prepared,
    tried: &TriedPolicy,
    loaded: &Arc<Loaded>,
) -> Result<(), WhatIfError> {
    let (name, plan) = (&tried.name, &before.plan);
    if let Some(component) = &tried.component {
        let fallback = configuration.policies.get(name).map(|policy| policy.fallback).unwrap_or_default();
        let policy = Policy {
            name: name.clone(),
            digest: loaded.digest(),
            component: component.as_slice().into(),
            fallback,
        };
        configuration.policies.insert(name.clone(), policy);
    }
    let is_here = plan.chain.iter().any(|link| link.policy == *name);
    if !is_here {
        let place = Place::Deployment(plan.deployment.clone(), Some(plan.environment.name.clone()));
        let settings = tried.settings.clone().unwrap_or_default();
        configuration.attachments.push(Attachment { policy: name.clone(), place, settings });
    }
    let (deployment, environment) = (&plan.deployment, &plan.environment.name);
    let is_tried = |one: &&mut Attachment| one.policy == *name && one.place.reaches(deployment, environment);
    for attachment in configuration.attachments.iter_mut().filter(is_tried) {
        if let Some(settings) = &tried.settings {
            within_limits(settings)?;
            attachment.settings.clone_from(settings);
        }
        let rehearsed = rehearse(loaded, name.as_str(), &attributes(&attachment.settings));
        rehearsed
            .map_err(|error| WhatIfError::Invalid(format!("policy {name}: {}", UploadError::from(error))))?;
    }
    Ok(())
}

fn within_limits(settings: &BTreeMap<String, String>) -> Result<(), WhatIfError> {
    let fits = |(key, value): (&String, &String)| {
        !key.is_empty() && key.len() <= limits::LABEL_BYTES && value.len() <= limits::SETTING_BYTES
    };
    if settings.len() <= limits::SETTINGS && settings.iter().all(fits) {
        return Ok(());
    }
    Err(WhatIfError::Invalid(format!(
        "settings: at most {}, keys of 1 to {} bytes, texts up to {}",
        limits::SETTINGS,
        limits::LABEL_BYTES,
        limits::SETTING_BYTES
    )))
}

/// Puts every question to both, and tells who would be answered otherwise.
fn compare(
    live: &Generation,
    served: &Served,
    [before, after]: [&Arc<Prepared>; 2],
) -> Result<WhatIf, WhatIfError> {
    let recorded = before.questions.recorded();
    let until = Instant::now() + PATIENCE;
    let mut sides = [before, after].map(|prepared| Side { live, served, prepared, answers: HashMap::new() });
    let (mut changed, mut fuel) = (Vec::new(), [Fuel::default(); 2]);
    for (asked, Recorded { facts, boots }) in recorded.iter().enumerate() {
        if Instant::now() > until {
            return Err(WhatIfError::TooLong { asked, questions: recorded.len() });
        }
        let [was, becomes] = &mut sides;
        let answered = [was.answer(facts)?, becomes.answer(facts)?];
        for (fuel, answered) in fuel.iter_mut().zip(&answered) {
            let one = answered.fuel.unwrap_or_default();
            *fuel = Fuel { total: fuel.total.saturating_add(one), most: fuel.most.max(one) };
        }
        changed.extend(answers::changed(facts, *boots, answered));
    }
    Ok(WhatIf {
        before: Arc::clone(before),
        after: Arc::clone(after),
        questions: recorded.len(),
        boots: recorded.iter().map(|one| one.boots).sum(),
        forgotten: before.questions.forgotten(),
        changed,
        fuel,
    })
}

/// What is asked, with what it answered: whoever says the same of what its policies declared is answered
/// alike, and asks but once.
struct Side<'a> {
    live: &'a Generation,
    served: &'a Served,
    prepared: &'a Arc<Prepared>,
    answers: HashMap<Facts, Arc<Answered>>,
}

impl Side<'_> {
    fn answer(&mut self, facts: &Facts) -> Result<Arc<Answered>, WhatIfError> {
        let facts = self.prepared.chain.vary().narrow(facts);
        if let Some(answered) = self.answers.get(&facts) {
            return Ok(Arc::clone(answered));
        }
        let tried = self.live.try_blocking(self.served, self.prepared, &facts);
        let (fuel, decided): (Option<u64>, Decided) =
            tried.map_err(|_| WhatIfError::Busy("the host is too busy for so many questions"))?;
        let answered = Arc::new(Answered::of(self.prepared, fuel, decided));
        self.answers.insert(facts, Arc::clone(&answered));
        Ok(answered)
    }
}

/// A workspace's turn; over when dropped.
struct Turn<'a> {
    under_way: &'a UnderWay,
    workspace: &'a WorkspaceId,
}

impl<'a> Turn<'a> {
    fn take(under_way: &'a UnderWay, workspace: &'a WorkspaceId) -> Result<Self, WhatIfError> {
        let mut all = under_way.lock();
        if all.len() >= AT_ONCE || !all.insert(workspace.clone()) {
            return Err(WhatIfError::Busy("another what-if is under way"));
        }
        Ok(Self { under_way, workspace })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.under_way.lock().remove(self.workspace);
    }
}
