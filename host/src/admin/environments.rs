//! Environments: listed, made, changed, deleted. What a workspace directory names is changed there.

pub(super) mod clone;
mod expiry;
mod preview;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    Caller, Named,
    body::{self, named},
    chains,
    openapi::{
        BadRequest, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NewRevision, NotFound,
        TooLarge, Unauthenticated, Unavailable, Unchanged,
    },
    query::{MAX_PAGE, PAGE, Paging, parameter},
    tagged,
    values::{Owned, changed, precondition},
};
use crate::{
    change::{Edit, EnvironmentPatch},
    clock::rfc3339,
    generation::Served,
    host::Host,
    id::{DeploymentId, EnvironmentName, Uid},
    model::{Environment, EnvironmentType, Role, Trigger},
    serve::respond::Problem,
};

use expiry::WireExpires;

type Answer = Result<Response, Problem>;

/// An environment that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedEnvironment)]
pub(super) struct WireCreate {
    name: String,
    /// Left out for a preview, `preview/<source>`, it is cloned from the workspace's preview template:
    /// the environment with the label `preview-template=true`.
    #[serde(rename = "type")]
    #[schema(pattern = "^(development|test|pre-production|production)$")]
    kind: Option<String>,
    /// Where it is not said, those of type production are.
    protected: Option<bool>,
    promotes_to: Option<String>,
    /// How a release comes to it. Where it is not said, its type says so: `automatic` in development, `approval`
    /// in production, `manual` elsewhere.
    #[schema(pattern = "^(automatic|manual|approval)$")]
    trigger: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    /// The deployments that use it; of a preview that is cloned, all that use the template, where it is
    /// not said.
    deployments: Option<BTreeSet<String>>,
    /// When it stops serving; a preview that is cloned after a week, where it is not said.
    expires: Option<WireExpires>,
}

/// What is to change; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangedEnvironment)]
pub(super) struct WirePatch {
    /// One that comes to be of type production is protected, if nothing is said.
    #[serde(rename = "type")]
    #[schema(pattern = "^(development|test|pre-production|production)$")]
    kind: Option<String>,
    protected: Option<bool>,
    /// False enables it again.
    deprecated: Option<bool>,
    labels: Option<BTreeMap<String, String>>,
    /// Whether only admins see it, and those whose token names it.
    admins_only: Option<bool>,
    /// Null for none.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    promotes_to: Option<Option<String>>,
    /// Null for what its type says. What asks for less than before is an admin's to say.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, pattern = "^(automatic|manual|approval)$")]
    trigger: Option<Option<String>>,
    /// Null for never.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<WireExpires>)]
    expires: Option<Option<WireExpires>>,
}

/// Tells null, which is a wish, from what is not there.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// The environments that the token sees.
#[derive(Serialize, ToSchema)]
pub(super) struct Environments {
    environments: Vec<EnvironmentEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// An environment.
#[derive(Serialize, ToSchema)]
pub(super) struct EnvironmentEntry {
    name: String,
    #[serde(rename = "type")]
    #[schema(pattern = "^(development|test|pre-production|production)$")]
    kind: &'static str,
    protected: bool,
    deprecated: bool,
    /// Null for never.
    expires: Option<String>,
    /// Null for none, or for one that the token does not see.
    promotes_to: Option<String>,
    /// How a release comes to it.
    #[schema(pattern = "^(automatic|manual|approval)$")]
    trigger: &'static str,
    labels: BTreeMap<String, String>,
    /// Whether only admins see it, and those whose token names it.
    admins_only: bool,
    /// Those that use it.
    deployments: Vec<String>,
    #[serde(flatten)]
    owned: Owned,
}

/// The environments that the token sees.
#[utoipa::path(get, path = "/api/v1/environments", tag = "environments", operation_id = "list_environments",
    params(InWorkspace, InPages), responses((status = 200, description = "Those that the token sees", body = Environments),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let visible = served.snapshot.configuration.environments.values().filter(|one| caller.sees(&one.name));
    let (page, next) = paging.of(visible, Ordering::Greater, |one| one.name.clone());
    let environments = page.into_iter().map(|one| entry(&caller, served, one)).collect();
    Ok(Json(Environments { environments, next }).into_response())
}

/// One environment.
#[utoipa::path(get, path = "/api/v1/environments/{env}", tag = "environments", operation_id = "show_environment",
    params(InWorkspace, ("env" = String, Path, description = "The environment, percent-encoded")),
    responses((status = 200, description = "It is there", body = EnvironmentEntry, headers(
        ("etag" = String, description = "The revision that changed it last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let environment = visible(&caller, served, &name)?;
    let made = served.made.environments.get(&environment.name);
    let revision = made.map_or(served.snapshot.revision, |made| made.changed.revision);
    Ok(tagged(revision.0, entry(&caller, served, environment)))
}

fn entry(caller: &Caller, served: &Served, environment: &Environment) -> EnvironmentEntry {
    let made = served.made.environments.get(&environment.name);
    let deployments = served.snapshot.configuration.deployments.values();
    let using = deployments.filter(|one| one.environments.contains_key(&environment.name));
    let promotes_to = environment.promotes_to.as_ref().filter(|name| caller.sees(name));
    EnvironmentEntry {
        name: environment.name.to_string(),
        kind: environment.kind.as_str(),
        protected: environment.protected,
        deprecated: environment.deprecated,
        expires: environment.expires.map(rfc3339),
        promotes_to: promotes_to.map(ToString::to_string),
        trigger: environment.trigger().as_str(),
        labels: environment.labels.clone(),
        admins_only: made.is_some_and(|made| made.admins_only),
        deployments: using.map(|one| one.id.to_string()).collect(),
        owned: Owned::since(made.map(|made| &made.changed)),
    }
}

/// Makes an environment. Those of type production are protected if nothing else is said.
#[utoipa::path(post, path = "/api/v1/environments", tag = "environments", operation_id = "create_environment",
    params(InWorkspace, Unchanged), request_body = WireCreate, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn create(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let served = caller.served(query.as_deref())?;
    if caller.is_limited() {
        return Err(Problem::forbidden("your token is limited to some environments, and makes no others"));
    }
    let wire: WireCreate = body::json(body, "name and type").await?;
    let name: EnvironmentName = named(&wire.name)?;
    let Some(kind) = &wire.kind else {
        let edits = vec![preview::edit(&caller, query.as_deref(), name, wire, host.clock.now())?];
        return changed(host, &caller, query.as_deref(), edits, precondition(&headers)?).await;
    };
    let kind: EnvironmentType = named(kind)?;
    let protected = wire.protected.unwrap_or(kind == EnvironmentType::Production);
    // One of production without protection is an admin's to make, too.
    if protected || kind == EnvironmentType::Production {
        caller.role(Role::Admin)?;
    }
    let wanted = Environment {
        name,
        uid: Uid::NONE,
        kind,
        protected,
        deprecated: false,
        expires: wire.expires.map(|expires| expires.moment(host.clock.now(), None)).transpose()?,
        promotes_to: wire.promotes_to.as_deref().map(named).transpose()?,
        trigger: wire.trigger.as_deref().map(named).transpose()?,
        labels: wire.labels.unwrap_or_default(),
    };
    chains::may_promote_to(&caller, served, None, wanted.promotes_to.as_ref())?;
    let deployments = wire.deployments.map(chosen).transpose()?.unwrap_or_default();
    let edits = vec![Edit::CreateEnvironment { wanted, deployments }];
    changed(host, &caller, query.as_deref(), edits, precondition(&headers)?).await
}

/// The deployments of these names.
fn chosen(names: BTreeSet<String>) -> Result<BTreeSet<DeploymentId>, Problem> {
    names.iter().map(|name| named(name)).collect()
}

/// Changes an environment.
#[utoipa::path(patch, path = "/api/v1/environments/{env}", tag = "environments", operation_id = "patch_environment",
    params(InWorkspace, Unchanged, ("env" = String, Path, description = "The environment, percent-encoded"),
        ("confirm" = Option<String>, Query, description = "Its name, where it is protected")),
    request_body = WirePatch, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn patch(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let name = changeable(&caller, query.as_deref(), &name)?;
    let wire: WirePatch = body::json(body, "what is to be other than it is").await?;
    let kind: Option<EnvironmentType> = wire.kind.as_deref().map(named).transpose()?;
    let becomes = (kind == Some(EnvironmentType::Production)).then_some(true);
    let protected = wire.protected.or(becomes);
    if protected == Some(true) || becomes.is_some() || wire.admins_only.is_some() {
        caller.role(Role::Admin)?;
    }
    let promotes_to = match wire.promotes_to {
        Some(Some(next)) => Some(Some(named(&next)?)),
        other => other.map(|_| None),
    };
    let trigger: Option<Option<Trigger>> = match wire.trigger {
        Some(Some(trigger)) => Some(Some(named(&trigger)?)),
        other => other.map(|_| None),
    };
    let served = caller.served(query.as_deref())?;
    let before = visible(&caller, served, name.as_str())?;
    if let Some(next) = &promotes_to {
        chains::may_promote_to(&caller, served, before.promotes_to.as_ref(), next.as_ref())?;
    }
    if wire.expires.is_some() {
        // What expires goes out of its chain by itself.
        chains::may_lead_to(&caller, served, &before.promotes_to)?;
    }
    let mut after = Environment { kind: kind.unwrap_or(before.kind), ..before.clone() };
    after.trigger = trigger.unwrap_or(before.trigger);
    if after.trigger() < before.trigger() {
        caller.role(Role::Admin)?;
    }
    let expires = match wire.expires {
        Some(Some(expires)) => {
            let furthest = name.is_preview().then_some(preview::MAX_PREVIEW_SECONDS);
            Some(Some(expires.moment(host.clock.now(), furthest)?))
        }
        other => other.map(|_| None),
    };
    let patch = EnvironmentPatch {
        kind,
        protected,
        deprecated: wire.deprecated,
        labels: wire.labels,
        admins_only: wire.admins_only,
        promotes_to,
        trigger,
        expires,
    };
    let edits = vec![Edit::PatchEnvironment { name, patch }];
    changed(host, &caller, query.as_deref(), edits, precondition(&headers)?).await
}

/// Deletes an environment with everything that was set in it, and not while it is in use.
#[utoipa::path(delete, path = "/api/v1/environments/{env}", tag = "environments", operation_id = "delete_environment",
    params(InWorkspace, Unchanged, ("env" = String, Path, description = "The environment, percent-encoded"),
        ("confirm" = Option<String>, Query, description = "Its name, where it is protected")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(super) async fn delete(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let name = changeable(&caller, query.as_deref(), &name)?;
    let served = caller.served(query.as_deref())?;
    chains::may_lead_to(&caller, served, &visible(&caller, served, name.as_str())?.promotes_to)?;
    let edits = vec![Edit::DeleteEnvironment { name, expired: false }];
    changed(host, &caller, query.as_deref(), edits, precondition(&headers)?).await
}

/// The environment, if the caller may change it; a protected one wants its name said twice.
fn changeable(caller: &Caller, query: Option<&str>, name: &str) -> Result<EnvironmentName, Problem> {
    let environment = visible(caller, caller.served(query)?, name)?;
    caller.role(if environment.protected { Role::Admin } else { Role::Developer })?;
    let confirmed = parameter(query, "confirm")?;
    if environment.protected && confirmed.as_deref() != Some(environment.name.as_str()) {
        let detail = format!("{} is protected; confirm the change with ?confirm={0}", environment.name);
        return Err(Problem::invalid(detail).with("confirm", environment.name.as_str()));
    }
    Ok(environment.name.clone())
}

fn visible<'a>(caller: &Caller, served: &'a Served, name: &str) -> Result<&'a Environment, Problem> {
    let found = served.snapshot.configuration.environments.get(name);
    found.filter(|found| caller.sees(&found.name)).ok_or_else(Problem::not_found)
}
