//! What a deployment is pinned to in an environment, wherever it is shown.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    generation::Served,
    host::Host,
    id::{DeploymentId, EnvironmentName},
};

/// It runs with the set of an earlier activation, until the next promotion or `unpin`.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownPin {
    /// The number of the activation that began with that set.
    activation: u64,
    /// The variables that the layers make otherwise by now: what was changed since, and is held back.
    held_back: Vec<String>,
    /// Whether policies, their settings or their order are held back, too.
    policies: bool,
    /// What is wrong: the layers make no plan by now, which has to be mended before `unpin`; or the set cannot be put
    /// together on this host, and nothing is served here until `unpin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<String>,
}

impl ShownPin {
    /// Of a pair that the caller sees.
    pub(super) fn of(
        host: &Host,
        served: &Served,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Option<Self> {
        let pinned = host.pinned(served, deployment, environment)?;
        let (difference, problem) = match pinned.held_back {
            Ok(difference) => (difference, None),
            Err(problem) => (crate::plan::PlanDifference::default(), Some(problem)),
        };
        Some(Self {
            activation: pinned.activation,
            held_back: difference.names.iter().map(ToString::to_string).collect(),
            policies: difference.policies,
            problem,
        })
    }
}
