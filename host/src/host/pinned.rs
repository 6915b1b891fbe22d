//! What is pinned, as it is told: to which activation's set, and what is held back by that.

use std::sync::Arc;

use super::{ChangeError, Host};
use crate::{
    generation::Served,
    id::{DeploymentId, EnvironmentName},
    keyring::Keyring,
    model::SealedValue,
    plan::{Chains, Plan, PlanDifference, PlanError},
    prepared::Prepared,
};

/// A (deployment, environment) that runs with an earlier set.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// The activation that began with that set.
    pub activation: u64,
    /// What the layers make otherwise by now, and apply at the next promotion or `unpin`; the reason where
    /// they make no plan, or the set cannot be put together.
    pub held_back: Result<PlanDifference, String>,
}

impl Served {
    /// What the layers make of a pair, whether it is pinned or not.
    ///
    /// # Errors
    /// When they make no plan.
    pub fn merged(
        &self,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
        release: u64,
    ) -> Result<Plan<SealedValue>, PlanError> {
        let (configuration, release) = (&self.snapshot.configuration, Some(release));
        Plan::merge_with(configuration, &Chains::of(configuration), deployment, environment, release)
    }
}

impl Host {
    /// What a pair would run with at the next promotion: what it runs with, or what the layers make where it is
    /// pinned. None where there is no such pair.
    pub(super) fn unpinned(
        &self,
        served: &Served,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Result<Option<Arc<Prepared>>, ChangeError> {
        if !served.is_pinned(deployment, environment) {
            return Ok(served.prepared(deployment, environment).cloned());
        }
        let invalid = |error: String| {
            ChangeError::Invalid(vec![format!("what is held back of {deployment} in {environment}: {error}")])
        };
        let workspace = &served.snapshot.configuration.workspace;
        let release =
            self.activation(workspace, deployment, environment).ok_or(ChangeError::Unknown)?.release;
        let plan = served.merged(deployment, environment, release);
        let plan = plan.map_err(|error| invalid(error.to_string()))?;
        let workshop = self.workshop.lock();
        let snapshot = &served.snapshot;
        let keyring = Keyring::unwrap(snapshot.configuration.uid, &snapshot.keys, &workshop.roots);
        let prepared = workshop.prepare_apart(plan, &served.policies, &keyring, &self.engine);
        Ok(Some(Arc::new(prepared.map_err(invalid)?)))
    }

    /// Shows how many run with an earlier set.
    pub fn note_pinned(&self) {
        for (workspace, served) in self.store.load().workspaces() {
            self.metrics.set_pinned(workspace.as_str(), served.sets.len());
        }
    }

    /// What a pair is pinned to, if it is.
    #[must_use]
    pub fn pinned(
        &self,
        served: &Served,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Option<Pinned> {
        if !served.is_pinned(deployment, environment) {
            return None;
        }
        let workspace = &served.snapshot.configuration.workspace;
        let active = self.activation(workspace, deployment, environment)?;
        let activation = active.pinned?.activation;
        let Some(now) = served.prepared(deployment, environment) else {
            let problem =
                "what it is pinned to cannot be put together on this host, and is not served; unpin it";
            return Some(Pinned { activation, held_back: Err(problem.to_owned()) });
        };
        let merged = served.merged(deployment, environment, active.release);
        let held_back = merged.map(|merged| PlanDifference::between(&now.plan, &merged));
        let held_back = held_back.map_err(|error| format!("the layers make no plan: {error}"));
        Some(Pinned { activation, held_back })
    }
}
