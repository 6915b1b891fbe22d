//! The state as older versions kept it: one JSON text beside the slots, which is read once and becomes
//! records; and each of those records. Small and readable in an emergency. They hold token hashes,
//! never tokens.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Activation, State};
use crate::{
    id::UnixSeconds,
    model::{Scope, TokenHash, TokenRecord},
};

const FORMAT: u32 = 1;
/// What stands in the text's place when the state has moved: older versions refuse a format that they
/// do not know, instead of believing tokens that were revoked since.
const MOVED: &[u8] = br#"{"format":2,"tokens":[],"active":[],"moved":"to the ledger"}"#;

/// Why bytes are not a state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not the JSON that this version writes.
    #[error("the state is not readable JSON")]
    Malformed(#[from] serde_json::Error),
    /// Written by a version that this one does not know.
    #[error(
        "the state has format {found}; this version reads format {FORMAT}; start the version that wrote it"
    )]
    UnknownFormat {
        /// The format number found.
        found: u32,
    },
    /// A name or a hash is not one.
    #[error("the state holds a field that is not a valid name or hash: {0}")]
    InvalidField(String),
}

#[derive(Deserialize)]
struct WireState {
    format: u32,
    tokens: Vec<WireToken>,
    active: Vec<WireActivation>,
    /// Workspaces that are known and have no activation.
    #[serde(default)]
    inactive: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct WireToken {
    id: String,
    hash: String,
    principal: String,
    /// Unknown of what older versions minted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    minted_by: BTreeSet<String>,
    scope: WireScope,
    created_at: i64,
    expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum WireScope {
    Instance { workspace: String, deployment: String, environment: String },
    Tenant { workspace: String, role: String, environments: Vec<String> },
    Operator,
}

#[derive(Deserialize)]
struct WireActivation {
    workspace: String,
    deployment: String,
    environment: String,
    release: u64,
}

pub(super) fn moved() -> &'static [u8] {
    MOVED
}

pub(super) fn decode(bytes: &[u8]) -> Result<State, StateError> {
    let wire: WireState = serde_json::from_slice(bytes)?;
    if wire.format != FORMAT {
        return Err(StateError::UnknownFormat { found: wire.format });
    }
    let mut state = State::default();
    for token in wire.tokens {
        let record = token_from_wire(token)?;
        if let Some(workspace) = record.scope.workspace() {
            state.active.entry(workspace.clone()).or_default();
        }
        state.tokens_mut().insert(record.hash, record);
    }
    for workspace in wire.inactive {
        state.active.insert(name(&workspace)?, BTreeMap::new());
    }
    for WireActivation { workspace, deployment, environment, release } in wire.active {
        let of_workspace = state.active.entry(name(&workspace)?).or_default();
        of_workspace
            .entry(name(&deployment)?)
            .or_default()
            .insert(name(&environment)?, Activation::begun(release));
    }
    Ok(state)
}

pub(super) fn token_to_bytes(record: &TokenRecord) -> Vec<u8> {
    serde_json::to_vec(&token_to_wire(record)).unwrap_or_default()
}

pub(super) fn token_from_bytes(bytes: &[u8]) -> Result<TokenRecord, StateError> {
    token_from_wire(serde_json::from_slice(bytes)?)
}

fn token_to_wire(record: &TokenRecord) -> WireToken {
    WireToken {
        id: record.id.clone(),
        hash: hex::encode(record.hash.0),
        principal: record.principal.clone(),
        minted_by: record.minted_by.clone(),
        scope: match &record.scope {
            Scope::Instance { workspace, deployment, environment } => WireScope::Instance {
                workspace: workspace.to_string(),
                deployment: deployment.to_string(),
                environment: environment.to_string(),
            },
            Scope::Tenant { workspace, role, environments } => WireScope::Tenant {
                workspace: workspace.to_string(),
                role: role.as_str().to_owned(),
                environments: environments.iter().map(ToString::to_string).collect(),
            },
            Scope::Operator => WireScope::Operator,
        },
        created_at: record.created_at.0,
        expires_at: record.expires_at.map(|at| at.0),
    }
}

fn token_from_wire(wire: WireToken) -> Result<TokenRecord, StateError> {
    let mut hash = [0; 32];
    hex::decode_to_slice(&wire.hash, &mut hash).map_err(|_| StateError::InvalidField("hash".into()))?;
    let scope = match wire.scope {
        WireScope::Instance { workspace, deployment, environment } => Scope::Instance {
            workspace: name(&workspace)?,
            deployment: name(&deployment)?,
            environment: name(&environment)?,
        },
        WireScope::Tenant { workspace, role, environments } => Scope::Tenant {
            workspace: name(&workspace)?,
            role: name(&role)?,
            environments: environments.iter().map(|text| name(text)).collect::<Result<BTreeSet<_>, _>>()?,
        },
        WireScope::Operator => Scope::Operator,
    };
    Ok(TokenRecord {
        id: wire.id,
        hash: TokenHash(hash),
        principal: wire.principal,
        minted_by: wire.minted_by,
        scope,
        created_at: UnixSeconds(wire.created_at),
        expires_at: wire.expires_at.map(UnixSeconds),
        last_use: Default::default(),
    })
}

pub(super) fn name<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StateError> {
    text.parse().map_err(|error: T::Err| StateError::InvalidField(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_an_older_version_is_read() {
        let text = br#"{"format":1,"tokens":[{"id":"000000000000",
            "hash":"0000000000000000000000000000000000000000000000000000000000000000","principal":"ci",
            "scope":{"kind":"instance","workspace":"acme","deployment":"checkout","environment":"preview/pr-42"},
            "created_at":1,"expires_at":2}],
            "active":[{"workspace":"acme","deployment":"checkout","environment":"production","release":17}],
            "inactive":["other"]}"#;
        let state = State::from_bytes(text).unwrap();
        assert_eq!(state.tokens.len(), 1);
        let active = |workspace: &str| state.active[workspace].clone();
        assert_eq!(active("acme")["checkout"]["production"].release, 17);
        assert!(active("other").is_empty());
    }

    #[test]
    fn an_unknown_format_is_refused_and_so_is_what_says_that_the_state_has_moved() {
        for bytes in [br#"{"format":3,"tokens":[],"active":[]}"#, moved()] {
            assert!(matches!(State::from_bytes(bytes), Err(StateError::UnknownFormat { found: 2 | 3 })));
        }
    }
}
