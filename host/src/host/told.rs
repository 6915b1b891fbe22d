//! What the audit log is told of a change: names, numbers and digests, and never a value.

use std::collections::BTreeSet;

use serde_json::json;

use super::{ChangeError, Changed};
use crate::{
    audit,
    change::{About, Edit},
    id::WorkspaceId,
    model::{Configuration, SealedValue},
};

/// What the audit log is told beside the edits.
#[derive(Default)]
pub(super) struct Done {
    /// What a clone took over, by name.
    pub(super) cloned: Vec<String>,
    /// How many tokens name other environments than before, or are gone.
    pub(super) tokens: usize,
    /// The ids of those that are gone.
    pub(super) revoked: Vec<String>,
    /// How many boots without a lease versions were revoked in spite of.
    pub(super) unproven: u64,
}

/// What the audit log calls a change.
pub(super) fn kind_of(edits: &[Edit]) -> &'static str {
    let is_activation =
        |edit: &Edit| matches!(edit, Edit::Activate { .. } | Edit::Expect(_) | Edit::ExpectActive { .. });
    if !edits.is_empty() && edits.iter().all(is_activation) { "activate" } else { "change" }
}

/// What is recorded of a change.
pub(super) fn details(
    workspace: &WorkspaceId,
    edits: &[Edit],
    before: Option<&Configuration<SealedValue>>,
    changed: Result<(&Changed, &Done), &ChangeError>,
) -> serde_json::Value {
    let named = |verb: &str| {
        let done = edits.iter().filter(|edit| edit.verb() == verb);
        done.map(Edit::subject).collect::<Vec<_>>()
    };
    let about = About::of(edits, before);
    let mut keys: BTreeSet<_> = texts(&about.keys).into_iter().collect();
    keys.extend(changed.iter().flat_map(|(_, done)| done.cloned.iter().cloned()));
    let mut left_out = serde_json::Map::new();
    let mut listed = |what: &str, names: Vec<String>| {
        let all = names.len();
        let some = audit::listed(names);
        if some.len() < all {
            left_out.insert(what.to_owned(), (all - some.len()).into());
        }
        some
    };
    let keys = listed("keys", keys.into_iter().collect());
    let environments = listed("environments", texts(&about.environments));
    let deployments = listed("deployments", texts(&about.deployments));
    let revoked = changed.ok().map(|(_, done)| listed("tokens_revoked", done.revoked.clone()));
    json!({
        "workspace": workspace.as_str(), "set": named("set"), "unset": named("unset"),
        "revoked": named("revoked"),
        "created": named("created"), "patched": named("patched"), "deleted": named("deleted"),
        "cloned": named("cloned"), "activated": named("activated"), "tokens": changed.ok().map(|(_, done)| done.tokens),
        "tokens_revoked": revoked, "keys": keys, "environments": environments, "deployments": deployments,
        "left_out": (!left_out.is_empty()).then_some(left_out),
        "accepted_unproven": changed.ok().map(|(_, done)| done.unproven).filter(|boots| *boots > 0),
        "revision": changed.ok().map(|(changed, _)| changed.revision.0),
        "digest": changed.ok().map(|(changed, _)| changed.digest.to_string()),
        "reason": changed.err().map(|error| audit::reason(error)),
    })
}

fn texts(names: &BTreeSet<impl ToString>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
