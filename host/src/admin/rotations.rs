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
    made::{ValueKey, layer_of},
    model::{Content, Interval, Place},
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

/// A secret with an interval, or, where it was set by API, of which several versions are live.
#[derive(Serialize, ToSchema)]
struct RotationEntry {
    name: String,
    /// The layer that it is set in.
    layer: &'static str,
    /// Null where it is every deployment's.
    #[schema(required = true)]
    deployment: Option<String>,
    environment: String,
    /// Who rotates it: a directory's is rotated there, by a push of its next version.
    #[schema(pattern = "^(api|directory)$")]
    owner: &'static str,
    /// The version that is handed out, unless a policy chooses another that is live.
    version: u64,
    /// When that was set; of a directory's, since when its interval counts.
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
    /// Who holds those beside the one that is handed out.
    held: Vec<HeldVersion>,
}

/// Another version that is live.
#[derive(Serialize, ToSchema)]
struct HeldVersion {
    version: u64,
    /// How many leases hold it.
    leases: usize,
    /// How many of these were not renewed in time.
    lost: usize,
    /// How many boots without a lease were given it: no fewer than there were, up to 1,024. A directory's are not
    /// counted.
    unproven: u64,
    /// Who holds it, the oldest first, and of many the first 20.
    holders: Vec<HolderEntry>,
}

/// The secrets that are rotated: those with an interval, and those that were set by API and of which several
/// versions are live, as far as the token sees them.
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
    let found = rotated(served).filter_map(|(key, interval)| {
        let environment = asked.environment_of(&caller, served, &key)?;
        let is_due = interval.is_some_and(|interval| interval.is_due(now));
        let cursor = cursor(&key, environment);
        due.is_none_or(|due| due == is_due).then_some((cursor, (key, interval)))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let (page, next) = paging.of(found, Ordering::Greater, |(cursor, _)| cursor.clone());
    let rotations = page.into_iter().filter_map(|(_, one)| RotationEntry::of(&host, served, one));
    Ok(tagged(served.snapshot.revision.0, RotationList { rotations: rotations.collect(), next }))
}

/// What is rotated: whatever has an interval, whoever owns it, and what is being rotated without one.
fn rotated(served: &Served) -> impl Iterator<Item = (ValueKey, Option<Interval>)> {
    let intervals = served.snapshot.configuration.intervals();
    let with = intervals.map(|(place, name, _, interval)| {
        let key = ValueKey { place, name: name.clone() };
        (key, Some(interval))
    });
    let without = served.made.being_rotated().filter(|(_, value)| value.interval().is_none());
    with.chain(without.map(|(key, _)| (key.clone(), None)))
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
    /// None of what no layer has.
    fn of(host: &Host, served: &Served, (key, interval): (ValueKey, Option<Interval>)) -> Option<Self> {
        let (configuration, now) = (&served.snapshot.configuration, host.clock.now());
        let layer = layer_of(configuration, &key.place)?.get(configuration)?;
        let Content::Versions { versions, current } = &layer.variables.get(&key.name)?.content else {
            return None;
        };
        let held = versions.iter().filter(|one| one.number != *current).map(|one| {
            let holders = host.leases.holders(&configuration.workspace, one.value.id);
            HeldVersion {
                version: one.number,
                leases: holders.leases.len(),
                lost: holders.leases.iter().filter(|lease| lease.is_lost(now)).count(),
                unproven: holders.unproven,
                holders: HolderEntry::some(&holders.leases, now),
            }
        });
        let made = served.made.values.get(&key);
        let (deployment, environment) = match &key.place {
            Place::Deployment(id, environment) => (Some(id), environment.as_ref()),
            Place::Environment(environment) => (None, Some(environment)),
            Place::Workspace => (None, None),
        };
        Some(Self {
            name: key.name.to_string(),
            layer: LayerName::of(&key.place).as_str(),
            deployment: deployment.map(ToString::to_string),
            environment: environment.map(ToString::to_string).unwrap_or_default(),
            owner: if made.is_some() { "api" } else { "directory" },
            version: *current,
            set: rfc3339(made.map(|value| value.current.set.at).or(interval.map(|one| one.since))?),
            rotate_every: interval.map(|interval| interval.every.number()),
            rotation_due: interval.map(|interval| rfc3339(interval.due())),
            due: interval.is_some_and(|interval| interval.is_due(now)),
            live: versions.iter().map(|one| one.number).collect(),
            held: held.collect(),
        })
    }
}
