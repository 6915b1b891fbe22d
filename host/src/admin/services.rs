//! Data services, with an instance for each environment that has one: listed, made, changed, deleted. A
//! password goes in and never comes out.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};

use super::{
    Caller, Named,
    body::{json, named as parsed},
    openapi::{
        BadRequest, Confirmed, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NewRevision,
        NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
    },
    query::{MAX_PAGE, PAGE, Paging, environment},
    reach::{Reached, may_create},
    tagged,
    values::{Every, Owned, changed, precondition},
};
use crate::{
    change::{Edit, Precondition, ResourceEdit, ServiceChange},
    generation::Served,
    host::Host,
    id::{EnvironmentName, ServiceId},
    made::ResourceKey,
    model::{Instance, Role, SealedValue, Service},
    serve::respond::Problem,
};

pub(super) mod holders;
pub(super) mod unproven;
pub(super) mod wire;

use wire::{InjectedAs, InstanceEntry, ServiceEntry, Services, WireCreate, WireEndpoint, WirePatch};

type Answer = Result<Response, Problem>;

/// The services that the token sees: with an instance in an environment that it sees.
#[utoipa::path(get, path = "/api/v1/services", tag = "services", operation_id = "list_services",
    params(InWorkspace, InPages, ("environment" = Option<String>, Query, description = "Those with an instance in this environment")),
    responses((status = 200, description = "Those that the token sees", body = Services),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let mut bound = injected(&caller, served, |_| true);
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let there = environment(&caller, query.as_deref())?;
    let all = served.snapshot.configuration.services.values().filter(|one| is_visible(&caller, one));
    let all = all.filter(|one| there.as_ref().is_none_or(|there| one.instances.contains_key(there)));
    let (page, next) = paging.of(all, Ordering::Greater, |one| one.id.clone());
    let services = page.into_iter().map(|one| entry(&caller, served, one, &mut bound)).collect();
    Ok(Json(Services { services, next }).into_response())
}

/// One service.
#[utoipa::path(get, path = "/api/v1/services/{id}", tag = "services", operation_id = "show_service",
    params(InWorkspace, ("id" = String, Path, description = "The service")),
    responses((status = 200, description = "It is there", body = ServiceEntry, headers(
        ("etag" = String, description = "The revision that changed it last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let service = visible(&caller, served, &id)?;
    let made = served.made.resources.get(&ResourceKey::Service(service.id.clone()));
    let revision = made.map_or(served.snapshot.revision, |made| made.changed.revision);
    let mut bound = injected(&caller, served, |id| *id == service.id);
    Ok(tagged(revision.0, entry(&caller, served, service, &mut bound)))
}

/// Makes a service.
#[utoipa::path(post, path = "/api/v1/services", tag = "services", operation_id = "create_service",
    params(InWorkspace, Confirmed), request_body = WireCreate, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn create(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    may_create(&caller)?;
    let served = caller.served(query.as_deref())?;
    let WireCreate { name, kind, instances } = json(body, "name, kind and instances").await?;
    let mut change =
        ServiceChange { id: parsed(&name)?, kind: Some(wire::kind_of(&kind)?), instances: [].into() };
    for (owner, instance) in instances {
        change.instances.insert(parsed(&owner)?, Some(instance.change()?));
    }
    let named = change.instances.keys().cloned().collect();
    Reached { named, ..Reached::default() }.may_be_changed(&caller, served, query.as_deref())?;
    let edits = vec![Edit::Resource(ResourceEdit::PutService(change))];
    changed(host, &caller, query.as_deref(), edits, Precondition::Absent).await
}

/// Changes a service's instances; what is not said of one stays, such as its password.
#[utoipa::path(patch, path = "/api/v1/services/{id}", tag = "services", operation_id = "patch_service",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The service")),
    request_body = WirePatch, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn patch(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let served = caller.served(query.as_deref())?;
    let service = visible(&caller, served, &id)?;
    let precondition = precondition(&headers)?;
    let WirePatch { instances } = json(body, "instances, by environment").await?;
    let mut change = ServiceChange { id: service.id.clone(), kind: None, instances: [].into() };
    for (owner, instance) in instances {
        let instance = instance.map(wire::WireInstance::change).transpose()?;
        change.instances.insert(parsed(&owner)?, instance);
    }
    let named = change.instances.keys().cloned().collect();
    let reached = reached(served, &service.id, Reached { named, ..Reached::default() });
    reached.may_be_changed(&caller, served, query.as_deref())?;
    let edits = vec![Edit::Resource(ResourceEdit::PutService(change))];
    changed(host, &caller, query.as_deref(), edits, precondition).await
}

/// Deletes a service, and not while it is bound.
#[utoipa::path(delete, path = "/api/v1/services/{id}", tag = "services", operation_id = "delete_service",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The service")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(super) async fn delete(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let served = caller.served(query.as_deref())?;
    let service = visible(&caller, served, &id)?;
    let others = service.instances.keys().cloned().collect();
    let reached = Reached { others, ..Reached::default() }
        .and_where(&served.snapshot.configuration, |_, here| {
            here.bindings.values().any(|binding| binding.service == service.id)
        });
    reached.may_be_changed(&caller, served, query.as_deref())?;
    let edits = vec![Edit::Resource(ResourceEdit::Delete(ResourceKey::Service(service.id.clone())))];
    changed(host, &caller, query.as_deref(), edits, precondition(&headers)?).await
}

/// With the environments where an instance of the named ones is bound.
fn reached(served: &Served, id: &ServiceId, named: Reached) -> Reached {
    let owners = named.named.clone();
    named.and_where(&served.snapshot.configuration, |_, here| {
        here.bindings.values().any(|binding| binding.service == *id && owners.contains(&binding.owner))
    })
}

fn is_visible(caller: &Caller, service: &Service<SealedValue>) -> bool {
    !caller.is_limited() || service.instances.keys().any(|owner| caller.sees(owner))
}

fn visible<'a>(caller: &Caller, served: &'a Served, id: &str) -> Result<&'a Service<SealedValue>, Problem> {
    let found = served.snapshot.configuration.services.get(id);
    found.filter(|found| is_visible(caller, found)).ok_or_else(Problem::not_found)
}

fn entry(
    caller: &Caller,
    served: &Served,
    service: &Service<SealedValue>,
    bound: &mut Bound,
) -> ServiceEntry {
    let made = served.made.resources.get(&ResourceKey::Service(service.id.clone()));
    let visible = service.instances.iter().filter(|(owner, _)| caller.sees(owner));
    let instances = visible.map(|(owner, instance)| {
        let injected = bound.remove(&(service.id.clone(), owner.clone())).unwrap_or_default();
        (owner.to_string(), instance_entry(caller, instance, injected))
    });
    ServiceEntry {
        name: service.id.to_string(),
        kind: wire::word_of(service.kind),
        instances: instances.collect(),
        owned: Owned::since(made.map(|made| &made.changed)),
    }
}

fn instance_entry(
    caller: &Caller,
    instance: &Instance<SealedValue>,
    injected: Vec<InjectedAs>,
) -> InstanceEntry {
    let shared_with = instance.shared_with.iter().filter(|name| caller.sees(name));
    InstanceEntry {
        user: instance.user.clone(),
        credential_version: (!instance.credential.is_empty()).then_some(instance.current),
        every: Every::of(instance.interval()),
        endpoints: instance.endpoints.iter().map(WireEndpoint::of).collect(),
        shared_with: shared_with.map(ToString::to_string).collect(),
        injected,
    }
}

/// Where instances are bound, by service and owner.
pub(super) type Bound = BTreeMap<(ServiceId, EnvironmentName), Vec<InjectedAs>>;

/// The bindings to such services in the environments that the token sees: one look at all deployments,
/// however many services there are.
pub(super) fn injected(caller: &Caller, served: &Served, is_such: impl Fn(&ServiceId) -> bool) -> Bound {
    let mut injected = Bound::new();
    for (deployment, one) in &served.snapshot.configuration.deployments {
        for (environment, here) in one.environments.iter().filter(|(name, _)| caller.sees(name)) {
            for (variable, binding) in here.bindings.iter().filter(|(_, binding)| is_such(&binding.service)) {
                let instance = (binding.service.clone(), binding.owner.clone());
                injected.entry(instance).or_default().push(InjectedAs {
                    deployment: deployment.to_string(),
                    environment: environment.to_string(),
                    variable: variable.to_string(),
                });
            }
        }
    }
    injected
}
