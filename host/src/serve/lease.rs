//! A lease that came with a boot: asked for in a header, renewed and ended by the instance that holds it.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{
    Sent,
    respond::{self, LEASE, Problem, Response},
};
use crate::{
    auth,
    clock::rfc3339,
    host::Host,
    id::Uid,
    lease::{MAX_SECONDS, MIN_SECONDS},
};

/// What the path of a lease begins with.
pub const PATH: &str = "/v1/lease/";
/// The largest body, in bytes.
const MAX_BODY_BYTES: usize = 1024;
/// The longest that a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// For how many seconds a boot asks for a lease.
///
/// # Errors
/// 400 when that is no such number.
pub fn wanted(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let mut given = headers.get_all(LEASE).iter();
    let (first, second) = (given.next(), given.next());
    let Some(first) = first else { return Ok(None) };
    let text =
        first.to_str().ok().filter(|text| second.is_none() && text.bytes().all(|b| b.is_ascii_digit()));
    let seconds = text.and_then(|text| text.parse().ok());
    let seconds = seconds.filter(|seconds| (MIN_SECONDS..=MAX_SECONDS).contains(seconds));
    seconds.map(Some).ok_or_else(|| {
        Problem::bad_request(format!(
            "Bootlace-Lease takes a whole number of seconds, {MIN_SECONDS} to {MAX_SECONDS}, once"
        ))
    })
}

/// `POST /v1/lease/{id}`. A lease of another deployment or environment is one that is not there.
///
/// # Errors
/// Every refusal, as the problem to answer with.
pub async fn lease(host: &Arc<Host>, request: Request<Sent>) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let live = host.store.load_full();
    let now = host.clock.now();
    let caller = auth::instance(&head.headers, &live, now)?;
    let id = head.uri.path().strip_prefix(PATH).filter(|id| id.len() == 32);
    let id = id.and_then(|id| id.parse::<Uid>().ok()).filter(|id| head.uri.path().ends_with(&id.to_string()));
    if head.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::bad_request("a lease takes no query; the token and the path say it all"));
    }
    let body = timeout(BODY_PATIENCE, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    let body = body.map_err(|_| Problem::bad_request("the body took too long to arrive"))?;
    let body =
        body.map_err(|_| Problem::too_large(format!("this takes up to {MAX_BODY_BYTES} bytes")))?.to_bytes();
    let ends = ends(&body)?;
    let id = id.ok_or_else(Problem::not_found)?;
    if ends {
        let lease = host.own_lease(&caller, id).ok_or_else(Problem::not_found)?;
        let (host, workspace) = (Arc::clone(host), lease);
        let ended = tokio::task::spawn_blocking(move || host.end_lease(&workspace, id)).await;
        return match ended {
            Ok(true) => Ok(respond::json(&json!({ "lease": id.to_string(), "ended": true }))),
            Ok(false) => Err(Problem::not_found()),
            Err(_) => Err(Problem::internal()),
        };
    }
    let lease = host.renew_lease(&caller, id, now).ok_or_else(Problem::not_found)?;
    Ok(respond::json(&json!({
        "lease": id.to_string(), "ended": false, "seconds": lease.seconds, "expires": rfc3339(lease.deadline),
    })))
}

/// Whether a body says that the instance has ended; no body, or an empty object, renews.
fn ends(body: &[u8]) -> Result<bool, Problem> {
    let refused = || Problem::bad_request("send {\"end\": true}, or nothing to renew the lease");
    if body.is_empty() {
        return Ok(false);
    }
    let said: Map<String, Value> = serde_json::from_slice(body).map_err(|_| refused())?;
    match (said.len(), said.get("end")) {
        (0, _) => Ok(false),
        (1, Some(Value::Bool(ends))) => Ok(*ends),
        _ => Err(refused()),
    }
}
