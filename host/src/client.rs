//! The command line's HTTP client: one host, one token, bounded in time, size and retries.
//!
//! What it will not do is as deliberate as what it does. It follows no redirect and reads no proxy
//! variable: both would carry the token somewhere that nobody named. It speaks plaintext with
//! loopback addresses only, judged by the address that is connected to and not by the URL's text.

mod address;
mod connect;
mod error;
mod list;
mod problem;
mod request;
#[cfg(test)]
mod tests;
mod trust;

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

pub use self::{
    address::{BaseUrl, InvalidUrl},
    error::{Error, Refusal},
    problem::{Problem, Violation},
    request::{BearerToken, InvalidToken, Request},
    trust::{BadRoots, Roots},
};
use self::{
    connect::{Connector, Plaintext},
    error::reason,
};

/// How to reach a host, and as whom.
pub struct Access {
    /// The listener's address.
    pub url: BaseUrl,
    /// Sent with every request.
    pub token: Option<BearerToken>,
    /// Who may vouch for the host.
    pub roots: Roots,
    /// Speak plaintext with hosts elsewhere, too: everyone on the way reads token and secrets.
    pub insecure_plaintext: bool,
}

/// What bounds one call of [`Client::send`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// Name lookup, TCP and TLS together.
    pub connect: Duration,
    /// One attempt, from connecting to the answer's last byte, of a request that names no other.
    pub attempt: Duration,
    /// All attempts and the pauses between them; no attempt starts later.
    pub total: Duration,
    /// Attempts after the first.
    pub retries: usize,
    /// An answer's body.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(30),
            total: Duration::from_secs(60),
            retries: 3,
            answer_bytes: 64 << 20,
        }
    }
}

/// Talks to one listener of one host; keeps its connections.
pub struct Client {
    url: BaseUrl,
    token: Option<BearerToken>,
    limits: Limits,
    http: legacy::Client<Connector, Full<Bytes>>,
}

/// A host's answer, status 2xx or 304.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, complete.
    pub body: Bytes,
}

impl Client {
    /// A client within the usual limits.
    ///
    /// # Errors
    /// The trusted certificates cannot be read. They are only read for `https`.
    pub fn new(access: Access) -> Result<Self, BadRoots> {
        Self::with_limits(access, Limits::default())
    }

    /// A client within limits of your own.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_limits(access: Access, limits: Limits) -> Result<Self, BadRoots> {
        let Access { url, token, roots, insecure_plaintext } = access;
        let tls = if url.is_https() { Some(Arc::new(trust::tls(&roots)?)) } else { None };
        let plaintext = if insecure_plaintext { Plaintext::Anywhere } else { Plaintext::LoopbackOnly };
        let connector = Connector { tls, plaintext, deadline: limits.connect };
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { url, token, limits, http })
    }

    /// Sends `request` and waits for the whole answer.
    ///
    /// Tried again, with jittered pauses: what was never sent or not answered, and what the host put
    /// off itself (429 or 503 with `Retry-After`). A change carries a key, the same in each attempt,
    /// so that it is made once.
    ///
    /// # Errors
    /// The host cannot be reached, refuses, or answers something that cannot be used.
    pub async fn send(&self, request: &Request) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.limits.total;
        let request = request.keyed();
        (|| self.attempt(&request))
            .retry(self.pauses())
            .when(|error| error.may_retry() && Instant::now() < deadline)
            .adjust(|error, pause| {
                let pause = pause?.max(error.retry_after().unwrap_or_default());
                (Instant::now() + pause < deadline).then_some(pause)
            })
            .await
    }

    fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(self.limits.retries)
            .with_jitter()
    }

    async fn attempt(&self, request: &Request) -> Result<Answer, Error> {
        let patience = request.patience_or(self.limits.attempt);
        match timeout(patience, self.exchange(request)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Error::TimedOut { url: self.url.to_string(), seconds: patience.as_secs() }),
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, Error> {
        let request = request.to_http(&self.url, self.token.as_ref());
        let response = self.http.request(request).await.map_err(|error| self.unreachable(&error))?;
        let (parts, body) = response.into_parts();
        let body = match Limited::new(body, self.limits.answer_bytes).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(self.unusable(format!("it is larger than {} bytes", self.limits.answer_bytes)));
            }
            Err(error) => {
                let (url, reason) = (self.url.to_string(), reason(&*error));
                return Err(Error::Unreachable { url, reason, sent: true });
            }
        };
        if parts.status.is_success() || parts.status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { status: parts.status, headers: parts.headers, body });
        }
        Err(Error::Refused(Box::new(Refusal::read(parts.status, &parts.headers, &body))))
    }

    fn unreachable(&self, error: &legacy::Error) -> Error {
        if connect::is_plaintext_refusal(error) {
            return Error::Plaintext { url: self.url.to_string() };
        }
        // hyper's own first line ("client error (Connect)") tells a person nothing.
        let cause = std::error::Error::source(error).unwrap_or(error);
        Error::Unreachable { url: self.url.to_string(), reason: reason(cause), sent: !error.is_connect() }
    }

    fn unusable(&self, reason: String) -> Error {
        Error::Unusable { url: self.url.to_string(), reason }
    }
}

impl Answer {
    /// The body as JSON of a known shape.
    ///
    /// # Errors
    /// It is not that. The message names the place and never quotes the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Unusable {
            url: "the host".into(),
            reason: format!(
                "it is not the JSON expected here (line {}, column {})",
                error.line(),
                error.column()
            ),
        })
    }

    /// A header's text, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

fn json_types() -> HeaderValue {
    HeaderValue::from_static("application/json, application/problem+json, */*;q=0.1")
}

fn user_agent() -> (header::HeaderName, HeaderValue) {
    (header::USER_AGENT, HeaderValue::from_static(concat!("bootlace/", env!("CARGO_PKG_VERSION"))))
}
