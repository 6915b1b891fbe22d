//! The workspace's base: values for every deployment in every environment.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
};

use super::{
    Answer,
    at::At,
    history, listing, setting,
    shown::{Values, Versions},
    wire,
};
use crate::{
    admin::{
        Caller, Named, NamedTwice,
        openapi::{
            BadRequest, Confirmed, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NewRevision,
            NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
        },
    },
    host::Host,
    serve::respond::Problem,
};

/// What the workspace's base sets for every deployment in every environment, masked. `reveal=true` shows plain values,
/// and is recorded.
#[utoipa::path(get, path = "/api/v1/env", tag = "values",
    operation_id = "list_workspace_values",
    params(InWorkspace, InPages,
        ("reveal" = Option<bool>, Query, description = "Show plain values as a whole; recorded")),
    responses((status = 200, description = "Masked", body = Values, headers(
        ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Unavailable))]
pub(in crate::admin) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    listing::list(&host, &caller, &At::workspace(&caller, query)?, query)
}

/// Sets one plain value of the workspace's base, or a list of them, all or none. A secret belongs to an
/// environment, and is refused here.
#[utoipa::path(post, path = "/api/v1/env", tag = "values",
    operation_id = "set_workspace_values",
    params(InWorkspace, Unchanged, Confirmed),
    request_body = wire::OneOrMany, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn set(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = |environment: Option<&str>| match environment {
        Some(_) => Err(Problem::invalid(
            "the workspace's base is for every environment; what is for one is set at \
             /api/v1/environments/{env}/env",
        )),
        None => At::workspace(&caller, query),
    };
    setting::set(host, &caller, (&headers, query), body, at).await
}

/// Unsets a value of the workspace's base.
#[utoipa::path(delete, path = "/api/v1/env/{name}", tag = "values",
    operation_id = "unset_workspace_value",
    params(InWorkspace, Unchanged, Confirmed,
        ("name" = String, Path, description = "The variable")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn unset(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = At::workspace(&caller, query)?;
    setting::unset(host, &caller, at, &name, (&headers, query)).await
}

/// How a value of the workspace's base came to be: its versions, the newest first, without a value.
#[utoipa::path(get, path = "/api/v1/env/{name}/versions", tag = "values",
    operation_id = "list_workspace_versions", params(InWorkspace, InPages,
        ("name" = String, Path, description = "The variable")),
    responses((status = 200, description = "Without values", body = Versions, headers(
        ("etag" = String, description = "The revision that changed it last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn versions(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    history::versions(&host, &At::workspace(&caller, query)?, &name, query)
}

/// Revokes an earlier version of a value of the workspace's base: it is served no more, not by a look back either. The version
/// that is handed out is not revoked: set a new one first. Nor is one that an instance holds a lease of.
#[utoipa::path(post, path = "/api/v1/env/{name}/versions/{version}/revoke", tag = "values",
    operation_id = "revoke_workspace_version", params(InWorkspace, Unchanged, Confirmed,
        ("name" = String, Path, description = "The variable"),
        ("version" = u64, Path, description = "The version's number"),
        ("accept_unproven" = Option<bool>, Query, description = "Revoke it though boots without a lease were given it; recorded")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn revoke(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(name, version): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = At::workspace(&caller, query)?;
    setting::revoke(host, &caller, at, (&name, &version), (&headers, query)).await
}
