//! Whether the environments of a deployment have the same keys, of the same type and secrecy. Their values
//! are meant to differ, and are not compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Caller, Named,
    compare::{self, ComparedKey, Told},
    openapi::{BadRequest, InWorkspace, NotFound, Unauthenticated},
    query::parameter,
    tagged,
};
use crate::{
    generation::Served,
    host::Host,
    id::{DeploymentId, EnvironmentName},
    serve::respond::Problem,
};

/// The most environments that are named in one question.
const MAX_ENVIRONMENTS: usize = 64;

/// Whether environments have the same keys.
#[derive(Serialize, ToSchema)]
pub(super) struct Parity {
    deployment: String,
    revision: u64,
    /// Those that were compared.
    environments: Vec<String>,
    /// Whether they do.
    same: bool,
    /// How many keys there are in all.
    compared: usize,
    /// The keys that differ, by name.
    keys: Vec<KeyParity>,
}

/// A key that is not the same everywhere.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyParity {
    name: String,
    /// In what: `missing` somewhere, `extra` where one environment alone has it, `type`, `secrecy`.
    differs: Vec<&'static str>,
    /// The environments that do not have it.
    missing: Vec<String>,
    /// The key by environment, where it is.
    environments: BTreeMap<String, ComparedKey>,
}

/// One of the environments that are compared.
struct Compared {
    name: String,
    keys: BTreeMap<String, Told>,
}

/// Whether the environments of a deployment have the same keys, of the same type and secrecy.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/parity", tag = "deployments", operation_id = "parity",
    params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("environments" = Option<String>, Query,
            description = "Environments, with commas between them; all that the deployment uses and the token sees, where it is not given")),
    responses(
        (status = 200, description = "What differs, masked", body = Parity, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn parity(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let deployment: DeploymentId = id.parse().map_err(|_| Problem::not_found())?;
    let mut compared = Vec::new();
    for name in asked(&caller, served, &deployment, parameter(query, "environments")?)? {
        let prepared = served.prepared(&deployment, &name).ok_or_else(Problem::not_found)?;
        compared.push(Compared { name: name.to_string(), keys: compare::keys(prepared, &caller.live) });
    }
    let revision = served.snapshot.revision.0;
    let names: BTreeSet<_> = compared.iter().flat_map(|one| one.keys.keys()).collect();
    let keys: Vec<_> = names.iter().filter_map(|name| key(name, &compared)).collect();
    let body = Parity {
        deployment: id,
        revision,
        environments: compared.iter().map(|one| one.name.clone()).collect(),
        same: keys.is_empty(),
        compared: names.len(),
        keys,
    };
    Ok(tagged(revision, body))
}

/// The environments that are named, each once; all that the token sees where none is.
fn asked(
    caller: &Caller,
    served: &Served,
    deployment: &DeploymentId,
    named: Option<String>,
) -> Result<Vec<EnvironmentName>, Problem> {
    let Some(named) = named else {
        let deployment = served.snapshot.configuration.deployments.get(deployment);
        let uses = deployment.ok_or_else(Problem::not_found)?.environments.keys();
        let visible: Vec<_> = uses.filter(|name| caller.sees(name)).cloned().collect();
        return if visible.is_empty() { Err(Problem::not_found()) } else { Ok(visible) };
    };
    let mut names: Vec<EnvironmentName> = Vec::new();
    for name in named.split(',') {
        let name = name.parse().ok().filter(|name| caller.sees(name)).ok_or_else(Problem::not_found)?;
        if names.contains(&name) || names.len() == MAX_ENVIRONMENTS {
            let rule = format!("`environments` names each once, and at most {MAX_ENVIRONMENTS}");
            return Err(Problem::bad_request(rule));
        }
        names.push(name);
    }
    Ok(names)
}

/// What there is to say of a key, if it is not the same everywhere.
fn key(name: &str, compared: &[Compared]) -> Option<KeyParity> {
    let found = compared.iter().filter_map(|one| Some((one, &one.keys.get(name)?.shown)));
    let found: Vec<_> = found.collect();
    let (_, first) = found.first().copied().unzip();
    let differs_in = |is_other: fn(&ComparedKey, &ComparedKey) -> bool| {
        found.iter().any(|(_, one)| first.is_some_and(|first| is_other(first, one)))
    };
    let all = [
        ("missing", found.len() < compared.len()),
        ("extra", found.len() == 1 && compared.len() > 1),
        ("type", differs_in(|first, one| first.kind != one.kind)),
        ("secrecy", differs_in(|first, one| first.secret != one.secret)),
    ];
    let differs: Vec<_> = all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    if differs.is_empty() {
        return None;
    }
    let missing = compared.iter().filter(|one| !one.keys.contains_key(name));
    Some(KeyParity {
        name: name.to_owned(),
        differs,
        missing: missing.map(|one| one.name.clone()).collect(),
        environments: found.iter().map(|(one, shown)| (one.name.clone(), (*shown).clone())).collect(),
    })
}
