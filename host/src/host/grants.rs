//! What a change does to the state: to what is active, and to the tokens that name environments and
//! deployments. A token is for what
//! had that name when it was minted: it goes with that, or loses that one name, and whatever comes to be
//! under the name again is not its.
//!
//! Names and not random ids, since a token may be minted before there is anything of its name: a bootstrap
//! comes before the first push. A push itself never touches tokens, so that what it pruned may have left some
//! behind; they go when something of that name is made by API. At a workspace's first revision nothing of it
//! was ever deleted, and what is there was minted for what is to come.

use std::sync::Arc;

use super::{ChangeError, promote::gone::Gone};
use crate::{
    change::{Edit, LISTED},
    id::{Digest, EnvironmentName, WorkspaceId},
    made::Stamp,
    model::{Configuration, Scope, SealedValue, TokenRecord},
    snapshot::Snapshot,
    state::{Activation, Alteration, Runs, State},
};

/// The most tokens that a clone is granted to.
pub(super) const MAX_REGRANTED: usize = 64;
/// The most ids of tokens that one record of the audit log lists.
const MAX_IDS: usize = 1_000;

/// What a change makes of the state.
#[derive(Default)]
pub(super) struct Regranted {
    /// The state after it; none where that is as before.
    pub(super) state: Option<State>,
    /// What makes it durable.
    pub(super) records: Vec<Alteration>,
    /// How many of these are of tokens.
    pub(super) tokens: usize,
    /// The ids of the tokens that are gone.
    pub(super) revoked: Vec<String>,
    /// What whoever makes the change should know.
    pub(super) warnings: Vec<String>,
}

impl Regranted {
    /// What `edits` of `snapshot` make of `before`; `stamp` is the change's.
    ///
    /// # Errors
    /// When a clone would be granted to too many, or something else is active than was expected.
    pub(super) fn after(
        before: &State,
        snapshot: &Snapshot,
        edits: &[Edit],
        stamp: &Stamp,
    ) -> Result<Self, ChangeError> {
        let configuration = &snapshot.configuration;
        if !edits.iter().any(|edit| concerns(edit, configuration)) {
            return Ok(Self::default());
        }
        let (workspace, mut state) = (&configuration.workspace, before.clone());
        let may_be_left = snapshot.revision.0 > 1;
        for edit in edits {
            match edit {
                Edit::DeleteEnvironment { name, .. } => state.forget_environment(workspace, name),
                Edit::CreateEnvironment { wanted, .. } | Edit::CloneEnvironment { wanted, .. }
                    if may_be_left =>
                {
                    state.forget_environment(workspace, &wanted.name);
                }
                Edit::Resource(_) => match Gone::by(edit, configuration) {
                    Some(Gone::Deployment(id)) if may_be_left => state.forget_deployment(workspace, id),
                    Some(Gone::Pairs(id, names)) if may_be_left => {
                        names.into_iter().for_each(|name| state.forget_pair(workspace, id, name));
                    }
                    _ => {}
                },
                Edit::ExpectActive { deployment, environment, number } => {
                    let active = state.activation(workspace, deployment, environment);
                    if active.is_none_or(|active| active.number != *number) {
                        let reason = format!(
                            "another release of {deployment} was activated in {environment} meanwhile"
                        );
                        return Err(ChangeError::NotNow { reason, current: None });
                    }
                }
                Edit::Activate { deployment, environment, release, why, pin } => {
                    let next = Activation {
                        since: stamp.at,
                        by: stamp.principal.clone(),
                        why: why.clone(),
                        revision: stamp.revision,
                        set: pin.map(|pin| pin.set),
                        pinned: *pin,
                        ..Activation::begun(*release)
                    };
                    state.activate(workspace, (deployment, environment), next);
                }
                _ => {}
            }
            if let Edit::CloneEnvironment { source, wanted, permissions: true, .. } = edit {
                grant(&mut state, workspace, (source, &wanted.name))?;
            }
        }
        let same = Arc::ptr_eq(&before.tokens, &state.tokens);
        let all = before.tokens.values().filter(|_| !same);
        let gone = all.filter(|token| !state.tokens.contains_key(&token.hash));
        let gone: Vec<&TokenRecord> = gone.collect();
        let warning = |token: &&TokenRecord| {
            format!("token {} of {} is revoked: what it was for is gone", token.id, token.principal)
        };
        let records = state.since(before);
        let is_token = |one: &&Alteration| one.name().starts_with(&format!("workspace/{workspace}/token/"));
        Ok(Self {
            tokens: records.iter().filter(is_token).count(),
            records,
            revoked: gone.iter().take(MAX_IDS).map(|token| token.id.clone()).collect(),
            warnings: gone.iter().take(LISTED).map(warning).collect(),
            state: (state != *before).then_some(state),
        })
    }
}

impl Regranted {
    /// Notes which set the activations began with that are new.
    pub(super) fn began_with(&mut self, before: &State, workspace: &WorkspaceId, runs: &Runs, set: Digest) {
        if let Some(state) = &mut self.state
            && state.note_sets(runs, workspace, set)
        {
            self.records = state.since(before);
        }
    }
}

fn concerns(edit: &Edit, before: &Configuration<SealedValue>) -> bool {
    match edit {
        Edit::CreateEnvironment { .. }
        | Edit::CloneEnvironment { .. }
        | Edit::DeleteEnvironment { .. }
        | Edit::Activate { .. } => true,
        Edit::Resource(_) => {
            let gone = Gone::by(edit, before);
            gone.is_some_and(|one| !one.is_nothing() && matches!(one, Gone::Deployment(_) | Gone::Pairs(..)))
        }
        _ => false,
    }
}

/// Those that name an environment name its clone, too, where permissions are copied.
fn grant(
    state: &mut State,
    of: &WorkspaceId,
    (source, clone): (&EnvironmentName, &EnvironmentName),
) -> Result<(), ChangeError> {
    let mut many = 0;
    for token in state.tokens_mut().values_mut() {
        let Scope::Tenant { workspace, environments, .. } = &mut token.scope else { continue };
        if workspace == of && environments.contains(source) {
            environments.insert(clone.clone());
            many += 1;
        }
    }
    if many <= MAX_REGRANTED {
        return Ok(());
    }
    Err(ChangeError::Invalid(vec![format!(
        "{many} tokens are limited to {source}, and a clone is granted to at most {MAX_REGRANTED}; clone without permissions"
    )]))
}
