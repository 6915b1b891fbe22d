//! What a push never touches: tokens and activations. Apart from configuration, so that a
//! directory can replace all it owns without revoking anybody.

mod wire;

use std::collections::BTreeMap;

pub use wire::StateError;

use crate::{
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    model::{TokenHash, TokenRecord},
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
pub type Activations = BTreeMap<(DeploymentId, EnvironmentName), u64>;

impl State {
    /// The release that is active in `environment`.
    #[must_use]
    pub fn active(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Option<u64> {
        self.active.get(workspace)?.get(&(deployment.clone(), environment.clone())).copied()
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
