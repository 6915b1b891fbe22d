//! Boot leases: who holds which versions, and that somebody who was not heard of any more is gone.

use std::{cmp::Ordering, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Caller, Named, NamedTwice,
    openapi::{
        BadRequest, Conflict, Forbidden, InEnvironment, InPages, InWorkspace, Internal, NotFound,
        Unauthenticated, Unavailable,
    },
    query::{MAX_PAGE, PAGE, Paging, environment},
    snapshot::blocking,
    tagged,
};
use crate::{
    change::LISTED,
    clock::rfc3339,
    host::Host,
    id::{DeploymentId, EnvironmentName, UnixSeconds},
    lease::{Held, HeldKey, Lease, LeaseId},
    model::Role,
    serve::respond::Problem,
};

type Answer = Result<Response, Problem>;

/// The leases of a deployment.
#[derive(Serialize, ToSchema)]
pub(super) struct LeaseList {
    leases: Vec<LeaseEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// A lease: who was given what.
#[derive(Serialize, ToSchema)]
struct LeaseEntry {
    id: String,
    environment: String,
    /// What the instance calls itself; null where it does not say.
    #[schema(required = true)]
    instance: Option<String>,
    /// Whose token it booted with.
    principal: String,
    since: String,
    /// When it is lost, or was.
    expires: String,
    /// `lost` was not renewed in time, and holds what it was given until it is reported gone.
    #[schema(pattern = "^(live|lost)$")]
    state: &'static str,
    /// The versions of secrets that it was given, without a value.
    secrets: Vec<HeldEntry>,
    /// The versions of services' credentials that it was given as part of bindings.
    credentials: Vec<HeldCredential>,
}

/// A version of the credential of a service's instance.
#[derive(Serialize, ToSchema)]
struct HeldCredential {
    service: String,
    /// The environment that owns the instance.
    environment: String,
    version: u64,
}

/// A version of a secret.
#[derive(Serialize, ToSchema)]
struct HeldEntry {
    name: String,
    version: u64,
}

impl LeaseEntry {
    fn of(lease: &Lease, now: UnixSeconds) -> Self {
        let (mut secrets, mut credentials) = (Vec::new(), Vec::new());
        for Held { key, version, .. } in lease.held.iter() {
            let version = *version;
            match key {
                HeldKey::Value(key) => secrets.push(HeldEntry { name: key.name.to_string(), version }),
                HeldKey::Credential(service, owner) => {
                    let (service, environment) = (service.to_string(), owner.to_string());
                    credentials.push(HeldCredential { service, environment, version });
                }
            }
        }
        Self {
            id: lease.id.to_string(),
            environment: lease.environment.to_string(),
            instance: lease.instance.clone(),
            principal: lease.principal.clone(),
            since: rfc3339(lease.since),
            expires: rfc3339(lease.deadline),
            state: lease.state(now),
            secrets,
            credentials,
        }
    }
}

/// An instance that holds something, without what else it holds.
#[derive(Serialize, ToSchema)]
pub(super) struct HolderEntry {
    lease: String,
    deployment: String,
    environment: String,
    /// What the instance calls itself; null where it does not say.
    #[schema(required = true)]
    instance: Option<String>,
    since: String,
    /// `lost` was not renewed in time.
    #[schema(pattern = "^(live|lost)$")]
    state: &'static str,
}

impl HolderEntry {
    /// As many of these as are listed.
    pub(super) fn some(leases: &[Lease], now: UnixSeconds) -> Vec<Self> {
        let entry = |lease: &Lease| Self {
            lease: lease.id.to_string(),
            deployment: lease.deployment.to_string(),
            environment: lease.environment.to_string(),
            instance: lease.instance.clone(),
            since: rfc3339(lease.since),
            state: lease.state(now),
        };
        leases.iter().take(LISTED).map(entry).collect()
    }
}

/// Who holds a lease, in one environment or in all that the token sees.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/leases", tag = "rotation", operation_id = "list_leases",
    params(InWorkspace, InEnvironment, InPages, ("id" = String, Path, description = "The deployment")),
    responses((status = 200, description = "Names and numbers of versions, and no value", body = LeaseList, headers(
        ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let deployment: DeploymentId = id.parse().map_err(|_| Problem::not_found())?;
    let environment = environment(&caller, query)?;
    let uses = served.snapshot.configuration.deployments.get(&deployment).ok_or_else(Problem::not_found)?;
    let is_asked =
        |name: &EnvironmentName| environment.as_ref().is_none_or(|asked| asked == name) && caller.sees(name);
    if !uses.environments.keys().any(is_asked) {
        return Err(Problem::not_found());
    }
    let paging = Paging::<LeaseId>::asked(query, PAGE, MAX_PAGE)?;
    let mut leases = host.leases.of_deployment(&caller.workspace(query)?, &deployment);
    leases.retain(|lease| is_asked(&lease.environment));
    leases.sort_unstable_by_key(|lease| lease.id);
    let (page, next) = paging.of(leases, Ordering::Greater, |lease| lease.id);
    let now = host.clock.now();
    let leases = page.iter().map(|lease| LeaseEntry::of(lease, now)).collect();
    Ok(tagged(served.snapshot.revision.0, LeaseList { leases, next }))
}

/// Says that an instance is gone, so that it holds nothing any more: for one that a host has not heard of, and
/// that somebody has looked after. One that runs on, runs on with what may be revoked now.
#[utoipa::path(delete, path = "/api/v1/deployments/{id}/leases/{lease}", tag = "rotation",
    operation_id = "report_gone", params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("lease" = String, Path, description = "As the list names it")),
    responses((status = 204, description = "It holds nothing any more"),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Internal, Unavailable))]
pub(super) async fn report_gone(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, lease): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Releaser)?;
    let workspace = caller.workspace(query.as_deref())?;
    let deployment: DeploymentId = id.parse().map_err(|_| Problem::not_found())?;
    // A name is written in one way.
    let lease = lease.parse().ok().filter(|id: &LeaseId| id.to_string() == lease);
    let lease = lease.ok_or_else(Problem::not_found)?;
    let author = caller.author();
    // Of a deployment or an environment that was deleted meanwhile, too: its instances may run on.
    blocking(move || {
        let may = |lease: &Lease| lease.deployment == deployment && caller.sees(&lease.environment);
        host.report_gone(&author, &workspace, lease, may)
    })
    .await??;
    Ok(StatusCode::NO_CONTENT.into_response())
}
