//! Services bound to a deployment, each in one environment under a variable's name.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{used, visible};
use crate::{
    admin::{
        Caller, Named, NamedTwice,
        body::{json, named as parsed},
        openapi::{
            BadRequest, Confirmed, Conflict, Forbidden, InWorkspace, Internal, Invalid, NewRevision,
            NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
        },
        query::parameter,
        reach::Reached,
        values::{Owned, changed, precondition},
    },
    change::{Edit, ResourceEdit},
    generation::Served,
    host::Host,
    id::{EnvironmentName, VariableName},
    made::ResourceKey,
    model::{Binding, Role},
    serve::respond::Problem,
};

/// A binding that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireBinding {
    environment: String,
    /// The variable that its URL is injected under.
    name: String,
    service: String,
    /// Whose instance: this environment's own where nothing is said, or one that is shared with it.
    of: Option<String>,
    #[serde(default)]
    description: String,
}

/// A deployment's bindings in the environments that the token sees.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Bindings {
    bindings: Vec<BindingEntry>,
}

/// A binding.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct BindingEntry {
    /// What removes it.
    id: String,
    environment: String,
    /// The variable that its URL is injected under.
    name: String,
    service: String,
    /// Whose instance it is.
    of: String,
    description: String,
    #[serde(flatten)]
    owned: Owned,
}

type Answer = Result<Response, Problem>;

/// A deployment's bindings.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/bindings", tag = "deployments", operation_id = "list_bindings",
    params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("environment" = Option<String>, Query, description = "In this environment only")),
    responses((status = 200, description = "In the environments that the token sees", body = Bindings),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let one = visible(&caller, served, &id)?;
    let only = parameter(query.as_deref(), "environment")?;
    let only = only.map(|name| used(&caller, one, &name)).transpose()?;
    let mut bindings = Vec::new();
    for (environment, here) in one.environments.iter().filter(|(name, _)| caller.sees(name)) {
        if only.as_ref().is_some_and(|only| only != environment) {
            continue;
        }
        for (name, binding) in &here.bindings {
            let key = ResourceKey::Binding(one.id.clone(), environment.clone(), name.clone());
            bindings.push(BindingEntry {
                id: format!("{name}@{environment}"),
                environment: environment.to_string(),
                name: name.to_string(),
                service: binding.service.to_string(),
                of: binding.owner.to_string(),
                description: binding.description.clone(),
                owned: Owned::since(served.made.resources.get(&key).map(|made| &made.changed)),
            });
        }
    }
    Ok(Json(Bindings { bindings }).into_response())
}

/// Binds a service, or another one under the same name.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/bindings", tag = "deployments", operation_id = "add_binding",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The deployment")),
    request_body = WireBinding, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn add(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let served = caller.served(query.as_deref())?;
    let one = visible(&caller, served, &id)?;
    let deployment = one.id.clone();
    let precondition = precondition(&headers)?;
    let WireBinding { environment, name, service, of, description } =
        json(body, "environment, name, service, of and description").await?;
    let environment = used(&caller, one, &environment)?;
    let owner = of.as_deref().map(parsed).transpose()?.unwrap_or_else(|| environment.clone());
    let binding = Binding { service: parsed(&service)?, owner, description };
    if !may_know(&caller, served, &binding, &environment) {
        return Err(Problem::not_found());
    }
    let reached = Reached { named: [environment.clone()].into(), ..Reached::default() };
    reached.may_be_changed(&caller, served, query.as_deref())?;
    let edit = ResourceEdit::PutBinding { deployment, environment, name: parsed(&name)?, binding };
    changed(host, &caller, query.as_deref(), vec![Edit::Resource(edit)], precondition).await
}

/// Unbinds a service.
#[utoipa::path(delete, path = "/api/v1/deployments/{id}/bindings/{binding}", tag = "deployments",
    operation_id = "remove_binding",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The deployment"),
        ("binding" = String, Path, description = "Its id, as listed: `NAME@environment`, percent-encoded")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn remove(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, binding): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let served = caller.served(query.as_deref())?;
    let one = visible(&caller, served, &id)?;
    let deployment = one.id.clone();
    let (name, environment) = binding.split_once('@').ok_or_else(Problem::not_found)?;
    let name: VariableName = name.parse().map_err(|_| Problem::not_found())?;
    let environment = used(&caller, one, environment)?;
    let reached = Reached { named: [environment.clone()].into(), ..Reached::default() };
    reached.may_be_changed(&caller, served, query.as_deref())?;
    let edit = ResourceEdit::Delete(ResourceKey::Binding(deployment, environment, name));
    let precondition = precondition(&headers)?;
    changed(host, &caller, query.as_deref(), vec![Edit::Resource(edit)], precondition).await
}

/// Whether the caller may be told why another environment's instance cannot be bound.
fn may_know(caller: &Caller, served: &Served, binding: &Binding, here: &EnvironmentName) -> bool {
    let service = served.snapshot.configuration.services.get(&binding.service);
    let instance = service.and_then(|service| service.instances.get(&binding.owner));
    caller.sees(&binding.owner) || instance.is_some_and(|instance| instance.shared_with.contains(here))
}
