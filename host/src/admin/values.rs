//! A deployment's values: listed masked, set, unset, and how they came to be. A secret never comes back.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};

use super::{Caller, Named, NamedTwice, caller::parameter, snapshot::blocking, tagged, whole};
use crate::{
    change::Edit,
    clock::rfc3339,
    generation::Served,
    host::{Changed, Host},
    id::{DeploymentId, EnvironmentName, VariableName},
    made::{MadeVersion, Stamp, ValueKey},
    model::{Content, Place, Role, question::Sensitivity},
    plan::{LayerName, Planned},
    prepared::Prepared,
    preview,
    serve::{facts, respond::Problem},
};

mod wire;

type Answer = Result<Response, Problem>;

/// The largest body that sets values, in bytes: a few of the largest, escaped.
const MAX_BODY_BYTES: usize = 512 * 1024;

/// A deployment, or one of its environments, that the caller may see.
struct At<'a> {
    served: &'a Arc<Served>,
    deployment: DeploymentId,
    environment: Option<EnvironmentName>,
}

impl<'a> At<'a> {
    fn of(
        caller: &'a Caller,
        query: Option<&str>,
        deployment: &str,
        environment: Option<&str>,
    ) -> Result<Self, Problem> {
        let served = caller.served(query)?;
        let deployment: DeploymentId = deployment.parse().map_err(|_| Problem::not_found())?;
        let uses =
            served.snapshot.configuration.deployments.get(&deployment).ok_or_else(Problem::not_found)?;
        let environment = environment.map(str::parse::<EnvironmentName>).transpose();
        let environment = environment.map_err(|_| Problem::not_found())?;
        let is_visible = match &environment {
            Some(name) => uses.environments.contains_key(name) && caller.sees(name),
            None => uses.environments.keys().any(|name| caller.sees(name)),
        };
        if is_visible { Ok(Self { served, deployment, environment }) } else { Err(Problem::not_found()) }
    }

    fn place(&self) -> Place {
        Place::Deployment(self.deployment.clone(), self.environment.clone())
    }

    /// Who changes a deployment's base changes each of its environments.
    fn may_write(&self, caller: &Caller) -> Result<(), Problem> {
        caller.role(Role::Developer)?;
        let configuration = &self.served.snapshot.configuration;
        let uses = configuration.deployments.get(&self.deployment).ok_or_else(Problem::not_found)?;
        let concerned = |name: &&EnvironmentName| self.environment.as_ref().is_none_or(|only| only == *name);
        let concerned: Vec<_> = uses.environments.keys().filter(concerned).collect();
        if !concerned.iter().all(|name| caller.sees(name)) {
            return Err(Problem::forbidden(
                "this changes every environment of the deployment, and your token is limited to some",
            ));
        }
        let is_protected = |name: &EnvironmentName| {
            configuration.environments.get(name).is_some_and(|found| found.protected)
        };
        if concerned.into_iter().any(is_protected) {
            caller.role(Role::Admin)?;
        }
        Ok(())
    }
}

/// `GET …/{id}/env?environment=…`: what an instance would be given, masked; without an environment, what
/// the deployment's base sets. `reveal=true` shows plain values, and is recorded.
pub(super) async fn list(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let environment = parameter(query, "environment")?;
    let at = At::of(&caller, query, &id, environment.as_deref())?;
    let reveal = match parameter(query, "reveal")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::bad_request("`reveal` is true or false")),
    };
    let revision = at.served.snapshot.revision.0;
    if reveal {
        at.may_write(&caller)?;
        let details = json!({
            "workspace": at.served.snapshot.configuration.workspace.as_str(),
            "deployment": at.deployment.as_str(), "revision": revision,
            "environment": at.environment.as_ref().map(EnvironmentName::as_str),
        });
        host.record_reveal(&caller.token.principal, details)?;
    }
    let show = |prepared: &Prepared| {
        let key = caller.live.capsule_key();
        if reveal { preview::reveal_plain(prepared, key) } else { preview::of_plan(prepared, key) }
    };
    let entries = match &at.environment {
        Some(environment) => {
            let prepared = at.served.prepared(&at.deployment, environment).ok_or_else(Problem::not_found)?;
            planned(&at, prepared, &show(prepared))
        }
        None => base(&caller, &at, show),
    };
    let environment = at.environment.as_ref().map(EnvironmentName::as_str);
    let body = json!({
        "deployment": at.deployment.as_str(), "environment": environment, "revision": revision,
        "variables": entries,
    });
    Ok(tagged(revision, body))
}

/// Every name of a plan, with where its value comes from.
fn planned(at: &At<'_>, prepared: &Prepared, shown: &[Option<String>]) -> Vec<Value> {
    let plan = &prepared.plan;
    let entries = plan.variables.iter().enumerate().map(|(index, variable)| {
        let candidate = plan.candidates.get(variable.default as usize);
        let overrode: Vec<_> = variable.provenance.overrode.iter().map(|layer| layer.as_str()).collect();
        let mut entry = described(at, &key_of(at, &prepared.plan.environment.name, variable));
        entry["name"] = json!(variable.name.as_str());
        entry["description"] = json!(variable.description);
        entry["is_secret"] = json!(variable.sensitivity == Sensitivity::Secret);
        entry["layer"] = json!(variable.provenance.layer.as_str());
        entry["overrode"] = json!(overrode);
        entry["required"] = json!(variable.required);
        entry["version"] = json!(candidate.map(|candidate| candidate.version).filter(|version| *version > 0));
        entry["value"] = json!(value_of(variable.sensitivity, shown.get(index)));
        entry
    });
    entries.collect()
}

/// What a deployment's base sets. A value is shown from an environment where nothing overrides it.
fn base(caller: &Caller, at: &At<'_>, show: impl Fn(&Prepared) -> Vec<Option<String>>) -> Vec<Value> {
    let configuration = &at.served.snapshot.configuration;
    let Some(deployment) = configuration.deployments.get(&at.deployment) else { return Vec::new() };
    let visible = deployment.environments.keys().filter(|name| caller.sees(name));
    let pairs: Vec<_> = visible
        .filter_map(|name| at.served.prepared(&at.deployment, name))
        .map(|one| (one, show(one)))
        .collect();
    let entries = deployment.base.variables.iter().map(|(name, variable)| {
        let shown = pairs.iter().find_map(|(prepared, shown)| {
            let index = prepared.plan.index_of(name.as_str())?;
            let is_base = prepared.plan.variables[index].provenance.layer == LayerName::Deployment;
            is_base.then(|| shown.get(index)).flatten()
        });
        let mut entry = described(at, &ValueKey { place: at.place(), name: name.clone() });
        entry["name"] = json!(name.as_str());
        entry["description"] = json!(variable.description);
        entry["is_secret"] = json!(variable.sensitivity == Sensitivity::Secret);
        entry["layer"] = json!(LayerName::Deployment.as_str());
        entry["version"] = match &variable.content {
            Content::Versions { current, .. } => json!(current),
            Content::Template(_) => Value::Null,
        };
        entry["value"] = json!(value_of(variable.sensitivity, shown));
        entry
    });
    entries.collect()
}

fn value_of(sensitivity: Sensitivity, shown: Option<&Option<String>>) -> Option<String> {
    match sensitivity {
        Sensitivity::Secret => Some(preview::MASK.to_owned()),
        Sensitivity::Plain => shown.cloned().flatten(),
    }
}

/// The record that a planned variable's value comes from.
fn key_of(at: &At<'_>, environment: &EnvironmentName, variable: &Planned) -> ValueKey {
    let place = match variable.provenance.layer {
        LayerName::Workspace => Place::Workspace,
        LayerName::Environment => Place::Environment(environment.clone()),
        LayerName::Deployment => Place::Deployment(at.deployment.clone(), None),
        LayerName::DeploymentInEnvironment => {
            Place::Deployment(at.deployment.clone(), Some(environment.clone()))
        }
    };
    ValueKey { place, name: variable.name.clone() }
}

/// Who owns a record, and what made it what it is.
fn described(at: &At<'_>, key: &ValueKey) -> Value {
    match at.served.made.values.get(key) {
        Some(made) => {
            json!({ "owner": "api", "etag": etag(&made.changed), "changed": stamp(&made.changed) })
        }
        None => json!({ "owner": "directory", "etag": null, "changed": null }),
    }
}

fn etag(stamp: &Stamp) -> String {
    format!("\"{}\"", stamp.revision.0)
}

fn stamp(stamp: &Stamp) -> Value {
    json!({ "revision": stamp.revision.0, "at": rfc3339(stamp.at), "by": stamp.principal })
}

/// `POST …/{id}/env`: one value, or a list of them, all or none.
pub(super) async fn set(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    // Before the body, which is not worth keeping of somebody who may not change anything.
    caller.role(Role::Developer)?;
    At::of(&caller, query.as_deref(), &id, None)?;
    let precondition = wire::precondition(&headers)?;
    let body = whole(body, MAX_BODY_BYTES, facts::BODY_PATIENCE).await?;
    let mut edits = Vec::new();
    for wanted in wire::wanted(&body)? {
        let at = At::of(&caller, query.as_deref(), &id, wanted.environment.as_deref())?;
        at.may_write(&caller)?;
        edits.push(wanted.edit(at.place())?);
    }
    changed(host, &caller, query.as_deref(), edits, precondition).await
}

/// `DELETE …/{id}/env/{name}?environment=…`.
pub(super) async fn unset(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, name): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let environment = parameter(query.as_deref(), "environment")?;
    let at = At::of(&caller, query.as_deref(), &id, environment.as_deref())?;
    at.may_write(&caller)?;
    let name: VariableName = name.parse().map_err(|_| Problem::not_found())?;
    let precondition = wire::precondition(&headers)?;
    let edits = vec![Edit::UnsetValue { key: ValueKey { place: at.place(), name } }];
    changed(host, &caller, query.as_deref(), edits, precondition).await
}

async fn changed(
    host: Arc<Host>,
    caller: &Caller,
    query: Option<&str>,
    edits: Vec<Edit>,
    precondition: crate::change::Precondition,
) -> Answer {
    let (principal, workspace) = (caller.token.principal.clone(), caller.workspace(query)?);
    let changed = blocking(move || host.change(&principal, &workspace, &edits, precondition)).await??;
    let Changed { workspace, revision, digest, warnings } = changed;
    let body = json!({
        "workspace": workspace.as_str(), "revision": revision.0, "digest": digest.to_string(),
        "warnings": warnings,
    });
    Ok(tagged(revision.0, body))
}

/// `GET …/{id}/env/{name}/versions?environment=…`: newest first, without a value.
pub(super) async fn versions(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    NamedTwice(id, name): NamedTwice,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let environment = parameter(query.as_deref(), "environment")?;
    let at = At::of(&caller, query.as_deref(), &id, environment.as_deref())?;
    let name: VariableName = name.parse().map_err(|_| Problem::not_found())?;
    let key = ValueKey { place: at.place(), name };
    let made = &at.served.made;
    let mut listed: Vec<Value> = Vec::new();
    if let Some(value) = made.values.get(&key) {
        listed.push(version(&value.current, true));
    }
    let past = made.past.get(&key).into_iter().flatten().rev();
    listed.extend(past.map(|one| version(one, false)));
    if listed.is_empty() {
        listed = owned(&at, &key);
    }
    if listed.is_empty() {
        return Err(Problem::not_found());
    }
    let changed = made.values.get(&key).map_or(at.served.snapshot.revision, |value| value.changed.revision);
    let mut body = described(&at, &key);
    body["name"] = json!(key.name.as_str());
    body["versions"] = json!(listed);
    Ok(tagged(changed.0, body))
}

fn version(version: &MadeVersion, is_current: bool) -> Value {
    json!({
        "version": version.number, "current": is_current,
        "is_secret": version.sensitivity == Sensitivity::Secret, "set": stamp(&version.set),
    })
}

/// The versions of what a directory owns.
fn owned(at: &At<'_>, key: &ValueKey) -> Vec<Value> {
    let deployment = at.served.snapshot.configuration.deployments.get(&at.deployment);
    let layer = deployment.and_then(|deployment| match &at.environment {
        Some(environment) => deployment.environments.get(environment).map(|special| &special.layer),
        None => Some(&deployment.base),
    });
    let Some(variable) = layer.and_then(|layer| layer.variables.get(&key.name)) else { return Vec::new() };
    let Content::Versions { versions, current } = &variable.content else { return Vec::new() };
    let is_secret = variable.sensitivity == Sensitivity::Secret;
    let listed = versions.iter().rev().map(|one| {
        json!({ "version": one.number, "current": one.number == *current, "is_secret": is_secret, "set": null })
    });
    listed.collect()
}
