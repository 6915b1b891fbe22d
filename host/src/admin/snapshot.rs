//! Snapshots: push, look, list, roll back.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{BUNDLE_PATIENCE, Bundles, Caller, tagged, whole, whole_json};
use crate::{
    clock::rfc3339,
    generation::Served,
    host::{Changed, Host},
    id::Revision,
    manifest,
    serve::respond::Problem,
    slots::KeptRevision,
};

type Answer = Result<Response, Problem>;

/// `PUT /api/v1/snapshot`: a bundle, with the parent revision in `If-Match`.
pub(super) async fn push(
    State(host): State<Arc<Host>>,
    State(bundles): State<Bundles>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.operator()?;
    let parent = if_match(&headers)?;
    let principal = caller.token.principal.clone();
    let place = bundles.place()?;
    let bundle = match whole(body, host.limits.bundle_bytes, BUNDLE_PATIENCE).await {
        Err(problem) if problem.code() == "too-large" => {
            return Err(host.push_unread(&principal, parent).into());
        }
        bundle => bundle?,
    };
    let push = move || {
        let _place = place; // given up when the work ends, not when who waits for it goes away
        host.push(&principal, &bundle, parent)
    };
    let changed = blocking(push).await??;
    Ok(answered(&changed))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    revision: u64,
}

/// `POST /api/v1/snapshot/rollback`: old content under a new revision.
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
    let body = whole_json(body).await?;
    let wanted: Rollback = serde_json::from_slice(&body)
        .map_err(|_| Problem::bad_request("send {\"revision\": <the revision to go back to>}"))?;
    let principal = caller.token.principal.clone();
    let to = Revision(wanted.revision);
    let changed = blocking(move || host.rollback(&principal, &workspace, to, parent)).await??;
    Ok(answered(&changed))
}

fn answered(changed: &Changed) -> Response {
    let body = json!({
        "workspace": changed.workspace.as_str(), "revision": changed.revision.0,
        "digest": changed.digest.to_string(), "warnings": changed.warnings,
    });
    tagged(changed.revision.0, body)
}

/// `GET /api/v1/snapshot`: what is live.
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let snapshot = &served.snapshot;
    let environments = snapshot.environments.iter().filter(|(name, _)| caller.sees(name));
    let environments: serde_json::Map<_, _> =
        environments.map(|(name, digest)| (name.to_string(), digest.to_string().into())).collect();
    let configuration = &snapshot.configuration;
    let visible = served.pairs().filter(|one| caller.sees(&one.plan.environment.name));
    let visible: BTreeSet<_> = visible.map(|one| &one.plan.deployment).collect();
    let deployments = configuration.deployments.keys();
    let deployments = deployments.filter(|name| !caller.is_limited() || visible.contains(name));
    let mut body = json!({
        "workspace": configuration.workspace.as_str(), "revision": snapshot.revision.0,
        "created": rfc3339(snapshot.created), "environments": environments,
        "deployments": deployments.map(ToString::to_string).collect::<Vec<_>>(),
    });
    if !caller.is_limited() {
        // What is about environments that a limited token does not see, and changes with them.
        body["digest"] = snapshot.digest.to_string().into();
        body["policies"] = configuration.policies.keys().map(ToString::to_string).collect();
    }
    Ok(tagged(snapshot.revision.0, body))
}

/// `GET /api/v1/snapshot/bundle`: the live configuration as the host keeps it, signed by its store.
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

/// `GET /api/v1/snapshot/plans`: every plan's names and value ids, for a comparison without values.
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
    Ok(tagged(revision, json!({ "revision": revision, "plans": plans })))
}

/// `GET /api/v1/snapshots`: what a rollback can go back to, newest first.
pub(super) async fn history(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let workspace = caller.served(query.as_deref())?.snapshot.configuration.workspace.clone();
    let entries = blocking(move || host.history(&workspace)).await?;
    let entries: Vec<Value> = entries.iter().map(history_entry).collect();
    Ok(Json(json!({ "snapshots": entries })).into_response())
}

fn history_entry(kept: &KeptRevision) -> Value {
    json!({
        "revision": kept.revision.0, "created": rfc3339(kept.created),
        "bundle": kept.pushed.map(|pushed| pushed.digest.to_string()),
        "signer": kept.pushed.map(|pushed| pushed.signer.to_string()),
    })
}

/// `GET /api/v1/workspaces`: an operator's all, a tenant's own.
pub(super) async fn workspaces(State(host): State<Arc<Host>>, headers: HeaderMap) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let own = caller.operator().is_err().then(|| caller.workspace(None)).transpose()?;
    let all = caller.live.workspaces().iter();
    let visible = all.filter(|(name, _)| own.as_ref().is_none_or(|own| own == *name));
    let listed: Vec<Value> = visible.map(|(_, served)| workspace_entry(&caller, served)).collect();
    Ok(Json(json!({ "workspaces": listed })).into_response())
}

fn workspace_entry(caller: &Caller, served: &Served) -> Value {
    let snapshot = &served.snapshot;
    let mut entry = json!({
        "workspace": snapshot.configuration.workspace.as_str(), "revision": snapshot.revision.0,
        "created": rfc3339(snapshot.created),
    });
    if !caller.is_limited() {
        entry["digest"] = snapshot.digest.to_string().into();
    }
    entry
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
