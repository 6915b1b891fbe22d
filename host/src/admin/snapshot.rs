//! Snapshots: push, look, list, roll back.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    BUNDLE_PATIENCE, Bundles, Caller,
    body::{self, whole},
    openapi::{
        BadRequest, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, Made, NewRevision,
        NotFound, TooLarge, Unauthenticated, Unavailable,
    },
    query::{MAX_PAGE, PAGE, Paging},
    tagged,
};
use crate::{
    clock::rfc3339,
    host::{Changed, Host},
    id::Revision,
    manifest::{self, PlanManifest},
    serve::respond::Problem,
    slots::KeptRevision,
};

type Answer = Result<Response, Problem>;

/// What a push or a rollback came to.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangedSnapshot {
    workspace: String,
    /// The workspace's new revision.
    revision: u64,
    /// The snapshot's digest.
    digest: String,
    /// What the operator should know.
    warnings: Vec<String>,
}

/// Serves a signed bundle: a workspace's whole configuration.
#[utoipa::path(put, path = "/api/v1/snapshot", tag = "snapshot", operation_id = "push_snapshot",
    params(Made), request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bundle"),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn push(
    State(host): State<Arc<Host>>,
    State(bundles): State<Bundles>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.operator()?;
    let parent = if_match(&headers)?;
    let author = caller.author();
    let place = bundles.place()?;
    let bundle = match whole(body, host.limits.bundle_bytes, BUNDLE_PATIENCE).await {
        Err(problem) if problem.code() == "too-large" => {
            return Err(host.push_unread(author.principal(), parent).into());
        }
        bundle => bundle?,
    };
    let push = move || {
        let _place = place; // given up when the work ends, not when who waits for it goes away
        host.push(&author, &bundle, parent)
    };
    let changed = blocking(push).await??;
    Ok(answered(&changed))
}

/// What to go back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// One of the revisions that the history lists.
    revision: u64,
}

/// Serves the content of an earlier revision, under a new one.
#[utoipa::path(post, path = "/api/v1/snapshot/rollback", tag = "snapshot", operation_id = "rollback_snapshot",
    params(InWorkspace, Made), request_body = Rollback,
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn rollback(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.operator()?;
    let workspace = caller.workspace(query.as_deref())?;
    let parent = if_match(&headers)?;
    let wanted: Rollback = body::json(body, "{\"revision\": <the revision to go back to>}").await?;
    let author = caller.author();
    let to = Revision(wanted.revision);
    let changed = blocking(move || host.rollback(&author, &workspace, to, parent)).await??;
    Ok(answered(&changed))
}

pub(super) fn answered(changed: &Changed) -> Response {
    tagged(changed.revision.0, ChangedSnapshot::of(changed))
}

impl ChangedSnapshot {
    pub(super) fn of(changed: &Changed) -> Self {
        Self {
            workspace: changed.workspace.to_string(),
            revision: changed.revision.0,
            digest: changed.digest.to_string(),
            warnings: changed.warnings.clone(),
        }
    }
}

/// What is live of a workspace.
#[derive(Serialize, ToSchema)]
pub(super) struct LiveSnapshot {
    workspace: String,
    revision: u64,
    /// When this revision was made.
    created: String,
    /// The digest of each environment that the token sees.
    environments: BTreeMap<String, String>,
    deployments: Vec<String>,
    /// The snapshot's digest. Left out for a token that is limited to environments: it is about the
    /// others, too, and changes with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Left out like the digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<String>>,
}

/// What is live.
#[utoipa::path(get, path = "/api/v1/snapshot", tag = "snapshot", operation_id = "show_snapshot", params(InWorkspace),
    responses(
        (status = 200, description = "The live snapshot", body = LiveSnapshot, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let snapshot = &served.snapshot;
    let environments = snapshot.environments.iter().filter(|(name, _)| caller.sees(name));
    let environments = environments.map(|(name, digest)| (name.to_string(), digest.to_string())).collect();
    let configuration = &snapshot.configuration;
    let visible = served.pairs().filter(|one| caller.sees(&one.plan.environment.name));
    let visible: BTreeSet<_> = visible.map(|one| &one.plan.deployment).collect();
    let deployments = configuration.deployments.keys();
    let deployments = deployments.filter(|name| !caller.is_limited() || visible.contains(name));
    let is_whole = !caller.is_limited();
    let body = LiveSnapshot {
        workspace: configuration.workspace.to_string(),
        revision: snapshot.revision.0,
        created: rfc3339(snapshot.created),
        environments,
        deployments: deployments.map(ToString::to_string).collect(),
        digest: is_whole.then(|| snapshot.digest.to_string()),
        policies: is_whole.then(|| configuration.policies.keys().map(ToString::to_string).collect()),
    };
    Ok(tagged(snapshot.revision.0, body))
}

/// The live configuration as the host keeps it, signed by its store.
#[utoipa::path(get, path = "/api/v1/snapshot/bundle", tag = "snapshot", operation_id = "stored_bundle",
    params(InWorkspace), responses(
        (status = 200, description = "The bundle", body = Vec<u8>, content_type = "application/vnd.bootlace.bundle"),
        BadRequest, Unauthenticated, Forbidden, NotFound, Internal, Unavailable))]
pub(super) async fn bundle(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.operator()?;
    let workspace = caller.workspace(query.as_deref())?;
    let bytes = blocking(move || host.stored_bundle(&workspace)).await??;
    Ok(([(header::CONTENT_TYPE, "application/vnd.bootlace.bundle")], bytes).into_response())
}

/// Every plan's names and value ids.
#[derive(Serialize, ToSchema)]
pub(super) struct Plans {
    revision: u64,
    /// By deployment and environment.
    plans: Vec<PlanManifest>,
}

/// Every plan's names and value ids, for a comparison without values.
#[utoipa::path(get, path = "/api/v1/snapshot/plans", tag = "snapshot", operation_id = "show_plans", params(InWorkspace),
    responses(
        (status = 200, description = "The plans that the token sees", body = Plans, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn plans(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let mut plans: Vec<_> = served.pairs().filter(|one| caller.sees(&one.plan.environment.name)).collect();
    plans.sort_by_key(|one| (one.plan.deployment.clone(), one.plan.environment.name.clone()));
    let plans: Vec<_> = plans.into_iter().map(|one| manifest::of_plan(&one.plan)).collect();
    let revision = served.snapshot.revision.0;
    Ok(tagged(revision, Plans { revision, plans }))
}

/// What a rollback can go back to.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    /// The newest first.
    snapshots: Vec<HistoryEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// A revision that is kept.
#[derive(Serialize, ToSchema)]
pub(super) struct HistoryEntry {
    revision: u64,
    created: String,
    /// SHA-256 of the bundle that was pushed; null where no push made it.
    bundle: Option<String>,
    /// Whose key signed that.
    signer: Option<String>,
}

/// What a rollback can go back to, newest first.
#[utoipa::path(get, path = "/api/v1/snapshots", tag = "snapshot", operation_id = "list_snapshots", params(InWorkspace, InPages),
    responses((status = 200, description = "The revisions that are kept", body = History),
        BadRequest, Unauthenticated, NotFound, Internal))]
pub(super) async fn history(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let workspace = caller.served(query.as_deref())?.snapshot.configuration.workspace.clone();
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let kept = blocking(move || host.history(&workspace)).await?;
    let (page, next) = paging.of(&kept, Ordering::Less, |kept| kept.revision.0);
    Ok(Json(History { snapshots: page.into_iter().map(history_entry).collect(), next }).into_response())
}

fn history_entry(kept: &KeptRevision) -> HistoryEntry {
    HistoryEntry {
        revision: kept.revision.0,
        created: rfc3339(kept.created),
        bundle: kept.pushed.map(|pushed| pushed.digest.to_string()),
        signer: kept.pushed.map(|pushed| pushed.signer.to_string()),
    }
}

/// The revision in `If-Match`: `"7"`; `"0"` where nothing was pushed yet.
fn if_match(headers: &HeaderMap) -> Result<Revision, Problem> {
    let needed = || {
        Problem::bad_request(
            "name the revision that this change was made against, as If-Match: \"<revision>\"; \"0\" for the first",
        )
    };
    let text = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()).ok_or_else(needed)?;
    let digits = text.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(needed)?;
    digits.parse().map(Revision).map_err(|_| needed())
}

/// Preparing a generation takes a thread for a while, and that must not be one that answers boots.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())
}
