//! What-if: whose boots would be answered otherwise, and how, if another release were active or a policy
//! were other. The boots are those that the host was asked for since it started, and nothing is changed.

mod wire;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Caller, Components, Named,
    body::whole,
    openapi::{
        BadRequest, Forbidden, InWorkspace, Invalid, NotFound, TooLarge, Unauthenticated, Unavailable,
    },
    query::{environment, parsed},
    snapshot::blocking,
    tagged,
};
use crate::{
    host::{
        Host,
        what_if::{Candidate, WhatIfError},
    },
    id::{DeploymentId, EnvironmentName},
    model::Role,
    serve::{facts, respond::Problem},
};
pub(super) use wire::ShownWhatIf;

/// Whose boots would be answered otherwise if another release were active.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/what-if", tag = "deployments", operation_id = "what_if",
    params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("environment" = String, Query, description = "The environment"),
        ("release" = u64, Query, description = "The number of the release that would be active")),
    responses(
        (status = 200, description = "Whose answer would change, and how; nothing is changed", body = ShownWhatIf, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound, Invalid, Unavailable))]
pub(super) async fn of_release(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let pair = pair(&caller, query, &id)?;
    let number = parsed(query, "release", "the number of a release")?;
    let number = number.ok_or_else(|| Problem::bad_request("name the release with ?release="))?;
    let (revision, shown) = tried(&host, &caller, query, pair, Candidate::Release(number), None).await?;
    Ok(tagged(revision, shown))
}

/// Whose boots would be answered otherwise if a policy were another component, or were told something else.
/// It is compiled and rehearsed as an upload is, and not kept.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/what-if", tag = "deployments", operation_id = "what_if_policy",
    params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("environment" = String, Query, description = "The environment")),
    request_body = wire::WirePolicy,
    responses(
        (status = 200, description = "Whose answer would change, and how; nothing is changed", body = ShownWhatIf, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, TooLarge, Invalid, Unavailable))]
pub(super) async fn of_policy(
    State(host): State<Arc<Host>>,
    State(components): State<Components>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    // What they bring is compiled and run: before the body, which may be large.
    caller.role(Role::Developer)?;
    let pair = pair(&caller, query, &id)?;
    let body = whole(body, wire::MAX_BODY_BYTES, facts::BODY_PATIENCE).await?;
    let policy = wire::policy(&body)?;
    let place = policy.component.is_some().then(|| components.place()).transpose()?;
    let (revision, shown) = tried(&host, &caller, query, pair, Candidate::Policy(policy), place).await?;
    Ok(tagged(revision, shown))
}

/// The pair that is asked about, if the token sees it.
fn pair(caller: &Caller, query: Option<&str>, id: &str) -> Result<(DeploymentId, EnvironmentName), Problem> {
    caller.served(query)?;
    let environment = environment(caller, query)?
        .ok_or_else(|| Problem::bad_request("name the environment with ?environment="))?;
    Ok((id.parse().map_err(|_| Problem::not_found())?, environment))
}

/// What `candidate` would change, with the revision that it was compared with: for a promotion that is only
/// tried, too. The caller has to see the environment; `place` is for a component that is compiled.
pub(super) async fn tried(
    host: &Arc<Host>,
    caller: &Caller,
    query: Option<&str>,
    (deployment, environment): (DeploymentId, EnvironmentName),
    candidate: Candidate,
    place: Option<OwnedSemaphorePermit>,
) -> Result<(u64, ShownWhatIf), Problem> {
    let workspace = caller.workspace(query)?;
    let revision = caller.served(query)?.snapshot.revision;
    let (host, live) = (Arc::clone(host), Arc::clone(&caller.live));
    let work = move || {
        let _place = place; // given up when the work ends, not when who waits for it goes away
        let what_if = host.what_if(&live, &workspace, (&deployment, &environment), &candidate)?;
        Ok(ShownWhatIf::new(&what_if, revision, host.started, &live))
    };
    Ok((revision.0, blocking(work).await?.map_err(problem)?))
}

fn problem(error: WhatIfError) -> Problem {
    match error {
        WhatIfError::Unknown => Problem::not_found(),
        WhatIfError::Busy(_) => Problem::busy(error.to_string()),
        WhatIfError::Invalid(_) | WhatIfError::TooLong { .. } => Problem::invalid(error.to_string()),
    }
}
