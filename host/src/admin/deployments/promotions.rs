//! Promotions: asked for, looked at, approved.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::visible;
use crate::{
    admin::{
        Caller, Named, NamedTwice,
        body::{json as body_of, named},
        idempotency::Done,
        openapi::{
            BadRequest, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NotFound,
            PromotionDenied, TooLarge, Unauthenticated, Unavailable,
        },
        query::{self, MAX_PAGE, PAGE, Paging},
        snapshot::blocking,
        tagged,
        what_if::{self, ShownWhatIf},
    },
    host::{Host, Requested, what_if::Candidate},
    id::EnvironmentName,
    model::{Role, Scope},
    serve::respond::Problem,
    state::{Promotion, Status, Word},
};

mod turn;
mod wire;

use turn::in_turn;
pub(super) use wire::{PromotionEntry, WirePromotion};

type Answer = Result<Response, Problem>;

/// How long a request waits for a target that another promotion has, with `wait`.
const PATIENCE: Duration = Duration::from_secs(20);

/// A part of a deployment's promotions, the newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Promotions {
    promotions: Vec<PromotionEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// The promotions to and from environments that the token sees.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/promotions", tag = "releases", operation_id = "list_promotions",
    params(InWorkspace, InPages, ("id" = String, Path, description = "The deployment"),
        ("environment" = Option<String>, Query, description = "To this environment only")),
    responses((status = 200, description = "The newest first", body = Promotions),
        BadRequest, Unauthenticated, NotFound, Internal, Unavailable))]
pub(in crate::admin) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let only = query::environment(&caller, query)?;
    let paging: Paging<String> = Paging::asked(query, PAGE, MAX_PAGE)?;
    let mut all = seen(host, &caller, query, &id).await?;
    all.retain(|one| only.as_ref().is_none_or(|only| *only == one.to));
    let (page, next) = paging.of(&all, Ordering::Less, |one| one.id.clone());
    let promotions = page.into_iter().map(|one| PromotionEntry::of(one, &caller)).collect();
    Ok(Json(Promotions { promotions, next }).into_response())
}

/// One promotion.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/promotions/{promotion}", tag = "releases",
    operation_id = "show_promotion", params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("promotion" = String, Path, description = "The promotion's id")),
    responses((status = 200, description = "As far as it came", body = PromotionEntry),
        BadRequest, Unauthenticated, NotFound, Internal, Unavailable))]
pub(in crate::admin) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, promotion): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let all = seen(host, &caller, query.as_deref(), &id).await?;
    let found = all.iter().find(|one| one.id == promotion).ok_or_else(Problem::not_found)?;
    Ok(Json(PromotionEntry::of(found, &caller)).into_response())
}

/// Promotes a release: a releaser's. The host's own rules and the target's policies say whether it may move; it
/// is done, denied (403, with `violations`), or waits (202) for what `reasons` say, and goes on by itself.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/promotions", tag = "releases", operation_id = "promote",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")), request_body = WirePromotion,
    responses((status = 200, description = "It is done, or what would come of it", body = PromotionEntry),
        (status = 202, description = "It waits", body = PromotionEntry),
        BadRequest, Unauthenticated, PromotionDenied, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn promote(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Releaser)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let deployment = visible(&caller, served, &id)?.id.clone();
    let wire: WirePromotion = body_of(body, "some of release, from, to, dry_run and wait").await?;
    let (from, to) = (place(wire.from.as_deref())?, place(wire.to.as_deref())?);
    let named = Requested { deployment, release: wire.release, from, to };
    // What is not said is made up from what the caller sees, and stays that.
    let (from, to) = named.ends(&served.snapshot.configuration, &|name| caller.sees(name))?;
    let requested = Requested { from, to: Some(to), ..named };
    let workspace = caller.workspace(query)?;
    if wire.dry_run {
        let (asked, author, with) = (Arc::clone(&host), caller.author(), Arc::clone(served));
        let tried = blocking(move || asked.try_out(&author, &with, &requested)).await??;
        let what_if = whose_boots(&host, &caller, query, &tried).await?;
        let entry = PromotionEntry::tried(&tried, &caller, what_if);
        // What it was tried with.
        return Ok(tagged(served.snapshot.revision.0, entry));
    }
    let patience = if wire.wait { PATIENCE } else { Duration::ZERO };
    let asked = (Arc::clone(&host), Arc::new(caller.author()), workspace, Arc::new(requested));
    let mut is_first = true;
    let promoted = in_turn(&host.promoted, patience, || {
        let (host, author, workspace, requested) = asked.clone();
        // Who looks at what waits tells those who wait of it: once is enough.
        let is_first = std::mem::take(&mut is_first);
        blocking(move || match is_first {
            true => host.promote(&author, &workspace, &requested),
            false => host.promote_beside(&author, &workspace, &requested),
        })
    });
    answered(&promoted.await?, &caller)
}

/// Approves a promotion: a releaser's or an admin's of its target, who did not ask for it, with a token that
/// who did had no hand in. It goes on by that, as far as it can.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/promotions/{promotion}/approvals", tag = "releases",
    operation_id = "approve_promotion", params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("promotion" = String, Path, description = "The promotion's id")),
    responses((status = 200, description = "It is done", body = PromotionEntry),
        (status = 202, description = "It still waits", body = PromotionEntry),
        BadRequest, Unauthenticated, PromotionDenied, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn approve(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, promotion): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Releaser)?;
    let query = query.as_deref();
    let all = seen(Arc::clone(&host), &caller, query, &id).await?;
    let found = all.into_iter().find(|one| one.id == promotion).ok_or_else(Problem::not_found)?;
    if found.status != Status::Deferred {
        let detail = format!("promotion {promotion} is {} and waits for nobody", found.status.as_str());
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    let role = match &caller.token.scope {
        Scope::Tenant { role, .. } => *role,
        _ => Role::Admin,
    };
    let (author, workspace) = (Arc::new(caller.author()), caller.workspace(query)?);
    let asked = (Arc::clone(&host), author, workspace, Arc::clone(&caller.token), Arc::new(found));
    // Somebody may be looking whether it can go on; that is over in a moment.
    let approved = in_turn(&host.promoted, PATIENCE, || {
        let (host, author, workspace, token, found) = asked.clone();
        blocking(move || host.approve(&author, (&token, role), &workspace, (&found.deployment.0, &found.id)))
    });
    answered(&approved.await?, &caller)
}

/// Withdraws a promotion that waits: a releaser's own, or an admin's. One that is under way is not cancelled
/// half-way.
#[utoipa::path(delete, path = "/api/v1/deployments/{id}/promotions/{promotion}", tag = "releases",
    operation_id = "withdraw_promotion", params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("promotion" = String, Path, description = "The promotion's id")),
    responses((status = 200, description = "It is withdrawn", body = PromotionEntry),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Internal, Unavailable))]
pub(in crate::admin) async fn withdraw(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, promotion): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Releaser)?;
    let query = query.as_deref();
    let all = seen(Arc::clone(&host), &caller, query, &id).await?;
    let found = all.into_iter().find(|one| one.id == promotion).ok_or_else(Problem::not_found)?;
    let (author, workspace) = (caller.author(), caller.workspace(query)?);
    if found.by != author.principal() {
        caller.role(Role::Admin)?;
    }
    if found.status != Status::Deferred {
        let detail =
            format!("promotion {promotion} is {}; only one that waits is withdrawn", found.status.as_str());
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    let asked = (Arc::clone(&host), Arc::new(author), workspace, Arc::new(found));
    let withdrawn = in_turn(&host.promoted, PATIENCE, || {
        let (host, author, workspace, found) = asked.clone();
        blocking(move || host.withdraw(&author, &workspace, (&found.deployment.0, &found.id)))
    });
    Ok(Json(PromotionEntry::of(&withdrawn.await?, &caller)).into_response())
}

/// Whose boots would be answered otherwise in the target, if a promotion were done.
async fn whose_boots(
    host: &Arc<Host>,
    caller: &Caller,
    query: Option<&str>,
    promotion: &Promotion,
) -> Result<Option<ShownWhatIf>, Problem> {
    let (served, pair) = (caller.served(query)?, (promotion.deployment.0.clone(), promotion.to.clone()));
    let one = served.snapshot.configuration.deployments.get(&pair.0);
    let is_there = one.is_some_and(|one| one.releases.contains_key(&promotion.release));
    if !is_there || served.prepared(&pair.0, &pair.1).is_none() {
        return Ok(None);
    }
    let candidate = Candidate::Release(promotion.release);
    let (_, shown) = what_if::tried(host, caller, query, pair, candidate, None).await?;
    Ok(Some(shown))
}

fn place(name: Option<&str>) -> Result<Option<EnvironmentName>, Problem> {
    name.map(named).transpose()
}

/// Those of a deployment that are between environments that the token sees.
async fn seen(
    host: Arc<Host>,
    caller: &Caller,
    query: Option<&str>,
    id: &str,
) -> Result<Vec<Promotion>, Problem> {
    let deployment = visible(caller, caller.served(query)?, id)?.id.clone();
    let workspace = caller.workspace(query)?;
    let mut all = blocking(move || host.promotions(&workspace, &deployment)).await??;
    all.retain(|one| caller.sees(one.source()) && caller.sees(&one.to));
    Ok(all)
}

/// As it was answered once: also what denies it stays its answer, whoever asks again under the same key.
fn answered(promotion: &Promotion, caller: &Caller) -> Answer {
    let entry = PromotionEntry::of(promotion, caller);
    let kept = |problem: Problem| {
        let mut response = problem.with("promotion", promotion.id.clone()).into_response();
        response.extensions_mut().insert(Done);
        response
    };
    Ok(match (promotion.status, promotion.made) {
        (Status::Denied, _) => {
            let reasons = promotion.reasons.iter().map(|Word { policy, code, text, field }| {
                json!({ "policy": policy, "code": code.as_deref().unwrap_or("denied"), "message": text, "field": field })
            });
            let detail = format!("release {} may not move to {}", promotion.release, promotion.to);
            let problem = Problem::new(StatusCode::FORBIDDEN, "policy-denied", detail);
            kept(problem.with("violations", reasons.collect::<Vec<_>>()))
        }
        (Status::Expired, _) => {
            let detail = format!("promotion {} waited for too long and is over; ask again", promotion.id);
            kept(Problem::new(StatusCode::CONFLICT, "conflict", detail))
        }
        (Status::Deferred, _) => (StatusCode::ACCEPTED, Json(entry)).into_response(),
        (_, Some(made)) => tagged(made.0, entry),
        _ => Json(entry).into_response(),
    })
}
