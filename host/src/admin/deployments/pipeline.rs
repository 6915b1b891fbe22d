//! The pipeline of each deployment: its environments in the order of their chains, what is active in each, and
//! which promotion is under way to it.

mod chain;

use std::{cmp::Ordering, sync::Arc};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{activations::ActivationEntry, is_visible, promotions::PromotionEntry, seen, visible};
use crate::{
    admin::{
        Caller,
        openapi::{BadRequest, InPages, InWorkspace, Internal, NotFound, Unauthenticated, Unavailable},
        query::{self, MAX_PAGE, Paging},
        snapshot::blocking,
    },
    generation::Served,
    host::{Host, Pipeline},
    id::{DeploymentId, EnvironmentName, UnixSeconds},
    model::{Deployment, Environment, SealedValue},
    serve::respond::Problem,
};

/// Deployments on a page, if nothing else is asked for.
const PAGE: usize = 50;

/// A part of the deployments, by name.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Pipelines {
    pipelines: Vec<PipelineEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// The way that a deployment's releases go.
#[derive(Serialize, ToSchema)]
struct PipelineEntry {
    deployment: String,
    /// The newest release that is registered; null where there is none.
    #[schema(required = true)]
    newest: Option<u64>,
    /// Its environments that the token sees, each behind those that promote to it.
    stages: Vec<StageEntry>,
}

/// An environment on that way.
#[derive(Serialize, ToSchema)]
struct StageEntry {
    environment: String,
    protected: bool,
    /// Whether anything new may come to it: it is neither deprecated nor expired.
    takes_releases: bool,
    #[schema(pattern = "^(automatic|manual|approval)$")]
    trigger: &'static str,
    /// Where its releases go next, of what the deployment uses; null where nowhere.
    #[schema(required = true)]
    promotes_to: Option<String>,
    /// What is active; null where nothing is.
    #[schema(required = true)]
    active: Option<ActivationEntry>,
    /// The promotion that runs or waits to get here; null where there is none.
    #[schema(required = true)]
    promotion: Option<PromotionEntry>,
}

/// The pipeline of each deployment that the token sees.
#[utoipa::path(get, path = "/api/v1/pipeline", tag = "releases", operation_id = "pipeline",
    params(InWorkspace, InPages, ("deployment" = Option<String>, Query, description = "Of this deployment only"),
        ("environment" = Option<String>, Query, description = "This environment only")),
    responses((status = 200, description = "By the deployments' names", body = Pipelines),
        BadRequest, Unauthenticated, NotFound, Internal, Unavailable))]
pub(in crate::admin) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let paging: Paging<DeploymentId> = Paging::asked(query, PAGE, MAX_PAGE)?;
    let only = query::environment(&caller, query)?;
    let named = query::parameter(query, "deployment")?;
    let named = named.map(|id| visible(&caller, served, &id)).transpose()?;
    let all = served.snapshot.configuration.deployments.values().filter(|one| {
        is_visible(&caller, one)
            && named.is_none_or(|named| named.id == one.id)
            && only.as_ref().is_none_or(|only| one.environments.contains_key(only))
    });
    let (page, next) = paging.of(all, Ordering::Greater, |one| one.id.clone());
    let (ids, workspace): (Vec<_>, _) =
        (page.iter().map(|one| one.id.clone()).collect(), caller.workspace(query)?);
    let now = host.clock.now();
    let asked = Arc::clone(&host);
    let records = blocking(move || asked.pipelines(&workspace, &ids)).await??;
    let is_asked_for = |name: &EnvironmentName| only.as_ref().is_none_or(|only| only == name);
    let pipelines = page.into_iter().zip(records).map(|(one, records)| {
        let seen: Vec<_> = seen(&caller, one).filter_map(|name| environment(served, name)).collect();
        let stages = chain::ordered(&seen).into_iter().filter(|(stage, _)| is_asked_for(&stage.name));
        let mut stages: Vec<_> = stages.map(|(stage, next)| StageEntry::of(stage, next, now)).collect();
        for stage in &mut stages {
            stage.fill((&host, served), &caller, one, &records);
        }
        let newest = one.releases.keys().last().copied();
        PipelineEntry { deployment: one.id.to_string(), newest, stages }
    });
    Ok(Json(Pipelines { pipelines: pipelines.collect(), next }).into_response())
}

fn environment<'a>(served: &'a Served, name: &EnvironmentName) -> Option<&'a Environment> {
    served.snapshot.configuration.environments.get(name)
}

impl StageEntry {
    fn of(stage: &Environment, next: Option<&EnvironmentName>, now: UnixSeconds) -> Self {
        Self {
            environment: stage.name.to_string(),
            protected: stage.protected,
            takes_releases: stage.takes_releases(now),
            trigger: stage.trigger().as_str(),
            promotes_to: next.map(ToString::to_string),
            active: None,
            promotion: None,
        }
    }

    /// What the records say of it; of a promotion from where the token does not see, nothing is told.
    fn fill(
        &mut self,
        (host, served): (&Host, &Served),
        caller: &Caller,
        one: &Deployment<SealedValue>,
        records: &Pipeline,
    ) {
        let Pipeline { active, under_way } = records;
        let found = active.iter().find(|found| found.environment.as_str() == self.environment);
        self.active = found.map(|found| ActivationEntry::with_pin(host, served, &one.id, found));
        let found = under_way.iter().find(|found| {
            found.to.as_str() == self.environment
                && found.deployment.1 == one.uid
                && caller.sees(found.source())
        });
        self.promotion = found.map(|found| PromotionEntry::of(found, caller));
    }
}
