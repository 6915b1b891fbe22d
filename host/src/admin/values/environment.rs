//! An environment's values, for every deployment that uses it.

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
            BadRequest, Confirmed, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NewRevision,
            NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
        },
    },
    host::Host,
    serve::respond::Problem,
};

/// What an environment sets for every deployment that uses it, masked. `reveal=true` shows plain values,
/// and is recorded.
#[utoipa::path(get, path = "/api/v1/environments/{env}/env", tag = "values",
    operation_id = "list_environment_values",
    params(InWorkspace, InPages, ("env" = String, Path, description = "The environment, percent-encoded"),
        ("reveal" = Option<bool>, Query, description = "Show plain values as a whole; recorded")),
    responses((status = 200, description = "Masked", body = Values, headers(
        ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Unavailable))]
pub(in crate::admin) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    listing::list(&host, &caller, &At::environment(&caller, query, &name)?, query)
}

/// Sets one value of an environment, or a list of them, all or none.
#[utoipa::path(post, path = "/api/v1/environments/{env}/env", tag = "values",
    operation_id = "set_environment_values",
    params(InWorkspace, Unchanged, Confirmed, ("env" = String, Path, description = "The environment, percent-encoded")),
    request_body = wire::OneOrMany, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn set(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = |environment: Option<&str>| match environment {
        Some(other) if other != name => {
            let detail = "the path names the environment; leave `environment` out, or say the same";
            Err(Problem::invalid(detail))
        }
        _ => At::environment(&caller, query, &name),
    };
    setting::set(host, &caller, (&headers, query), body, at).await
}

/// Unsets a value of an environment.
#[utoipa::path(delete, path = "/api/v1/environments/{env}/env/{name}", tag = "values",
    operation_id = "unset_environment_value",
    params(InWorkspace, Unchanged, Confirmed, ("env" = String, Path, description = "The environment, percent-encoded"),
        ("name" = String, Path, description = "The variable")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn unset(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(environment, name): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = At::environment(&caller, query, &environment)?;
    setting::unset(host, &caller, at, &name, (&headers, query)).await
}

/// How a value of an environment came to be: its versions, the newest first, without a value.
#[utoipa::path(get, path = "/api/v1/environments/{env}/env/{name}/versions", tag = "values",
    operation_id = "list_environment_versions", params(InWorkspace, InPages,
        ("env" = String, Path, description = "The environment, percent-encoded"),
        ("name" = String, Path, description = "The variable")),
    responses((status = 200, description = "Without values", body = Versions, headers(
        ("etag" = String, description = "The revision that changed it last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn versions(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(environment, name): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    history::versions(&host, &At::environment(&caller, query, &environment)?, &name, query)
}

/// Revokes an earlier version of an environment's value: it is served no more, not by a look back either. The version
/// that is handed out is not revoked: set a new one first. Nor is one that an instance holds a lease of.
#[utoipa::path(post, path = "/api/v1/environments/{env}/env/{name}/versions/{version}/revoke", tag = "values",
    operation_id = "revoke_environment_version", params(InWorkspace, Unchanged, Confirmed,
        ("env" = String, Path, description = "The environment, percent-encoded"),
        ("name" = String, Path, description = "The variable"),
        ("version" = u64, Path, description = "The version's number"),
        ("accept_unproven" = Option<bool>, Query, description = "Revoke it though boots without a lease were given it; recorded")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn revoke(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedThrice(environment, name, version): NamedThrice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let at = At::environment(&caller, query, &environment)?;
    setting::revoke(host, &caller, at, (&name, &version), (&headers, query)).await
}
