//! The state as records of a ledger: one for each token, one for each activation, and one that says
//! that a workspace was begun, so that what was revoked there stays so. Two changes collide only when
//! they are about the same record.
//!
//! | record | content |
//! |---|---|
//! | `host/format` | which format the records are of |
//! | `host/noted` | the last change's line of the audit log |
//! | `host/noted/<place>` | those behind it, while the log takes none |
//! | `host/pushed` | the last push's line, until its commit of the slots is known to be told |
//! | `host/once/<id>` | the answer to a change that was asked for with an idempotency key |
//! | `host/moving/<name>/…` | records of a workspace that is being imported, until the slots hold it |
//! | `host/token/<hash>` | an operator's token |
//! | `workspace/<name>/token/<hash>` | a token of that workspace; its id is how the hash begins |
//! | `workspace/<name>/active/<deployment>/<environment>` | what is active, since when, by whom and why |
//! | `workspace/<name>/activations/<deployment>/<environment>` | what was before |
//! | `workspace/<name>/begun` | nothing |

use std::{collections::BTreeMap, sync::Arc};

use super::{Activation, Past, State, StateError, wire};
use crate::{
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    model::{TokenHash, TokenRecord},
};

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    /// It has this content from now on.
    Put {
        /// Its name.
        name: String,
        /// Its content.
        content: Vec<u8>,
    },
    /// It is gone.
    Delete {
        /// Its name.
        name: String,
    },
}

impl Alteration {
    /// The record's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Put { name, .. } | Self::Delete { name } => name,
        }
    }
}

impl State {
    /// The state that `records` say, and those of them that say nothing: of a workspace that was never
    /// begun to its end, because what should have was interrupted.
    ///
    /// # Errors
    /// When a record names or holds something that is none.
    pub fn from_records(records: &BTreeMap<String, Vec<u8>>) -> Result<(Self, Vec<String>), StateError> {
        let (mut state, mut unfinished) = (Self::default(), Vec::new());
        for (name, content) in records {
            let Name { workspace, what } = Name::read(name)?;
            let is_begun = |workspace: &WorkspaceId| records.contains_key(&begun_name(workspace));
            match (what, workspace.as_ref()) {
                (What::Token | What::Active(_), Some(workspace)) if !is_begun(workspace) => {
                    unfinished.push(name.clone());
                }
                (What::Token, workspace) => {
                    let record = wire::token_from_bytes(content)?;
                    if record.scope.workspace() != workspace || token_name(&record) != *name {
                        return Err(invalid(name));
                    }
                    state.tokens_mut().insert(record.hash, record);
                }
                (What::Begun, Some(workspace)) => drop(state.active.entry(workspace.clone()).or_default()),
                (What::Active(place), Some(workspace)) => {
                    let (deployment, environment) = place.split_once('/').ok_or_else(|| invalid(name))?;
                    let of_workspace = state.active.entry(workspace.clone()).or_default();
                    let of_deployment = of_workspace.entry(wire::name(deployment)?).or_default();
                    of_deployment.insert(wire::name(environment)?, Activation::from_bytes(name, content)?);
                }
                _ => {}
            }
        }
        Ok((state, unfinished))
    }

    /// What makes this of `old`. Tokens that end come first, and that a workspace was begun comes last:
    /// where a change is more than one transaction takes, what is cut off is taken up again.
    #[must_use]
    pub fn since(&self, old: &Self) -> Vec<Alteration> {
        let mut all = Vec::new();
        if !Arc::ptr_eq(&self.tokens, &old.tokens) {
            let ended = old.tokens.values().filter(|record| !self.tokens.contains_key(&record.hash));
            all.extend(ended.map(|record| Alteration::Delete { name: token_name(record) }));
            let is_new = |(hash, record): &(&TokenHash, &TokenRecord)| old.tokens.get(*hash) != Some(*record);
            all.extend(self.tokens.iter().filter(is_new).map(|(_, record)| Alteration::Put {
                name: token_name(record),
                content: wire::token_to_bytes(record),
            }));
        }
        let (before, after) = (old.activations(), self.activations());
        for (pair, ended) in before.iter().filter(|(pair, _)| !after.contains_key(*pair)) {
            all.push(Alteration::Delete { name: active_name(pair) });
            if ended.number > 1 {
                all.push(Alteration::Delete { name: Past::record(pair.0, pair.1, pair.2) });
            }
        }
        let changed = after.into_iter().filter(|(pair, active)| before.get(pair) != Some(active));
        all.extend(
            changed.map(|(pair, one)| Alteration::Put { name: active_name(&pair), content: one.to_bytes() }),
        );
        let begun = self.active.keys().filter(|workspace| !old.active.contains_key(*workspace));
        all.extend(
            begun.map(|workspace| Alteration::Put { name: begun_name(workspace), content: Vec::new() }),
        );
        all
    }

    fn activations(&self) -> BTreeMap<Pair<'_>, &Activation> {
        let mut all = BTreeMap::new();
        for (workspace, deployments) in &self.active {
            for (deployment, environments) in deployments {
                all.extend(environments.iter().map(|(name, one)| ((workspace, deployment, name), one)));
            }
        }
        all
    }
}

/// A deployment in an environment, and whose.
type Pair<'a> = (&'a WorkspaceId, &'a DeploymentId, &'a EnvironmentName);

fn active_name((workspace, deployment, environment): &Pair<'_>) -> String {
    format!("workspace/{workspace}/active/{deployment}/{environment}")
}

/// What a record is about.
struct Name<'a> {
    /// None for the host's own.
    workspace: Option<WorkspaceId>,
    what: What<'a>,
}

enum What<'a> {
    Token,
    Begun,
    Active(&'a str),
    /// Not a part of the state.
    Other,
}

impl<'a> Name<'a> {
    fn read(name: &'a str) -> Result<Self, StateError> {
        let (workspace, rest) = match name.strip_prefix("workspace/") {
            Some(rest) => {
                let (workspace, rest) = rest.split_once('/').ok_or_else(|| invalid(name))?;
                (Some(wire::name::<WorkspaceId>(workspace)?), rest)
            }
            None => (None, name.strip_prefix("host/").ok_or_else(|| invalid(name))?),
        };
        let what = match rest.split_once('/').unwrap_or((rest, "")) {
            ("token", _) => What::Token,
            ("begun", "") => What::Begun,
            ("active", place) => What::Active(place),
            _ => What::Other,
        };
        Ok(Self { workspace, what })
    }
}

fn invalid(name: &str) -> StateError {
    StateError::InvalidField(name.to_owned())
}

fn begun_name(workspace: &WorkspaceId) -> String {
    format!("workspace/{workspace}/begun")
}

fn token_name(record: &TokenRecord) -> String {
    let hash = hex::encode(record.hash.0);
    match record.scope.workspace() {
        Some(workspace) => format!("workspace/{workspace}/token/{hash}"),
        None => format!("host/token/{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::UnixSeconds,
        model::{Role, Scope},
        state::Activations,
    };

    fn token(number: u8, scope: Scope) -> TokenRecord {
        let hash = TokenHash([number; 32]);
        let (created_at, expires_at) = (UnixSeconds(1), Some(UnixSeconds(2)));
        TokenRecord {
            id: number.to_string(),
            hash,
            minted_by: Default::default(),
            principal: "ci".into(),
            scope,
            created_at,
            expires_at,
            last_use: Default::default(),
        }
    }

    fn state() -> State {
        let workspace: WorkspaceId = "acme".parse().unwrap();
        let instance = Scope::Instance {
            workspace: workspace.clone(),
            deployment: "checkout".parse().unwrap(),
            environment: "preview/pr-42".parse().unwrap(),
        };
        let tenant = Scope::Tenant {
            workspace: workspace.clone(),
            role: Role::Releaser,
            environments: ["staging".parse().unwrap()].into(),
        };
        let tokens = [token(1, Scope::Operator), token(2, instance), token(3, tenant)];
        let pairs = [("preview/pr-42", 17), ("staging", 18)];
        let pairs = pairs.map(|(name, release)| (name.parse().unwrap(), release));
        let mut state = State::default();
        let active = Activations::from([("checkout".parse().unwrap(), pairs.into())]);
        state.begin(&workspace, tokens, active);
        state.begin(&"other".parse().unwrap(), [], Activations::new());
        state
    }

    fn apply(records: &mut BTreeMap<String, Vec<u8>>, all: Vec<Alteration>) {
        for one in all {
            match one {
                Alteration::Put { name, content } => drop(records.insert(name, content)),
                Alteration::Delete { name } => assert!(records.remove(&name).is_some(), "{name}"),
            }
        }
    }

    fn read(records: &BTreeMap<String, Vec<u8>>) -> State {
        let (state, unfinished) = State::from_records(records).unwrap();
        assert_eq!(unfinished, [""; 0]);
        state
    }

    #[test]
    fn a_state_reads_back_from_its_records_after_every_change() {
        let (mut records, mut state) = (BTreeMap::new(), state());
        apply(&mut records, state.since(&State::default()));
        assert_eq!(read(&records), state);
        assert!(state.since(&state.clone()).is_empty());

        let old = state.clone();
        state.tokens_mut().remove(&TokenHash([2; 32]));
        let more = token(4, Scope::Operator);
        state.tokens_mut().insert(more.hash, more);
        let checkout = state.active.get_mut("acme").unwrap().get_mut("checkout").unwrap();
        checkout.remove("staging");
        checkout.insert("preview/pr-42".parse().unwrap(), Activation::begun(19));
        let changes = state.since(&old);
        assert_eq!(changes.len(), 4, "one for each record that changed: {changes:?}");
        apply(&mut records, changes);
        assert_eq!(read(&records), state);
    }

    #[test]
    fn a_record_in_another_ones_place_is_refused() {
        let records = state().since(&State::default()).into_iter().filter_map(|one| match one {
            Alteration::Put { name, content } if name.contains("/token/") => Some((name, content)),
            _ => None,
        });
        for (name, content) in records {
            let moved = [name.replace("acme", "other"), name.replace("/0", "/1"), format!("{name}0")];
            for wrong in moved.into_iter().filter(|wrong| *wrong != name) {
                let begun = ["acme", "other"].map(|workspace| begun_name(&workspace.parse().unwrap()));
                let mut records: BTreeMap<_, _> = begun.map(|name| (name, Vec::new())).into();
                records.insert(wrong.clone(), content.clone());
                assert!(State::from_records(&records).is_err(), "{wrong}");
            }
        }
        for wrong in ["workspace/Acme/begun", "workspace/acme", "elsewhere/x"] {
            assert!(State::from_records(&[(wrong.to_owned(), Vec::new())].into()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_workspace_whose_beginning_was_cut_off_is_not_there() {
        let mut records = BTreeMap::new();
        apply(&mut records, state().since(&State::default()));
        assert!(records.remove("workspace/acme/begun").is_some());
        let (read, unfinished) = State::from_records(&records).unwrap();
        assert_eq!((read.tokens.len(), unfinished.len()), (1, 4), "{unfinished:?}");
        assert!(!read.active.contains_key("acme"));
    }
}
