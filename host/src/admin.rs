//! The control API: axum on the same hyper. One file for each resource; every refusal leaves
//! through [`crate::serve::respond`], and every name in a path is checked before it is looked up.

mod caller;
mod explain;
mod snapshot;
mod tokens;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};

use crate::{host::Host, serve::respond::Problem};
pub use caller::Caller;

/// The largest JSON body, in bytes. A bundle has its own limit.
const MAX_JSON_BYTES: usize = 64 * 1024;

/// The routes of the admin listener.
pub fn router(host: Arc<Host>) -> Router {
    let bundle_bytes = host.limits.bundle_bytes;
    Router::new()
        .route("/api/v1/snapshot", put(snapshot::push).layer(DefaultBodyLimit::max(bundle_bytes)))
        .route("/api/v1/snapshot", get(snapshot::show))
        .route("/api/v1/snapshot/bundle", get(snapshot::bundle))
        .route("/api/v1/snapshot/plans", get(snapshot::plans))
        .route("/api/v1/snapshot/rollback", post(snapshot::rollback))
        .route("/api/v1/snapshots", get(snapshot::history))
        .route("/api/v1/workspaces", get(snapshot::workspaces))
        .route("/api/v1/deployments/{id}/explain", get(explain::explain))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::mint))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .method_not_allowed_fallback(|| async {
            Problem::method_not_allowed("other methods; see the API's description")
        })
        .fallback(|| async { Problem::not_found() })
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .with_state(host)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Problem::into_response::<Body>(self)
    }
}

/// A JSON answer with an `ETag` that a later `If-Match` may name.
fn tagged(revision: u64, body: serde_json::Value) -> Response {
    let mut response = Json(body).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert("bootlace-revision", HeaderValue::from(revision));
    response
}

async fn ready(State(host): State<Arc<Host>>) -> Result<&'static str, Problem> {
    host.readiness().map_err(Problem::from)
}

async fn metrics(State(host): State<Arc<Host>>, headers: HeaderMap) -> Result<Response, Problem> {
    Caller::of(&host, &headers)?.operator()?;
    let text = host.metrics.render();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
