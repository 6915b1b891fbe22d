//! What a push never touches: tokens and activations. Apart from configuration, so that a
//! directory can replace all it owns without revoking anybody.

mod wire;

use std::collections::BTreeMap;

pub use wire::StateError;

use crate::{
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    model::{Configuration, TokenHash, TokenRecord},
};

/// The most tokens that a host keeps, over all workspaces.
pub const MAX_TOKENS: usize = 100_000;

/// A host's control state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Every token that works, by its hash.
    pub tokens: BTreeMap<TokenHash, TokenRecord>,
    /// The active releases, by workspace. A workspace may be here before its first push.
    pub active: BTreeMap<WorkspaceId, Activations>,
}

/// The active release of each (deployment, environment).
pub type Activations = BTreeMap<DeploymentId, BTreeMap<EnvironmentName, u64>>;

impl State {
    /// Adds a workspace's first tokens and activations.
    pub fn begin(
        &mut self,
        workspace: &WorkspaceId,
        tokens: impl IntoIterator<Item = TokenRecord>,
        active: Activations,
    ) {
        self.tokens.extend(tokens.into_iter().map(|token| (token.hash, token)));
        self.active.insert(workspace.clone(), active);
    }

    /// The release that is active in `environment`.
    #[must_use]
    pub fn active(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Option<u64> {
        self.active.get(workspace)?.get(deployment)?.get(environment).copied()
    }

    /// The activations of what is in `configuration`. A push may prune a deployment or stop using
    /// an environment; what was active there stays in the state and says nothing.
    #[must_use]
    pub fn active_in<V>(&self, configuration: &Configuration<V>) -> Activations {
        let mut active = self.active.get(&configuration.workspace).cloned().unwrap_or_default();
        active.retain(|deployment, environments| {
            let uses = configuration.deployments.get(deployment);
            environments.retain(|environment, _| {
                uses.is_some_and(|deployment| deployment.environments.contains_key(environment))
            });
            uses.is_some()
        });
        active
    }

    /// As bytes for the data directory.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// From bytes of the data directory.
    ///
    /// # Errors
    /// When the bytes are not a state of a known format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        wire::decode(bytes)
    }
}
