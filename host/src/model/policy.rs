use std::{collections::BTreeMap, sync::Arc};

use crate::id::{DeploymentId, Digest, EnvironmentName, PolicyName};

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

/// What happens when a policy keeps failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Fallback {
    /// Its boots are refused.
    #[default]
    Refuse,
    /// The version before it is attached again.
    Previous,
}

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
