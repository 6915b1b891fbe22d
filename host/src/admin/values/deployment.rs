//! A deployment's values: its base's, or with `environment` those of one environment.

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
        Caller, Named, NamedThrice, NamedTwice,
        openapi::{
            BadRequest, Conflict, Forbidden, InEnvironment, InPages, InWorkspace, Internal, Invalid,
            NewRevision, NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
        },
        query::parameter,
    },
    host::Host,
    serve::respond::Problem,
};

/// What an instance would be given, masked; without an environment, what
/// the deployment's base sets. `reveal=true` shows plain values, and is recorded.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/env", tag = "values", operation_id = "list_values",
    params(InWorkspace, InEnvironment, InPages, ("id" = String, Path, description = "The deployment"),
        ("reveal" = Option<bool>, Query, description = "Show plain values as a whole; recorded")),
    responses((status = 200, description = "Masked", body = Values, headers(
        ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Unavailable))]
pub(in crate::admin) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    listing::list(&host, &caller, &asked(&caller, query.as_deref(), &id)?, query.as_deref())
}

/// Sets one value, or a list of them, all or none.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/env", tag = "values", operation_id = "set_values",
    params(InWorkspace, Unchanged, ("id" = String, Path, description = "The deployment")),
    request_body = wire::OneOrMany, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn set(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = |environment: Option<&str>| At::deployment(&caller, query, &id, environment);
    setting::set(host, &caller, (&headers, query), body, at).await
}

/// Unsets a value.
#[utoipa::path(delete, path = "/api/v1/deployments/{id}/env/{name}", tag = "values", operation_id = "unset_value",
    params(InWorkspace, InEnvironment, Unchanged, ("id" = String, Path, description = "The deployment"),
        ("name" = String, Path, description = "The variable")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn unset(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, name): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = asked(&caller, query, &id)?;
    setting::unset(host, &caller, at, &name, (&headers, query)).await
}

/// How a value came to be: its versions, the newest first, without a value.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/env/{name}/versions", tag = "values",
    operation_id = "list_versions", params(InWorkspace, InEnvironment, InPages,
        ("id" = String, Path, description = "The deployment"), ("name" = String, Path, description = "The variable")),
    responses((status = 200, description = "Without values", body = Versions, headers(
        ("etag" = String, description = "The revision that changed it last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn versions(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, name): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    history::versions(&host, &asked(&caller, query.as_deref(), &id)?, &name, query.as_deref())
}

/// Revokes an earlier version of a value: it is served no more, not by a look back either. The version
/// that is handed out is not revoked: set a new one first. Nor is one that an instance holds a lease of.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/env/{name}/versions/{version}/revoke", tag = "values",
    operation_id = "revoke_version", params(InWorkspace, InEnvironment, Unchanged,
        ("id" = String, Path, description = "The deployment"),
        ("name" = String, Path, description = "The variable"),
        ("version" = u64, Path, description = "The version's number"),
        ("accept_unproven" = Option<bool>, Query, description = "Revoke it though boots without a lease were given it; recorded")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn revoke(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedThrice(id, name, version): NamedThrice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = asked(&caller, query, &id)?;
    setting::revoke(host, &caller, at, (&name, &version), (&headers, query)).await
}

/// The deployment's layer in the environment that the query names, or its base.
fn asked<'a>(caller: &'a Caller, query: Option<&str>, id: &str) -> Result<At<'a>, Problem> {
    At::deployment(caller, query, id, parameter(query, "environment")?.as_deref())
}
