//! What runs where, since when, by whom and why; and what ran before.

use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::visible;
use crate::{
    admin::{
        Caller, Named,
        openapi::{BadRequest, InPages, InWorkspace, Internal, NotFound, Unauthenticated, Unavailable},
        pinned::ShownPin,
        query::{self, MAX_PAGE, PAGE, Paging},
        snapshot::blocking,
    },
    clock::rfc3339,
    generation::Served,
    host::{Activated, Host},
    id::{DeploymentId, EnvironmentName},
    serve::respond::Problem,
};

/// A part of a deployment's activations, the newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Activations {
    activations: Vec<ActivationEntry>,
    /// The cursor of the next page, if there is more.
    next: Option<String>,
}

/// A release that is active, or was.
#[derive(Serialize, ToSchema)]
pub(super) struct ActivationEntry {
    environment: String,
    /// Counts the activations in this environment.
    number: u64,
    release: u64,
    active: bool,
    /// RFC 3339.
    since: String,
    /// When another one took its place.
    until: Option<String>,
    /// On whose behalf; none where nobody wrote it down.
    by: Option<String>,
    /// `begun`, `push`, `registered`, `promotion <id>`, `rollback` or `unpin`.
    why: String,
    /// The workspace's revision that it made; none where nobody wrote it down.
    revision: Option<u64>,
    /// The number of the activation whose set it ran with, where that was pinned.
    pinned_to: Option<u64>,
    /// Of what is active and pinned: what is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pin: Option<ShownPin>,
}

/// What runs in each environment that the token sees, and the 50 last that ran there.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/activations", tag = "releases", operation_id = "list_activations",
    params(InWorkspace, InPages, ("id" = String, Path, description = "The deployment"),
        ("environment" = Option<String>, Query, description = "In this environment only")),
    responses((status = 200, description = "The newest first", body = Activations),
        BadRequest, Unauthenticated, NotFound, Internal, Unavailable))]
pub(in crate::admin) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let one = visible(&caller, served, &id)?;
    let only = query::environment(&caller, query)?;
    if only.as_ref().is_some_and(|only| !one.environments.contains_key(only)) {
        return Err(Problem::not_found());
    }
    let paging = Paging::asked(query, PAGE, MAX_PAGE)?;
    let (workspace, deployment) = (caller.workspace(query)?, one.id.clone());
    let (all, asked) = (Arc::clone(&host), deployment.clone());
    let mut all = blocking(move || all.activations(&workspace, &asked)).await??;
    // What a directory does not use any more stays in the state and says nothing.
    all.retain(|found| {
        let name = &found.environment;
        one.environments.contains_key(name)
            && caller.sees(name)
            && only.as_ref().is_none_or(|only| only == name)
    });
    all.sort_by_cached_key(|found| std::cmp::Reverse(Cursor::of(found)));
    let (page, next) = paging.of(all, Ordering::Less, Cursor::of);
    let entry = |found| ActivationEntry::with_pin(&host, served, &deployment, found);
    let activations = page.iter().map(entry).collect();
    Ok(Json(Activations { activations, next }).into_response())
}

impl ActivationEntry {
    /// With what is held back, of one that is active and pinned.
    pub(super) fn with_pin(
        host: &Host,
        served: &Served,
        deployment: &DeploymentId,
        found: &Activated,
    ) -> Self {
        let is_pinned = found.until.is_none() && found.activation.pinned.is_some();
        let pin = is_pinned.then(|| ShownPin::of(host, served, deployment, &found.environment)).flatten();
        Self { pin, ..Self::of(found) }
    }

    fn of(found: &Activated) -> Self {
        let Activated { environment, activation, until } = found;
        Self {
            environment: environment.to_string(),
            number: activation.number,
            release: activation.release,
            active: until.is_none(),
            since: rfc3339(activation.since),
            until: until.map(rfc3339),
            by: (!activation.by.is_empty()).then(|| activation.by.clone()),
            why: activation.why.to_string(),
            pinned_to: activation.pinned.map(|pin| pin.activation),
            pin: None,
            revision: Some(activation.revision.0).filter(|revision| *revision > 0),
        }
    }
}

/// Where a page ends: one revision may activate in several environments.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cursor(u64, EnvironmentName, u64);

impl Cursor {
    fn of(found: &Activated) -> Self {
        let Activated { environment, activation, .. } = found;
        Self(activation.revision.0, environment.clone(), activation.number)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.2, self.1)
    }
}

impl FromStr for Cursor {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next()?.parse().ok();
        let (revision, count): (u64, u64) = (number().ok_or(())?, number().ok_or(())?);
        let environment = parts.next().and_then(|name| name.parse().ok()).ok_or(())?;
        Ok(Self(revision, environment, count))
    }
}
