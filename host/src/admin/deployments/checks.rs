//! Checks: what pipelines and monitors report of a release in an environment.

use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{used, visible};
use crate::{
    admin::{
        Caller, Named,
        body::json,
        openapi::{
            BadRequest, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NotFound, TooLarge,
            Unauthenticated, Unavailable,
        },
        query::{self, MAX_PAGE, PAGE, Paging},
        snapshot::blocking,
    },
    clock::rfc3339,
    host::Host,
    id::{EnvironmentName, UnixSeconds},
    model::{
        Role,
        promotion::{Check, Conclusion, Measure},
    },
    serve::respond::Problem,
    state::Report,
};

type Answer = Result<Response, Problem>;

/// A report.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireCheck {
    release: u64,
    environment: String,
    /// A newer report of the same name takes this one's place.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    #[schema(pattern = "^(success|failure|neutral|pending)$")]
    conclusion: String,
    #[serde(default)]
    measures: Vec<WireMeasure>,
}

/// A number.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireMeasure {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    value: f64,
    /// Empty for a ratio or a count.
    #[serde(default)]
    #[schema(max_length = 32)]
    unit: String,
}

/// What was reported last.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct CheckEntry {
    release: u64,
    environment: String,
    name: String,
    #[schema(pattern = "^(success|failure|neutral|pending)$")]
    conclusion: &'static str,
    /// RFC 3339; null where it has not ended.
    completed: Option<String>,
    measures: Vec<WireMeasure>,
    by: String,
}

/// What was reported of a deployment's releases.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Checks {
    checks: Vec<CheckEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// What was reported in the environments that the token sees, by release, name and environment.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/checks", tag = "releases", operation_id = "list_checks",
    params(InWorkspace, InPages, ("id" = String, Path, description = "The deployment"),
        ("release" = Option<u64>, Query, description = "Of this release"),
        ("environment" = Option<String>, Query, description = "In this environment only")),
    responses((status = 200, description = "The last of each name", body = Checks),
        BadRequest, Unauthenticated, NotFound, Internal, Unavailable))]
pub(in crate::admin) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let one = visible(&caller, served, &id)?;
    let only = query::environment(&caller, query)?;
    let release = query::parsed(query, "release", "a release's number")?;
    let paging = Paging::asked(query, PAGE, MAX_PAGE)?;
    let (workspace, deployment) = (caller.workspace(query)?, one.id.clone());
    let mut found = blocking(move || host.reports(&workspace, &deployment, release)).await??;
    found.retain(|report| {
        let pair = served.prepared(&one.id, &report.environment);
        let uids = pair.map(|pair| (pair.plan.deployment_uid, pair.plan.environment.uid));
        uids == Some(report.uids)
            && caller.sees(&report.environment)
            && only.as_ref().is_none_or(|only| *only == report.environment)
    });
    found.sort_by_cached_key(Cursor::of);
    let (page, next) = paging.of(&found, Ordering::Greater, |report| Cursor::of(report));
    Ok(Json(Checks { checks: page.into_iter().map(entry).collect(), next }).into_response())
}

/// Where a page ends.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cursor(u64, EnvironmentName, String);

impl Cursor {
    fn of(report: &Report) -> Self {
        Self(report.release, report.environment.clone(), report.check.name.clone())
    }
}

/// As hexadecimal digits: a check's name may hold anything.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(format!("{} {} {}", self.0, self.1, self.2)))
    }
}

impl FromStr for Cursor {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = hex::decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(())?;
        let mut parts = text.splitn(3, ' ');
        let mut part = || parts.next().ok_or(());
        let (release, environment, name) = (part()?, part()?, part()?);
        let release = release.parse().map_err(|_| ())?;
        Ok(Self(release, environment.parse().map_err(|_| ())?, name.to_owned()))
    }
}

/// Reports a check: a developer's in unprotected environments, a releaser's in protected ones, whose promotions
/// rest on it. Promotions that wait for it go on.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/checks", tag = "releases", operation_id = "report_check",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")), request_body = WireCheck,
    responses((status = 200, description = "It is durable", body = CheckEntry),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn report(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let one = visible(&caller, served, &id)?;
    let wire: WireCheck = json(body, "release, environment, name, conclusion and measures").await?;
    let environment = used(&caller, one, &wire.environment)?;
    let found = served.snapshot.configuration.environments.get(&environment);
    caller.role(if found.is_some_and(|found| found.protected) { Role::Releaser } else { Role::Developer })?;
    let conclusion = Conclusion::ALL.into_iter().find(|known| known.as_str() == wire.conclusion);
    let conclusion =
        conclusion.ok_or_else(|| Problem::invalid("`conclusion` is success, failure, neutral or pending"))?;
    let completed = (conclusion != Conclusion::Pending).then(|| host.clock.now().0);
    let measures = wire.measures.into_iter();
    let check = Check {
        name: wire.name,
        conclusion,
        completed_at: completed.and_then(|at| u64::try_from(at).ok()),
        measures: measures.map(|one| Measure { name: one.name, value: one.value, unit: one.unit }).collect(),
        labels: Vec::new(),
    };
    let (author, workspace, deployment) = (caller.author(), caller.workspace(query)?, one.id.clone());
    let reported = blocking(move || {
        host.report_check(&author, &workspace, (&deployment, &environment), wire.release, check)
    });
    Ok(Json(entry(&reported.await??)).into_response())
}

fn entry(report: &Report) -> CheckEntry {
    let Report { release, environment, by, check, .. } = report;
    let completed = check.completed_at.and_then(|at| i64::try_from(at).ok());
    let measures = check.measures.iter();
    CheckEntry {
        release: *release,
        environment: environment.to_string(),
        name: check.name.clone(),
        conclusion: check.conclusion.as_str(),
        completed: completed.map(|at| rfc3339(UnixSeconds(at))),
        measures: measures
            .map(|one| WireMeasure { name: one.name.clone(), value: one.value, unit: one.unit.clone() })
            .collect(),
        by: by.clone(),
    }
}
