//! Who holds which versions of a service's credentials: a database role that was replaced is dropped when nobody
//! connects as it any more.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, visible};
use crate::{
    admin::{
        Caller, Named,
        leases::HolderEntry,
        openapi::{BadRequest, InEnvironment, InWorkspace, NotFound, Unauthenticated},
        query::environment,
        tagged,
    },
    change::Pair,
    host::Host,
    id::{EnvironmentName, UnixSeconds},
    lease::Holders,
    serve::respond::Problem,
};

/// Who holds which versions of a service's credentials.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ServiceHolders {
    service: String,
    instances: Vec<InstanceHolders>,
}

/// The same of one instance.
#[derive(Serialize, ToSchema)]
struct InstanceHolders {
    /// The environment that owns it.
    environment: String,
    user: String,
    /// The version in use; null where there is no credential.
    credential_version: Option<u64>,
    /// The version in use, and those that a lease holds, that boots without one were given or that something
    /// pinned is given, the newest first.
    versions: Vec<CredentialVersion>,
}

/// A version of a credential.
#[derive(Serialize, ToSchema)]
struct CredentialVersion {
    version: u64,
    /// Whether it is the one that boots are given.
    current: bool,
    /// How many leases hold it, in every environment.
    leases: usize,
    /// How many of these were not renewed in time.
    lost: usize,
    /// How many boots without a lease were given it: no fewer than there were, up to 1,024. Of the newest eight
    /// versions.
    unproven: u64,
    /// Who holds it in the environments that the token sees, the oldest first, and of many the first 20.
    holders: Vec<HolderEntry>,
    /// How many deployments are pinned to a set that has it, in every environment.
    pins: usize,
    /// What is pinned to a set that has it, and boots with it until it is unpinned: in the environments that the
    /// token sees.
    pinned: Vec<PinnedTo>,
}

/// A deployment in an environment.
#[derive(Serialize, ToSchema)]
struct PinnedTo {
    deployment: String,
    environment: String,
}

/// Who holds which versions of a service's credentials, in one environment that owns an instance or in all that
/// the token sees.
#[utoipa::path(get, path = "/api/v1/services/{id}/holders", tag = "rotation", operation_id = "list_credential_holders",
    params(InWorkspace, InEnvironment, ("id" = String, Path, description = "The service")),
    responses((status = 200, description = "Numbers of versions, and no value", body = ServiceHolders, headers(
        ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn holders(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let service = visible(&caller, served, &id)?;
    let asked = environment(&caller, query)?;
    let (workspace, now) = (caller.workspace(query)?, host.clock.now());
    let is_asked =
        |owner: &EnvironmentName| asked.as_ref().is_none_or(|asked| asked == owner) && caller.sees(owner);
    let mut instances = Vec::new();
    for (owner, instance) in service.instances.iter().filter(|(owner, _)| is_asked(owner)) {
        let current = (!instance.credential.is_empty()).then_some(instance.current);
        let mut held = host.leases.of_credential(&workspace, (&service.id, owner));
        let mut pinned = served.pinned_with((&service.id, owner));
        let numbers: BTreeSet<u64> =
            held.keys().copied().chain(pinned.keys().copied()).chain(current).collect();
        let versions = numbers.into_iter().rev().map(|version| {
            let held = held.remove(&version).unwrap_or_default();
            let pinned = pinned.remove(&version).unwrap_or_default();
            CredentialVersion::of((version, Some(version) == current), (held, pinned), &caller, now)
        });
        let versions = versions.collect();
        let (environment, user) = (owner.to_string(), instance.user.clone());
        instances.push(InstanceHolders { environment, user, credential_version: current, versions });
    }
    if asked.is_some() && instances.is_empty() {
        return Err(Problem::not_found());
    }
    Ok(tagged(served.snapshot.revision.0, ServiceHolders { service: service.id.to_string(), instances }))
}

impl CredentialVersion {
    fn of(
        (version, current): (u64, bool),
        (held, mut pinned): (Holders, Vec<Pair>),
        caller: &Caller,
        now: UnixSeconds,
    ) -> Self {
        let lost = held.lost(now);
        let Holders { mut leases, unproven } = held;
        let all = leases.len();
        leases.retain(|lease| caller.sees(&lease.environment));
        let pins = pinned.len();
        pinned.retain(|(_, environment)| caller.sees(environment));
        let pinned = pinned.into_iter().map(|(deployment, environment)| PinnedTo {
            deployment: deployment.to_string(),
            environment: environment.to_string(),
        });
        let holders = HolderEntry::some(&leases, now);
        Self { version, current, leases: all, lost, unproven, holders, pins, pinned: pinned.collect() }
    }
}
