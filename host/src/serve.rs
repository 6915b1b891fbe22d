//! The boot listener: raw hyper, because a boot is the one thing that has to be fast. [`boot`] is
//! the read path as one function, [`respond`] the only place where an error becomes a status.

pub mod boot;
pub mod facts;
mod farewell;
pub mod lease;
pub mod listener;
pub mod respond;

use std::{net::IpAddr, sync::Arc};

use hyper::{Method, Request};

use crate::host::Host;
pub use farewell::Sent;
use respond::{Body, Problem, Response};

/// Answers one request of the boot listener, sent from `peer`.
pub async fn answer(host: Arc<Host>, peer: IpAddr, request: Request<Sent>) -> Response {
    let answered = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::POST, "/v1/boot") => boot::boot(&host, peer, request)
            .await
            .inspect_err(|problem| host.metrics.boot_refused(problem.code())),
        (_, "/v1/boot") => Err(Problem::method_not_allowed("GET, POST")),
        (&Method::POST, path) if path.starts_with("/v1/lease/") => lease::lease(&host, request).await,
        (_, path) if path.starts_with(lease::PATH) => Err(Problem::method_not_allowed("POST")),
        (&Method::GET, "/livez") => Ok(respond::text("ok\n")),
        (&Method::GET, "/readyz") => host.readiness().map(respond::text).map_err(Problem::from),
        _ => Err(Problem::not_found()),
    };
    answered.unwrap_or_else(|problem| problem.into_response::<Body>())
}
