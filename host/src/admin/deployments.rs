//! Deployments: listed, made, changed, deleted. What a workspace directory names is changed there; what
//! each environment gives one of them is in files of its own.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

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
    chains,
    openapi::{
        BadRequest, Confirmed, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NewRevision,
        NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
    },
    pinned::ShownPin,
    query::{MAX_PAGE, PAGE, Paging, environment},
    reach::{Reached, may_create},
    tagged,
    values::{Owned, changed, precondition},
};
use crate::{
    change::{Edit, Precondition, ResourceEdit},
    generation::Served,
    host::Host,
    id::{EnvironmentName, Revision, Uid},
    made::{MadeResource, ResourceKey, nothing_special},
    model::{Deployment, Layer, NamespaceHere, Role, SealedValue},
    serve::respond::Problem,
};

pub(super) mod activations;
pub(super) mod bindings;
pub(super) mod checks;
pub(super) mod given;
pub(super) mod pipeline;
pub(super) mod promotions;
pub(super) mod releases;
pub(super) mod rollback;
mod shown;
mod wire;

pub(super) use wire::WireType;
use wire::{DeploymentEntry, DeploymentListed, Deployments, WireCreateDeployment, WirePatchDeployment};

type Answer = Result<Response, Problem>;

/// The deployments that the token sees: those that use an environment that it sees.
#[utoipa::path(get, path = "/api/v1/deployments", tag = "deployments", operation_id = "list_deployments",
    params(InWorkspace, InPages, ("environment" = Option<String>, Query, description = "Those that use this environment")),
    responses((status = 200, description = "Those that the token sees", body = Deployments),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let there = environment(&caller, query.as_deref())?;
    let all = served.snapshot.configuration.deployments.values().filter(|one| is_visible(&caller, one));
    let all = all.filter(|one| there.as_ref().is_none_or(|there| one.environments.contains_key(there)));
    let (page, next) = paging.of(all, Ordering::Greater, |one| one.id.clone());
    let deployments = page.into_iter().map(|one| DeploymentListed {
        name: one.id.to_string(),
        environments: seen(&caller, one).map(ToString::to_string).collect(),
        owned: Owned::since(made(served, one).map(|made| &made.changed)),
    });
    Ok(Json(Deployments { deployments: deployments.collect(), next }).into_response())
}

/// One deployment.
#[utoipa::path(get, path = "/api/v1/deployments/{id}", tag = "deployments", operation_id = "show_deployment",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "It is there", body = DeploymentEntry, headers(
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
    let one = visible(&caller, served, &id)?;
    let configuration = &served.snapshot.configuration;
    let given = |name: &EnvironmentName| (name.to_string(), shown::all(configuration, one, name));
    let pinned =
        |name: &EnvironmentName| Some((name.to_string(), ShownPin::of(&host, served, &one.id, name)?));
    let required = one.base.required.iter();
    let entry = DeploymentEntry {
        name: one.id.to_string(),
        environments: seen(&caller, one).map(given).collect(),
        pinned: seen(&caller, one).filter_map(pinned).collect(),
        required: required.map(|(key, form)| (key.to_string(), WireType::of(form.as_ref()))).collect(),
        owned: Owned::since(made(served, one).map(|made| &made.changed)),
    };
    Ok(tagged(revision(served, one).0, entry))
}

/// Makes a deployment. Its variables, bindings, domains, namespaces and tools are set afterwards.
#[utoipa::path(post, path = "/api/v1/deployments", tag = "deployments", operation_id = "create_deployment",
    params(InWorkspace, Confirmed), request_body = WireCreateDeployment, responses(
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
    let wire: WireCreateDeployment = json(body, "name, environments and required").await?;
    if !wire.required.is_empty() {
        caller.role(Role::Admin)?;
    }
    let environments = wire.environments.iter().map(|name| Ok((parsed(name)?, nothing_special())));
    let wanted = Deployment {
        id: parsed(&wire.name)?,
        uid: Uid::NONE,
        base: Layer { required: wire::required(wire.required)?, ..Layer::default() },
        domain: None,
        namespaces: [].into(),
        environments: environments.collect::<Result<_, Problem>>()?,
        releases: [].into(),
    };
    let named = wanted.environments.keys().cloned().collect();
    Reached { named, ..Reached::default() }.may_be_changed(&caller, served, query.as_deref())?;
    let edits = vec![Edit::Resource(ResourceEdit::PutDeployment(wanted))];
    changed(host, &caller, query.as_deref(), edits, Precondition::Absent).await
}

/// Changes which environments a deployment uses, and what it requires.
#[utoipa::path(patch, path = "/api/v1/deployments/{id}", tag = "deployments", operation_id = "patch_deployment",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The deployment")),
    request_body = WirePatchDeployment, responses(
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
    let before = visible(&caller, caller.served(query.as_deref())?, &id)?;
    let wire: WirePatchDeployment = json(body, "some of environments and required").await?;
    let (mut next, mut named) = (before.clone(), BTreeSet::new());
    if let Some(wire) = wire.required {
        // Whether a secret is refused by a pattern says more of it than anybody is shown.
        caller.role(Role::Admin)?;
        next.base.required = wire::required(wire)?;
    }
    if let Some(wire) = wire.environments {
        named = wire.iter().map(|name| parsed(name)).collect::<Result<BTreeSet<EnvironmentName>, _>>()?;
        next.environments.retain(|name, _| named.contains(name) || !caller.sees(name));
        for name in &named {
            next.environments.entry(name.clone()).or_insert_with(nothing_special);
        }
    }
    put(host, &headers, &caller, query.as_deref(), (before, next), named).await
}

/// Deletes a deployment with everything that was set in it, and not while it is in use.
#[utoipa::path(delete, path = "/api/v1/deployments/{id}", tag = "deployments", operation_id = "delete_deployment",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The deployment")),
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
    let one = visible(&caller, served, &id)?;
    let others = one.environments.keys().cloned().collect();
    Reached { others, ..Reached::default() }.may_be_changed(&caller, served, query.as_deref())?;
    let edits = vec![Edit::Resource(ResourceEdit::Delete(ResourceKey::Deployment(one.id.clone())))];
    changed(host, &caller, query.as_deref(), edits, precondition(&headers)?).await
}

/// Makes another deployment of one, if the caller may. The whole was read to be changed in one place, so
/// that nothing may have changed anywhere else since.
async fn put(
    host: Arc<Host>,
    headers: &HeaderMap,
    caller: &Caller,
    query: Option<&str>,
    (before, next): (&Deployment<SealedValue>, Deployment<SealedValue>),
    named: BTreeSet<EnvironmentName>,
) -> Answer {
    let served = caller.served(query)?;
    Reached { named, others: differing(before, &next) }.may_be_changed(caller, served, query)?;
    chains::may_be_chained(caller, served, before, &next)?;
    let precondition = match (precondition(headers)?, made(served, before)) {
        (Precondition::Any, Some(made)) => Precondition::ChangedBy(made.changed.revision),
        (precondition, _) => precondition,
    };
    let edits = vec![Edit::Resource(ResourceEdit::PutDeployment(next))];
    changed(host, caller, query, edits, precondition).await
}

/// The environments that something changes for: all, where it is said of the deployment; also those whose
/// data namespaces others are to share from now on.
fn differing(before: &Deployment<SealedValue>, next: &Deployment<SealedValue>) -> BTreeSet<EnvironmentName> {
    let whole = (&before.base.required, &before.domain, &before.namespaces)
        != (&next.base.required, &next.domain, &next.namespaces);
    let names = before.environments.keys().chain(next.environments.keys());
    let differs = |name: &&EnvironmentName| before.environments.get(*name) != next.environments.get(*name);
    let differing: BTreeSet<_> = names.filter(|name| whole || differs(name)).collect();
    let shared = differing.iter().filter_map(|name| next.environments.get(*name));
    let shared = shared.flat_map(|here| here.namespaces.values()).filter_map(|here| match here {
        NamespaceHere::Of(owner) => Some(owner),
        NamespaceHere::Own(_) | NamespaceHere::Off => None,
    });
    let shared: BTreeSet<_> = shared.collect();
    differing.union(&shared).map(|name| (*name).clone()).collect()
}

fn is_visible(caller: &Caller, one: &Deployment<SealedValue>) -> bool {
    seen(caller, one).next().is_some()
}

fn seen<'a>(
    caller: &'a Caller,
    one: &'a Deployment<SealedValue>,
) -> impl Iterator<Item = &'a EnvironmentName> {
    one.environments.keys().filter(|name| caller.sees(name))
}

/// The environment of that name, where the deployment uses it and the token sees it.
fn used(caller: &Caller, one: &Deployment<SealedValue>, name: &str) -> Result<EnvironmentName, Problem> {
    let found = one.environments.get_key_value(name).map(|(name, _)| name);
    found.filter(|name| caller.sees(name)).cloned().ok_or_else(Problem::not_found)
}

fn visible<'a>(
    caller: &Caller,
    served: &'a Served,
    id: &str,
) -> Result<&'a Deployment<SealedValue>, Problem> {
    let found = served.snapshot.configuration.deployments.get(id);
    found.filter(|found| is_visible(caller, found)).ok_or_else(Problem::not_found)
}

fn made<'a>(served: &'a Served, one: &Deployment<SealedValue>) -> Option<&'a MadeResource> {
    served.made.resources.get(&ResourceKey::Deployment(one.id.clone()))
}

/// What changed it last, or may have.
fn revision(served: &Served, one: &Deployment<SealedValue>) -> Revision {
    made(served, one).map_or(served.snapshot.revision, |made| made.changed.revision)
}
