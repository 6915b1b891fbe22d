//! `Idempotency-Key`: a change under a key is made once, however often it is asked for. Whoever lost
//! the answer asks again under the same key, and is given the answer that was lost.
//!
//! What is remembered is what was done: a refused request changed nothing, and leaves its key free; one for a
//! promotion that was denied made that, and does not. A key
//! is durable in the transaction of its change, and its answer beside it as soon as that was given; the
//! answer of a change that was made in the moment of a kill is lost, and whoever asks again is told that
//! it was made. A push is not made in the ledger: its key is remembered with its answer alone, and
//! `If-Match`, without which there is no push, keeps it from being made twice in between.

mod answer;
mod body;
mod book;

use std::sync::Arc;

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::{task_local, time::timeout};

use self::{
    body::Hashed,
    book::{First, Kept, Made, Slot, Turn},
};
use super::{BUNDLE_PATIENCE, Caller, Shared, snapshot::blocking};
use crate::{
    canonical::Canonical,
    host::{Claim, Host},
    id::Digest,
    serve::respond::Problem,
};
pub(super) use book::Book;

/// The header.
const HEADER: &str = "idempotency-key";
/// The longest key, in bytes.
pub(super) const MAX_KEY_BYTES: usize = 128;
/// The longest answer that is kept, in bytes. Who asks again for a longer one is told that the change
/// was made.
const MAX_ANSWER_BYTES: u64 = 4096;

task_local! {
    /// The key that a request's change is made under.
    static CLAIM: Arc<Claim>;
}

/// The key that the change of this request is made under, if it is made under any.
pub(super) fn claim() -> Option<Arc<Claim>> {
    CLAIM.try_with(Arc::clone).ok()
}

/// Put into an answer that is given once and not kept, with what is said to whoever asks again.
#[derive(Clone)]
pub(super) struct ShownOnce(pub(super) String);

/// Put into a refusal of what was done all the same, such as a promotion that was denied and is kept as that.
#[derive(Clone)]
pub(super) struct Done;

/// Lets a request through, or answers it as it was answered.
pub(super) async fn once(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match answer(&shared, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn answer(shared: &Shared, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(key) = key(&request)? else { return Ok(next.run(request).await) };
    // What a stranger is told, the route says.
    let Ok(caller) = Caller::of(&shared.host, request.headers()) else { return Ok(next.run(request).await) };
    let slot = Slot::new(caller.token.scope.workspace().cloned(), caller.token.hash, &key);
    drop(caller); // who waits for a turn holds no generation
    let uri = request.uri();
    let asked = Canonical::new("bootlace idempotency 1").text(request.method().as_str());
    let asked = asked.text(uri.path()).text(uri.query().unwrap_or("")).finish();
    match shared.book.turn(slot).await {
        // Not dropped with its connection: who comes again would make a change that is under way.
        Turn::First(first) => {
            let making = tokio::spawn(make(Arc::clone(&shared.host), first, asked, request, next));
            making.await.map_err(|_| Problem::internal())
        }
        Turn::Repeated(made) => repeat(&made, asked, request.into_body()).await,
    }
}

/// The key of a change.
fn key(request: &Request) -> Result<Option<String>, Problem> {
    let mut given = request.headers().get_all(HEADER).iter();
    let (key, second) = (given.next(), given.next());
    let Some(key) = key.filter(|_| !request.method().is_safe()) else { return Ok(None) };
    let is_sound =
        |key: &&str| (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let key = key.to_str().ok().filter(is_sound).filter(|_| second.is_none());
    let detail = || format!("Idempotency-Key is one word of 1 to {MAX_KEY_BYTES} visible ASCII characters");
    key.map(|key| Some(key.to_owned())).ok_or_else(|| Problem::bad_request(detail()))
}

/// Makes the change, and keeps its answer.
async fn make(host: Arc<Host>, first: First, asked: Digest, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (body, seen) = Hashed::new(body);
    let Slot { workspace, token, id } = first.slot().clone();
    let claim = Arc::new(Claim { id, workspace, token, asked, body: seen });
    let request = Request::from_parts(parts, Body::new(body));
    let mut response = CLAIM.scope(Arc::clone(&claim), next.run(request)).await;
    // Whether anything was done is not known of a failure that nobody foresaw: it is not done again.
    let is_done = response.status().is_success() || response.extensions_mut().remove::<Done>().is_some();
    if !is_done && response.status() != StatusCode::INTERNAL_SERVER_ERROR {
        return response;
    }
    let once = response.extensions_mut().remove::<ShownOnce>();
    let (parts, body) = response.into_parts();
    let is_short = body.size_hint().upper().is_some_and(|bytes| bytes <= MAX_ANSWER_BYTES);
    let (kept, body) = match once {
        Some(ShownOnce(said)) => (Kept::Said(said), body),
        None if is_short => {
            let bytes = to_bytes(body, MAX_ANSWER_BYTES as usize).await.unwrap_or_default();
            (Kept::Answer(parts.status, parts.headers.clone(), bytes.clone()), Body::from(bytes))
        }
        None => (Kept::Said("this was done; its answer is too long to be given again".to_owned()), body),
    };
    let (bytes, over) = (kept.to_bytes(), first.over());
    let remembering = Arc::clone(&claim);
    let remembered = blocking(move || host.remember(&remembering, &bytes, &over)).await;
    if let Ok(Err(error)) = remembered {
        tracing::warn!(error = %error, "the answer of a change under a key is not known after a restart");
    }
    first.made(Made { asked, body: claim.body.get().copied(), answer: kept });
    Response::from_parts(parts, body)
}

/// Answers as it was answered, if it is the same that is asked.
async fn repeat(made: &Made, asked: Digest, body: Body) -> Result<Response, Problem> {
    if made.asked != asked || made.body.is_some() && made.body != hash(body).await? {
        let detail = "another request was made under this Idempotency-Key; take a new key";
        return Err(Problem::invalid(detail));
    }
    match &made.answer {
        Kept::Answer(status, headers, body) => Ok((*status, headers.clone(), body.clone()).into_response()),
        Kept::Said(said) => Err(Problem::new(StatusCode::CONFLICT, "conflict", said.as_str())),
    }
}

/// The digest of a body that nobody keeps.
async fn hash(body: Body) -> Result<Option<Digest>, Problem> {
    let (body, seen) = Hashed::new(body);
    let late = |_| Problem::bad_request("the body took too long to arrive");
    timeout(BUNDLE_PATIENCE, body.read()).await.map_err(late)?;
    Ok(seen.get().copied())
}
