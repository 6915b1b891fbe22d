//! The merged layers of one (deployment, environment): workspace base, deployment base,
//! environment, deployment in environment; the later layer wins. Made once, when a generation is
//! prepared, never at boot.
//!
//! A plan holds values as it found them (sealed, on a host) and says of each name where it came
//! from, what it overrode and what a policy may choose from instead. A key that is required and
//! unset does not keep the plan from being made, since a boot can then be refused by name; what
//! would make the plan ambiguous does, and [`crate::validate`] reports all of that at once.

mod build;
mod chain;
mod compare;
mod digest;
mod environment;
pub(crate) mod layers;
mod parts;
pub(crate) mod requirement;
pub(crate) mod scoped;
pub(crate) mod template;

pub use chain::{Attached, Chains, promotion_policies};
pub use compare::PlanDifference;
pub(crate) use digest::content_id;
pub use digest::{Identified, snapshot_digest};
pub use environment::EnvironmentPlans;
pub use layers::LayerName;
pub use parts::{BoundEndpoint, Candidate, Planned, Provenance, What};
pub use template::Fault as TemplateFault;

use crate::{
    id::{
        DeploymentId, Digest, EnvironmentName, PolicyName, ServiceId, Uid, ValueId, VariableName, WorkspaceId,
    },
    model::{
        Configuration, Environment, Place, Release, SealedValue,
        question::{
            AskedCandidate, AskedEnvironment, AskedRelease, AskedVariable, Attribute, CandidateLabel,
            Subject, attributes,
        },
    },
};

/// What one deployment runs with in one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<V> {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The tenant's random id.
    pub workspace_uid: Uid,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The deployment's random id.
    pub deployment_uid: Uid,
    /// The environment that boots.
    pub environment: Environment,
    /// The active release, when there is one.
    pub release: Option<Release>,
    /// Every name that is set, in name order.
    pub variables: Vec<Planned>,
    /// What the variables may be given; those of one variable are adjacent, in the variables' order.
    pub candidates: Vec<Candidate<V>>,
    /// Layers, services and environments that candidates come from, used by index. The first is
    /// the environment that boots.
    pub sources: Vec<String>,
    /// Labels of candidates, used by index.
    pub labels: Vec<Attribute>,
    /// Which candidate carries which label, in the candidates' order.
    pub candidate_labels: Vec<CandidateLabel>,
    /// Names that are required and unset, in name order: a boot is refused, naming them.
    pub missing: Vec<VariableName>,
    /// The policies attached here, in running order.
    pub chain: Vec<Attached>,
    /// Covers all of the above but descriptions, and no plaintext, ciphertext or revision.
    pub digest: Digest,
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No such deployment.
    #[error("there is no deployment {0}")]
    UnknownDeployment(DeploymentId),
    /// No such environment.
    #[error("there is no environment {0}")]
    UnknownEnvironment(EnvironmentName),
    /// The deployment does not use the environment.
    #[error("deployment {0} does not use environment {1}")]
    NotUsed(DeploymentId, EnvironmentName),
    /// The active release is none of the deployment's.
    #[error("deployment {0} has no release {1}")]
    UnknownRelease(DeploymentId, u64),
    /// A variable and a binding of one name, in one layer.
    #[error("{0} is both a variable and a binding")]
    Ambiguous(VariableName),
    /// A variable without versions, or whose current version is none of them.
    #[error("{0} has no current version")]
    NoCurrentVersion(VariableName),
    /// A binding to what is not there, not shared, or listens nowhere.
    #[error("{name} is bound to {service} of {owner}, which it cannot use")]
    UnusableBinding {
        /// The variable.
        name: VariableName,
        /// The service.
        service: ServiceId,
        /// Whose instance.
        owner: EnvironmentName,
    },
    /// A template that cannot be filled in.
    #[error("{0}: {1}")]
    Template(VariableName, TemplateFault),
    /// Two layers require forms of a key that no text could both have.
    #[error("{0} is required in two forms that contradict each other")]
    Contradiction(VariableName),
    /// A policy is attached that is not there.
    #[error("there is no policy {0}")]
    UnknownPolicy(PolicyName),
    /// More than a question can index.
    #[error("too many candidates")]
    TooLarge,
}

impl<V: Clone + Identified> Plan<V> {
    /// Merges the layers of `deployment` in `environment`, with `active` as its active release.
    /// Making many plans of one configuration is cheaper through [`Chains`] and
    /// [`Plan::merge_with`].
    ///
    /// # Errors
    /// When the configuration is inconsistent here, see [`PlanError`].
    pub fn merge(
        configuration: &Configuration<V>,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
        active: Option<u64>,
    ) -> Result<Self, PlanError> {
        Self::merge_with(configuration, &Chains::of(configuration), deployment, environment, active)
    }

    /// Like [`Plan::merge`], with the attachments indexed once for all plans.
    ///
    /// # Errors
    /// When the configuration is inconsistent here, see [`PlanError`].
    pub fn merge_with(
        configuration: &Configuration<V>,
        chains: &Chains<'_>,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
        active: Option<u64>,
    ) -> Result<Self, PlanError> {
        let mut plan = build::build(configuration, chains, deployment, environment, active)?;
        plan.digest = digest::of_plan(&plan);
        Ok(plan)
    }
}

impl Plan<SealedValue> {
    /// Whether a stored value is among the candidates.
    #[must_use]
    pub fn has_version(&self, id: ValueId) -> bool {
        let is_it = |what: &What<SealedValue>| match what {
            What::Stored { value, .. } => value.id == id,
            What::Endpoint(bound) => bound.credential.as_ref().is_some_and(|(_, value)| value.id == id),
            What::Template(_) | What::Text(_) => false,
        };
        self.candidates.iter().any(|candidate| is_it(&candidate.what))
    }
}

impl<V> Plan<V> {
    /// The variable of that name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Planned> {
        self.variables.get(self.index_of(name)?)
    }

    /// The index of the variable of that name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.variables.binary_search_by(|variable| variable.name.as_str().cmp(name)).ok()
    }

    /// The place of a layer of this plan.
    #[must_use]
    pub fn place_of(&self, layer: LayerName) -> Place {
        let (deployment, environment) = (self.deployment.clone(), self.environment.name.clone());
        match layer {
            LayerName::Workspace => Place::Workspace,
            LayerName::Environment => Place::Environment(environment),
            LayerName::Deployment => Place::Deployment(deployment, None),
            LayerName::DeploymentInEnvironment => Place::Deployment(deployment, Some(environment)),
        }
    }

    /// A candidate's labels.
    pub fn labels_of(&self, candidate: &Candidate<V>) -> impl Iterator<Item = &Attribute> {
        let range = candidate.labels.start as usize..candidate.labels.end as usize;
        let pairs = self.candidate_labels.get(range).unwrap_or_default();
        pairs.iter().filter_map(|pair| self.labels.get(pair.label as usize))
    }

    /// What every instance's question has in common.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            deployment: self.deployment.to_string(),
            environment: AskedEnvironment {
                name: self.environment.name.to_string(),
                kind: self.environment.kind,
                labels: attributes(&self.environment.labels),
            },
            release: self.release.as_ref().map(|release| AskedRelease {
                number: release.number,
                digest: release.digest.clone(),
                created_at: release.created_at,
                labels: attributes(&release.labels),
            }),
            variables: self.variables.iter().map(asked_variable).collect(),
            candidates: self.candidates.iter().map(asked_candidate).collect(),
            sources: self.sources.clone(),
            labels: self.labels.clone(),
            candidate_labels: self.candidate_labels.clone(),
        }
    }
}

fn asked_variable(variable: &Planned) -> AskedVariable {
    AskedVariable {
        name: variable.name.to_string(),
        sensitivity: variable.sensitivity,
        required: variable.required,
        declared: variable.declared,
        chosen: Some(variable.default),
    }
}

fn asked_candidate<V>(candidate: &Candidate<V>) -> AskedCandidate {
    AskedCandidate {
        variable: candidate.variable,
        source: candidate.source,
        owner: candidate.owner,
        sensitivity: candidate.sensitivity,
        version: candidate.version,
    }
}
