//! The only place where an error becomes a status. Problems are RFC 9457 documents with a stable
//! `code`; what they say is dull to a stranger and exact to whom it concerns.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response as HttpResponse, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use crate::{
    audit::{AuditUnavailable, BootId},
    auth::AuthError,
    change::{InUse, LISTED},
    clock::rfc3339,
    format::Format,
    host::{ChangeError, NotReady, Unheld},
    id::{Revision, VariableName},
    lease::Lease,
    model::{Mistyped, question::Violation},
    permit::{OpenError, Refusal},
    seal::Buffer,
    system,
    transfer::TransferError,
};

/// The body of an answer.
pub type Body = Full<Bytes>;
/// An answer of the boot listener.
pub type Response = HttpResponse<Body>;

/// A refusal on its way out.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    extra: Map<String, Value>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with a code of contract.md's list.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), extra: Map::new(), headers: Vec::new() }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What a person reads.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// 400: the request itself is wrong.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    /// 401: no token, or none that works. Says no more than that.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let detail =
            "a valid bearer token is needed; check that it is whole and has not expired or been revoked";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            .header(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 403: your own workspace, but the role is missing.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: not there, or not yours; nobody can tell which.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is no such thing here, or it is not yours")
    }

    /// 405, naming the methods that there are.
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", format!("this path takes {allow}"))
            .header(header::ALLOW, allow)
    }

    /// 409 with what is current.
    pub fn conflict(detail: impl Into<String>, current: u64) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail).with("revision", current)
    }

    /// 413, naming the limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    /// 422: well-formed, and not acceptable.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    /// 422: keys that the boot must not go without.
    #[must_use]
    pub fn missing_required(keys: &[VariableName]) -> Self {
        let names: Vec<_> = keys.iter().map(VariableName::as_str).collect();
        let detail = format!(
            "required and not set: {}; set them, or ask why with `bootlace explain`",
            names.join(", ")
        );
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "missing-required", detail).with("keys", names)
    }

    /// 422: keys that have not the form that is asked of them, and which that is.
    #[must_use]
    pub fn mistyped(found: &[Mistyped]) -> Self {
        let listed: Vec<_> = found.iter().map(ToString::to_string).collect();
        let keys: Vec<_> = found.iter().map(|one| one.key.as_str()).collect();
        let expected: Map<_, _> =
            found.iter().map(|one| (one.key.to_string(), one.expected.to_string().into())).collect();
        Self::invalid(format!("not of the required form: {}; set values that are", listed.join(", ")))
            .with("keys", keys)
            .with("expected", expected)
    }

    /// 403: a policy said no, and why.
    #[must_use]
    pub fn policy_denied(policy: &str, violations: &[Violation]) -> Self {
        let listed: Vec<_> = violations
            .iter()
            .map(|v| json!({ "policy": policy, "code": v.code, "message": v.message, "field": v.field }))
            .collect();
        Self::new(StatusCode::FORBIDDEN, "policy-denied", format!("the policy {policy} refused this boot"))
            .with("violations", listed)
    }

    /// 503: a policy failed; whose it is, and how.
    #[must_use]
    pub fn policy_failed(policy: &str, reason: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "policy-failed",
            format!("the policy {policy} failed: {reason}"),
        )
        .with("policy", policy)
    }

    /// 503: a value that this plan needs does not open.
    pub fn unseal_failed(key: &VariableName) -> Self {
        let detail = format!("{key} cannot be opened on this host; an operator has to look at its keys");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unseal-failed", detail).with("keys", vec![key.as_str()])
    }

    /// 503: nothing to serve yet.
    pub fn not_ready(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail).retry_after(1 + jitter_seconds())
    }

    /// 503: too much at once.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(1 + jitter_seconds())
    }

    /// 500: ours.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "the host failed in a way that it did not foresee; its log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(key.to_owned(), value.into());
        self
    }

    fn header(mut self, name: header::HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// The document, without a secret in it.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut fields = self.extra.clone();
        fields.insert("type".into(), json!(format!("urn:bootlace:problem:{}", self.code)));
        fields.insert("title".into(), json!(self.status.canonical_reason().unwrap_or("Error")));
        fields.insert("status".into(), json!(self.status.as_u16()));
        fields.insert("code".into(), json!(self.code));
        fields.insert("detail".into(), json!(self.detail));
        Value::Object(fields)
    }

    /// The answer.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> HttpResponse<B> {
        let mut response = HttpResponse::new(B::from(Bytes::from(self.document().to_string())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

/// Up to 3 seconds: a fleet that was turned away together must not come back together.
fn jitter_seconds() -> u64 {
    let mut random = [0];
    system::entropy(&mut random);
    u64::from(random[0] % 4)
}

/// A short document.
#[must_use]
pub fn json(document: &Value) -> Response {
    let mut response = HttpResponse::new(Body::new(Bytes::from(document.to_string())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A short plain text.
#[must_use]
pub fn text(text: impl Into<Bytes>) -> Response {
    let mut response = HttpResponse::new(Body::new(text.into()));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

const BOOT: header::HeaderName = header::HeaderName::from_static("bootlace-boot");
/// Of a request, for how many seconds a lease is wanted; of an answer, its name.
pub const LEASE: header::HeaderName = header::HeaderName::from_static("bootlace-lease");
const LEASE_SECONDS: header::HeaderName = header::HeaderName::from_static("bootlace-lease-seconds");
const REVISION: header::HeaderName = header::HeaderName::from_static("bootlace-revision");

/// An environment, on its way to the instance that booted. The body is wiped when it was sent.
pub fn boot(
    body: Buffer,
    (format, lease): (Format, Option<&Lease>),
    etag: String,
    revision: Revision,
    id: BootId,
) -> Response {
    let mut response = HttpResponse::new(Body::new(Bytes::from_owner(body)));
    let headers = response.headers_mut();
    if let Some(lease) = lease {
        if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(lease.id.to_string())) {
            headers.insert(LEASE, id);
        }
        headers.insert(LEASE_SECONDS, HeaderValue::from(lease.seconds));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    identify(headers, etag, revision, id);
    response
}

/// 304: what the instance has is what it would get.
#[must_use]
pub fn not_modified(etag: String, revision: Revision, id: BootId) -> Response {
    let mut response = HttpResponse::new(Body::default());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    identify(response.headers_mut(), etag, revision, id);
    response
}

fn identify(headers: &mut HeaderMap, etag: String, revision: Revision, id: BootId) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Both are hex digits and dashes, which any header carries.
    if let Ok(etag) = HeaderValue::from_maybe_shared(Bytes::from(etag)) {
        headers.insert(header::ETAG, etag);
    }
    if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(id.to_string())) {
        headers.insert(BOOT, id);
    }
    headers.insert(REVISION, HeaderValue::from(revision.0));
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthenticated => Self::unauthenticated(),
            AuthError::NotFound => Self::not_found(),
            expired @ AuthError::Expired { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "not-found",
                format!("{expired}; nothing boots there any more"),
            ),
            AuthError::NotReady => Self::not_ready("this host has no snapshot of your workspace yet"),
            AuthError::Unset => Self::not_ready(
                "what your deployment is pinned to here cannot be put together on this host; its team can unpin it",
            ),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied { policy, violations } => Self::policy_denied(&policy, &violations),
            Refusal::Missing(keys) => Self::missing_required(&keys),
            Refusal::Mistyped(found) => Self::mistyped(&found),
            Refusal::Failed { policy, reason, .. } => Self::policy_failed(&policy, &reason),
            Refusal::Unseal(key) => Self::unseal_failed(&key),
            Refusal::Busy => Self::busy("too many policies run at once; try again"),
            Refusal::TooLarge => Self::too_large("this environment's values are more than one answer holds"),
            Refusal::Damaged => Self::internal(),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::CannotCarry(error) => Self::invalid(error.to_string()).with("keys", vec![error.key()]),
            OpenError::Capsule(_) | OpenError::NoRoom(_) => Self::internal(),
        }
    }
}

impl From<AuditUnavailable> for Problem {
    fn from(error: AuditUnavailable) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "no boots: the audit log cannot be written"
        );
        Self::busy("this host cannot record boots now, so it hands out nothing")
    }
}

impl From<Unheld> for Problem {
    fn from(error: Unheld) -> Self {
        Self::busy(error.to_string())
    }
}

impl From<NotReady> for Problem {
    fn from(reason: NotReady) -> Self {
        Self::not_ready(reason.to_string())
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Stale { current, .. } => Self::conflict(error.to_string(), current.0),
            ChangeError::Changed { current, .. } | ChangeError::NotNow { current, .. } => {
                Self::new(StatusCode::CONFLICT, "conflict", error.to_string())
                    .with("revision", current.map(|revision| revision.0))
            }
            ChangeError::Taken { .. } => Self::new(StatusCode::CONFLICT, "conflict", error.to_string()),
            ChangeError::Held(ref in_use) => in_use_by(in_use, error.to_string()),
            ChangeError::Promoting { ref id, ref by, .. } => {
                let (id, by) = (id.clone(), by.clone());
                let problem = Self::new(StatusCode::CONFLICT, "conflict", error.to_string());
                problem.with("promotion", id).with("holder", by)
            }
            ChangeError::Uncounted { why } => Self::forbidden(why),
            ChangeError::Owned { .. } => {
                Self::new(StatusCode::CONFLICT, "owned-by-directory", error.to_string())
            }
            ChangeError::Occupied { current, .. } => Self::conflict(error.to_string(), current.0),
            ChangeError::TooLarge { .. }
            | ChangeError::Transfer(TransferError::TooLarge | TransferError::TooMuch { .. }) => {
                Self::too_large(error.to_string())
            }
            ChangeError::Transfer(_) => Self::invalid(error.to_string()),
            ChangeError::Untold(unavailable) => unavailable.into(),
            ChangeError::Unknown => Self::not_found(),
            ChangeError::Revoked => Self::unauthenticated(),
            ChangeError::Invalid(ref violations) => {
                let listed: Vec<_> = violations
                    .iter()
                    .map(|message| json!({ "code": "invalid", "message": message }))
                    .collect();
                Self::invalid(error.to_string()).with("violations", listed)
            }
            ChangeError::Bundle(ref cause) => {
                Self::invalid(format!("the bundle is refused: {}", chain(cause)))
            }
            ChangeError::Busy => Self::busy(error.to_string()),
            ChangeError::NoRootKey | ChangeError::Unrecorded => Self::not_ready(error.to_string()),
            // The host's log says more; a path or an errno is nobody else's business.
            ChangeError::Disk(_)
            | ChangeError::Ledger(_)
            | ChangeError::History(_)
            | ChangeError::Kept(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", error.to_string())
            }
        }
    }
}

/// 409 with who holds it, as many as are listed.
fn in_use_by(in_use: &InUse, detail: String) -> Problem {
    let InUse { holders, current, now, .. } = in_use;
    let listed: Vec<_> = holders
        .leases
        .iter()
        .take(LISTED)
        .map(|lease| {
            json!({
                "lease": lease.id.to_string(), "deployment": lease.deployment.as_str(),
                "environment": lease.environment.as_str(), "instance": lease.instance,
                "since": rfc3339(lease.since), "state": lease.state(*now),
            })
        })
        .collect();
    Problem::new(StatusCode::CONFLICT, "conflict", detail)
        .with("revision", current.map(|revision| revision.0))
        .with("holders", listed)
        .with("leases", holders.leases.len())
        .with("unproven", holders.unproven)
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
