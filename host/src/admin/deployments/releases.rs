//! Releases: registered, and listed. What is registered stays as it is.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{seen, used, visible};
use crate::{
    admin::{
        Caller, Named,
        body::{json, named},
        openapi::{
            BadRequest, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NotFound, TooLarge,
            Unauthenticated, Unavailable,
        },
        query::{MAX_PAGE, PAGE, Paging, environment},
        snapshot::blocking,
        tagged,
        values::Owned,
    },
    clock::rfc3339,
    generation::Served,
    host::{Host, Registered, WantedRelease},
    id::{EnvironmentName, UnixSeconds},
    made::ResourceKey,
    model::{Deployment, Release, Role, SealedValue},
    serve::respond::Problem,
};

type Answer = Result<Response, Problem>;

/// A release that is to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireRelease {
    /// The next number, where none is given.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    number: Option<u64>,
    /// The digest of what was released, such as an image's; not interpreted.
    #[schema(min_length = 1)]
    digest: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// The keys that it reads: it is promoted where they are set.
    #[serde(default)]
    keys: BTreeSet<String>,
}

/// A part of a deployment's releases, the newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Releases {
    releases: Vec<ReleaseEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    next: Option<String>,
}

/// A release.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ReleaseEntry {
    number: u64,
    digest: String,
    /// RFC 3339.
    created: String,
    labels: BTreeMap<String, String>,
    keys: BTreeSet<String>,
    /// The environments where it runs, of those that the token sees.
    active_in: Vec<String>,
    #[serde(flatten)]
    owned: Owned,
}

/// A release that is registered, and where that activated it.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct RegisteredRelease {
    release: ReleaseEntry,
    /// Whether it was registered before, with the same content.
    existed: bool,
    /// The workspace's revision.
    revision: u64,
    /// The environments that take releases by themselves, and this one.
    activated: Vec<String>,
    /// Those that take releases by themselves, and not this one.
    not_activated: Vec<Unfit>,
}

/// An environment that does not take a release.
#[derive(Serialize, ToSchema)]
struct Unfit {
    environment: String,
    /// Why, and what to do.
    reason: String,
}

/// A deployment's releases.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/releases", tag = "releases", operation_id = "list_releases",
    params(InWorkspace, InPages, ("id" = String, Path, description = "The deployment"),
        ("environment" = Option<String>, Query, description = "The one that is active in this environment only")),
    responses((status = 200, description = "The newest first", body = Releases),
        BadRequest, Unauthenticated, NotFound))]
pub(in crate::admin) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let one = visible(&caller, served, &id)?;
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let only = environment(&caller, query.as_deref())?;
    let only = only.map(|name| used(&caller, one, name.as_str())).transpose()?;
    let active = |name| served.prepared(&one.id, name)?.plan.release.as_ref().map(|active| active.number);
    let is_asked = |release: &&Release| only.as_ref().is_none_or(|name| active(name) == Some(release.number));
    let all = one.releases.values().rev().filter(is_asked);
    let (page, next) = paging.of(all, Ordering::Less, |release| release.number);
    let releases = page.into_iter().map(|release| entry(&caller, served, one, release)).collect();
    Ok(Json(Releases { releases, next }).into_response())
}

/// Registers a release, and activates it where an environment takes releases by itself: `trigger` is
/// `automatic`, and the keys that are required or declared are set. The same release twice is registered once.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/releases", tag = "releases", operation_id = "register_release",
    params(InWorkspace, ("id" = String, Path, description = "The deployment")), request_body = WireRelease,
    responses((status = 200, description = "It is durable", body = RegisteredRelease, headers(
            ("etag" = String, description = "The new revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn register(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let query = query.as_deref();
    let deployment = visible(&caller, caller.served(query)?, &id)?.id.clone();
    let wire: WireRelease = json(body, "number, digest, labels and keys").await?;
    if wire.digest.is_empty() || wire.digest.contains(char::is_control) {
        return Err(Problem::invalid("a digest is a text without control characters, and not empty"));
    }
    let keys = wire.keys.iter().map(|name| named(name)).collect::<Result<_, _>>()?;
    let wanted = WantedRelease { number: wire.number, digest: wire.digest, labels: wire.labels, keys };
    let (author, workspace) = (caller.author(), caller.workspace(query)?);
    let (host_there, of) = (Arc::clone(&host), deployment.clone());
    let caller = Arc::new(caller);
    let activating = Arc::clone(&caller);
    let registered = blocking(move || {
        let served = activating.live.workspace(&workspace);
        let may = |name: &EnvironmentName| may_activate(&activating, served.map(|served| &**served), name);
        host_there.register(&author, &workspace, &of, wanted, &may)
    });
    let Registered { release, changed, activated, not_activated } = registered.await??;
    let live = host.store.load_full();
    let served = live.workspace(&caller.workspace(query)?).ok_or_else(Problem::not_found)?;
    let one = visible(&caller, served, &id)?;
    let existed = changed.is_none();
    let revision = changed.map_or(served.snapshot.revision, |changed| changed.revision).0;
    let activated = activated.iter().map(ToString::to_string).collect();
    // Of one that the token does not see, nothing is told.
    let unfit = not_activated.into_iter().filter(|one| caller.sees(&one.environment));
    let not_activated =
        unfit.map(|one| Unfit { environment: one.environment.to_string(), reason: one.reason }).collect();
    let release = entry(&caller, served, one, &release);
    let answer = RegisteredRelease { release, existed, revision, activated, not_activated };
    Ok(tagged(revision, answer))
}

/// Whether a release that the caller registers is activated in an environment by that.
fn may_activate(caller: &Caller, served: Option<&Served>, name: &EnvironmentName) -> Result<(), String> {
    let found = served.and_then(|served| served.snapshot.configuration.environments.get(name));
    let found = found.filter(|_| caller.sees(name)).ok_or("your token does not see it")?;
    if found.protected && caller.role(Role::Releaser).is_err() {
        return Err(format!("{name} is protected; ask somebody with the role releaser to promote it"));
    }
    Ok(())
}

fn entry(caller: &Caller, served: &Served, one: &Deployment<SealedValue>, release: &Release) -> ReleaseEntry {
    let is_active = |name: &&EnvironmentName| {
        let active = served.prepared(&one.id, name).and_then(|pair| pair.plan.release.as_ref());
        active.is_some_and(|active| active.number == release.number)
    };
    let made = served.made.resources.get(&ResourceKey::Release(one.id.clone(), release.number));
    ReleaseEntry {
        number: release.number,
        digest: release.digest.clone(),
        created: rfc3339(UnixSeconds(i64::try_from(release.created_at).unwrap_or(i64::MAX))),
        labels: release.labels.clone(),
        keys: release.keys.iter().map(ToString::to_string).collect(),
        active_in: seen(caller, one).filter(is_active).map(ToString::to_string).collect(),
        owned: Owned::since(made.map(|made| &made.changed)),
    }
}
