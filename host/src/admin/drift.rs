//! What of a workspace no directory says: everything that was made by API, and by whom. Beside what is
//! served, it is all that a comparison with a directory takes; that is the command line's, which has one.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Caller,
    openapi::{BadRequest, InPages, InWorkspace, NotFound, Unauthenticated},
    query::{MAX_PAGE, PAGE, Paging},
    tagged,
    values::Owned,
};
use crate::{
    host::Host,
    id::{DeploymentId, EnvironmentName},
    made::{Made, Resource, ResourceKey, Stamp},
    model::Place,
    serve::respond::Problem,
};

/// What was made by API.
#[derive(Serialize, ToSchema)]
pub(super) struct Drift {
    revision: u64,
    /// In the order of their subjects.
    made: Vec<DriftEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// Something that was made by API.
#[derive(Serialize, ToSchema)]
pub(super) struct DriftEntry {
    /// What it is and where, in words.
    subject: String,
    #[schema(
        pattern = "^(value|environment|deployment|service|tool|binding|policy|attachment|release|requirement)$"
    )]
    kind: &'static str,
    name: String,
    /// The deployment that it belongs to; null where it is every one's.
    #[schema(required = true)]
    deployment: Option<String>,
    /// The environment that it belongs to; null where it is every one's.
    #[schema(required = true)]
    environment: Option<String>,
    /// An environment's deployments, a deployment's environments.
    with: Vec<String>,
    #[serde(flatten)]
    owned: Owned,
}

/// Everything that was made by API; of a token that is limited to environments, what is in those alone.
#[utoipa::path(get, path = "/api/v1/drift", tag = "snapshot", operation_id = "show_drift", params(InWorkspace, InPages),
    responses(
        (status = 200, description = "What no directory says", body = Drift, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn drift(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let sees = |place: &(Option<DeploymentId>, Option<EnvironmentName>)| match &place.1 {
        Some(name) => caller.sees(name),
        None => !caller.is_limited(),
    };
    let mut all = BTreeMap::new();
    for mut one in entries(&served.made).filter(|one| sees(&one.place)) {
        if one.kind == "deployment" {
            one.with.retain(|name| name.parse().is_ok_and(|name| caller.sees(&name)));
        }
        all.insert(format!("{} {}", one.kind, one.subject), one);
    }
    let (page, next) = paging.of(&all, Ordering::Greater, |(key, _)| (*key).clone());
    let made = page.into_iter().map(|(_, one)| one.shown()).collect();
    let revision = served.snapshot.revision.0;
    Ok(tagged(revision, Drift { revision, made, next }))
}

/// One of them, and where it is.
struct One<'a> {
    subject: String,
    kind: &'static str,
    name: String,
    place: (Option<DeploymentId>, Option<EnvironmentName>),
    with: Vec<String>,
    changed: &'a Stamp,
}

impl One<'_> {
    fn shown(&self) -> DriftEntry {
        DriftEntry {
            subject: self.subject.clone(),
            kind: self.kind,
            name: self.name.clone(),
            deployment: self.place.0.as_ref().map(ToString::to_string),
            environment: self.place.1.as_ref().map(ToString::to_string),
            with: self.with.clone(),
            owned: Owned::since(Some(self.changed)),
        }
    }
}

fn entries(made: &Made) -> impl Iterator<Item = One<'_>> {
    let environments = made.environments.iter().map(|(name, one)| One {
        subject: format!("environment {name}"),
        kind: "environment",
        name: name.to_string(),
        place: (None, Some(name.clone())),
        with: one.deployments.iter().map(ToString::to_string).collect(),
        changed: &one.changed,
    });
    let resources = made.resources.iter().map(|(key, one)| {
        let (kind, name, place) = of_resource(key);
        let with = match &one.resource {
            Resource::Deployment(one) => one.environments.keys().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        One { subject: key.to_string(), kind, name, place, with, changed: &one.changed }
    });
    let values = made.values.iter().map(|(key, one)| One {
        subject: key.to_string(),
        kind: "value",
        name: key.name.to_string(),
        place: of_place(&key.place),
        with: Vec::new(),
        changed: &one.changed,
    });
    environments.chain(resources).chain(values)
}

fn of_resource(key: &ResourceKey) -> (&'static str, String, (Option<DeploymentId>, Option<EnvironmentName>)) {
    match key {
        ResourceKey::Deployment(id) => ("deployment", id.to_string(), (Some(id.clone()), None)),
        ResourceKey::Service(id) => ("service", id.to_string(), (None, None)),
        ResourceKey::Tool(name) => ("tool", name.to_string(), (None, None)),
        ResourceKey::Release(id, number) => ("release", number.to_string(), (Some(id.clone()), None)),
        ResourceKey::Binding(id, environment, name) => {
            ("binding", name.to_string(), (Some(id.clone()), Some(environment.clone())))
        }
        ResourceKey::Policy(name) => ("policy", name.to_string(), (None, None)),
        ResourceKey::Attachment(policy, place) => ("attachment", policy.to_string(), of_place(place)),
        ResourceKey::Requirement(key) => ("requirement", key.name.to_string(), of_place(&key.place)),
    }
}

fn of_place(place: &Place) -> (Option<DeploymentId>, Option<EnvironmentName>) {
    match place {
        Place::Workspace => (None, None),
        Place::Environment(name) => (None, Some(name.clone())),
        Place::Deployment(id, name) => (Some(id.clone()), name.clone()),
    }
}
