//! What differs between two environments of a deployment, or two revisions of one environment: key by key,
//! masked.

mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};

use super::{
    Caller, Named,
    compare::{self, Told},
    explain::boot::problem,
    openapi::{BadRequest, InWorkspace, Invalid, NotFound, Unauthenticated, Unavailable},
    query::{environment, parameter, parsed},
    snapshot::blocking,
    tagged,
};
use crate::{
    generation::{Generation, Served},
    host::Host,
    id::{DeploymentId, EnvironmentName, Revision},
    prepared::Prepared,
    serve::respond::Problem,
};
pub(super) use wire::Difference;
use wire::{Change, KeyChange, Side};

/// What differs between two environments, or two revisions of one.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/diff", tag = "deployments", operation_id = "diff",
    params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("environment" = Option<String>, Query, description = "The one environment whose revisions are compared"),
        ("from" = String, Query, description = "An environment; with `environment`, a revision"),
        ("to" = String, Query, description = "The same")),
    responses(
        (status = 200, description = "The difference, without a secret", body = Difference, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound, Invalid, Unavailable))]
pub(super) async fn diff(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = Arc::clone(caller.served(query)?);
    let deployment: DeploymentId = id.parse().map_err(|_| Problem::not_found())?;
    let current = served.snapshot.revision;
    let (revisions, pairs) = match environment(&caller, query)? {
        None => {
            let names = [side(&caller, query, "from")?, side(&caller, query, "to")?];
            let found = |name| served.prepared(&deployment, name).cloned().ok_or_else(Problem::not_found);
            ([current; 2], [found(&names[0])?, found(&names[1])?])
        }
        Some(name) => {
            let revisions = [revision(query, "from")?, revision(query, "to")?];
            let (host, served) = (Arc::clone(&host), Arc::clone(&served));
            let then = move || then(&host, &served, (&deployment, &name), revisions);
            (revisions, blocking(then).await??)
        }
    };
    Ok(tagged(current.0, between(pairs.each_ref(), revisions, &caller.live)))
}

/// What differs between two pairs of one deployment.
pub(super) fn between(pairs: [&Arc<Prepared>; 2], revisions: [Revision; 2], live: &Generation) -> Difference {
    let told = pairs.map(|one| compare::keys(one, live));
    let is_one_environment = pairs[0].plan.environment.uid == pairs[1].plan.environment.uid;
    let keys = changes(&told, is_one_environment);
    let [from, to] = [0, 1].map(|at| Side::of(&pairs[at].plan, revisions[at].0));
    let about = wire::about(&from, &to);
    let deployment = pairs[0].plan.deployment.to_string();
    Difference { deployment, same: keys.is_empty() && about.is_empty(), from, to, about, keys }
}

/// The environment that `name` names: 404 for one that the token does not see.
fn side(caller: &Caller, query: Option<&str>, name: &str) -> Result<EnvironmentName, Problem> {
    let needed = || {
        Problem::bad_request(
            "name two environments with ?from= and ?to=, or one with ?environment= and two of its revisions",
        )
    };
    let environment = parameter(query, name)?.ok_or_else(needed)?.parse().ok();
    environment.filter(|name| caller.sees(name)).ok_or_else(Problem::not_found)
}

fn revision(query: Option<&str>, name: &str) -> Result<Revision, Problem> {
    let what = "a revision's number, where `environment` names an environment";
    parsed(query, name, what)?
        .map(Revision)
        .ok_or_else(|| Problem::bad_request(format!("`{name}` is {what}")))
}

/// One environment at two revisions.
fn then(
    host: &Host,
    served: &Served,
    pair: (&DeploymentId, &EnvironmentName),
    revisions: [Revision; 2],
) -> Result<[Arc<Prepared>; 2], Problem> {
    if served.prepared(pair.0, pair.1).is_none() {
        return Err(Problem::not_found());
    }
    let [from, to] = revisions.map(|revision| host.prepared_at(served, pair, revision).map_err(problem));
    Ok([from?, to?])
}

/// The keys that differ, by name.
fn changes([from, to]: &[BTreeMap<String, Told>; 2], is_one_environment: bool) -> Vec<KeyChange> {
    let names: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let changed = names.into_iter().filter_map(|name| {
        let (before, after) = (from.get(name), to.get(name));
        let (change, value, differs) = match (before, after) {
            (Some(before), Some(after)) => {
                let differs = wire::differs(before, after, is_one_environment);
                (!differs.is_empty()).then(|| (Change::Changed, Some(before.equality(after)), differs))?
            }
            (None, _) => (Change::Added, None, Vec::new()),
            (Some(_), None) => (Change::Removed, None, Vec::new()),
        };
        let [from, to] = [before, after].map(|one| one.map(|told| told.shown.clone()));
        Some(KeyChange { name: name.clone(), change, differs, value, from, to })
    });
    changed.collect()
}
