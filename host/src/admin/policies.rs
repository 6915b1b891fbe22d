//! Policies: uploaded, listed with their versions, deleted. What is uploaded goes the whole way in
//! before anything is changed, and a policy that runs somewhere is changed only by who may change that
//! place.

mod allowed;
mod wire;

use std::{cmp::Ordering, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};

use super::{
    Caller, Components, Named,
    attachments::{self, AttachmentEntry},
    body::whole,
    openapi::{
        BadRequest, Confirmed, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NewRevision,
        NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
    },
    query::{MAX_PAGE, PAGE, Paging, environment, parameter},
    snapshot::{answered, blocking},
    tagged,
    values::{changed, precondition},
};
use crate::{
    canonical::sha256,
    change::{Edit, ResourceEdit, runs_in},
    generation::Served,
    host::Host,
    id::PolicyName,
    made::ResourceKey,
    model::{Fallback, Policy, Role},
    serve::{facts, respond::Problem},
    validate::limits,
};
pub(super) use allowed::allowed;
use wire::{Policies, PolicyDetails, PolicyEntry};

type Answer = Result<Response, Problem>;

/// The policies; a token that is limited to environments sees those that are attached where it sees.
#[utoipa::path(get, path = "/api/v1/policies", tag = "policies", operation_id = "list_policies",
    params(InWorkspace, InPages, ("environment" = Option<String>, Query, description = "Those that run in this environment")),
    responses((status = 200, description = "Those that the token sees", body = Policies),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let there = environment(&caller, query.as_deref())?;
    let mut attached = attachments::by_policy(&caller, served);
    let configuration = &served.snapshot.configuration;
    let runs_there = |policy: &Policy| {
        let mut attachments = configuration.attachments.iter().filter(|one| one.policy == policy.name);
        there.as_ref().is_none_or(|there| attachments.any(|one| runs_in(configuration, &one.place, there)))
    };
    let all = configuration.policies.values().filter(|policy| runs_there(policy));
    let all = all.filter_map(|policy| {
        let attached = attached.remove(&policy.name).unwrap_or_default();
        is_visible(&caller, &attached).then_some((policy, attached))
    });
    let (page, next) = paging.of(all, Ordering::Greater, |(policy, _)| policy.name.clone());
    let entries = page.into_iter().map(|(policy, attached)| PolicyEntry::new(served, policy, attached));
    Ok(Json(Policies { policies: entries.collect(), next }).into_response())
}

/// One policy: what it is, where it runs, its versions.
#[utoipa::path(get, path = "/api/v1/policies/{name}", tag = "policies", operation_id = "show_policy",
    params(InWorkspace, ("name" = String, Path, description = "The policy")),
    responses((status = 200, description = "It is there", body = PolicyDetails, headers(
        ("etag" = String, description = "The revision that changed it last"),
        ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let (policy, attached) = visible(&caller, served, &name)?;
    let record = served.made.resources.get(&ResourceKey::Policy(policy.name.clone()));
    let revision = record.map_or(served.snapshot.revision, |made| made.changed.revision);
    let workspace = &served.snapshot.configuration.workspace;
    let asked = (!caller.is_limited()).then(|| host.tallies.read(workspace, &policy.name));
    Ok(tagged(revision.0, PolicyDetails::new(served, policy, attached, asked)))
}

/// Makes a policy, or gives it another component: the body's bytes.
#[utoipa::path(put, path = "/api/v1/policies/{name}", tag = "policies", operation_id = "upload_policy",
    params(InWorkspace, Unchanged, Confirmed, ("name" = String, Path, description = "The policy"),
        ("fallback" = Option<String>, Query, pattern = "^(refuse|previous)$",
            description = "What happens when it keeps failing; as before where it is not said, and refuse at first")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The component"),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn upload(
    State(host): State<Arc<Host>>,
    State(components): State<Components>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let name = writable(&caller, query, &name)?;
    let served = caller.served(query)?;
    let expected = allowed(&caller, query, served, ResourceKey::Policy(name.clone()), Role::Developer)?;
    let fallback = parameter(query, "fallback")?.map(|text| text.parse::<Fallback>()).transpose();
    let fallback = fallback.map_err(|error| Problem::bad_request(format!("`fallback` {error}")))?;
    let precondition = precondition(&headers)?;
    let component = whole(body, limits::COMPONENT_BYTES, facts::BODY_PATIENCE).await?;
    let before = served.snapshot.configuration.policies.get(&name);
    let policy = Policy {
        digest: sha256(&component),
        component: component.as_ref().into(),
        fallback: fallback.or(before.map(|before| before.fallback)).unwrap_or_default(),
        name,
    };
    let edits = [expected, Edit::Resource(ResourceEdit::PutPolicy(policy))];
    let (author, workspace) = (caller.author(), caller.workspace(query)?);
    let place = components.place()?;
    let change = move || {
        let _place = place; // given up when the work ends, not when who waits for it goes away
        host.change(&author, &workspace, &edits, precondition)
    };
    Ok(answered(&blocking(change).await??))
}

/// Deletes a policy with its versions, and not while it is attached.
#[utoipa::path(delete, path = "/api/v1/policies/{name}", tag = "policies", operation_id = "delete_policy",
    params(InWorkspace, Unchanged, ("name" = String, Path, description = "The policy")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(super) async fn delete(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let name = writable(&caller, query.as_deref(), &name)?;
    if !caller.served(query.as_deref())?.snapshot.configuration.policies.contains_key(&name) {
        return Err(Problem::not_found());
    }
    let edits = vec![Edit::Resource(ResourceEdit::Delete(ResourceKey::Policy(name)))];
    changed(host, &caller, query.as_deref(), edits, precondition(&headers)?).await
}

/// The name, if the caller may change policies at all.
fn writable(caller: &Caller, query: Option<&str>, name: &str) -> Result<PolicyName, Problem> {
    caller.role(Role::Developer)?;
    caller.served(query)?;
    if caller.is_limited() {
        return Err(Problem::forbidden(
            "a policy is the whole workspace's, and your token is limited to some environments",
        ));
    }
    name.parse().map_err(|error| Problem::invalid(format!("{error}")))
}

fn visible<'a>(
    caller: &Caller,
    served: &'a Served,
    name: &str,
) -> Result<(&'a Policy, Vec<AttachmentEntry>), Problem> {
    let policy = served.snapshot.configuration.policies.get(name).ok_or_else(Problem::not_found)?;
    let attached = attachments::of_policy(caller, served, &policy.name);
    if is_visible(caller, &attached) { Ok((policy, attached)) } else { Err(Problem::not_found()) }
}

fn is_visible(caller: &Caller, attached: &[AttachmentEntry]) -> bool {
    !caller.is_limited() || !attached.is_empty()
}
