//! Bodies, read as a whole and within limits. Handlers ask for one when they know who is calling:
//! the bytes of strangers are not worth keeping.

use std::{fmt::Display, str::FromStr, time::Duration};

use axum::body::{Body, Bytes, to_bytes};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::serve::{facts, respond::Problem};

/// The largest JSON body, in bytes. A bundle and a list of values have their own limits.
const MAX_JSON_BYTES: usize = 64 * 1024;

/// The whole body.
pub(super) async fn whole(body: Body, limit: usize, patience: Duration) -> Result<Bytes, Problem> {
    let too_large = |_| Problem::too_large(format!("the body is larger than the limit of {limit} bytes"));
    let late = |_| Problem::bad_request("the body took too long to arrive");
    timeout(patience, to_bytes(body, limit)).await.map_err(late)?.map_err(too_large)
}

/// A JSON body of a known shape; `what` says which. It is not quoted.
pub(super) async fn json<T: DeserializeOwned>(body: Body, what: &str) -> Result<T, Problem> {
    let body = whole(body, MAX_JSON_BYTES, facts::BODY_PATIENCE).await?;
    serde_json::from_slice(&body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::bad_request(format!("not what this takes (line {line}, column {column}); send {what}"))
    })
}

/// A text of a body as what it names.
pub(super) fn named<T: FromStr<Err: Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::invalid(format!("{error}")))
}
