//! Changes of values: all of one request, or none.

use std::sync::Arc;

use axum::{body::Body, http::HeaderMap};

use super::{Answer, at::At, wire};
use crate::{
    admin::{
        Caller,
        body::whole,
        query::parameter,
        snapshot::{answered, blocking},
    },
    change::{Edit, Precondition},
    host::Host,
    id::VariableName,
    model::Role,
    serve::{facts, respond::Problem},
};

/// The largest body that sets values, in bytes: a few of the largest, escaped.
const MAX_BODY_BYTES: usize = 512 * 1024;

/// Sets what the body says, each value in the layer that `at` finds for the environment it names.
pub(super) async fn set<'a>(
    host: Arc<Host>,
    caller: &'a Caller,
    (headers, query): (&HeaderMap, Option<&str>),
    body: Body,
    at: impl Fn(Option<&str>) -> Result<At<'a>, Problem>,
) -> Answer {
    // Before the body, which is not worth keeping of somebody who may not change anything.
    caller.role(Role::Developer)?;
    at(None)?;
    let precondition = wire::precondition(headers)?;
    let body = whole(body, MAX_BODY_BYTES, facts::BODY_PATIENCE).await?;
    let mut edits = Vec::new();
    for wanted in wire::wanted(&body)? {
        let at = at(wanted.environment.as_deref())?;
        at.may_be_changed(caller, query)?;
        if wanted.requires() {
            // Whether a secret is refused by a pattern says more of it than anybody is shown.
            caller.role(Role::Admin)?;
        }
        edits.extend(wanted.edits(at.place)?);
    }
    changed(host, caller, query, edits, precondition).await
}

/// Unsets a value.
pub(super) async fn unset(
    host: Arc<Host>,
    caller: &Caller,
    at: At<'_>,
    name: &str,
    (headers, query): (&HeaderMap, Option<&str>),
) -> Answer {
    at.may_be_changed(caller, query)?;
    let name: VariableName = name.parse().map_err(|_| Problem::not_found())?;
    let precondition = wire::precondition(headers)?;
    let edits = vec![Edit::UnsetValue { key: at.key(&name) }];
    changed(host, caller, query, edits, precondition).await
}

/// Revokes an earlier version of a value.
pub(super) async fn revoke(
    host: Arc<Host>,
    caller: &Caller,
    at: At<'_>,
    (name, version): (&str, &str),
    (headers, query): (&HeaderMap, Option<&str>),
) -> Answer {
    at.may_be_changed(caller, query)?;
    let name: VariableName = name.parse().map_err(|_| Problem::not_found())?;
    // A number is written in one way.
    let number = version.parse().ok().filter(|number: &u64| number.to_string() == version);
    let version = number.ok_or_else(Problem::not_found)?;
    let accept_unproven = match parameter(query, "accept_unproven")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::bad_request("`accept_unproven` is true or false")),
    };
    let precondition = wire::precondition(headers)?;
    let edits = vec![Edit::RevokeVersion { key: at.key(&name), version, accept_unproven }];
    changed(host, caller, query, edits, precondition).await
}

/// Makes the change and answers it.
pub(in crate::admin) async fn changed(
    host: Arc<Host>,
    caller: &Caller,
    query: Option<&str>,
    edits: Vec<Edit>,
    precondition: Precondition,
) -> Answer {
    let (author, workspace) = (caller.author(), caller.workspace(query)?);
    let changed = blocking(move || host.change(&author, &workspace, &edits, precondition)).await??;
    Ok(answered(&changed))
}
