//! What a host serves at one moment: the snapshots of all its workspaces, planned, their policies
//! compiled, their values put together. Immutable; a change makes the next one, which shares what
//! did not change.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    auth::InstanceCaller,
    change::Pair,
    id::{DeploymentId, Digest, EnvironmentName, PolicyName, WorkspaceId},
    made::Made,
    model::{
        Configuration, Environment, SealedValue, TokenHash, TokenRecord,
        question::{Answer, Facts, Resolution},
    },
    permit::{Grant, Refusal, resolution_digest},
    persistent::Map,
    plan::{Chains, EnvironmentPlans, Plan, PlanError},
    policy::{Decisions, Lanes, Loaded, PolicyFailure, Share, Verdict, decisions, patiently},
    prepared::Prepared,
    questions::Room,
    seal::CapsuleKey,
    snapshot::Snapshot,
    telemetry::Metrics,
};

/// What a question comes to: a grant, or the refusal that every such boot gets.
pub type Decided = Result<Arc<Grant>, Refusal>;

/// One immutable state of everything that is served.
pub struct Generation {
    /// Counts the commits of this data directory.
    pub sequence: u64,
    tokens: Arc<HashMap<TokenHash, Arc<TokenRecord>>>,
    workspaces: BTreeMap<WorkspaceId, Arc<Served>>,
    memory: Arc<Memory>,
    engine: Arc<DecisionEngine>,
}

/// What was decided about pairs that may still be served. A pair that changed is another one, so that
/// the memory outlives a generation; what is about pairs that are gone is forgotten first.
struct Memory {
    /// By facts.
    decisions: Decisions<Decided>,
    /// By what the policies answered: whoever decides alike is given the same grant.
    grants: Decisions<Decided>,
}

/// What every generation of one process decides with.
pub struct DecisionEngine {
    /// Where questions run.
    pub lanes: Lanes,
    /// Seals what is kept in memory.
    pub capsule_key: CapsuleKey,
    /// How many decisions a generation remembers; 0 for none.
    pub decisions: usize,
    /// How many outcomes a generation keeps put together, whoever decided them.
    pub grants: usize,
}

/// A workspace's snapshot and what was prepared from it.
pub struct Served {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The part of the snapshot's configuration that was made by API; a directory owns the rest.
    pub made: Arc<Made>,
    /// The tenant's share of the host.
    pub share: Arc<Share>,
    /// The tenant's policies, compiled.
    pub policies: Arc<BTreeMap<PolicyName, Arc<Loaded>>>,
    pairs: Pairs,
    /// The digests of the plans, by environment.
    pub digests: BTreeMap<EnvironmentName, EnvironmentPlans>,
    /// The room that the questions of its boots take.
    pub room: Arc<Room>,
    /// What runs with an earlier activation's set, and not with what the layers make.
    pub sets: Sets,
}

/// What an activation began with: everything that its pair is planned from.
pub struct Set {
    /// The root of the tree that has it.
    pub root: Digest,
    /// The layers and whatever these refer to.
    pub part: Configuration<SealedValue>,
    /// The release.
    pub release: u64,
    /// The policies of then, compiled.
    pub policies: BTreeMap<PolicyName, Arc<Loaded>>,
}

/// The sets of the pairs that are pinned; why where one cannot be put together, and the pair is not served.
pub type Sets = BTreeMap<Pair, Result<Arc<Set>, String>>;

impl Set {
    /// What the pair runs with. How long its environment lives, and who may change it, is as it is now.
    ///
    /// # Errors
    /// When it cannot be planned any more.
    pub fn plan(
        &self,
        now: &Configuration<SealedValue>,
        (deployment, environment): (&DeploymentId, &EnvironmentName),
    ) -> Result<Plan<SealedValue>, PlanError> {
        let chains = Chains::of(&self.part);
        let plan = Plan::merge_with(&self.part, &chains, deployment, environment, Some(self.release))?;
        let now = now.environments.get(environment);
        let now = now.ok_or_else(|| PlanError::UnknownEnvironment(environment.clone()))?;
        let Environment { kind, labels, .. } = plan.environment;
        Ok(Plan { environment: Environment { kind, labels, ..now.clone() }, ..plan })
    }
}

/// What was prepared, by deployment and environment.
pub type Pairs = Map<DeploymentId, BTreeMap<EnvironmentName, Arc<Prepared>>>;

impl Served {
    /// A snapshot with its prepared pairs.
    #[must_use]
    pub fn new(
        snapshot: Snapshot,
        made: Arc<Made>,
        share: Arc<Share>,
        policies: Arc<BTreeMap<PolicyName, Arc<Loaded>>>,
        (pairs, digests): (Pairs, BTreeMap<EnvironmentName, EnvironmentPlans>),
    ) -> Self {
        Self { snapshot, made, share, policies, pairs, digests, room: Arc::default(), sets: Sets::new() }
    }

    /// The same, of which some is pinned.
    #[must_use]
    pub fn with(self, sets: Sets) -> Self {
        Self { sets, ..self }
    }

    /// Whether a pair runs with an earlier set.
    #[must_use]
    pub fn is_pinned(&self, deployment: &DeploymentId, environment: &EnvironmentName) -> bool {
        !self.sets.is_empty() && self.sets.contains_key(&(deployment.clone(), environment.clone()))
    }

    /// The same, whose questions share the room of those before.
    #[must_use]
    pub fn after(self, before: Option<&Self>) -> Self {
        let room = before.map_or(self.room, |before| Arc::clone(&before.room));
        Self { room, ..self }
    }

    /// What `deployment` gets in `environment`.
    #[must_use]
    pub fn prepared(
        &self,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Option<&Arc<Prepared>> {
        self.pairs.get(deployment)?.get(environment)
    }

    /// Every pair, by deployment and environment.
    pub fn pairs(&self) -> impl Iterator<Item = &Arc<Prepared>> {
        self.pairs.values().flat_map(BTreeMap::values)
    }

    /// The same, to make the next of.
    #[must_use]
    pub fn prepared_pairs(&self) -> &Pairs {
        &self.pairs
    }
}

impl Generation {
    /// The next generation.
    #[must_use]
    pub fn new(
        sequence: u64,
        tokens: Arc<HashMap<TokenHash, Arc<TokenRecord>>>,
        workspaces: BTreeMap<WorkspaceId, Arc<Served>>,
        engine: Arc<DecisionEngine>,
    ) -> Self {
        let memory = Arc::new(Memory {
            decisions: Decisions::new(engine.decisions, weigh),
            grants: Decisions::new(engine.grants, weigh),
        });
        Self { sequence, tokens, workspaces, memory, engine }
    }

    /// The same, with other tokens.
    #[must_use]
    pub fn with_tokens(&self, sequence: u64, tokens: Arc<HashMap<TokenHash, Arc<TokenRecord>>>) -> Self {
        Self {
            sequence,
            tokens,
            workspaces: self.workspaces.clone(),
            memory: Arc::clone(&self.memory),
            engine: Arc::clone(&self.engine),
        }
    }

    /// The same, with `served` in place of what was served of its workspace.
    #[must_use]
    pub fn with_workspace(&self, sequence: u64, served: Served) -> Self {
        let mut workspaces = self.workspaces.clone();
        workspaces.insert(served.snapshot.configuration.workspace.clone(), Arc::new(served));
        Self {
            sequence,
            tokens: Arc::clone(&self.tokens),
            workspaces,
            memory: Arc::clone(&self.memory),
            engine: Arc::clone(&self.engine),
        }
    }

    /// The token with that hash.
    #[must_use]
    pub fn token(&self, hash: &TokenHash) -> Option<&Arc<TokenRecord>> {
        self.tokens.get(hash)
    }

    /// A workspace that has a snapshot.
    #[must_use]
    pub fn workspace(&self, name: &WorkspaceId) -> Option<&Arc<Served>> {
        self.workspaces.get(name)
    }

    /// Every workspace that has a snapshot.
    #[must_use]
    pub fn workspaces(&self) -> &BTreeMap<WorkspaceId, Arc<Served>> {
        &self.workspaces
    }

    /// The tokens, shared.
    #[must_use]
    pub fn tokens(&self) -> &Arc<HashMap<TokenHash, Arc<TokenRecord>>> {
        &self.tokens
    }

    /// The key of this process's capsules.
    #[must_use]
    pub fn capsule_key(&self) -> &CapsuleKey {
        &self.engine.capsule_key
    }

    /// Asks the policies of what `caller` boots, or their memory. `facts` are already narrowed to
    /// what the policies declared.
    pub async fn decide(&self, caller: &InstanceCaller<'_>, facts: &Facts, metrics: &Metrics) -> Decided {
        let prepared = caller.prepared;
        if prepared.chain.is_empty() {
            return prepared.unasked.clone();
        }
        let key =
            decisions::Key { pair: prepared.number, chain: prepared.chain.digest(), facts: facts.clone() };
        if let Some(remembered) = self.memory.decisions.recall(&key) {
            metrics.decisions_remembered.inc();
            return remembered;
        }
        metrics.decisions_fresh.inc();
        let asked = self.engine.lanes.decide(&caller.served.share, &prepared.chain, facts).await;
        let stays_true = asked.as_ref().err().is_none_or(|failure| failure.kind.is_deterministic());
        let decided = self.settle(prepared, asked);
        if stays_true {
            self.memory.decisions.remember(key, decided.clone());
        }
        decided
    }

    /// Asks the policies once more, for an explanation: the verdict itself, and what it comes to.
    pub async fn explain(
        &self,
        served: &Served,
        prepared: &Arc<Prepared>,
        facts: &Facts,
    ) -> (Option<Verdict>, Decided) {
        if prepared.chain.is_empty() {
            return (None, prepared.unasked.clone());
        }
        let asked = self.engine.lanes.decide(&served.share, &prepared.chain, facts).await;
        (asked.as_ref().ok().cloned(), self.settle(prepared, asked))
    }

    /// Puts a question that no boot puts, to see what it would come to, and what fuel that takes; none where
    /// a policy fails. Nothing is remembered. For a thread that may block.
    ///
    /// # Errors
    /// When a clock or a busy host stopped it each time.
    pub fn try_blocking(
        &self,
        served: &Served,
        prepared: &Arc<Prepared>,
        facts: &Facts,
    ) -> Result<(Option<u64>, Decided), PolicyFailure> {
        if prepared.chain.is_empty() {
            return Ok((Some(0), prepared.unasked.clone()));
        }
        let ask = || self.engine.lanes.decide_blocking(&served.share, &prepared.chain, facts);
        let verdict = match patiently(PolicyFailure::is_deterministic, ask) {
            Err(failure) if !failure.is_deterministic() => return Err(failure),
            Err(failure) => return Ok((None, Err(failure.into()))),
            Ok(verdict) => verdict,
        };
        let fuel = verdict.fuel();
        let decided = resolved(prepared, verdict.answer).and_then(|resolution| {
            Grant::compose(prepared, &resolution, &self.engine.capsule_key).map(Arc::new)
        });
        Ok((Some(fuel), decided))
    }

    /// What a verdict comes to.
    fn settle(&self, prepared: &Prepared, asked: Result<Verdict, PolicyFailure>) -> Decided {
        let resolution = resolved(prepared, asked?.answer)?;
        if resolution == Resolution::default() {
            return prepared.unasked.clone();
        }
        let key = decisions::Key {
            pair: prepared.number,
            chain: resolution_digest(&resolution),
            facts: Facts::default(),
        };
        if let Some(granted) = self.memory.grants.recall(&key) {
            return granted;
        }
        let granted = Grant::compose(prepared, &resolution, &self.engine.capsule_key).map(Arc::new);
        self.memory.grants.remember(key, granted.clone());
        granted
    }
}

/// What the policies would have injected.
fn resolved(prepared: &Prepared, answer: Answer) -> Result<Resolution, Refusal> {
    match answer {
        Answer::Resolved(resolution) => Ok(resolution),
        Answer::Denied(denial) => {
            let policy = prepared.chain.names().nth(denial.denied_by as usize);
            let policy = policy.unwrap_or_default().to_owned();
            Err(Refusal::Denied { policy, violations: denial.violations })
        }
    }
}

fn weigh(decided: &Decided) -> usize {
    decided.as_ref().map_or_else(Refusal::weight, |grant| grant.weight())
}
