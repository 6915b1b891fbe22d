//! What a push never touches: tokens, activations, promotions and checks. Apart from configuration, so that a
//! directory can replace all it owns without revoking anybody.

mod activation;
mod promotion;
mod record;
mod report;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

pub use activation::{Activation, Active, MAX_ACTIVATIONS, Past, Pin, Running, Runs, Why, sets_in};
pub use promotion::{Approved, Bearer, Promotion, Status, Word};
pub use record::Alteration;
pub use report::Report;
pub use wire::StateError;

use crate::{
    id::{DeploymentId, Digest, EnvironmentName, Uid, UnixSeconds, WorkspaceId},
    model::{Configuration, Scope, TokenHash, TokenRecord},
};

/// The most tokens that a host keeps, over all workspaces.
pub const MAX_TOKENS: usize = 100_000;
/// The most tokens of one workspace: one tenant cannot use up what all may have.
pub const MAX_WORKSPACE_TOKENS: usize = 10_000;
/// How long an expired token is still listed, in seconds.
pub const EXPIRED_SECONDS: i64 = 86_400;

/// A host's control state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Every token that works, by its hash: shared with the state before, where a change is not about them.
    pub tokens: Arc<BTreeMap<TokenHash, TokenRecord>>,
    /// What is active, by workspace: every workspace that was ever begun or given a token, also before its
    /// first push.
    pub active: BTreeMap<WorkspaceId, Active>,
}

/// The number of the active release of each (deployment, environment).
pub type Activations = BTreeMap<DeploymentId, BTreeMap<EnvironmentName, u64>>;

/// The releases of what runs.
#[must_use]
pub fn releases(runs: &Runs) -> Activations {
    let numbers = |names: &BTreeMap<EnvironmentName, Running>| {
        names.iter().map(|(name, running)| (name.clone(), running.release)).collect()
    };
    runs.iter().map(|(id, names)| (id.clone(), numbers(names))).collect()
}

/// No more tokens fit.
#[derive(Debug, thiserror::Error)]
#[error("a {whose} has at most {limit} tokens; revoke some")]
pub struct TooManyTokens {
    whose: &'static str,
    limit: usize,
}

impl State {
    /// Adds a workspace's first tokens and activations.
    pub fn begin(
        &mut self,
        workspace: &WorkspaceId,
        tokens: impl IntoIterator<Item = TokenRecord>,
        active: Activations,
    ) {
        self.tokens_mut().extend(tokens.into_iter().map(|token| (token.hash, token)));
        let begun = |(name, release)| (name, Activation::begun(release));
        let active = active.into_iter().map(|(id, names)| (id, names.into_iter().map(begun).collect()));
        self.active.insert(workspace.clone(), active.collect());
    }

    /// The tokens, to change them.
    pub fn tokens_mut(&mut self) -> &mut BTreeMap<TokenHash, TokenRecord> {
        Arc::make_mut(&mut self.tokens)
    }

    /// Takes from `bootstrap` the workspaces that are new; whether there were any. A workspace is
    /// known from its first token or activation on, so that what was revoked stays so.
    pub fn adopt(&mut self, bootstrap: Self) -> bool {
        let known = |workspace: &WorkspaceId| self.active.contains_key(workspace);
        let new: Vec<_> = bootstrap.active.into_iter().filter(|(workspace, _)| !known(workspace)).collect();
        for (workspace, active) in &new {
            let tokens = bootstrap.tokens.values().filter(|token| token.scope.workspace() == Some(workspace));
            self.tokens_mut().extend(tokens.map(|token| (token.hash, token.clone())));
            self.active.insert(workspace.clone(), active.clone());
        }
        !new.is_empty()
    }

    /// Adds a token.
    ///
    /// # Errors
    /// When there are too many.
    pub fn add_token(&mut self, record: TokenRecord) -> Result<(), TooManyTokens> {
        let workspace = record.scope.workspace();
        let of_workspace =
            || self.tokens.values().filter(|known| known.scope.workspace() == workspace).count();
        if self.tokens.len() >= MAX_TOKENS {
            return Err(TooManyTokens { whose: "host", limit: MAX_TOKENS });
        }
        if workspace.is_some() && of_workspace() >= MAX_WORKSPACE_TOKENS {
            return Err(TooManyTokens { whose: "workspace", limit: MAX_WORKSPACE_TOKENS });
        }
        if let Some(workspace) = workspace {
            self.active.entry(workspace.clone()).or_default();
        }
        self.tokens_mut().insert(record.hash, record);
        Ok(())
    }

    /// Forgets tokens that expired more than a day ago.
    pub fn forget_expired(&mut self, now: UnixSeconds) {
        let gone = |at: UnixSeconds| now.0.saturating_sub(at.0) > EXPIRED_SECONDS;
        self.tokens_mut().retain(|_, record| !record.expires_at.is_some_and(gone));
    }

    /// Forgets an environment: the tokens that are for it alone go, no other is for it any more, and
    /// nothing is active there. A token that is left without any name would be for all.
    pub fn forget_environment(&mut self, workspace: &WorkspaceId, name: &EnvironmentName) {
        self.tokens_mut().retain(|_, token| match &mut token.scope {
            Scope::Instance { workspace: of, environment, .. } => of != workspace || environment != name,
            Scope::Tenant { workspace: of, environments, .. } if of == workspace => {
                !environments.remove(name) || !environments.is_empty()
            }
            Scope::Tenant { .. } | Scope::Operator => true,
        });
        for environments in self.active.get_mut(workspace).into_iter().flat_map(BTreeMap::values_mut) {
            environments.remove(name);
        }
    }

    /// Forgets a deployment: the tokens of its instances go, and nothing of it is active.
    pub fn forget_deployment(&mut self, workspace: &WorkspaceId, id: &DeploymentId) {
        self.tokens_mut().retain(|_, token| match &token.scope {
            Scope::Instance { workspace: of, deployment, .. } => of != workspace || deployment != id,
            Scope::Tenant { .. } | Scope::Operator => true,
        });
        self.active.get_mut(workspace).map(|deployments| deployments.remove(id));
    }

    /// Forgets what is active of a deployment in an environment.
    pub fn forget_pair(&mut self, workspace: &WorkspaceId, id: &DeploymentId, name: &EnvironmentName) {
        let deployments = self.active.get_mut(workspace);
        deployments.and_then(|deployments| deployments.get_mut(id)).map(|all| all.remove(name));
    }

    /// The release that is active in `environment`.
    #[must_use]
    pub fn active(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Option<u64> {
        self.activation(workspace, deployment, environment).map(|active| active.release)
    }

    /// What is active in `environment`, since when, by whom and why.
    #[must_use]
    pub fn activation(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Option<&Activation> {
        self.active.get(workspace)?.get(deployment)?.get(environment)
    }

    /// Activates a release; `next` counts itself.
    pub fn activate(
        &mut self,
        workspace: &WorkspaceId,
        (deployment, environment): (&DeploymentId, &EnvironmentName),
        next: Activation,
    ) {
        let of_workspace = self.active.entry(workspace.clone()).or_default();
        let of_deployment = of_workspace.entry(deployment.clone()).or_default();
        let number = of_deployment.get(environment).map_or(1, |before| before.number + 1);
        of_deployment.insert(environment.clone(), Activation { number, ..next });
    }

    /// Notes that what runs in a workspace, and nobody wrote down with which set, does so with that one;
    /// whether there was any.
    pub fn note_sets(&mut self, runs: &Runs, workspace: &WorkspaceId, set: Digest) -> bool {
        let mut noted = false;
        for (id, names) in self.active.get_mut(workspace).into_iter().flatten() {
            let Some(runs) = runs.get(id) else { continue };
            for (_, one) in
                names.iter_mut().filter(|(name, one)| one.set.is_none() && runs.contains_key(*name))
            {
                one.set = Some(set);
                noted = true;
            }
        }
        noted
    }

    /// Dates what nobody dated: it was active by now.
    pub fn date_activations(&mut self, now: UnixSeconds) {
        let all = self.active.values_mut().flat_map(BTreeMap::values_mut).flat_map(BTreeMap::values_mut);
        for one in all.filter(|one| one.since == Activation::UNDATED) {
            one.since = now;
        }
    }

    /// The activations of what is in `configuration`. A push may prune a deployment or stop using
    /// an environment; what was active there stays in the state and says nothing.
    #[must_use]
    pub fn active_in<V>(&self, configuration: &Configuration<V>) -> Runs {
        let Some(active) = self.active.get(&configuration.workspace) else { return Runs::new() };
        let environments = &configuration.environments;
        let uses =
            configuration.deployments.iter().filter_map(|(id, uses)| Some((id, uses, active.get(id)?)));
        let still = uses.map(|(id, uses, active)| {
            let there = active.iter().filter(|(environment, _)| uses.environments.contains_key(*environment));
            let there = there.map(|(name, one)| {
                let uid = environments.get(name).map_or(Uid::NONE, |environment| environment.uid);
                (name.clone(), one.running((uses.uid, uid)))
            });
            (id.clone(), there.collect())
        });
        still.collect()
    }

    /// What stands beside the slots where older versions kept the state, since it is in the ledger.
    #[must_use]
    pub fn moved() -> &'static [u8] {
        wire::moved()
    }

    /// What an older version kept beside the slots.
    ///
    /// # Errors
    /// When the bytes are not a state of a known format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        wire::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;

    fn token(number: u32, workspace: &str, expires_at: Option<UnixSeconds>) -> TokenRecord {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_le_bytes());
        let workspace = workspace.parse().unwrap();
        TokenRecord {
            id: number.to_string(),
            hash: TokenHash(hash),
            minted_by: Default::default(),
            principal: "ada".into(),
            scope: Scope::Tenant { workspace, role: Role::Viewer, environments: [].into() },
            created_at: UnixSeconds(0),
            expires_at,
            last_use: Default::default(),
        }
    }

    #[test]
    fn one_workspace_cannot_use_up_all_tokens() {
        let (mut state, mut number) = (State::default(), 0);
        let mut add = |state: &mut State, workspace: &str| {
            number += 1;
            state.add_token(token(number, workspace, None))
        };
        let taken = (0..=MAX_WORKSPACE_TOKENS).take_while(|_| add(&mut state, "acme").is_ok()).count();
        assert_eq!(taken, MAX_WORKSPACE_TOKENS);
        assert!(add(&mut state, "other").is_ok());
    }

    #[test]
    fn only_a_new_workspace_is_adopted_and_only_once() {
        let bootstrap = |number| {
            let mut bootstrap = State::default();
            for (at, workspace) in ["acme", "other"].into_iter().enumerate() {
                let token = token(number + u32::try_from(at).unwrap(), workspace, None);
                bootstrap.begin(&workspace.parse().unwrap(), [token], Activations::new());
            }
            bootstrap
        };
        let mut state = State::default();
        state.add_token(token(1, "acme", None)).unwrap();
        assert!(state.adopt(bootstrap(2)));
        let ids = |state: &State| state.tokens.values().map(|one| one.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&state), ["1", "3"]);

        // All that "other" had is revoked, and the host starts again.
        state.tokens_mut().retain(|_, one| one.id == "1");
        assert!(!state.adopt(bootstrap(4)));
        assert_eq!(ids(&state), ["1"]);
    }

    #[test]
    fn what_expired_more_than_a_day_ago_is_forgotten() {
        let mut state = State::default();
        for (number, expires_at) in [(1, None), (2, Some(UnixSeconds(99))), (3, Some(UnixSeconds(100)))] {
            state.add_token(token(number, "acme", expires_at)).unwrap();
        }
        state.forget_expired(UnixSeconds(100 + EXPIRED_SECONDS));
        let kept: Vec<_> = state.tokens.values().map(|record| record.id.as_str()).collect();
        assert_eq!(kept, ["1", "3"]);
    }
}
