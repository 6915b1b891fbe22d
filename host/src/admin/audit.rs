//! Who was given what, and who changed what: the audit log by page, the newest first. It never held
//! a value; the names of keys, which boots refer to by digest, are written out.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use tokio::{sync::Semaphore, time::timeout};

mod wire;

use super::{
    Caller,
    openapi::{BadRequest, InWorkspace, Internal, NotFound, Unauthenticated, Unavailable},
    query::{Paging, environment, parameter, parsed},
    snapshot::blocking,
};
use crate::{
    audit::{Cursor, Query, RecordPage},
    host::Host,
    id::UnixSeconds,
    model::Scope,
    serve::respond::Problem,
};
use wire::{AuditPage, AuditRecord};

/// Pages that are read at once: each may go through as much of the log as its limits let it.
const READERS: usize = 2;
/// How long a reader waits for its turn, which comes in the order of asking, before it is refused.
const PATIENCE: Duration = Duration::from_secs(10);
/// Records on a page, and the most that there may be.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;
/// The longest principal or kind that is looked for, in bytes.
const MAX_TEXT_BYTES: usize = 128;

/// Places for those who read.
#[derive(Clone)]
pub(super) struct Readers(Arc<Semaphore>);

impl Default for Readers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READERS)))
    }
}

impl Readers {
    /// A page of the log, in turn.
    pub(super) async fn page(
        &self,
        host: &Arc<Host>,
        wanted: Query,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<RecordPage, Problem> {
        let place = timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await.ok().and_then(Result::ok);
        let place = place.ok_or_else(|| Problem::busy("others read the audit log; try again"))?;
        let host = Arc::clone(host);
        let page = blocking(move || {
            let _place = place; // given up when the work ends, not when who waits for it goes away
            host.audit.page(&wanted, cursor, limit)
        });
        page.await?.map_err(|error| {
            tracing::error!(error = %error, "the audit log could not be read");
            Problem::internal()
        })
    }
}

/// The records of a workspace, the newest first; of a token that is limited to environments, only
/// what is about those.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", operation_id = "query_audit",
    params(InWorkspace,
        ("principal" = Option<String>, Query, max_length = 128, description = "On whose behalf"),
        ("key" = Option<String>, Query, description = "Boots that were given this variable, and changes of it"),
        ("environment" = Option<String>, Query, description = "The environment"),
        ("kind" = Option<String>, Query, max_length = 128, description = "Such as `boot`, `push`, `rollback`, `change`, `activate`, `promotion`, `approval`, `check`, `lease`, `compare-secrets`, `token-mint`, `token-revoke`"),
        ("boot" = Option<String>, Query, max_length = 128, description = "The boot of that id, as `Bootlace-Boot` gave it"),
        ("since" = Option<String>, Query, description = "Not before: RFC 3339, such as `2026-03-01T12:00:00Z`"),
        ("until" = Option<String>, Query, description = "Not after"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 200, description = "Records at most; 50 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses(
        (status = 200, description = "A page; it may be short, or even empty, and have a next one", body = AuditPage),
        BadRequest, Unauthenticated, NotFound, Internal, Unavailable))]
pub(super) async fn query(
    State(host): State<Arc<Host>>,
    State(readers): State<Readers>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let text = query.as_deref();
    let wanted = wanted(&caller, text)?;
    let Paging { limit, after } = Paging::asked(text, PAGE, MAX_PAGE)?;
    let RecordPage { records, next } = readers.page(&host, wanted, after, limit).await?;
    let records = records.iter().map(AuditRecord::new).collect();
    Ok(Json(AuditPage { records, next: next.map(|next| next.to_string()) }).into_response())
}

fn wanted(caller: &Caller, query: Option<&str>) -> Result<Query, Problem> {
    let environment = environment(caller, query)?;
    let within = match &caller.token.scope {
        Scope::Tenant { environments, .. } if caller.is_limited() => Some(environments.clone()),
        _ => None,
    };
    let workspace = caller.workspace(query)?;
    let served = caller.live.workspace(&workspace).into_iter();
    let all = served.flat_map(|served| served.snapshot.configuration.environments.keys());
    let without = all.filter(|name| !caller.sees(name)).cloned().collect();
    Ok(Query {
        principal: short(query, "principal")?,
        key: parsed(query, "key", "a variable's name")?,
        environment,
        workspace: Some(workspace),
        kind: short(query, "kind")?,
        boot: short(query, "boot")?,
        within,
        without,
        since: time(query, "since")?,
        until: time(query, "until")?,
    })
}

fn short(query: Option<&str>, name: &str) -> Result<Option<String>, Problem> {
    let text = parameter(query, name)?;
    if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT_BYTES) {
        return Err(Problem::bad_request(format!("`{name}` is at most {MAX_TEXT_BYTES} bytes")));
    }
    Ok(text)
}

fn time(query: Option<&str>, name: &str) -> Result<Option<UnixSeconds>, Problem> {
    let time: Option<Timestamp> = parsed(query, name, "a time such as 2026-03-01T12:00:00Z")?;
    Ok(time.map(|time| UnixSeconds(time.as_second())))
}
