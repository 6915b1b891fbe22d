//! What an environment gives a deployment by itself: its domain, its data namespaces, the tools that it
//! calls. Each is read and written as a whole, for all environments that the token sees.

mod wire;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;

use self::wire::{Domains, Given, Namespaces, Tools, WireDomains, WireNamespaces, WireTools};
use super::{made, put, revision, seen, shown, visible};
use crate::{
    admin::{
        Caller, Named,
        body::{json, named as parsed},
        openapi::{
            BadRequest, Confirmed, Conflict, Forbidden, InWorkspace, Internal, Invalid, NewRevision,
            NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
        },
        tagged,
        values::Owned,
    },
    generation::Served,
    host::Host,
    id::EnvironmentName,
    model::{Deployment, Override, Role, SealedValue},
    serve::respond::Problem,
};

type Answer = Result<Response, Problem>;

/// Where a deployment is reached, by environment.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/domains", tag = "deployments", operation_id = "show_domains",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "As they are said, and what is injected", body = Domains, headers(
        ("etag" = String, description = "The revision that changed the deployment last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn show_domains(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    show(&host, &headers, query.as_deref(), &id, "domain", |one, given, seen| Domains {
        said: WireDomains::of(one, seen),
        given,
    })
}

/// Says where a deployment is reached. Without an apex, it has no domain.
#[utoipa::path(put, path = "/api/v1/deployments/{id}/domains", tag = "deployments", operation_id = "put_domains",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The deployment")),
    request_body = WireDomains, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn put_domains(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let (caller, before) = changing(&host, &headers, query.as_deref(), &id)?;
    let wire: WireDomains = json(body, "apex, host, url and environments").await?;
    let mut next = before.clone();
    next.domain = wire.domain()?;
    let environments = wire.environments.clone();
    let named = each(&caller, &mut next, environments, |here, said| {
        here.domain = wire::domain_here(said)?;
        Ok(())
    })?;
    put(host, &headers, &caller, query.as_deref(), (&before, next), named).await
}

/// The data namespaces of a deployment, by environment.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/namespaces", tag = "deployments", operation_id = "show_namespaces",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "As they are said, and what is injected", body = Namespaces, headers(
        ("etag" = String, description = "The revision that changed the deployment last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn show_namespaces(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    show(&host, &headers, query.as_deref(), &id, "namespaces", |one, given, seen| Namespaces {
        said: WireNamespaces::of(one, seen),
        given,
    })
}

/// Says which data namespaces a deployment has.
#[utoipa::path(put, path = "/api/v1/deployments/{id}/namespaces", tag = "deployments", operation_id = "put_namespaces",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The deployment")),
    request_body = WireNamespaces, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn put_namespaces(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let (caller, before) = changing(&host, &headers, query.as_deref(), &id)?;
    let wire: WireNamespaces = json(body, "kinds and environments").await?;
    let mut next = before.clone();
    next.namespaces = wire::kinds(wire.kinds)?;
    let named = each(&caller, &mut next, wire.environments, |here, said| {
        here.namespaces = wire::namespaces_here(said.unwrap_or_default())?;
        Ok(())
    })?;
    put(host, &headers, &caller, query.as_deref(), (&before, next), named).await
}

/// The tools that a deployment calls, by environment.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/tools", tag = "deployments", operation_id = "show_tool_uses",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "As they are said, and what is injected", body = Tools, headers(
        ("etag" = String, description = "The revision that changed the deployment last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn show_tools(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    show(&host, &headers, query.as_deref(), &id, "tools", |one, given, seen| Tools {
        said: WireTools::of(one, seen),
        given,
    })
}

/// Says which tools a deployment calls.
#[utoipa::path(put, path = "/api/v1/deployments/{id}/tools", tag = "deployments", operation_id = "put_tool_uses",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The deployment")),
    request_body = WireTools, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn put_tools(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let (caller, before) = changing(&host, &headers, query.as_deref(), &id)?;
    let wire: WireTools = json(body, "environments").await?;
    let mut next = before.clone();
    let named = each(&caller, &mut next, wire.environments, |here, said| {
        here.tools = wire::uses(said.unwrap_or_default())?;
        Ok(())
    })?;
    put(host, &headers, &caller, query.as_deref(), (&before, next), named).await
}

/// What is said, in the environments that the caller sees, with what of that kind is injected.
fn show<T: Serialize>(
    host: &Host,
    headers: &HeaderMap,
    query: Option<&str>,
    id: &str,
    kind: &str,
    page: impl Fn(&Deployment<SealedValue>, Given, &[EnvironmentName]) -> T,
) -> Answer {
    let caller = Caller::of(host, headers)?;
    let served: &Served = caller.served(query)?;
    let one = visible(&caller, served, id)?;
    let seen: Vec<_> = seen(&caller, one).cloned().collect();
    let injected = seen.iter().map(|name| {
        let of_kind = shown::scoped(&served.snapshot.configuration, one, name, |found| found == kind);
        (name.to_string(), of_kind)
    });
    let given = Given {
        deployment: one.id.to_string(),
        injected: injected.collect(),
        owned: Owned::since(made(served, one).map(|made| &made.changed)),
    };
    Ok(tagged(revision(served, one).0, page(one, given, &seen)))
}

/// Who wants to change a deployment, and what it is now.
fn changing(
    host: &Host,
    headers: &HeaderMap,
    query: Option<&str>,
    id: &str,
) -> Result<(Caller, Deployment<SealedValue>), Problem> {
    let caller = Caller::of(host, headers)?;
    caller.role(Role::Developer)?;
    let one = visible(&caller, caller.served(query)?, id)?.clone();
    Ok((caller, one))
}

/// Says something of every environment that the caller sees: what the request says of it, or nothing.
/// Gives those that the request names.
fn each<T>(
    caller: &Caller,
    next: &mut Deployment<SealedValue>,
    said: BTreeMap<String, T>,
    say: impl Fn(&mut Override<SealedValue>, Option<T>) -> Result<(), Problem>,
) -> Result<std::collections::BTreeSet<EnvironmentName>, Problem> {
    let mut left = BTreeMap::new();
    for (name, one) in said {
        left.insert(parsed::<EnvironmentName>(&name)?, one);
    }
    let named = left.keys().cloned().collect();
    for (name, here) in next.environments.iter_mut().filter(|(name, _)| caller.sees(name)) {
        say(here, left.remove(name))?;
    }
    match left.keys().find(|name| caller.sees(name)) {
        Some(unused) => {
            let id = &next.id;
            Err(Problem::invalid(format!("{id} does not use environment {unused}; add it there first")))
        }
        None => Ok(named),
    }
}
