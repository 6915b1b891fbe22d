//! One environment's release, rolled back in one call, with its set where that is wanted; and its pin, taken off.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{used, visible};
use crate::{
    admin::{
        Caller, Named,
        body::json,
        openapi::{
            BadRequest, Conflict, Forbidden, InWorkspace, Internal, Invalid, NotFound, TooLarge,
            Unauthenticated, Unavailable,
        },
        snapshot::{ChangedSnapshot, blocking},
        tagged,
    },
    host::{GoBack, Host},
    model::Role,
    serve::respond::Problem,
};

/// Where to go back, and to what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireRollback {
    environment: String,
    /// The number of the activation to go back to; without it, what ran before. What was rolled back from is
    /// passed over.
    #[serde(default)]
    #[schema(minimum = 1)]
    activation: Option<u64>,
    /// Whether the whole set comes back that the release began with then: the deployment is pinned to it here,
    /// until the next promotion or `unpin`.
    #[serde(default)]
    configuration: bool,
}

/// What was gone back to.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct RolledBack {
    deployment: String,
    environment: String,
    /// The release that ran.
    from: u64,
    /// The release that runs now.
    to: u64,
    /// The activation that ran it before.
    activation: u64,
    #[serde(flatten)]
    changed: ChangedSnapshot,
}

/// Runs the release again that ran before. Values stay as they are: what runs is the environment's own plan. With
/// `configuration`, the plan is the one that the release began with then, and changes since are held back.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/rollback", tag = "releases", operation_id = "rollback_release",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")),
    request_body = WireRollback,
    responses(
        (status = 200, description = "It is durable and served", body = RolledBack, headers(
            ("etag" = String, description = "The new revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn rollback(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    caller.role(Role::Releaser)?;
    let served = caller.served(query)?;
    let one = visible(&caller, served, &id)?;
    let WireRollback { environment, activation, configuration } =
        json(body, "{\"environment\":…}, and the number of an `activation` to go back to another").await?;
    let environment = used(&caller, one, &environment)?;
    let (author, workspace, deployment) = (caller.author(), caller.workspace(query)?, one.id.clone());
    let (name, place) = (deployment.to_string(), environment.to_string());
    let to = GoBack { activation, configuration };
    let work = move || host.rollback_release(&author, &workspace, (&deployment, &environment), to);
    let rolled = blocking(work).await??;
    Ok(tagged(
        rolled.changed.revision.0,
        RolledBack {
            deployment: name,
            environment: place,
            from: rolled.from.release,
            to: rolled.to.release,
            activation: rolled.to.number,
            changed: ChangedSnapshot::of(&rolled.changed),
        },
    ))
}

/// Where the pin is taken off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireUnpin {
    environment: String,
}

/// What was pinned.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Unpinned {
    deployment: String,
    environment: String,
    /// The release that runs, as before.
    release: u64,
    /// The number of the activation to whose set it was pinned.
    was_pinned_to: Option<u64>,
    #[serde(flatten)]
    changed: ChangedSnapshot,
}

/// Takes the pin off: the release that runs does so with what the layers make, and what was held back applies.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/unpin", tag = "releases", operation_id = "unpin",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")),
    request_body = WireUnpin,
    responses(
        (status = 200, description = "It is durable and served", body = Unpinned, headers(
            ("etag" = String, description = "The new revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn unpin(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    caller.role(Role::Releaser)?;
    let served = caller.served(query)?;
    let one = visible(&caller, served, &id)?;
    let WireUnpin { environment } = json(body, "{\"environment\":…}").await?;
    let environment = used(&caller, one, &environment)?;
    let (author, workspace, deployment) = (caller.author(), caller.workspace(query)?, one.id.clone());
    let (name, place) = (deployment.to_string(), environment.to_string());
    let work = move || host.unpin(&author, &workspace, (&deployment, &environment));
    let (was, changed) = blocking(work).await??;
    Ok(tagged(
        changed.revision.0,
        Unpinned {
            deployment: name,
            environment: place,
            release: was.release,
            was_pinned_to: was.pinned.map(|pin| pin.activation),
            changed: ChangedSnapshot::of(&changed),
        },
    ))
}
