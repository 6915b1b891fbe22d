//! How each (deployment, environment) is used since the host's start.

use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Caller,
    openapi::{BadRequest, InWorkspace, NotFound, Unauthenticated},
    query::{Paging, environment},
    tagged,
};
use crate::{
    clock::rfc3339,
    host::Host,
    id::{DeploymentId, EnvironmentName, InvalidName},
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
    let environment = environment(&caller, query)?;
    let paging: Paging<Pair> = Paging::asked(query, PAGE, MAX_PAGE)?;
    let visible = served.pairs().filter(|pair| {
        let here = &pair.plan.environment.name;
        caller.sees(here) && environment.as_ref().is_none_or(|environment| environment == here)
    });
    let mut pairs: Vec<_> = visible.map(|prepared| (Pair::of(prepared), prepared)).collect();
    pairs.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let (pairs, next) = paging.of(pairs, Ordering::Greater, |(pair, _)| pair.clone());
    let usage = pairs.into_iter().map(|(_, prepared)| described(prepared)).collect();
    let since = rfc3339(host.started);
    Ok(tagged(served.snapshot.revision.0, UsagePage { since, usage, next }))
}

/// What pairs are listed by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pair(DeploymentId, EnvironmentName);

impl Pair {
    fn of(prepared: &Prepared) -> Self {
        Self(prepared.plan.deployment.clone(), prepared.plan.environment.name.clone())
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

impl FromStr for Pair {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // A deployment's name cannot hold the `/`, an environment's can.
        let (deployment, environment) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self(deployment.parse()?, environment.parse()?))
    }
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
