//! What a record of the audit log looks like.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{clock::rfc3339, id::UnixSeconds};

/// Records, the newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct AuditPage {
    pub(super) records: Vec<AuditRecord>,
    /// The cursor of older ones; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A boot or a change: who, what, when, and what came of it.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct AuditRecord {
    time: String,
    /// `boot`, or what was changed.
    kind: String,
    /// `allowed` or `done`, `unchanged` (the instance had what it would get), or a problem's code.
    outcome: String,
    /// On whose behalf.
    principal: String,
    /// Of a boot, as its answer named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The token's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// The plan's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    /// The digest of all policies that were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<String>,
    /// The variables that were handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    /// Their digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_set: Option<String>,
    /// Where an instance called from.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    /// What an instance said about itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    facts: BTreeMap<String, String>,
    /// What a change was about: names, revisions, digests; never a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Map<String, Value>>,
}

impl AuditRecord {
    /// A record of the log, with what it refers to.
    pub(super) fn new(record: &Value) -> Self {
        let details = &record["details"];
        let text = |name: &str| record[name].as_str().or(details[name].as_str()).map(str::to_owned);
        let number = |name: &str| record[name].as_u64().or(details[name].as_u64());
        Self {
            time: rfc3339(UnixSeconds(record["at"].as_i64().unwrap_or_default())),
            kind: text("kind").unwrap_or_default(),
            outcome: text("outcome").unwrap_or_default(),
            principal: text("principal").unwrap_or_default(),
            id: text("id"),
            token: text("token"),
            deployment: text("deployment"),
            environment: text("environment"),
            release: number("release"),
            revision: number("revision"),
            plan: text("plan"),
            policies: text("policies"),
            keys: names(record),
            key_set: text("keys"),
            peer: text("peer"),
            facts: facts(record),
            details: details.as_object().cloned(),
        }
    }
}

fn names(record: &Value) -> Option<Vec<String>> {
    let names = record["names"].as_array()?.iter();
    Some(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

fn facts(record: &Value) -> BTreeMap<String, String> {
    let own = ["region", "zone", "instance"].into_iter();
    let own = own.filter_map(|name| Some((name.to_owned(), record[name].as_str()?.to_owned())));
    let attributes = record["attributes"].as_array().into_iter().flatten();
    let attributes = attributes
        .filter_map(|pair| Some((format!("attr.{}", pair[0].as_str()?), pair[1].as_str()?.to_owned())));
    own.chain(attributes).collect()
}
