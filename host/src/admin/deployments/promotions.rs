//! Promotions: asked for, looked at, approved.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::visible;
use crate::{
    admin::{
        Caller, Named, NamedTwice,
        body::{json, named},
        openapi::{
            BadRequest, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NotFound, TooLarge,
            Unauthenticated, Unavailable,
        },
        query::{self, MAX_PAGE, PAGE, Paging},
        snapshot::blocking,
        tagged,
        what_if::{self, ShownWhatIf},
    },
    clock::rfc3339,
    host::{ChangeError, Host, Requested, what_if::Candidate},
    id::{EnvironmentName, UnixSeconds},
    model::{Role, Scope},
    serve::respond::Problem,
    state::{Approved, Promotion, Status},
};

type Answer = Result<Response, Problem>;

/// How long a request waits for a target that another promotion has, with `wait`.
const PATIENCE: Duration = Duration::from_secs(20);

/// A promotion that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WirePromotion {
    /// The one that is active in the source, where none is named.
    release: Option<u64>,
    /// The environment that promotes to the target, where none is named. None does to the first of a chain,
    /// which takes a registered `release`.
    from: Option<String>,
    /// Where the source promotes to, where none is named.
    to: Option<String>,
    /// Only says what would come of it, and whose boots would be answered otherwise in the target.
    #[serde(default)]
    dry_run: bool,
    /// Waits a while for a target that another promotion has, instead of being refused.
    #[serde(default)]
    wait: bool,
}

/// A promotion, as far as it came.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct PromotionEntry {
    /// Null where it was only tried out.
    id: Option<String>,
    deployment: String,
    release: u64,
    /// Null for the first environment of a chain.
    from: Option<String>,
    to: String,
    /// `running` of what was only tried out: it would be done.
    #[schema(pattern = "^(running|deferred|done|denied|expired|withdrawn)$")]
    status: &'static str,
    /// Since when that is so, RFC 3339.
    since: String,
    requested_by: String,
    requested: String,
    approvals: Vec<ApprovalEntry>,
    /// Why it may not move, or not now.
    reasons: Vec<ReasonEntry>,
    /// What is still to be approved.
    required_approvals: Vec<RequiredEntry>,
    /// The target's secrets that are another environment's, too, where a policy asked: of environments that the
    /// token sees.
    shared_secrets: Vec<SharedEntry>,
    /// When it is tried again by itself; null where an event has to come.
    retry_at: Option<String>,
    /// When it ends, should what it waits for not come; null where it has ended.
    expires: Option<String>,
    /// Of what was only tried out: whose boots would be answered otherwise in the target, and how its plan would
    /// differ. Left out where the deployment has no such release.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if: Option<ShownWhatIf>,
}

/// An approval.
#[derive(Serialize, ToSchema)]
struct ApprovalEntry {
    principal: String,
    role: &'static str,
    /// RFC 3339.
    at: String,
}

/// What is in the way.
#[derive(Serialize, ToSchema)]
struct ReasonEntry {
    /// The policy; `bootlace` for a rule of the host's own.
    policy: String,
    reason: String,
}

/// A secret of the target that is another environment's, too.
#[derive(Serialize, ToSchema)]
struct SharedEntry {
    name: String,
    environment: String,
}

/// Approvals that are still to come, by principals who differ from those who gave theirs and from who asked.
#[derive(Serialize, ToSchema)]
struct RequiredEntry {
    role: &'static str,
    missing: u32,
}

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
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
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
    let wire: WirePromotion = json(body, "some of release, from, to, dry_run and wait").await?;
    let (from, to) = (place(wire.from.as_deref())?, place(wire.to.as_deref())?);
    let named = Requested { deployment, release: wire.release, from, to };
    // What is not said is made up from what the caller sees, and stays that.
    let (from, to) = named.ends(&served.snapshot.configuration, &|name| caller.sees(name))?;
    let requested = Requested { from, to: Some(to), ..named };
    let workspace = caller.workspace(query)?;
    if wire.dry_run {
        let (asked, author) = (Arc::clone(&host), caller.author());
        let tried = blocking(move || asked.try_out(&author, &workspace, &requested)).await??;
        let what_if = whose_boots(&host, &caller, query, &tried).await?;
        let entry = PromotionEntry { id: None, what_if, ..PromotionEntry::of(&tried, &caller) };
        // What it was tried with.
        return Ok(tagged(served.snapshot.revision.0, entry));
    }
    let until = Instant::now() + PATIENCE;
    let mut promoted = host.promoted.subscribe();
    loop {
        promoted.borrow_and_update();
        let (asked, author, at, of) =
            (Arc::clone(&host), caller.author(), workspace.clone(), requested.clone());
        match blocking(move || asked.promote(&author, &at, &of)).await? {
            Err(ChangeError::Promoting { .. }) if wire.wait && Instant::now() < until => {
                let _ = timeout_at(until, promoted.changed()).await;
            }
            answer => return answered(&answer?, &caller),
        }
    }
}

/// Approves a promotion: a releaser's or an admin's of its target, who did not ask for it, with a token that
/// who did had no hand in. It goes on by that, as far as it can.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/promotions/{promotion}/approvals", tag = "releases",
    operation_id = "approve_promotion", params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("promotion" = String, Path, description = "The promotion's id")),
    responses((status = 200, description = "It is done", body = PromotionEntry),
        (status = 202, description = "It still waits", body = PromotionEntry),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
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
    let (author, workspace, token) = (caller.author(), caller.workspace(query)?, Arc::clone(&caller.token));
    let (author, found) = (Arc::new(author), Arc::new(found));
    let until = Instant::now() + PATIENCE;
    let mut promoted = host.promoted.subscribe();
    loop {
        promoted.borrow_and_update();
        let (host, author, at) = (Arc::clone(&host), Arc::clone(&author), workspace.clone());
        let (token, found) = (Arc::clone(&token), Arc::clone(&found));
        let approved =
            blocking(move || host.approve(&author, (&token, role), &at, (&found.deployment.0, &found.id)));
        match approved.await? {
            // Somebody looks whether it can go on; that is over in a moment.
            Err(ChangeError::Promoting { .. }) if Instant::now() < until => {
                let _ = timeout_at(until, promoted.changed()).await;
            }
            answer => return answered(&answer?, &caller),
        }
    }
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
    let withdrawn =
        blocking(move || host.withdraw(&author, &workspace, (&found.deployment.0, &found.id))).await??;
    Ok(Json(PromotionEntry::of(&withdrawn, &caller)).into_response())
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

fn answered(promotion: &Promotion, caller: &Caller) -> Answer {
    let entry = PromotionEntry::of(promotion, caller);
    match promotion.status {
        Status::Denied => {
            let violations: Vec<_> = promotion
                .reasons
                .iter()
                .map(|(policy, reason)| serde_json::json!({ "code": policy, "message": reason }))
                .collect();
            let detail = format!("release {} may not move to {}", promotion.release, promotion.to);
            let problem = Problem::new(StatusCode::FORBIDDEN, "policy-denied", detail);
            Err(problem.with("violations", violations).with("promotion", promotion.id.clone()))
        }
        Status::Deferred => Ok((StatusCode::ACCEPTED, Json(entry)).into_response()),
        _ => Ok(Json(entry).into_response()),
    }
}

impl PromotionEntry {
    /// As `caller` may know it.
    pub(super) fn of(one: &Promotion, caller: &Caller) -> Self {
        let seconds = |at: u64| rfc3339(UnixSeconds(i64::try_from(at).unwrap_or(i64::MAX)));
        let approvals = one.approvals.iter().map(|Approved { approval, .. }| ApprovalEntry {
            principal: approval.principal.clone(),
            role: approval.role.as_str(),
            at: seconds(approval.approved_at),
        });
        let reasons = one.reasons.iter().cloned().map(|(policy, reason)| ReasonEntry { policy, reason });
        let wanted = one.wanted.iter();
        let shared =
            one.shared.iter().filter(|(_, environment)| caller.sees(&one.to) && caller.sees(environment));
        let waits = matches!(one.status, Status::Deferred | Status::Running);
        Self {
            id: Some(one.id.clone()),
            deployment: one.deployment.0.to_string(),
            release: one.release,
            from: one.from.as_ref().map(ToString::to_string),
            to: one.to.to_string(),
            status: one.status.as_str(),
            since: rfc3339(one.since),
            requested_by: one.by.clone(),
            requested: rfc3339(one.at),
            approvals: approvals.collect(),
            reasons: reasons.collect(),
            required_approvals: wanted
                .map(|(role, missing)| RequiredEntry { role: role.as_str(), missing: *missing })
                .collect(),
            shared_secrets: shared
                .map(|(name, environment)| SharedEntry {
                    name: name.to_string(),
                    environment: environment.to_string(),
                })
                .collect(),
            retry_at: one.retry_at.map(rfc3339),
            expires: waits.then(|| rfc3339(one.until)),
            what_if: None,
        }
    }
}
