use std::{collections::BTreeMap, sync::Arc};

use crate::{
    canonical::Canonical,
    id::{DeploymentId, Digest, EnvironmentName, PolicyName},
};

/// Bytes of an attachment's id, before it is written in hex.
const ID_BYTES: usize = 8;

/// A tenant's Wasm component.
#[derive(Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// The component's bytes.
    pub component: Arc<[u8]>,
    /// What happens when it keeps failing.
    pub fallback: Fallback,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Policy({} {})", self.name, self.digest)
    }
}

/// When a policy runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyKind {
    /// At boot.
    Resolve,
    /// When a release wants to move.
    Promotion,
}

impl PolicyKind {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Promotion => "promotion",
        }
    }
}

/// What happens when a policy keeps failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Fallback {
    /// Its boots are refused.
    #[default]
    Refuse,
    /// The version before it is attached again.
    Previous,
}

impl Fallback {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Previous => "previous",
        }
    }
}

impl std::str::FromStr for Fallback {
    type Err = UnknownFallback;

    fn from_str(text: &str) -> Result<Self, UnknownFallback> {
        [Self::Refuse, Self::Previous].into_iter().find(|one| one.as_str() == text).ok_or(UnknownFallback)
    }
}

/// Not a fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no fallback; use refuse or previous")]
pub struct UnknownFallback;

/// A policy at work in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The policy.
    pub policy: PolicyName,
    /// Where.
    pub place: Place,
    /// What the policy is told.
    pub settings: BTreeMap<String, String>,
}

/// Where a policy is attached. At boot the narrower runs first, and the broader has the last word.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// One deployment, in every environment or in one.
    Deployment(DeploymentId, Option<EnvironmentName>),
    /// Every deployment in one environment.
    Environment(EnvironmentName),
    /// Everywhere.
    Workspace,
}

impl Place {
    /// Whether a deployment in an environment is of it.
    #[must_use]
    pub fn reaches(&self, deployment: &DeploymentId, environment: &EnvironmentName) -> bool {
        match self {
            Self::Workspace => true,
            Self::Environment(name) => name == environment,
            Self::Deployment(id, name) => {
                id == deployment && name.as_ref().is_none_or(|name| name == environment)
            }
        }
    }
}

impl Attachment {
    /// What the control API calls it, wherever it comes from: the first 16 hex digits of a SHA-256 over
    /// policy and place, so that it stays the same whatever its settings become.
    #[must_use]
    pub fn id(&self) -> String {
        let (deployment, environment) = match &self.place {
            Place::Workspace => (None, None),
            Place::Environment(environment) => (None, Some(environment)),
            Place::Deployment(deployment, environment) => (Some(deployment), environment.as_ref()),
        };
        // No name is empty.
        let digest = Canonical::new("bootlace attachment 1")
            .text(self.policy.as_str())
            .text(deployment.map_or("", DeploymentId::as_str))
            .text(environment.map_or("", EnvironmentName::as_str))
            .finish();
        hex::encode(&digest.0[..ID_BYTES])
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Workspace => f.write_str("the workspace"),
            Self::Environment(environment) => write!(f, "environment {environment}"),
            Self::Deployment(deployment, None) => write!(f, "deployment {deployment}"),
            Self::Deployment(deployment, Some(environment)) => {
                write!(f, "deployment {deployment} in {environment}")
            }
        }
    }
}
