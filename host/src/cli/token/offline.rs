//! A token that no host minted: its hash goes into a directory's `bootstrap.toml`, which a host
//! takes once, when the workspace is new to it.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;

use super::mint::{Scope, save, until};
use crate::{
    cli::{exit::Misuse, output::Output},
    clock::{Clock, rfc3339},
    host::{MintRequest, Minted},
    id::WorkspaceId,
    model,
    source::Bootstrap,
};

pub(super) fn mint(
    scope: &Scope,
    principal: String,
    expires_in: Option<u64>,
    out: Option<&Path>,
    output: &Output,
) -> anyhow::Result<()> {
    let request = MintRequest { scope: recorded(scope)?, principal, expires_in };
    let Minted { token, record } = Minted::offline(request, Clock::system().now())?;
    let (id, principal) = (record.id.clone(), record.principal.clone());
    let expires = record.expires_at.map(rfc3339);
    let snippet = Bootstrap { tokens: vec![record], active: BTreeMap::new() }.to_toml();
    // The file's own first line is not part of what is added to it.
    let snippet = snippet.split_once("\n\n").map_or(snippet.as_str(), |(_, tokens)| tokens);
    if let Some(out) = out {
        save(out, token.expose())?;
    }
    let shown = out.is_none().then(|| token.expose());
    if output.is_json() {
        let mut told = json!({ "id": id, "principal": principal, "expires": expires, "bootstrap": snippet });
        if let Some(token) = shown {
            told["token"] = json!(token);
        }
        return Ok(output.json(&told)?);
    }
    if let Some(token) = shown {
        output.raw(format!("{token}\n\n").as_bytes())?;
    } else {
        // Behind what the file holds already.
        output.raw(b"\n")?;
    }
    output.raw(snippet.as_bytes())?;
    let until = until(expires.as_deref());
    output
        .note(&format!("token {id} for {principal}, {until}; the lines of TOML belong into bootstrap.toml"));
    Ok(())
}

/// A record names its workspace, `bootstrap.toml` does not: its directory does.
fn recorded(scope: &Scope) -> anyhow::Result<model::Scope> {
    let workspace: WorkspaceId = "any".parse()?;
    Ok(match scope.clone() {
        Scope::Instance { deployment, environment } => {
            model::Scope::Instance { workspace, deployment, environment }
        }
        Scope::Tenant { role, environment } => {
            model::Scope::Tenant { workspace, role, environments: environment.into_iter().collect() }
        }
        Scope::Operator => {
            let advice = "a directory mints no operators; a host writes its first operator.token itself, and mints more online";
            return Err(Misuse(advice.into()).into());
        }
    })
}
