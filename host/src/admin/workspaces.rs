//! Workspaces: an operator's all, a tenant's own; and a new one, for operators.

use std::{cmp::Ordering, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Caller, body,
    openapi::{
        BadRequest, Conflict, Forbidden, InPages, Internal, Invalid, NewRevision, TooLarge, Unauthenticated,
        Unavailable,
    },
    query::{MAX_PAGE, PAGE, Paging},
    snapshot::{answered, blocking},
};
use crate::{clock::rfc3339, generation::Served, host::Host, id::WorkspaceId, serve::respond::Problem};

type Answer = Result<Response, Problem>;

/// What is served.
#[derive(Serialize, ToSchema)]
pub(super) struct Workspaces {
    workspaces: Vec<WorkspaceEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// A workspace that has a snapshot.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkspaceEntry {
    workspace: String,
    revision: u64,
    created: String,
    /// Left out for a token that is limited to environments.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// A workspace that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWorkspace {
    /// Lower-case letters, digits and dashes.
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    name: String,
}

/// An operator's all, a tenant's own.
#[utoipa::path(get, path = "/api/v1/workspaces", tag = "workspaces", operation_id = "list_workspaces", params(InPages),
    responses((status = 200, description = "Those that the token sees", body = Workspaces),
        BadRequest, Unauthenticated))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let own = caller.operator().is_err().then(|| caller.workspace(None)).transpose()?;
    let all = caller.live.workspaces().iter();
    let visible = all.filter(|(name, _)| own.as_ref().is_none_or(|own| own == *name));
    let paging: Paging<WorkspaceId> = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let (page, next) = paging.of(visible, Ordering::Greater, |(name, _)| (*name).clone());
    let workspaces = page.into_iter().map(|(_, served)| entry(&caller, served)).collect();
    Ok(Json(Workspaces { workspaces, next }).into_response())
}

/// Makes a workspace that no directory describes, with the environments development, staging and
/// production, in a chain. For operators.
#[utoipa::path(post, path = "/api/v1/workspaces", tag = "workspaces", operation_id = "create_workspace",
    request_body = NewWorkspace, responses(
        NewRevision, BadRequest, Unauthenticated, Forbidden, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn create(State(host): State<Arc<Host>>, headers: HeaderMap, body: Body) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.operator()?;
    let wanted: NewWorkspace = body::json(body, "a name").await?;
    let name: WorkspaceId =
        wanted.name.parse().map_err(|error| Problem::invalid(format!("the name is refused: {error}")))?;
    let author = caller.author();
    let made = blocking(move || host.create_workspace(&author, &name)).await??;
    Ok(answered(&made))
}

fn entry(caller: &Caller, served: &Served) -> WorkspaceEntry {
    let snapshot = &served.snapshot;
    WorkspaceEntry {
        workspace: snapshot.configuration.workspace.to_string(),
        revision: snapshot.revision.0,
        created: rfc3339(snapshot.created),
        digest: (!caller.is_limited()).then(|| snapshot.digest.to_string()),
    }
}
