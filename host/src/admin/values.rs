//! A deployment's values: listed masked, set, unset, and how they came to be. A secret never comes back.

use std::{cmp::Ordering, sync::Arc};

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::json;

use super::{
    Caller, Named, NamedTwice,
    body::whole,
    openapi::{
        BadRequest, Conflict, Forbidden, InEnvironment, InPages, InWorkspace, Internal, Invalid, NewRevision,
        NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
    },
    query::{MAX_PAGE, PAGE, Paging, parameter},
    snapshot::{answered, blocking},
    tagged,
};
use crate::{
    change::{Edit, Precondition},
    generation::Served,
    host::Host,
    id::{DeploymentId, EnvironmentName, VariableName},
    made::ValueKey,
    model::{Content, Place, Role, question::Sensitivity},
    plan::{LayerName, Planned},
    prepared::Prepared,
    preview,
    serve::{facts, respond::Problem},
};

mod shown;
mod wire;

pub(super) use shown::{Owned, ValueChange};
use shown::{ValueEntry, Values, VersionEntry, Versions};
pub(super) use wire::precondition;

type Answer = Result<Response, Problem>;

/// The largest body that sets values, in bytes: a few of the largest, escaped.
const MAX_BODY_BYTES: usize = 512 * 1024;

/// A deployment, or one of its environments, that the caller may see.
struct At<'a> {
    served: &'a Arc<Served>,
    deployment: DeploymentId,
    environment: Option<EnvironmentName>,
}

impl<'a> At<'a> {
    fn of(
        caller: &'a Caller,
        query: Option<&str>,
        deployment: &str,
        environment: Option<&str>,
    ) -> Result<Self, Problem> {
        let served = caller.served(query)?;
        let deployment: DeploymentId = deployment.parse().map_err(|_| Problem::not_found())?;
        let uses =
            served.snapshot.configuration.deployments.get(&deployment).ok_or_else(Problem::not_found)?;
        let environment = environment.map(str::parse::<EnvironmentName>).transpose();
        let environment = environment.map_err(|_| Problem::not_found())?;
        let is_visible = match &environment {
            Some(name) => uses.environments.contains_key(name) && caller.sees(name),
            None => uses.environments.keys().any(|name| caller.sees(name)),
        };
        if is_visible { Ok(Self { served, deployment, environment }) } else { Err(Problem::not_found()) }
    }

    fn place(&self) -> Place {
        Place::Deployment(self.deployment.clone(), self.environment.clone())
    }

    fn owned(&self, key: &ValueKey) -> Owned {
        Owned::of(&self.served.made, key)
    }

    /// Who changes a deployment's base changes each of its environments.
    fn may_write(&self, caller: &Caller) -> Result<(), Problem> {
        caller.role(Role::Developer)?;
        let configuration = &self.served.snapshot.configuration;
        let uses = configuration.deployments.get(&self.deployment).ok_or_else(Problem::not_found)?;
        let concerned = |name: &&EnvironmentName| self.environment.as_ref().is_none_or(|only| only == *name);
        let concerned: Vec<_> = uses.environments.keys().filter(concerned).collect();
        if !concerned.iter().all(|name| caller.sees(name)) {
            return Err(Problem::forbidden(
                "this changes every environment of the deployment, and your token is not for some of them",
            ));
        }
        let is_protected = |name: &EnvironmentName| {
            configuration.environments.get(name).is_some_and(|found| found.protected)
        };
        if concerned.into_iter().any(is_protected) {
            caller.role(Role::Admin)?;
        }
        Ok(())
    }
}

/// What an instance would be given, masked; without an environment, what
/// the deployment's base sets. `reveal=true` shows plain values, and is recorded.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/env", tag = "values", operation_id = "list_values",
    params(InWorkspace, InEnvironment, InPages, ("id" = String, Path, description = "The deployment"),
        ("reveal" = Option<bool>, Query, description = "Show plain values as a whole; recorded")),
    responses((status = 200, description = "Masked", body = Values, headers(
        ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Unavailable))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let environment = parameter(query, "environment")?;
    let at = At::of(&caller, query, &id, environment.as_deref())?;
    let reveal = match parameter(query, "reveal")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::bad_request("`reveal` is true or false")),
    };
    let paging = Paging::asked(query, PAGE, MAX_PAGE)?;
    let revision = at.served.snapshot.revision.0;
    if reveal {
        at.may_write(&caller)?;
        let details = json!({
            "workspace": at.served.snapshot.configuration.workspace.as_str(),
            "deployment": at.deployment.as_str(), "revision": revision,
            "environment": at.environment.as_ref().map(EnvironmentName::as_str),
        });
        host.record_reveal(&caller.token.principal, details)?;
    }
    let show = |prepared: &Prepared| {
        let key = caller.live.capsule_key();
        if reveal { preview::reveal_plain(prepared, key) } else { preview::of_plan(prepared, key) }
    };
    let (variables, next) = match &at.environment {
        Some(environment) => {
            let prepared = at.served.prepared(&at.deployment, environment).ok_or_else(Problem::not_found)?;
            planned(&at, prepared, &show(prepared), &paging)
        }
        None => base(&caller, &at, show, &paging),
    };
    let environment = at.environment.as_ref().map(ToString::to_string);
    let deployment = at.deployment.to_string();
    Ok(tagged(revision, Values { deployment, environment, revision, variables, next }))
}

/// Every name of a plan, with where its value comes from.
fn planned(
    at: &At<'_>,
    prepared: &Prepared,
    shown: &[Option<String>],
    paging: &Paging<VariableName>,
) -> (Vec<ValueEntry>, Option<String>) {
    let plan = &prepared.plan;
    let variables = plan.variables.iter().enumerate();
    let (page, next) = paging.of(variables, Ordering::Greater, |(_, variable)| variable.name.clone());
    let entries = page.into_iter().map(|(index, variable)| {
        let candidate = plan.candidates.get(variable.default as usize);
        ValueEntry {
            name: variable.name.to_string(),
            description: variable.description.clone(),
            is_secret: variable.sensitivity == Sensitivity::Secret,
            layer: variable.provenance.layer.as_str(),
            overrode: Some(variable.provenance.overrode.iter().map(|layer| layer.as_str()).collect()),
            required: Some(variable.required),
            version: candidate.map(|candidate| candidate.version).filter(|version| *version > 0),
            value: value_of(variable.sensitivity, shown.get(index)),
            owned: at.owned(&key_of(at, &plan.environment.name, variable)),
        }
    });
    (entries.collect(), next)
}

/// What a deployment's base sets. A value is shown from an environment where nothing overrides it.
fn base(
    caller: &Caller,
    at: &At<'_>,
    show: impl Fn(&Prepared) -> Vec<Option<String>>,
    paging: &Paging<VariableName>,
) -> (Vec<ValueEntry>, Option<String>) {
    let configuration = &at.served.snapshot.configuration;
    let Some(deployment) = configuration.deployments.get(&at.deployment) else { return (Vec::new(), None) };
    let visible = deployment.environments.keys().filter(|name| caller.sees(name));
    let pairs: Vec<_> = visible
        .filter_map(|name| at.served.prepared(&at.deployment, name))
        .map(|one| (one, show(one)))
        .collect();
    let (page, next) = paging.of(&deployment.base.variables, Ordering::Greater, |(name, _)| (*name).clone());
    let entries = page.into_iter().map(|(name, variable)| {
        let shown = pairs.iter().find_map(|(prepared, shown)| {
            let index = prepared.plan.index_of(name.as_str())?;
            let is_base = prepared.plan.variables[index].provenance.layer == LayerName::Deployment;
            is_base.then(|| shown.get(index)).flatten()
        });
        ValueEntry {
            name: name.to_string(),
            description: variable.description.clone(),
            is_secret: variable.sensitivity == Sensitivity::Secret,
            layer: LayerName::Deployment.as_str(),
            overrode: None,
            required: None,
            version: match &variable.content {
                Content::Versions { current, .. } => Some(*current),
                Content::Template(_) => None,
            },
            value: value_of(variable.sensitivity, shown),
            owned: at.owned(&ValueKey { place: at.place(), name: name.clone() }),
        }
    });
    (entries.collect(), next)
}

fn value_of(sensitivity: Sensitivity, shown: Option<&Option<String>>) -> Option<String> {
    match sensitivity {
        Sensitivity::Secret => Some(preview::MASK.to_owned()),
        Sensitivity::Plain => shown.cloned().flatten(),
    }
}

/// The record that a planned variable's value comes from.
fn key_of(at: &At<'_>, environment: &EnvironmentName, variable: &Planned) -> ValueKey {
    let place = match variable.provenance.layer {
        LayerName::Workspace => Place::Workspace,
        LayerName::Environment => Place::Environment(environment.clone()),
        LayerName::Deployment => Place::Deployment(at.deployment.clone(), None),
        LayerName::DeploymentInEnvironment => {
            Place::Deployment(at.deployment.clone(), Some(environment.clone()))
        }
    };
    ValueKey { place, name: variable.name.clone() }
}

/// Sets one value, or a list of them, all or none.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/env", tag = "values", operation_id = "set_values",
    params(InWorkspace, Unchanged, ("id" = String, Path, description = "The deployment")),
    request_body = wire::OneOrMany, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn set(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    // Before the body, which is not worth keeping of somebody who may not change anything.
    caller.role(Role::Developer)?;
    At::of(&caller, query.as_deref(), &id, None)?;
    let precondition = precondition(&headers)?;
    let body = whole(body, MAX_BODY_BYTES, facts::BODY_PATIENCE).await?;
    let mut edits = Vec::new();
    for wanted in wire::wanted(&body)? {
        let at = At::of(&caller, query.as_deref(), &id, wanted.environment.as_deref())?;
        at.may_write(&caller)?;
        edits.push(wanted.edit(at.place())?);
    }
    changed(host, &caller, query.as_deref(), edits, precondition).await
}

/// Unsets a value.
#[utoipa::path(delete, path = "/api/v1/deployments/{id}/env/{name}", tag = "values", operation_id = "unset_value",
    params(InWorkspace, InEnvironment, Unchanged, ("id" = String, Path, description = "The deployment"),
        ("name" = String, Path, description = "The variable")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(super) async fn unset(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, name): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let environment = parameter(query.as_deref(), "environment")?;
    let at = At::of(&caller, query.as_deref(), &id, environment.as_deref())?;
    at.may_write(&caller)?;
    let name: VariableName = name.parse().map_err(|_| Problem::not_found())?;
    let precondition = precondition(&headers)?;
    let edits = vec![Edit::UnsetValue { key: ValueKey { place: at.place(), name } }];
    changed(host, &caller, query.as_deref(), edits, precondition).await
}

/// Makes the change and answers it.
pub(super) async fn changed(
    host: Arc<Host>,
    caller: &Caller,
    query: Option<&str>,
    edits: Vec<Edit>,
    precondition: Precondition,
) -> Answer {
    let (author, workspace) = (caller.author(), caller.workspace(query)?);
    let changed = blocking(move || host.change(&author, &workspace, &edits, precondition)).await??;
    Ok(answered(&changed))
}

/// How a value came to be: its versions, the newest first, without a value.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/env/{name}/versions", tag = "values",
    operation_id = "list_versions", params(InWorkspace, InEnvironment, InPages,
        ("id" = String, Path, description = "The deployment"), ("name" = String, Path, description = "The variable")),
    responses((status = 200, description = "Without values", body = Versions, headers(
        ("etag" = String, description = "The revision that changed it last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn versions(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, name): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let environment = parameter(query.as_deref(), "environment")?;
    let at = At::of(&caller, query.as_deref(), &id, environment.as_deref())?;
    let name: VariableName = name.parse().map_err(|_| Problem::not_found())?;
    let key = ValueKey { place: at.place(), name };
    let made = &at.served.made;
    let mut listed = Vec::new();
    if let Some(value) = made.values.get(&key) {
        listed.push(VersionEntry::of(&value.current, true));
    }
    let past = made.earlier(&key).iter().rev();
    listed.extend(past.map(|one| VersionEntry::of(one, false)));
    if listed.is_empty() {
        listed = of_directory(&at, &key);
    }
    if listed.is_empty() {
        return Err(Problem::not_found());
    }
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let (versions, next) = paging.of(listed, Ordering::Less, |one| one.version);
    let changed = made.values.get(&key).map_or(at.served.snapshot.revision, |value| value.changed.revision);
    let body = Versions { name: key.name.to_string(), owned: at.owned(&key), versions, next };
    Ok(tagged(changed.0, body))
}

/// The versions of what a directory owns.
fn of_directory(at: &At<'_>, key: &ValueKey) -> Vec<VersionEntry> {
    let deployment = at.served.snapshot.configuration.deployments.get(&at.deployment);
    let layer = deployment.and_then(|deployment| match &at.environment {
        Some(environment) => deployment.environments.get(environment).map(|special| &special.layer),
        None => Some(&deployment.base),
    });
    let Some(variable) = layer.and_then(|layer| layer.variables.get(&key.name)) else { return Vec::new() };
    let Content::Versions { versions, current } = &variable.content else { return Vec::new() };
    let is_secret = variable.sensitivity == Sensitivity::Secret;
    let listed = versions.iter().rev().map(|one| VersionEntry {
        version: one.number,
        current: one.number == *current,
        is_secret,
        set: None,
    });
    listed.collect()
}
