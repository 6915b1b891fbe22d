//! A whole workspace from host to host: as a file out of one, and into another. For operators.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Caller,
    body::whole,
    openapi::{
        BadRequest, Conflict, Forbidden, InWorkspace, Internal, Invalid, NewRevision, NotFound, TooLarge,
        Unauthenticated, Unavailable,
    },
    snapshot::{answered, blocking},
};
use crate::{host::Host, serve::respond::Problem, transfer::MAX_TRANSFER_BYTES};

type Answer = Result<Response, Problem>;

/// What a workspace's file is.
const CONTENT_TYPE: &str = "application/vnd.bootlace.export";
/// The longest that one may take to arrive.
const PATIENCE: Duration = Duration::from_secs(300);

/// A place for one file, from its first byte in memory to its last: it may be as large as the limit.
#[derive(Clone)]
pub(super) struct Transfers(Arc<Semaphore>);

impl Default for Transfers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Transfers {
    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.0).try_acquire_owned();
        place.map_err(|_| Problem::busy("another export or import is under way; try again"))
    }
}

/// A file on its way out, with its place.
struct Outgoing {
    bytes: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Outgoing {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A workspace as a file, sealed under the host's root key: its configuration, values, policies, tokens (as
/// hashes), active releases and history, as far as it fits. The audit log stays. For operators.
#[utoipa::path(get, path = "/api/v1/export", tag = "snapshot", operation_id = "export_workspace", params(InWorkspace),
    responses(
        (status = 200, description = "The file", body = Vec<u8>, content_type = "application/vnd.bootlace.export", headers(
            ("bootlace-revision" = u64, description = "The revision that was served"),
            ("bootlace-earliest" = u64, description = "The earliest revision that can be looked at where it is imported"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, TooLarge, Internal, Unavailable))]
pub(super) async fn export(
    State(host): State<Arc<Host>>,
    State(transfers): State<Transfers>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.operator()?;
    let workspace = caller.workspace(query.as_deref())?;
    let principal = caller.token.principal.clone();
    drop(caller); // holds a generation
    let place = transfers.place()?;
    let exported = blocking(move || host.export(&principal, &workspace)).await??;
    let (header, bytes) = (exported.header, exported.bytes);
    let body = Body::from(Bytes::from_owner(Outgoing { bytes, _place: place }));
    let mut response = ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
    let told = [("bootlace-revision", header.revision), ("bootlace-earliest", header.earliest)];
    response.headers_mut().extend(
        told.map(|(name, revision)| (header::HeaderName::from_static(name), HeaderValue::from(revision.0))),
    );
    Ok(response)
}

/// Takes in a workspace that another host exported, under the same root key: as it was, at its revision. One
/// that this host has is not replaced. For operators.
#[utoipa::path(put, path = "/api/v1/import", tag = "snapshot", operation_id = "import_workspace", params(InWorkspace),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file"),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn import(
    State(host): State<Arc<Host>>,
    State(transfers): State<Transfers>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.operator()?;
    let workspace = caller.workspace(query.as_deref())?;
    let author = caller.author();
    drop(caller);
    let place = transfers.place()?;
    let file = match whole(body, MAX_TRANSFER_BYTES, PATIENCE).await {
        Err(problem) if problem.code() == "too-large" => {
            return Err(host.import_unread(author.principal(), &workspace).into());
        }
        file => file?,
    };
    let import = move || {
        let _place = place; // given up when the work ends, not when who waits for it goes away
        host.import(&author, &workspace, &file)
    };
    let changed = blocking(import).await??;
    Ok(answered(&changed))
}
