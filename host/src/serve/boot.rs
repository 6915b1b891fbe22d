//! A boot, read top to bottom. Nothing here waits for a disk or a network between the request and
//! the answer, but the audit record; and, of secrets that were set by API, the record of who holds them: for
//! each lease, and a dozen times in the life of a version for boots without one.

use std::{net::IpAddr, sync::Arc, time::Instant};

use http::{HeaderMap, HeaderValue, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request, body::Body};
use tokio::time::timeout;

use super::{
    facts::{self, BootQuery},
    lease,
    respond::{self, Problem, Response},
};
use crate::{
    audit::BootRecord,
    auth,
    format::Format,
    host::{Holding, Host},
    model::question::Facts,
    permit::Permit,
};

/// Why a request's body broke off.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// `GET` or `POST /v1/boot`, sent from `peer`: the whole read path.
///
/// # Errors
/// Every refusal, as the problem to answer with.
pub async fn boot<B>(host: &Arc<Host>, peer: IpAddr, request: Request<B>) -> Result<Response, Problem>
where
    B: Body<Error: Into<BoxError>>,
{
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let epoch = host.leases.epoch(); // what is revoked from here on is seen below

    let live = host.store.load(); // one generation for the whole request
    let now = host.clock.now();
    let caller = auth::instance(&head.headers, &live, now) // the token decides workspace, deployment, environment
        .map_err(Problem::from)?;

    let seconds = lease::wanted(&head.headers)?;
    let (told, format) = read(&head, body).await?; // a stranger's body stays unread
    let facts = caller.prepared.chain.vary().narrow(&told); // what no policy declared, no policy sees
    let decided = live.decide(&caller, &facts, &host.metrics).await; // Wasm, or remembered
    if let Err(refusal) = &decided {
        host.note_failure(&caller, peer, refusal);
    }
    let permit = decided.map(|grant| Permit::new(&caller, grant).at(now)); // nothing required is missing

    let id = host.audit.next_boot();
    let etag = permit.as_ref().ok().map(|permit| permit.etag(format));
    let unchanged = etag.as_ref().is_some_and(|etag| matches(&head.headers, etag));
    // One open; wiped when it was sent, or when it may not be.
    let body = match &permit {
        Ok(permit) if !unchanged => Some(permit.open(format, live.capsule_key())),
        _ => None,
    };
    // Among the holders of what it is given before that leaves: nobody revokes it unseen.
    let leased = match (&permit, &body) {
        (Ok(permit), Some(Ok(_))) => {
            let (held, counters, instance) = (permit.held(), permit.counters(), told.instance.as_deref());
            host.hold_boot(Holding { caller: &caller, held, counters, instance, seconds, epoch, now }).await
        }
        _ => Ok(None),
    };
    let outcome = match (&permit, &body, &leased) {
        (Err(refusal), ..) => refusal.code(),
        (Ok(_), None, _) => "unchanged",
        (Ok(_), Some(Err(error)), _) => error.code(),
        (Ok(_), Some(Ok(_)), Err(_)) => "busy",
        (Ok(_), Some(Ok(_)), Ok(_)) => "allowed",
    };
    let record = BootRecord {
        id,
        at: now,
        outcome,
        principal: &caller.token.principal,
        token: &caller.token.id,
        revision: caller.served.snapshot.revision,
        subject: &caller.prepared.audit_subject,
        basis: &caller.prepared.audit_basis,
        given: permit.as_ref().ok().filter(|_| outcome == "allowed").map(Permit::given),
        facts: &told,
        peer,
    };
    let recorded = host.audit.append(&record).await; // no record, no secret
    if recorded.is_err() {
        host.metrics.audit_failures.inc();
        if let Ok(Some(lease)) = &leased {
            host.forsake_lease(&caller, lease.id); // nothing was handed out
        }
    }
    recorded?;

    caller.prepared.usage.note(outcome, now);
    caller.prepared.questions.note(&told, &caller.served.room);
    let permit = permit?;
    let Some(body) = body.transpose()? else {
        host.metrics.boots_unchanged.inc();
        return Ok(respond::not_modified(etag.unwrap_or_default(), caller.served.snapshot.revision, id));
    };
    let lease = leased?;
    permit.note_read(now);
    host.metrics.boots_allowed.inc();
    host.metrics.boot_seconds.observe(began.elapsed().as_secs_f64());
    Ok(respond::boot(
        body,
        (format, lease.as_ref()),
        etag.unwrap_or_default(),
        caller.served.snapshot.revision,
        id,
    ))
}

/// What an authenticated instance says about itself, and the format that it wants.
async fn read<B>(head: &Parts, body: B) -> Result<(Facts, Format), Problem>
where
    B: Body<Error: Into<BoxError>>,
{
    let BootQuery { mut facts, format } = facts::from_query(head.uri.query().unwrap_or(""))?;
    if head.method == Method::POST {
        if facts != Facts::default() {
            return Err(Problem::bad_request(
                "a POST brings its facts in the body; leave them out of the query",
            ));
        }
        let body = timeout(facts::BODY_PATIENCE, Limited::new(body, facts::MAX_BODY_BYTES).collect()).await;
        let body = body.map_err(|_| Problem::bad_request("the body took too long to arrive"))?;
        let body = body
            .map_err(|_| Problem::too_large(format!("a boot takes up to {} bytes", facts::MAX_BODY_BYTES)))?;
        facts = facts::from_json(&body.to_bytes())?;
    }
    let format = match format {
        Some(text) => text.parse().map_err(|error| Problem::bad_request(format!("{error}")))?,
        None => accepted(&head.headers),
    };
    Ok((facts, format))
}

/// The format that `Accept` asks for: `application/vnd.bootlace.<format>`, or JSON.
fn accepted(headers: &HeaderMap) -> Format {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut wanted = accept.split(',').filter_map(|range| range.split(';').next());
    let vendor =
        wanted.find_map(|range| range.trim().strip_prefix("application/vnd.bootlace.")?.parse().ok());
    vendor.unwrap_or(Format::Json)
}

fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let given = headers.get(header::IF_NONE_MATCH).map(HeaderValue::to_str);
    let Some(Ok(given)) = given else { return false };
    given.split(',').any(|one| one.trim() == etag || one.trim() == "*")
}
