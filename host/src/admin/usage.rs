//! How each (deployment, environment) is used since the host's start.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Caller,
    caller::parameter,
    openapi::{BadRequest, InWorkspace, NotFound, Unauthenticated},
    tagged,
};
use crate::{
    clock::rfc3339,
    host::Host,
    id::{DeploymentId, EnvironmentName},
    prepared::Prepared,
    serve::respond::Problem,
};

/// Pairs on a page, and the most that there may be.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;

/// Numbers that begin with the host's start.
#[derive(Serialize, ToSchema)]
pub(super) struct UsagePage {
    /// When the host was started; what was before, the audit log knows.
    since: String,
    /// By deployment and environment.
    usage: Vec<PairUsage>,
    /// The cursor of the pairs behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// How one deployment is used in one environment.
#[derive(Serialize, ToSchema)]
pub(super) struct PairUsage {
    deployment: String,
    environment: String,
    /// Boots that were given their environment.
    boots: u64,
    /// Boots that were told that they have it already.
    unchanged: u64,
    /// Boots that a policy denied.
    denials: u64,
    /// Boots that were refused otherwise.
    refusals: u64,
    /// When the last one that was not refused came.
    #[schema(required = true)]
    last_boot: Option<String>,
    keys: Vec<KeyUsage>,
}

/// How a variable is used there.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyUsage {
    name: String,
    /// When it was last handed out.
    #[schema(required = true)]
    last_read: Option<String>,
}

/// Boots, denials and last reads of the pairs that the token sees, since the host's start.
#[utoipa::path(get, path = "/api/v1/usage", tag = "usage", operation_id = "show_usage",
    params(InWorkspace,
        ("environment" = Option<String>, Query, description = "One environment alone"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 200, description = "Pairs at most; 50 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses(
        (status = 200, description = "A page", body = UsagePage, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let environment = parameter(query, "environment")?;
    let environment: Option<EnvironmentName> =
        environment.map(|name| name.parse().map_err(|_| Problem::not_found())).transpose()?;
    if environment.as_ref().is_some_and(|environment| !caller.sees(environment)) {
        return Err(Problem::not_found());
    }
    let limit = parameter(query, "limit")?.map_or(Ok(PAGE), |limit| limit.parse().map_err(|_| ()));
    let limit = limit.ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
    let limit = limit.ok_or_else(|| Problem::bad_request(format!("`limit` is 1 to {MAX_PAGE}")))?;
    let after = parameter(query, "cursor")?.map(|cursor| place(&cursor)).transpose()?;

    let visible = served.pairs().filter(|pair| {
        let here = &pair.plan.environment.name;
        caller.sees(here) && environment.as_ref().is_none_or(|environment| environment == here)
    });
    let behind = |pair: &Prepared| after.as_ref().is_none_or(|(id, name)| key(pair) > (id, name));
    let mut pairs: Vec<_> = visible.filter(|pair| behind(pair)).collect();
    pairs.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
    let has_more = pairs.len() > limit;
    pairs.truncate(limit);
    let last = pairs.last().filter(|_| has_more).map(|pair| key(pair));
    let next = last.map(|(deployment, environment)| format!("{deployment}/{environment}"));
    let usage = pairs.into_iter().map(|pair| described(pair)).collect();
    let since = rfc3339(host.started);
    Ok(tagged(served.snapshot.revision.0, UsagePage { since, usage, next }))
}

/// What pairs are listed by.
fn key(pair: &Prepared) -> (&DeploymentId, &EnvironmentName) {
    (&pair.plan.deployment, &pair.plan.environment.name)
}

/// A cursor: the last pair of the page before.
fn place(cursor: &str) -> Result<(DeploymentId, EnvironmentName), Problem> {
    let parsed = || {
        let (deployment, environment) = cursor.split_once('/')?;
        Some((deployment.parse().ok()?, environment.parse().ok()?))
    };
    parsed().ok_or_else(|| Problem::bad_request("`cursor` is `next` of the page before"))
}

fn described(pair: &Prepared) -> PairUsage {
    let counted = pair.usage.counted();
    let variables = pair.plan.variables.iter().enumerate().filter(|(_, variable)| variable.inject);
    let keys = variables.map(|(index, variable)| KeyUsage {
        name: variable.name.to_string(),
        last_read: pair.usage.last_read(index).map(rfc3339),
    });
    PairUsage {
        deployment: pair.plan.deployment.to_string(),
        environment: pair.plan.environment.name.to_string(),
        boots: counted.boots,
        unchanged: counted.unchanged,
        denials: counted.denials,
        refusals: counted.refusals,
        last_boot: counted.last_boot.map(rfc3339),
        keys: keys.collect(),
    }
}
