//! Secrets that are rotated: when each is due, which of its versions are live together, and who holds the old
//! ones.

mod entry;

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use super::{
    Caller,
    openapi::{BadRequest, InEnvironment, InPages, InWorkspace, NotFound, Unauthenticated},
    query::{MAX_PAGE, PAGE, Paging, environment, parameter, parsed},
    services, tagged,
};
use crate::{
    generation::Served,
    host::Host,
    id::{DeploymentId, EnvironmentName, ServiceId},
    made::ValueKey,
    model::{Interval, Place},
    serve::respond::Problem,
};
use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use entry::{RotationEntry, RotationList};

/// The secrets that are rotated: those with an interval, and those that were set by API and of which several
/// versions are live, as far as the token sees them; and services' credentials with an interval.
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
    let found = rotated(served).filter_map(|(one, interval)| {
        let environment = asked.environment_of(&caller, served, &one)?;
        let is_due = interval.is_some_and(|interval| interval.is_due(now));
        let cursor = one.cursor(environment);
        due.is_none_or(|due| due == is_due).then_some((cursor, (one, interval)))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let (page, next) = paging.of(found, Ordering::Greater, |(cursor, _)| cursor.clone());
    let mut bound = services::Bound::new();
    let here: BTreeSet<&ServiceId> = page.iter().filter_map(|(_, (one, _))| one.service()).collect();
    if !here.is_empty() {
        bound = services::injected(&caller, served, |id| here.contains(id));
    }
    let rotations = page.into_iter().filter_map(|(_, (one, interval))| match one {
        Rotated::Value(key) => RotationEntry::of_value(&host, served, (key, interval)),
        Rotated::Credential(service, owner) => {
            let instance = (service, owner);
            let injected = bound.remove(&instance).unwrap_or_default();
            RotationEntry::of_credential(&host, served, instance, injected)
        }
    });
    Ok(tagged(served.snapshot.revision.0, RotationList { rotations: rotations.collect(), next }))
}

/// Something that is rotated.
enum Rotated {
    Value(ValueKey),
    /// Of a service, in the environment that owns the instance.
    Credential(ServiceId, EnvironmentName),
}

impl Rotated {
    /// What the list is in the order of. No two have the same: no name has a slash in it.
    fn cursor(&self, environment: &EnvironmentName) -> String {
        match self {
            Self::Value(ValueKey { place: Place::Deployment(id, _), name }) => {
                format!("{environment}/{id}/{name}")
            }
            Self::Value(key) => format!("{environment}//{}", key.name),
            Self::Credential(service, _) => format!("{environment}//{service}/"),
        }
    }

    fn service(&self) -> Option<&ServiceId> {
        if let Self::Credential(service, _) = self { Some(service) } else { None }
    }
}

/// What is rotated: whatever has an interval, whoever owns it, and what is being rotated without one.
fn rotated(served: &Served) -> impl Iterator<Item = (Rotated, Option<Interval>)> {
    let configuration = &served.snapshot.configuration;
    let with = configuration.intervals().map(|(place, name, _, interval)| {
        let key = ValueKey { place, name: name.clone() };
        (Rotated::Value(key), Some(interval))
    });
    let without = served.made.being_rotated().filter(|(_, value)| value.interval().is_none());
    let without = without.map(|(key, _)| (Rotated::Value(key.clone()), None));
    let credentials = configuration.credential_intervals();
    let credentials = credentials.map(|(service, owner, _, interval)| {
        (Rotated::Credential(service.clone(), owner.clone()), Some(interval))
    });
    with.chain(without).chain(credentials)
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

    /// The environment of what is asked for; every secret has one.
    fn environment_of<'r>(
        &self,
        caller: &Caller,
        served: &Served,
        one: &'r Rotated,
    ) -> Option<&'r EnvironmentName> {
        let environment = match one {
            Rotated::Value(ValueKey { place: Place::Environment(environment), .. }) => environment,
            Rotated::Value(ValueKey { place: Place::Deployment(_, Some(environment)), .. }) => environment,
            Rotated::Value(_) => return None,
            Rotated::Credential(_, owner) => owner,
        };
        let deployments = &served.snapshot.configuration.deployments;
        let comes_to = |asked: &DeploymentId| match one {
            Rotated::Value(ValueKey { place: Place::Deployment(own, _), .. }) => own == asked,
            Rotated::Value(_) => {
                deployments.get(asked).is_some_and(|uses| uses.environments.contains_key(environment))
            }
            Rotated::Credential(service, owner) => {
                let here = deployments.get(asked).into_iter().flat_map(|uses| &uses.environments);
                let mut bindings =
                    here.filter(|(name, _)| caller.sees(name)).flat_map(|(_, here)| here.bindings.values());
                bindings.any(|binding| binding.service == *service && binding.owner == *owner)
            }
        };
        let is_asked = self.deployment.as_ref().is_none_or(comes_to)
            && self.environment.as_ref().is_none_or(|asked| asked == environment);
        (is_asked && caller.sees(environment)).then_some(environment)
    }
}
