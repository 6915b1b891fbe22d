//! Secrets that are rotated: when each is due, which of its versions are live together, and who holds the old
//! ones.

use std::{cmp::Ordering, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Caller,
    leases::HolderEntry,
    openapi::{BadRequest, InEnvironment, InPages, InWorkspace, NotFound, Unauthenticated},
    query::{MAX_PAGE, PAGE, Paging, environment, parameter, parsed},
    tagged,
};
use crate::{
    clock::rfc3339,
    generation::Served,
    host::Host,
    id::{DeploymentId, EnvironmentName},
    made::{MadeValue, ValueKey},
    model::Place,
    plan::LayerName,
    serve::respond::Problem,
};

/// Secrets that are rotated.
#[derive(Serialize, ToSchema)]
pub(super) struct RotationList {
    rotations: Vec<RotationEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// A secret with an interval, or of which several versions are live.
#[derive(Serialize, ToSchema)]
struct RotationEntry {
    name: String,
    /// The layer that it is set in.
    layer: &'static str,
    /// Null where it is every deployment's.
    #[schema(required = true)]
    deployment: Option<String>,
    environment: String,
    /// The version that is handed out, unless a policy chooses another that is live.
    version: u64,
    /// When that was set.
    set: String,
    /// After how many days it is to be rotated; null where that was not said.
    #[schema(required = true)]
    rotate_every: Option<u32>,
    /// When that is over.
    #[schema(required = true)]
    rotation_due: Option<String>,
    /// Whether it is over by now.
    due: bool,
    /// The versions that are live; more than one while it is being rotated.
    live: Vec<u64>,
    /// Who holds those before the one that is handed out.
    held: Vec<HeldVersion>,
}

/// An old version that is live.
#[derive(Serialize, ToSchema)]
struct HeldVersion {
    version: u64,
    /// How many leases hold it.
    leases: usize,
    /// How many of these were not renewed in time.
    lost: usize,
    /// How many boots without a lease were given it: no fewer than there were, up to 1,024.
    unproven: u64,
    /// Who holds it, the oldest first, and of many the first 20.
    holders: Vec<HolderEntry>,
}

/// The secrets that are rotated: those with an interval, and those of which several versions are live, as far as
/// the token sees them.
#[utoipa::path(get, path = "/api/v1/rotations", tag = "rotation", operation_id = "list_rotations",
    params(InWorkspace, InEnvironment, InPages,
        ("deployment" = Option<String>, Query, description = "Those that this deployment is given"),
        ("due" = Option<bool>, Query, description = "Those whose interval is over; false for the others")),
    responses((status = 200, description = "Names, numbers and times, and no value", body = RotationList, headers(
        ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let asked = Asked::of(&caller, served, query)?;
    let due: Option<bool> = parsed(query, "due", "true or false")?;
    let paging = Paging::<String>::asked(query, PAGE, MAX_PAGE)?;
    let now = host.clock.now();
    let found = served.made.rotated().filter_map(|(key, value)| {
        let environment = asked.environment_of(&caller, served, key)?;
        let is_due = value.is_rotation_due(now);
        due.is_none_or(|due| due == is_due).then(|| (cursor(key, environment), key, value))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
    let (page, next) = paging.of(found, Ordering::Greater, |(cursor, ..)| cursor.clone());
    let rotations = page.into_iter().map(|(_, key, value)| RotationEntry::of(&host, served, (key, value)));
    Ok(tagged(served.snapshot.revision.0, RotationList { rotations: rotations.collect(), next }))
}

/// What is asked for.
struct Asked {
    deployment: Option<DeploymentId>,
    environment: Option<EnvironmentName>,
}

impl Asked {
    /// 404 for what is not there, or not the token's.
    fn of(caller: &Caller, served: &Served, query: Option<&str>) -> Result<Self, Problem> {
        let configuration = &served.snapshot.configuration;
        let environment = environment(caller, query)?;
        let is_seen = |name: &EnvironmentName| {
            caller.sees(name) && environment.as_ref().is_none_or(|asked| asked == name)
        };
        if !configuration.environments.keys().any(is_seen) && environment.is_some() {
            return Err(Problem::not_found());
        }
        let deployment = parameter(query, "deployment")?.map(|id| id.parse::<DeploymentId>()).transpose();
        let deployment = deployment.map_err(|_| Problem::not_found())?;
        if let Some(id) = &deployment {
            let uses = configuration.deployments.get(id).ok_or_else(Problem::not_found)?;
            if !uses.environments.keys().any(is_seen) {
                return Err(Problem::not_found());
            }
        }
        Ok(Self { deployment, environment })
    }

    /// The environment of a secret that is asked for; every secret has one.
    fn environment_of<'k>(
        &self,
        caller: &Caller,
        served: &Served,
        key: &'k ValueKey,
    ) -> Option<&'k EnvironmentName> {
        let (own, environment) = match &key.place {
            Place::Deployment(id, Some(environment)) => (Some(id), environment),
            Place::Environment(environment) => (None, environment),
            Place::Deployment(_, None) | Place::Workspace => return None,
        };
        let deployments = &served.snapshot.configuration.deployments;
        let comes_to = |asked: &DeploymentId| match own {
            Some(own) => own == asked,
            None => deployments.get(asked).is_some_and(|uses| uses.environments.contains_key(environment)),
        };
        let is_asked = self.deployment.as_ref().is_none_or(comes_to)
            && self.environment.as_ref().is_none_or(|asked| asked == environment);
        (is_asked && caller.sees(environment)).then_some(environment)
    }
}

/// What the list is in the order of.
fn cursor(key: &ValueKey, environment: &EnvironmentName) -> String {
    let deployment = if let Place::Deployment(id, _) = &key.place { id.as_str() } else { "" };
    format!("{environment}/{deployment}/{}", key.name)
}

impl RotationEntry {
    fn of(host: &Host, served: &Served, (key, value): (&ValueKey, &MadeValue)) -> Self {
        let (workspace, now) = (&served.snapshot.configuration.workspace, host.clock.now());
        let held = value.live.iter().filter_map(|number| {
            let stored = served.made.stored_version(key, *number)?;
            let holders = host.leases.holders(workspace, stored.id);
            Some(HeldVersion {
                version: *number,
                leases: holders.leases.len(),
                lost: holders.leases.iter().filter(|lease| lease.is_lost(now)).count(),
                unproven: holders.unproven,
                holders: HolderEntry::some(&holders.leases, now),
            })
        });
        let (deployment, environment) = match &key.place {
            Place::Deployment(id, environment) => (Some(id), environment.as_ref()),
            Place::Environment(environment) => (None, Some(environment)),
            Place::Workspace => (None, None),
        };
        Self {
            name: key.name.to_string(),
            layer: LayerName::of(&key.place).as_str(),
            deployment: deployment.map(ToString::to_string),
            environment: environment.map(ToString::to_string).unwrap_or_default(),
            version: value.current.number,
            set: rfc3339(value.current.set.at),
            rotate_every: value.rotate_every_days,
            rotation_due: value.rotation_due().map(rfc3339),
            due: value.is_rotation_due(now),
            live: value.live.iter().copied().chain([value.current.number]).collect(),
            held: held.collect(),
        }
    }
}
