//! What a host serves at one moment: the snapshots of all its workspaces, planned, their policies
//! compiled, their values put together. Immutable; a change makes the next one, which shares what
//! did not change.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    model::{
        TokenHash, TokenRecord,
        question::{Answer, Facts},
    },
    permit::{Grant, Refusal},
    policy::{Decisions, Lanes, PolicyFailure, Verdict},
    prepared::Prepared,
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
    decisions: Decisions<Decided>,
    engine: Arc<DecisionEngine>,
}

/// What every generation of one process decides with.
pub struct DecisionEngine {
    /// Where questions run.
    pub lanes: Lanes,
    /// Seals what is kept in memory.
    pub capsule_key: CapsuleKey,
    /// How many decisions a generation remembers; 0 for none.
    pub remembered: usize,
}

/// A workspace's snapshot and what was prepared from it.
pub struct Served {
    /// The snapshot.
    pub snapshot: Snapshot,
    pairs: HashMap<DeploymentId, BTreeMap<EnvironmentName, Arc<Prepared>>>,
}

impl Served {
    /// A snapshot with its prepared pairs.
    #[must_use]
    pub fn new(snapshot: Snapshot, prepared: Vec<Arc<Prepared>>) -> Self {
        let mut pairs: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for one in prepared {
            let (deployment, environment) = (one.plan.deployment.clone(), one.plan.environment.name.clone());
            pairs.entry(deployment).or_default().insert(environment, one);
        }
        Self { snapshot, pairs }
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

    /// Every pair, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = &Arc<Prepared>> {
        self.pairs.values().flat_map(BTreeMap::values)
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
        Self { sequence, tokens, workspaces, decisions: Decisions::new(engine.remembered), engine }
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

    /// Asks the policies of `prepared`, or their memory. `facts` are already narrowed to what the
    /// policies declared.
    pub async fn decide(&self, prepared: &Arc<Prepared>, facts: &Facts, metrics: &Metrics) -> Decided {
        if prepared.chain.is_empty() {
            return prepared.unasked.clone();
        }
        let key = self.decisions.key(prepared.plan.digest, prepared.chain.digest(), facts);
        if let Some(remembered) = self.decisions.find(&key) {
            metrics.decisions_remembered.inc();
            return remembered;
        }
        metrics.decisions_fresh.inc();
        let tenant = &prepared.plan.workspace;
        let asked = self.engine.lanes.decide(tenant, &prepared.chain, facts).await;
        let may_be_remembered = asked.as_ref().err().is_none_or(PolicyFailure::is_deterministic);
        let decided = self.settle(prepared, asked);
        if may_be_remembered {
            self.decisions.remember(key, decided.clone(), decided.as_ref().map_or(256, |grant| grant.weight()));
        }
        decided
    }

    /// What a verdict comes to.
    fn settle(&self, prepared: &Prepared, asked: Result<Verdict, PolicyFailure>) -> Decided {
        match asked {
            Ok(Verdict { answer: Answer::Resolved(resolution), .. }) => {
                if resolution.is_silent() {
                    return prepared.unasked.clone();
                }
                let mut entropy = crate::system::entropy;
                Grant::compose(prepared, &resolution, &self.engine.capsule_key, &mut entropy).map(Arc::new)
            }
            Ok(Verdict { answer: Answer::Denied(denial), .. }) => Err(Refusal::Denied {
                policy: prepared.policy_name(denial.denied_by),
                violations: denial.violations,
            }),
            Err(failure) => Err(Refusal::from(failure)),
        }
    }
}
