//! The control API: axum on the same hyper. One file for each resource; every refusal leaves
//! through [`crate::serve::respond`], and every name in a path is checked before it is looked up.

mod attachments;
mod audit;
mod body;
mod caller;
mod chains;
mod compare;
mod deployments;
mod diff;
mod drift;
mod environments;
mod explain;
mod idempotency;
mod leases;
mod openapi;
mod parity;
mod pinned;
mod policies;
mod query;
mod reach;
mod rotations;
mod services;
mod snapshot;
mod tokens;
mod tools;
mod transfer;
mod usage;
mod values;
mod what_if;
mod workspaces;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{FromRef, FromRequestParts, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::{from_fn_with_state, map_response},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{host::Host, serve::respond::Problem};
pub use caller::Caller;
use deployments::{activations, bindings, checks, given, pipeline, promotions, releases, rollback};
pub use openapi::document;
use openapi::{Forbidden, Unauthenticated, Unavailable};

/// Bundles in memory at once, those at work included.
const BUNDLES: usize = 2;
/// Components that are compiled at once, over all workspaces; of each workspace one.
const COMPONENTS: usize = 4;
/// The longest that a bundle may take to arrive. Once it is there, the work is waited for, however
/// long: who is told that a push failed may rely on it.
const BUNDLE_PATIENCE: Duration = Duration::from_secs(60);

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    host: Arc<Host>,
    bundles: Bundles,
    components: Components,
    transfers: transfer::Transfers,
    readers: audit::Readers,
    book: Arc<idempotency::Book>,
}

/// Places for bundles: each may be as large as the limit, and waits for the pushes before it.
#[derive(Clone)]
struct Bundles(Arc<Semaphore>);

impl Bundles {
    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.0).try_acquire_owned();
        place.map_err(|_| Problem::busy("other pushes are under way; try again"))
    }
}

/// Places for components that are compiled: a compilation may take a processor and much memory.
#[derive(Clone)]
struct Components(Arc<Semaphore>);

impl Components {
    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.0).try_acquire_owned();
        place.map_err(|_| Problem::busy("other policies are being compiled; try again"))
    }
}

impl FromRef<Shared> for Arc<Host> {
    fn from_ref(shared: &Shared) -> Self {
        Self::clone(&shared.host)
    }
}

impl FromRef<Shared> for Bundles {
    fn from_ref(shared: &Shared) -> Self {
        shared.bundles.clone()
    }
}

impl FromRef<Shared> for Components {
    fn from_ref(shared: &Shared) -> Self {
        shared.components.clone()
    }
}

impl FromRef<Shared> for transfer::Transfers {
    fn from_ref(shared: &Shared) -> Self {
        shared.transfers.clone()
    }
}

impl FromRef<Shared> for audit::Readers {
    fn from_ref(shared: &Shared) -> Self {
        shared.readers.clone()
    }
}

/// The routes of the admin listener.
pub fn router(host: Arc<Host>) -> Router {
    let remembered = host.remembered().unwrap_or_else(|error| {
        tracing::error!(error = %error, "changes made under a key before this start are not known");
        Vec::new()
    });
    let book = Arc::new(idempotency::Book::going_on(host.clock.clone(), remembered));
    let shared = Shared {
        host,
        bundles: Bundles(Arc::new(Semaphore::new(BUNDLES))),
        components: Components(Arc::new(Semaphore::new(COMPONENTS))),
        transfers: transfer::Transfers::default(),
        readers: audit::Readers::default(),
        book,
    };
    Router::new()
        .route("/api/v1/snapshot", put(snapshot::push))
        .route("/api/v1/snapshot", get(snapshot::show))
        .route("/api/v1/snapshot/bundle", get(snapshot::bundle))
        .route("/api/v1/snapshot/plans", get(snapshot::plans))
        .route("/api/v1/snapshot/rollback", post(snapshot::rollback))
        .route("/api/v1/snapshots", get(snapshot::history))
        .route("/api/v1/workspaces", get(workspaces::list).post(workspaces::create))
        .route("/api/v1/deployments", get(deployments::list).post(deployments::create))
        .route(
            "/api/v1/deployments/{id}",
            get(deployments::show).patch(deployments::patch).delete(deployments::delete),
        )
        .route("/api/v1/deployments/{id}/bindings", get(bindings::list).post(bindings::add))
        .route("/api/v1/deployments/{id}/bindings/{binding}", delete(bindings::remove))
        .route("/api/v1/deployments/{id}/domains", get(given::show_domains).put(given::put_domains))
        .route("/api/v1/deployments/{id}/namespaces", get(given::show_namespaces).put(given::put_namespaces))
        .route("/api/v1/deployments/{id}/tools", get(given::show_tools).put(given::put_tools))
        .route("/api/v1/deployments/{id}/releases", get(releases::list).post(releases::register))
        .route("/api/v1/deployments/{id}/checks", get(checks::list).post(checks::report))
        .route("/api/v1/deployments/{id}/promotions", get(promotions::list).post(promotions::promote))
        .route(
            "/api/v1/deployments/{id}/promotions/{promotion}",
            get(promotions::show).delete(promotions::withdraw),
        )
        .route("/api/v1/deployments/{id}/promotions/{promotion}/approvals", post(promotions::approve))
        .route("/api/v1/deployments/{id}/activations", get(activations::list))
        .route("/api/v1/rotations", get(rotations::list))
        .route("/api/v1/services", get(services::list).post(services::create))
        .route("/api/v1/services/{id}/holders", get(services::holders::holders))
        .route("/api/v1/services/{id}/unproven", delete(services::unproven::accept))
        .route("/api/v1/services/{id}", get(services::show).patch(services::patch).delete(services::delete))
        .route("/api/v1/tools", get(tools::list).post(tools::create))
        .route("/api/v1/tools/{id}", get(tools::show).patch(tools::patch).delete(tools::delete))
        .route("/api/v1/deployments/{id}/explain", get(explain::explain))
        .route("/api/v1/deployments/{id}/diff", get(diff::diff))
        .route("/api/v1/deployments/{id}/parity", get(parity::parity))
        .route("/api/v1/deployments/{id}/rollback", post(rollback::rollback))
        .route("/api/v1/deployments/{id}/unpin", post(rollback::unpin))
        .route("/api/v1/deployments/{id}/what-if", get(what_if::of_release).post(what_if::of_policy))
        .route("/api/v1/deployments/{id}/env", get(values::deployment::list).post(values::deployment::set))
        .route("/api/v1/deployments/{id}/env/{name}", delete(values::deployment::unset))
        .route("/api/v1/deployments/{id}/env/{name}/versions", get(values::deployment::versions))
        .route(
            "/api/v1/deployments/{id}/env/{name}/versions/{version}/revoke",
            post(values::deployment::revoke),
        )
        .route("/api/v1/env", get(values::workspace::list).post(values::workspace::set))
        .route("/api/v1/env/{name}", delete(values::workspace::unset))
        .route("/api/v1/env/{name}/versions", get(values::workspace::versions))
        .route("/api/v1/env/{name}/versions/{version}/revoke", post(values::workspace::revoke))
        .route(
            "/api/v1/environments/{env}/env",
            get(values::environment::list).post(values::environment::set),
        )
        .route("/api/v1/environments/{env}/env/{name}", delete(values::environment::unset))
        .route("/api/v1/environments/{env}/env/{name}/versions", get(values::environment::versions))
        .route(
            "/api/v1/environments/{env}/env/{name}/versions/{version}/revoke",
            post(values::environment::revoke),
        )
        .route("/api/v1/environments", get(environments::list).post(environments::create))
        .route(
            "/api/v1/environments/{env}",
            get(environments::show).patch(environments::patch).delete(environments::delete),
        )
        .route("/api/v1/policies", get(policies::list))
        .route("/api/v1/policies/{name}", get(policies::show).put(policies::upload).delete(policies::delete))
        .route("/api/v1/attachments", get(attachments::list).post(attachments::attach))
        .route(
            "/api/v1/attachments/{id}",
            get(attachments::show).put(attachments::configure).delete(attachments::detach),
        )
        .route("/api/v1/environments/{env}/clone", post(environments::clone::clone))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::mint))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/deployments/{id}/leases", get(leases::list))
        .route("/api/v1/deployments/{id}/leases/{lease}", delete(leases::report_gone))
        .route("/api/v1/pipeline", get(pipeline::show))
        .route("/api/v1/drift", get(drift::drift))
        .route("/api/v1/audit", get(audit::query))
        .route("/api/v1/usage", get(usage::show))
        .route("/api/v1/export", get(transfer::export))
        .route("/api/v1/import", put(transfer::import))
        .route("/openapi.json", get(openapi::show))
        .route("/metrics", get(metrics))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .method_not_allowed_fallback(wrong_method)
        .fallback(|| async { Problem::not_found() })
        .layer(from_fn_with_state(shared.clone(), idempotency::once))
        .layer(map_response(not_stored))
        .with_state(shared)
}

/// The router itself adds the `Allow` header, which it knows best.
async fn wrong_method() -> Problem {
    let detail = "this path does not take this method; the header `allow` lists those that it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", detail)
}

/// Answers hold tokens and what only their reader may see; no cache on the way keeps them.
async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A name in a path. What is no text names nothing.
struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = Path::from_request_parts(parts, state).await;
        named.map(|Path(name)| Self(name)).map_err(|_| Problem::not_found())
    }
}

/// Two names in a path, in its order.
struct NamedTwice(String, String);

impl<S: Send + Sync> FromRequestParts<S> for NamedTwice {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = Path::from_request_parts(parts, state).await;
        named.map(|Path((first, second))| Self(first, second)).map_err(|_| Problem::not_found())
    }
}

/// Three names in a path, in its order.
struct NamedThrice(String, String, String);

impl<S: Send + Sync> FromRequestParts<S> for NamedThrice {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = Path::from_request_parts(parts, state).await;
        let named = named.map(|Path((first, second, third))| Self(first, second, third));
        named.map_err(|_| Problem::not_found())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Problem::into_response::<Body>(self)
    }
}

/// A JSON answer with an `ETag` that a later `If-Match` may name.
fn tagged(revision: u64, body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert("bootlace-revision", HeaderValue::from(revision));
    response
}

/// Whether the process answers at all; on both listeners.
#[utoipa::path(get, path = "/livez", tag = "host", security(()), operation_id = "alive",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
async fn alive() -> &'static str {
    "ok\n"
}

/// Whether the host wants traffic; names no tenant. On both listeners.
#[utoipa::path(get, path = "/readyz", tag = "host", security(()), operation_id = "ready",
    responses((status = 200, description = "It does: `ready`, or `degraded`", body = String, content_type = "text/plain"), Unavailable))]
async fn ready(State(host): State<Arc<Host>>) -> Result<&'static str, Problem> {
    host.readiness().map_err(Problem::from)
}

/// What an operator can watch, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", tag = "host", operation_id = "metrics", responses(
    (status = 200, description = "Counters and gauges", body = String, content_type = "application/openmetrics-text"),
    Unauthenticated, Forbidden))]
async fn metrics(State(host): State<Arc<Host>>, headers: HeaderMap) -> Result<Response, Problem> {
    Caller::of(&host, &headers)?.operator()?;
    // A host that nobody probes shows its doubts all the same.
    let _ = host.readiness();
    host.metrics.set_clock(host.clock.now());
    host.note_expiring();
    host.note_leases();
    host.note_pinned();
    let noting = Arc::clone(&host);
    let note = move || {
        noting.note_rotations();
        noting.note_promotions();
    };
    snapshot::blocking(note).await?;
    let text = host.metrics.render();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
