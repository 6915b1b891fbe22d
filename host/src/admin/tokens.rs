//! Tokens: minted and shown once, listed without being shown, revoked at the next swap.

use std::{cmp::Ordering, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Caller, Named,
    body::{self, named},
    idempotency::ShownOnce,
    openapi::{
        BadRequest, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NotFound, TooLarge,
        Unauthenticated, Unavailable,
    },
    query::{MAX_PAGE, PAGE, Paging, parameter},
    snapshot::blocking,
};
use crate::{
    clock::rfc3339,
    host::{Host, MintRequest},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    model::{Role, Scope, TokenRecord},
    serve::respond::Problem,
};

type Answer = Result<Response, Problem>;

/// Principals that the host's own records use; a tenant's token must not pass for them.
const RESERVED: [&str; 2] = ["operator", "host"];

/// A token that is wanted.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "kind": "instance", "principal": "checkout in staging", "deployment": "checkout", "environment": "staging" }))]
#[serde(deny_unknown_fields)]
pub(super) struct WireMint {
    #[schema(pattern = "^(instance|tenant|operator)$")]
    kind: String,
    /// On whose behalf it acts.
    #[schema(min_length = 1, max_length = 128)]
    principal: String,
    /// An instance's.
    deployment: Option<String>,
    /// An instance's.
    environment: Option<String>,
    /// A tenant's.
    #[schema(pattern = "^(viewer|developer|releaser|admin)$")]
    role: Option<String>,
    /// The environments that a tenant's is limited to; none for all.
    #[serde(default)]
    environments: Vec<String>,
    /// Seconds from now.
    expires_in: Option<u64>,
}

/// A token's record: whose it is and what it may.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenEntry {
    id: String,
    #[schema(pattern = "^(instance|tenant|operator)$")]
    kind: &'static str,
    principal: String,
    created: String,
    /// Null for never.
    expires: Option<String>,
    /// When it was last used, to the second; null for not since the host's start.
    #[schema(required = true)]
    last_used: Option<String>,
    /// What `If-Match` takes to revoke it.
    etag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
    /// An instance's.
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
    /// An instance's.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    /// A tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// A tenant's: those that it is limited to; empty for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    environments: Option<Vec<String>>,
}

/// A token, once.
#[derive(Serialize, ToSchema)]
pub(super) struct MintedToken {
    #[serde(flatten)]
    record: TokenEntry,
    /// Keep it: it is never shown again.
    token: String,
}

/// Mints a token. The answer is the only place where it is ever shown.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", operation_id = "mint_token", params(InWorkspace),
    request_body = WireMint, responses(
        (status = 201, description = "It works", body = MintedToken, headers(
            ("etag" = String, description = "What If-Match takes to revoke it"),
            ("bootlace-revision" = u64, description = "The workspace's, which a token does not change"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn mint(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Admin)?;
    let wire: WireMint = body::json(body, "kind, principal, and what the kind needs").await?;
    let request = checked(&caller, query.as_deref(), wire)?;
    let minter = caller.author();
    let minted = blocking(move || host.mint(&minter, request)).await??;
    let body = MintedToken { record: entry(&minted.record), token: minted.token.expose().to_owned() };
    let tag = [(header::ETAG, etag(&minted.record))];
    let mut response = (StatusCode::CREATED, tag, Json(body)).into_response();
    // No copy of a token stays behind, sealed or not, for whoever comes again with the key.
    response.extensions_mut().insert(ShownOnce(format!(
        "this was done: token {} was minted, and a token is shown once. If that answer was lost, revoke it and \
         mint another under a new Idempotency-Key",
        minted.record.id
    )));
    Ok(at_revision(&caller, &minted.record, response))
}

/// Names the workspace's revision, where there is one: tokens change without a new one.
fn at_revision(caller: &Caller, record: &TokenRecord, mut response: Response) -> Response {
    let (Scope::Instance { workspace, .. } | Scope::Tenant { workspace, .. }) = &record.scope else {
        return response;
    };
    if let Some(served) = caller.live.workspace(workspace) {
        let revision = HeaderValue::from(served.snapshot.revision.0);
        response.headers_mut().insert("bootlace-revision", revision);
    }
    response
}

fn checked(caller: &Caller, query: Option<&str>, wire: WireMint) -> Result<MintRequest, Problem> {
    let name = |field: &str, text: Option<String>| {
        text.ok_or_else(|| Problem::invalid(format!("a token of this kind needs `{field}`")))
    };
    let scope = match wire.kind.as_str() {
        "operator" => {
            caller.operator()?;
            Scope::Operator
        }
        "tenant" => Scope::Tenant {
            workspace: caller.workspace(query)?,
            role: named::<Role>(&name("role", wire.role)?)?,
            environments: wire
                .environments
                .iter()
                .map(|text| named::<EnvironmentName>(text))
                .collect::<Result<_, _>>()?,
        },
        "instance" => Scope::Instance {
            workspace: caller.workspace(query)?,
            deployment: named::<DeploymentId>(&name("deployment", wire.deployment)?)?,
            environment: named::<EnvironmentName>(&name("environment", wire.environment)?)?,
        },
        _ => return Err(Problem::invalid("`kind` is instance, tenant or operator")),
    };
    within(caller, &scope)?;
    if caller.operator().is_err() && RESERVED.iter().any(|name| wire.principal.eq_ignore_ascii_case(name)) {
        let detail = format!("`{}` is a principal of this host; name somebody else", wire.principal);
        return Err(Problem::invalid(detail));
    }
    Ok(MintRequest { scope, principal: wire.principal, expires_in: wire.expires_in })
}

/// A token limited to some environments mints none that reaches further.
fn within(caller: &Caller, scope: &Scope) -> Result<(), Problem> {
    let reaches = match scope {
        Scope::Operator => true,
        Scope::Instance { environment, .. } => caller.sees(environment),
        Scope::Tenant { environments, .. } => match &caller.token.scope {
            Scope::Tenant { environments: own, .. } if !own.is_empty() => {
                !environments.is_empty() && environments.is_subset(own)
            }
            _ => true,
        },
    };
    if reaches { Ok(()) } else { Err(Problem::not_found()) }
}

/// Records, never tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    tokens: Vec<TokenEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// Records, never tokens. A workspace's; or, where an operator names none, the operators'.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", operation_id = "list_tokens", params(InWorkspace, InPages),
    responses((status = 200, description = "Those that the token sees", body = Tokens),
        BadRequest, Unauthenticated, Forbidden, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Admin)?;
    let workspace = asked(&caller, query.as_deref())?;
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let tokens = caller.live.tokens().values();
    let mut tokens: Vec<_> = tokens.filter(|record| belongs(&caller, workspace.as_ref(), record)).collect();
    tokens.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    let (page, next) = paging.of(tokens, Ordering::Greater, |record| record.id.clone());
    Ok(Json(Tokens { tokens: page.into_iter().map(|record| entry(record)).collect(), next }).into_response())
}

/// Revokes a token; it has stopped working when this is answered.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", operation_id = "revoke_token",
    params(InWorkspace, ("id" = String, Path, description = "As the list names it"),
        ("If-Match" = Option<String>, Header, description = "Its etag")), responses(
        (status = 204, description = "It works no more", headers(
            ("bootlace-revision" = u64, description = "The workspace's, which a token does not change"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Internal, Unavailable))]
pub(super) async fn revoke(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Admin)?;
    let workspace = asked(&caller, query.as_deref())?;
    // An operator's token is an operator's to revoke, whatever workspace is at hand.
    let visible =
        |record: &TokenRecord| belongs(&caller, workspace.as_ref(), record) || belongs(&caller, None, record);
    // Searched among what is visible only: what is not must not be told from what is not there.
    let record = caller.live.tokens().values().find(|record| record.id == id && visible(record)).cloned();
    let record = record.ok_or_else(Problem::not_found)?;
    if headers.get(header::IF_MATCH).is_some_and(|tag| tag.as_bytes() != etag(&record).as_bytes()) {
        let detail = "If-Match names another token; a token's etag is in the list of tokens";
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    let (revoker, hash) = (caller.author(), record.hash);
    blocking(move || host.revoke(&revoker, &hash)).await??;
    Ok(at_revision(&caller, &record, StatusCode::NO_CONTENT.into_response()))
}

/// Whose tokens are asked about: a workspace's, or where an operator names none, the operators'.
fn asked(caller: &Caller, query: Option<&str>) -> Result<Option<WorkspaceId>, Problem> {
    if caller.operator().is_ok() && parameter(query, "workspace")?.is_none() {
        return Ok(None);
    }
    caller.workspace(query).map(Some)
}

fn belongs(caller: &Caller, of: Option<&WorkspaceId>, record: &TokenRecord) -> bool {
    match &record.scope {
        Scope::Operator => of.is_none() && caller.operator().is_ok(),
        Scope::Instance { workspace, environment, .. } => Some(workspace) == of && caller.sees(environment),
        Scope::Tenant { workspace, environments, .. } => {
            let limited = environments.iter().all(|environment| caller.sees(environment));
            Some(workspace) == of && limited && (!caller.is_limited() || !environments.is_empty())
        }
    }
}

/// A token never changes: what names it names its only state.
fn etag(record: &TokenRecord) -> String {
    format!("\"{}\"", record.id)
}

fn entry(record: &TokenRecord) -> TokenEntry {
    let mut entry = TokenEntry {
        id: record.id.clone(),
        kind: record.scope.kind().as_str(),
        principal: record.principal.clone(),
        created: rfc3339(record.created_at),
        expires: record.expires_at.map(rfc3339),
        last_used: record.last_use.at().map(rfc3339),
        etag: etag(record),
        workspace: record.scope.workspace().map(ToString::to_string),
        deployment: None,
        environment: None,
        role: None,
        environments: None,
    };
    match &record.scope {
        Scope::Operator => {}
        Scope::Instance { deployment, environment, .. } => {
            entry.deployment = Some(deployment.to_string());
            entry.environment = Some(environment.to_string());
        }
        Scope::Tenant { role, environments, .. } => {
            entry.role = Some(role.as_str());
            entry.environments = Some(environments.iter().map(ToString::to_string).collect());
        }
    }
    entry
}
