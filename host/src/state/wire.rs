//! The state on disk: JSON with a format number, small and readable in an emergency. It holds
//! token hashes, never tokens.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::State;
use crate::{
    id::UnixSeconds,
    model::{Scope, TokenHash, TokenRecord},
};

const FORMAT: u32 = 1;

/// Why bytes are not a state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not the JSON that this version writes.
    #[error("the state is not readable JSON")]
    Malformed(#[from] serde_json::Error),
    /// Written by a version that this one does not know.
    #[error("the state has format {found}; this version reads format {FORMAT}; upgrade bootlace")]
    UnknownFormat {
        /// The format number found.
        found: u32,
    },
    /// A name or a hash is not one.
    #[error("the state holds a field that is not a valid name or hash: {0}")]
    InvalidField(String),
}

#[derive(Serialize, Deserialize)]
struct WireState {
    format: u32,
    tokens: Vec<WireToken>,
    active: Vec<WireActivation>,
    /// Workspaces that are known and have no activation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inactive: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct WireToken {
    id: String,
    hash: String,
    principal: String,
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

#[derive(Serialize, Deserialize)]
struct WireActivation {
    workspace: String,
    deployment: String,
    environment: String,
    release: u64,
}

pub(super) fn encode(state: &State) -> Vec<u8> {
    let activations = state.active.iter().flat_map(|(workspace, pairs)| {
        pairs.iter().flat_map(move |(deployment, environments)| {
            environments.iter().map(move |(environment, release)| WireActivation {
                workspace: workspace.to_string(),
                deployment: deployment.to_string(),
                environment: environment.to_string(),
                release: *release,
            })
        })
    });
    let inactive = state.active.iter().filter(|(_, pairs)| pairs.values().all(BTreeMap::is_empty));
    let wire = WireState {
        format: FORMAT,
        tokens: state.tokens.values().map(token_to_wire).collect(),
        active: activations.collect(),
        inactive: inactive.map(|(workspace, _)| workspace.to_string()).collect(),
    };
    serde_json::to_vec_pretty(&wire).expect("a state of texts and numbers always encodes")
}

pub(super) fn decode(bytes: &[u8]) -> Result<State, StateError> {
    let wire: WireState = serde_json::from_slice(bytes)?;
    if wire.format != FORMAT {
        return Err(StateError::UnknownFormat { found: wire.format });
    }
    let mut state = State::default();
    for token in wire.tokens {
        let record = token_from_wire(token)?;
        state.tokens.insert(record.hash, record);
    }
    for workspace in wire.inactive {
        state.active.insert(name(&workspace)?, BTreeMap::new());
    }
    for WireActivation { workspace, deployment, environment, release } in wire.active {
        let of_workspace = state.active.entry(name(&workspace)?).or_default();
        of_workspace.entry(name(&deployment)?).or_default().insert(name(&environment)?, release);
    }
    Ok(state)
}

fn token_to_wire(record: &TokenRecord) -> WireToken {
    WireToken {
        id: record.id.clone(),
        hash: hex::encode(record.hash.0),
        principal: record.principal.clone(),
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
        scope,
        created_at: UnixSeconds(wire.created_at),
        expires_at: wire.expires_at.map(UnixSeconds),
    })
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StateError> {
    text.parse().map_err(|error: T::Err| StateError::InvalidField(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_as_written() {
        let mut state = State::default();
        let scopes = [
            Scope::Operator,
            Scope::Instance {
                workspace: "acme".parse().unwrap(),
                deployment: "checkout".parse().unwrap(),
                environment: "preview/pr-42".parse().unwrap(),
            },
        ];
        for (n, scope) in scopes.into_iter().enumerate() {
            let hash = TokenHash([n as u8; 32]);
            let record = TokenRecord {
                id: n.to_string(),
                hash,
                principal: "ci".into(),
                scope,
                created_at: UnixSeconds(1),
                expires_at: Some(UnixSeconds(2)),
            };
            state.tokens.insert(hash, record);
        }
        let of_workspace = state.active.entry("acme".parse().unwrap()).or_default();
        let of_deployment = of_workspace.entry("checkout".parse().unwrap()).or_default();
        of_deployment.insert("production".parse().unwrap(), 17);
        assert_eq!(State::from_bytes(&state.to_bytes()).unwrap(), state);
    }

    #[test]
    fn an_unknown_format_is_refused() {
        let bytes = br#"{"format":2,"tokens":[],"active":[]}"#;
        assert!(matches!(State::from_bytes(bytes), Err(StateError::UnknownFormat { found: 2 })));
    }
}
