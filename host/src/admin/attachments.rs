//! Attachments: where policies run, and what they are told there. In one place the directory's run
//! first, in its order; then those made by API, by the policy's name.

mod wire;

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};

use super::{
    Caller, Named,
    body::whole,
    openapi::{
        BadRequest, Confirmed, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NewRevision,
        NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
    },
    policies::allowed,
    query::{MAX_PAGE, PAGE, Paging, parameter},
    snapshot::{ChangedSnapshot, blocking},
    tagged,
    values::{changed, precondition},
};
use crate::{
    change::{Edit, Precondition, ResourceEdit, runs_in},
    generation::Served,
    host::Host,
    id::{EnvironmentName, PolicyName},
    made::{ResourceKey, layer_of},
    model::{Attachment, Place, Role},
    serve::{facts, respond::Problem},
};
pub(super) use wire::AttachmentEntry;
use wire::{Attached, Attachments};

type Answer = Result<Response, Problem>;

/// The largest body, in bytes: room for as many settings as there may be.
const MAX_BODY_BYTES: usize = 512 * 1024;

/// The attachments that the token sees, in the order in which they were made ready to run.
#[utoipa::path(get, path = "/api/v1/attachments", tag = "policies", operation_id = "list_attachments",
    params(InWorkspace, InPages, ("policy" = Option<String>, Query, description = "Those of this policy"),
        ("environment" = Option<String>, Query, description = "Those that run in this environment")),
    responses((status = 200, description = "Those that the token sees", body = Attachments),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let policy = parameter(query.as_deref(), "policy")?;
    let environment = parameter(query.as_deref(), "environment")?;
    let environment = environment.map(|name| name.parse::<EnvironmentName>()).transpose();
    let environment = environment.map_err(|_| Problem::not_found())?;
    let configuration = &served.snapshot.configuration;
    let wanted = |one: &&Attachment| {
        policy.as_deref().is_none_or(|name| name == one.policy.as_str())
            && environment.as_ref().is_none_or(|name| runs_in(configuration, &one.place, name))
    };
    // By their place in the list, which is the order in which they run.
    let paging = Paging::<usize>::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let all = seen(&caller, served).filter(wanted).enumerate();
    let (page, next) = paging.of(all, Ordering::Greater, |(place, _)| *place);
    let attachments = page.into_iter().map(|(_, one)| AttachmentEntry::new(served, one)).collect();
    Ok(Json(Attachments { attachments, next }).into_response())
}

/// One attachment.
#[utoipa::path(get, path = "/api/v1/attachments/{id}", tag = "policies", operation_id = "show_attachment",
    params(InWorkspace, ("id" = String, Path, description = "The attachment's id, as it is listed")),
    responses((status = 200, description = "It is there", body = AttachmentEntry, headers(
        ("etag" = String, description = "The revision that changed it last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let found = visible(&caller, served, &id)?;
    let revision = served.made.resources.get(&key(found)).map(|made| made.changed.revision);
    Ok(tagged(revision.unwrap_or(served.snapshot.revision).0, AttachmentEntry::new(served, found)))
}

/// Attaches a policy where it is not attached yet.
#[utoipa::path(post, path = "/api/v1/attachments", tag = "policies", operation_id = "attach_policy",
    params(InWorkspace, Confirmed), request_body = wire::WireAttachment, responses(
        (status = 200, description = "It is durable and served", body = Attached, headers(
            ("etag" = String, description = "The new revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn attach(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let wanted = wanted(&caller, query.as_deref(), body).await?;
    put(host, &caller, query.as_deref(), wanted, Precondition::Absent).await
}

/// Gives an attachment other settings, or attaches a policy: the id follows from policy and place.
#[utoipa::path(put, path = "/api/v1/attachments/{id}", tag = "policies", operation_id = "configure_attachment",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The attachment's id")),
    request_body = wire::WireAttachment, responses(
        (status = 200, description = "It is durable and served", body = Attached, headers(
            ("etag" = String, description = "The new revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn configure(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let wanted = wanted(&caller, query.as_deref(), body).await?;
    if wanted.id() != id {
        return Err(Problem::invalid(format!(
            "an attachment's id follows from its policy and place, and that of these is {}",
            wanted.id()
        )));
    }
    put(host, &caller, query.as_deref(), wanted, precondition(&headers)?).await
}

/// Detaches a policy.
#[utoipa::path(delete, path = "/api/v1/attachments/{id}", tag = "policies", operation_id = "detach_policy",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The attachment's id")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(super) async fn detach(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let key = key(visible(&caller, served, &id)?);
    let expected = allowed(&caller, query, served, key.clone(), Role::Admin)?;
    let edits = vec![expected, Edit::Resource(ResourceEdit::Delete(key))];
    changed(host, &caller, query, edits, precondition(&headers)?).await
}

/// What an admin asks for, of a policy and a place that are there.
async fn wanted(caller: &Caller, query: Option<&str>, body: Body) -> Result<Attachment, Problem> {
    // Before the body, which is not worth keeping of somebody who may not change anything.
    caller.role(Role::Admin)?;
    let served = caller.served(query)?;
    let body = whole(body, MAX_BODY_BYTES, facts::BODY_PATIENCE).await?;
    let wanted = wire::wanted(&body)?;
    let configuration = &served.snapshot.configuration;
    if !configuration.policies.contains_key(&wanted.policy) {
        return Err(Problem::invalid(format!("there is no policy {}; upload it first", wanted.policy)));
    }
    if layer_of(configuration, &wanted.place).is_none() || !is_seen(caller, served, &wanted) {
        return Err(Problem::invalid(format!("there is no {}", wanted.place)));
    }
    Ok(wanted)
}

async fn put(
    host: Arc<Host>,
    caller: &Caller,
    query: Option<&str>,
    wanted: Attachment,
    precondition: Precondition,
) -> Answer {
    let expected = allowed(caller, query, caller.served(query)?, key(&wanted), Role::Admin)?;
    let id = wanted.id();
    let edits = [expected, Edit::Resource(ResourceEdit::PutAttachment(wanted))];
    let (author, workspace) = (caller.author(), caller.workspace(query)?);
    let changed = blocking(move || host.change(&author, &workspace, &edits, precondition)).await??;
    Ok(tagged(changed.revision.0, Attached { id, changed: ChangedSnapshot::of(&changed) }))
}

/// What the token sees of a policy.
pub(super) fn of_policy(caller: &Caller, served: &Served, policy: &PolicyName) -> Vec<AttachmentEntry> {
    let attached = seen(caller, served).filter(|one| one.policy == *policy);
    attached.map(|one| AttachmentEntry::new(served, one)).collect()
}

/// What the token sees, by policy.
pub(super) fn by_policy(caller: &Caller, served: &Served) -> BTreeMap<PolicyName, Vec<AttachmentEntry>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for one in seen(caller, served) {
        found.entry(one.policy.clone()).or_default().push(AttachmentEntry::new(served, one));
    }
    found
}

fn seen<'a>(caller: &'a Caller, served: &'a Served) -> impl Iterator<Item = &'a Attachment> {
    served.snapshot.configuration.attachments.iter().filter(move |one| is_seen(caller, served, one))
}

/// What runs in an environment that the token sees; or nowhere yet, for one that sees everything.
fn is_seen(caller: &Caller, served: &Served, attachment: &Attachment) -> bool {
    let configuration = &served.snapshot.configuration;
    let mut seen = configuration.environments.keys().filter(|name| caller.sees(name));
    let is_hidden = match &attachment.place {
        Place::Environment(name) | Place::Deployment(_, Some(name)) => !caller.sees(name),
        _ => false,
    };
    !is_hidden && (!caller.is_limited() || seen.any(|name| runs_in(configuration, &attachment.place, name)))
}

fn visible<'a>(caller: &'a Caller, served: &'a Served, id: &str) -> Result<&'a Attachment, Problem> {
    seen(caller, served).find(|one| one.id() == id).ok_or_else(Problem::not_found)
}

fn key(attachment: &Attachment) -> ResourceKey {
    ResourceKey::Attachment(attachment.policy.clone(), attachment.place.clone())
}
