//! Tools that deployments call, with a profile for each environment that may: listed, made, changed,
//! deleted. What opens a tool goes in and never comes out.

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
    body::{json, named as parsed},
    openapi::{
        BadRequest, Confirmed, Conflict, Forbidden, InPages, InWorkspace, Internal, Invalid, NewRevision,
        NotFound, TooLarge, Unauthenticated, Unavailable, Unchanged,
    },
    query::{MAX_PAGE, PAGE, Paging, environment},
    reach::{Reached, may_create},
    tagged,
    values::{Owned, changed, precondition},
};
use crate::{
    change::{Edit, Precondition, ResourceEdit, ToolChange},
    generation::Served,
    host::Host,
    id::{EnvironmentName, ToolName},
    made::ResourceKey,
    model::{Profile, Role, SealedValue, Tool, ToolUse},
    serve::respond::Problem,
};

mod wire;

use wire::{ProfileEntry, ToolEntry, ToolUser, Tools, WireCreateTool, WirePatchTool, WireProfile};

type Answer = Result<Response, Problem>;

/// The tools that the token sees: with a profile for an environment that it sees.
#[utoipa::path(get, path = "/api/v1/tools", tag = "tools", operation_id = "list_tools",
    params(InWorkspace, InPages, ("environment" = Option<String>, Query, description = "Those with a profile for this environment")),
    responses((status = 200, description = "Those that the token sees", body = Tools),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let mut users = users(&caller, served, |_| true);
    let paging = Paging::asked(query.as_deref(), PAGE, MAX_PAGE)?;
    let there = environment(&caller, query.as_deref())?;
    let all = served.snapshot.configuration.tools.values().filter(|one| is_visible(&caller, one));
    let all = all.filter(|one| there.as_ref().is_none_or(|there| one.profiles.contains_key(there)));
    let (page, next) = paging.of(all, Ordering::Greater, |one| one.id.clone());
    let tools = page.into_iter().map(|one| entry(&caller, served, one, &mut users)).collect();
    Ok(Json(Tools { tools, next }).into_response())
}

/// One tool.
#[utoipa::path(get, path = "/api/v1/tools/{id}", tag = "tools", operation_id = "show_tool",
    params(InWorkspace, ("id" = String, Path, description = "The tool")),
    responses((status = 200, description = "It is there", body = ToolEntry, headers(
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
    let tool = visible(&caller, served, &id)?;
    let made = served.made.resources.get(&ResourceKey::Tool(tool.id.clone()));
    let revision = made.map_or(served.snapshot.revision, |made| made.changed.revision);
    let mut users = users(&caller, served, |id| *id == tool.id);
    Ok(tagged(revision.0, entry(&caller, served, tool, &mut users)))
}

/// Makes a tool.
#[utoipa::path(post, path = "/api/v1/tools", tag = "tools", operation_id = "create_tool",
    params(InWorkspace, Confirmed), request_body = WireCreateTool, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn create(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    may_create(&caller)?;
    let served = caller.served(query.as_deref())?;
    let WireCreateTool { name, description, profiles } = json(body, "name, description and profiles").await?;
    let profiles = profiles.into_iter().map(|(owner, profile)| (owner, Some(profile))).collect();
    let change = change(parsed(&name)?, Some(description), profiles)?;
    let named = change.profiles.keys().cloned().collect();
    Reached { named, ..Reached::default() }.may_be_changed(&caller, served, query.as_deref())?;
    let edits = vec![Edit::Resource(ResourceEdit::PutTool(change))];
    changed(host, &caller, query.as_deref(), edits, Precondition::Absent).await
}

/// Changes a tool's profiles; what is not said of one stays, such as its credentials. The description
/// is everybody's: changing it comes to every environment that has a profile.
#[utoipa::path(patch, path = "/api/v1/tools/{id}", tag = "tools", operation_id = "patch_tool",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The tool")),
    request_body = WirePatchTool, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(super) async fn patch(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let served = caller.served(query.as_deref())?;
    let tool = visible(&caller, served, &id)?;
    let precondition = precondition(&headers)?;
    let WirePatchTool { description, profiles } = json(body, "some of description and profiles").await?;
    let change = change(tool.id.clone(), description, profiles)?;
    let named = change.profiles.keys().cloned().collect();
    let all = tool.profiles.keys().cloned();
    let others = if change.description.is_some() { all.collect() } else { [].into() };
    Reached { named, others }.may_be_changed(&caller, served, query.as_deref())?;
    let edits = vec![Edit::Resource(ResourceEdit::PutTool(change))];
    changed(host, &caller, query.as_deref(), edits, precondition).await
}

/// Deletes a tool, and not while a deployment calls it.
#[utoipa::path(delete, path = "/api/v1/tools/{id}", tag = "tools", operation_id = "delete_tool",
    params(InWorkspace, Unchanged, Confirmed, ("id" = String, Path, description = "The tool")),
    responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(super) async fn delete(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    caller.role(Role::Developer)?;
    let served = caller.served(query.as_deref())?;
    let tool = visible(&caller, served, &id)?;
    let others = tool.profiles.keys().cloned().collect();
    Reached { others, ..Reached::default() }.may_be_changed(&caller, served, query.as_deref())?;
    let edits = vec![Edit::Resource(ResourceEdit::Delete(ResourceKey::Tool(tool.id.clone())))];
    changed(host, &caller, query.as_deref(), edits, precondition(&headers)?).await
}

fn change(
    id: ToolName,
    description: Option<String>,
    profiles: BTreeMap<String, Option<WireProfile>>,
) -> Result<ToolChange, Problem> {
    let profiles = profiles
        .into_iter()
        .map(|(owner, profile)| Ok((parsed(&owner)?, profile.map(WireProfile::change).transpose()?)));
    Ok(ToolChange { id, description, profiles: profiles.collect::<Result<_, Problem>>()? })
}

fn is_visible(caller: &Caller, tool: &Tool<SealedValue>) -> bool {
    !caller.is_limited() || tool.profiles.keys().any(|owner| caller.sees(owner))
}

fn visible<'a>(caller: &Caller, served: &'a Served, id: &str) -> Result<&'a Tool<SealedValue>, Problem> {
    let found = served.snapshot.configuration.tools.get(id);
    found.filter(|found| is_visible(caller, found)).ok_or_else(Problem::not_found)
}

fn entry(caller: &Caller, served: &Served, tool: &Tool<SealedValue>, users: &mut Users) -> ToolEntry {
    let made = served.made.resources.get(&ResourceKey::Tool(tool.id.clone()));
    let visible = tool.profiles.iter().filter(|(owner, _)| caller.sees(owner));
    let profiles = visible.map(|(owner, profile)| {
        let versions = profile.credentials.iter().map(|(name, one)| (name.to_string(), one.current));
        let shown = ProfileEntry {
            settings: profile.settings.is_some(),
            credentials: versions.collect(),
            used_by: users.remove(&(tool.id.clone(), owner.clone())).unwrap_or_default(),
        };
        (owner.to_string(), shown)
    });
    ToolEntry {
        name: tool.id.to_string(),
        description: tool.description.clone(),
        profiles: profiles.collect(),
        owned: Owned::since(made.map(|made| &made.changed)),
    }
}

/// Who calls tools, by tool and environment.
type Users = BTreeMap<(ToolName, EnvironmentName), Vec<ToolUser>>;

/// Those that call such tools from environments that the token sees.
fn users(caller: &Caller, served: &Served, is_such: impl Fn(&ToolName) -> bool) -> Users {
    let configuration = &served.snapshot.configuration;
    let mut users = Users::new();
    for (deployment, one) in &configuration.deployments {
        for (environment, here) in one.environments.iter().filter(|(name, _)| caller.sees(name)) {
            for (id, uses) in here.tools.iter().filter(|(id, _)| is_such(id)) {
                let profile = configuration.tools.get(id).and_then(|tool| tool.profiles.get(environment));
                let Some(profile) = profile else { continue };
                let (deployment, injected) = (deployment.to_string(), injected(id, uses, profile));
                let user = ToolUser { deployment, injected };
                users.entry((id.clone(), environment.clone())).or_default().push(user);
            }
        }
    }
    users
}

fn injected(id: &ToolName, uses: &ToolUse, profile: &Profile<SealedValue>) -> BTreeMap<String, String> {
    let settings = profile.settings.iter().map(|_| (uses.settings_variable(id), "settings".to_owned()));
    let credentials = profile.credentials.keys();
    let credentials = credentials.map(|name| (uses.credential_variable(id, name), name.to_string()));
    settings
        .chain(credentials)
        .filter_map(|(variable, what)| Some((variable.ok()?.to_string(), what)))
        .collect()
}
