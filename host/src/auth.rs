//! Whose request it is. The token decides; nothing else in a request can.

use std::sync::Arc;

use http::{HeaderMap, header};

use crate::{
    clock::rfc3339,
    generation::{Generation, Served},
    id::{EnvironmentName, UnixSeconds},
    model::{Scope, TokenKind, TokenRecord},
    prepared::Prepared,
    token::{Token, same_hash},
};

/// Why a request is nobody's, or not anybody's who may ask this.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No token, garbage, unknown, expired, or of a kind that this listener does not take: all
    /// the same to a stranger.
    #[error("no valid token")]
    Unauthenticated,
    /// The token works, but nothing is served for its place (any more).
    #[error("nothing is served for this token's place")]
    NotFound,
    /// The token works, and its environment has stopped serving.
    #[error("the environment {environment} expired at {}", rfc3339(*.at))]
    Expired {
        /// The environment.
        environment: EnvironmentName,
        /// When.
        at: UnixSeconds,
    },
    /// The token works, and its workspace has no snapshot yet.
    #[error("the workspace has no snapshot yet")]
    NotReady,
    /// The token works, and what its deployment is pinned to cannot be put together on this host.
    #[error("what the deployment is pinned to cannot be put together")]
    Unset,
}

/// An instance that may boot. It borrows from the generation that its request holds: counting
/// references would make every core write where all others do.
pub struct InstanceCaller<'a> {
    /// The token's record.
    pub token: &'a TokenRecord,
    /// The workspace's live snapshot and what was prepared from it.
    pub served: &'a Served,
    /// What its deployment gets in its environment.
    pub prepared: &'a Prepared,
}

/// Finds the instance that sent `headers`.
///
/// # Errors
/// See [`AuthError`].
pub fn instance<'a>(
    headers: &HeaderMap,
    live: &'a Generation,
    now: UnixSeconds,
) -> Result<InstanceCaller<'a>, AuthError> {
    let token = bearer(headers, live, now)?;
    let Scope::Instance { workspace, deployment, environment } = &token.scope else {
        return Err(AuthError::Unauthenticated);
    };
    let served = live.workspace(workspace).ok_or(AuthError::NotReady)?;
    let prepared = served.prepared(deployment, environment).ok_or_else(|| {
        let is_pinned = served.is_pinned(deployment, environment);
        if is_pinned { AuthError::Unset } else { AuthError::NotFound }
    })?;
    if let Some(at) = prepared.plan.environment.expires.filter(|at| *at <= now) {
        return Err(AuthError::Expired { environment: environment.clone(), at });
    }
    Ok(InstanceCaller { token, served, prepared })
}

/// Finds the tenant or operator that sent `headers`.
///
/// # Errors
/// See [`AuthError`].
pub fn person(
    headers: &HeaderMap,
    live: &Generation,
    now: UnixSeconds,
) -> Result<Arc<TokenRecord>, AuthError> {
    let token = bearer(headers, live, now)?;
    match token.scope.kind() {
        TokenKind::Instance => Err(AuthError::Unauthenticated),
        TokenKind::Tenant | TokenKind::Operator => Ok(Arc::clone(token)),
    }
}

fn bearer<'a>(
    headers: &HeaderMap,
    live: &'a Generation,
    now: UnixSeconds,
) -> Result<&'a Arc<TokenRecord>, AuthError> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else { return Err(AuthError::Unauthenticated) };
    let text = given.to_str().map_err(|_| AuthError::Unauthenticated)?;
    let (scheme, token) = text.split_once(' ').ok_or(AuthError::Unauthenticated)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::Unauthenticated);
    }
    // The checksum turns garbage away before anything is looked up.
    let parsed: Token = token.parse().map_err(|_| AuthError::Unauthenticated)?;
    let hash = parsed.hash();
    let record = live.token(&hash).filter(|record| same_hash(&record.hash, &hash));
    let record = record.ok_or(AuthError::Unauthenticated)?;
    let kind_agrees = record.scope.kind() == parsed.kind();
    let expired = record.expires_at.is_some_and(|expires| expires <= now);
    if !kind_agrees || expired {
        return Err(AuthError::Unauthenticated);
    }
    record.last_use.note(now);
    Ok(record)
}
