//! Leases and counts as records.
//!
//! | record | content |
//! |---|---|
//! | `workspace/<name>/lease/<id>` | who holds it since when, and which versions that is about; no value |
//! | `workspace/<name>/unproven/<id of a value>` | how many boots without a lease may have been given that version; and of which credential it is, if of one |

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Counter, CredentialVersion, Held, HeldKey, Lease, LeaseId, MAX_COUNT};
use crate::{
    id::{UnixSeconds, ValueId, WorkspaceId},
    made::ValueKey,
    model::Place,
    state::Alteration,
};

/// A record that does not read.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's record {name} does not read")]
pub struct LeaseError {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct WireLease {
    deployment: String,
    environment: String,
    instance: Option<String>,
    principal: String,
    since: i64,
    seconds: u32,
    held: Vec<WireHeld>,
}

#[derive(Serialize, Deserialize)]
struct WireHeld {
    /// Of the credential of a service's instance, whose owner is the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    deployment: Option<String>,
    environment: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    version: u64,
    id: String,
}

pub(super) fn leases(
    workspace: &WorkspaceId,
    records: &BTreeMap<String, Vec<u8>>,
    now: UnixSeconds,
) -> Result<Vec<Lease>, LeaseError> {
    let read = |(rest, content): (&str, &[u8])| lease(rest, content, now);
    below(records, &lease_name(workspace, "")).map(|(name, found)| read(found).ok_or(unread(name))).collect()
}

pub(super) fn counters(
    workspace: &WorkspaceId,
    records: &BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<ValueId, Arc<Counter>>, LeaseError> {
    let read = |(rest, content): (&str, &[u8])| {
        let mut words = std::str::from_utf8(content).ok()?.split(' ');
        let bound: u64 = words.next()?.parse().ok()?;
        let words: Vec<_> = words.collect();
        let credential = match words[..] {
            [] => None,
            [service, owner, version] => Some(CredentialVersion {
                service: service.parse().ok()?,
                owner: owner.parse().ok()?,
                version: version.parse().ok()?,
            }),
            _ => return None,
        };
        Some((rest.parse().ok()?, Arc::new(Counter::restored(bound.min(MAX_COUNT), credential))))
    };
    below(records, &unproven_name(workspace, ""))
        .map(|(name, found)| read(found).ok_or(unread(name)))
        .collect()
}

/// The records whose names begin with `prefix`, with the rest of their names.
fn below<'a>(
    records: &'a BTreeMap<String, Vec<u8>>,
    prefix: &str,
) -> impl Iterator<Item = (&'a str, (&'a str, &'a [u8]))> {
    let (prefix, from) = (prefix.to_owned(), prefix.to_owned());
    records.range(from..).map_while(move |(name, content)| {
        let rest = name.strip_prefix(&prefix)?;
        Some((name.as_str(), (rest, content.as_slice())))
    })
}

fn unread(name: &str) -> LeaseError {
    LeaseError { name: name.to_owned() }
}

fn lease(id: &str, content: &[u8], now: UnixSeconds) -> Option<Lease> {
    let wire: WireLease = serde_json::from_slice(content).ok()?;
    Some(Lease {
        id: id.parse().ok()?,
        deployment: wire.deployment.parse().ok()?,
        environment: wire.environment.parse().ok()?,
        instance: wire.instance,
        principal: wire.principal,
        since: UnixSeconds(wire.since),
        seconds: wire.seconds,
        deadline: UnixSeconds(now.0.saturating_add(wire.seconds.into())),
        held: wire.held.iter().map(held).collect::<Option<_>>()?,
    })
}

fn held(wire: &WireHeld) -> Option<Held> {
    let environment = wire.environment.as_deref().map(str::parse).transpose().ok()?;
    let (version, id) = (wire.version, wire.id.parse().ok()?);
    if let Some(service) = &wire.service {
        let key = HeldKey::Credential(service.parse().ok()?, environment?);
        return Some(Held { key, version, id });
    }
    let place = match (wire.deployment.as_deref().map(str::parse).transpose().ok()?, environment) {
        (None, None) => Place::Workspace,
        (None, Some(environment)) => Place::Environment(environment),
        (Some(deployment), environment) => Place::Deployment(deployment, environment),
    };
    let key = HeldKey::Value(ValueKey { place, name: wire.name.parse().ok()? });
    Some(Held { key, version, id })
}

fn to_held(held: &Held) -> WireHeld {
    let (version, id) = (held.version, held.id.to_string());
    let key = match &held.key {
        HeldKey::Value(key) => key,
        HeldKey::Credential(service, owner) => {
            let (service, environment) = (Some(service.to_string()), Some(owner.to_string()));
            return WireHeld { service, deployment: None, environment, name: String::new(), version, id };
        }
    };
    let (deployment, environment) = match &key.place {
        Place::Workspace => (None, None),
        Place::Environment(environment) => (None, Some(environment.to_string())),
        Place::Deployment(deployment, environment) => {
            (Some(deployment.to_string()), environment.as_ref().map(ToString::to_string))
        }
    };
    WireHeld { service: None, deployment, environment, name: key.name.to_string(), version, id }
}

pub(super) fn put(workspace: &WorkspaceId, lease: &Lease) -> Alteration {
    let wire = WireLease {
        deployment: lease.deployment.to_string(),
        environment: lease.environment.to_string(),
        instance: lease.instance.clone(),
        principal: lease.principal.clone(),
        since: lease.since.0,
        seconds: lease.seconds,
        held: lease.held.iter().map(to_held).collect(),
    };
    // Texts and numbers always encode.
    let content = serde_json::to_vec(&wire).unwrap_or_default();
    Alteration::Put { name: lease_name(workspace, &lease.id.to_string()), content }
}

pub(super) fn delete(workspace: &WorkspaceId, id: LeaseId) -> Alteration {
    Alteration::Delete { name: lease_name(workspace, &id.to_string()) }
}

pub(super) fn counted(workspace: &WorkspaceId, id: ValueId, counter: &Counter, bound: u64) -> Alteration {
    let name = unproven_name(workspace, &id.to_string());
    let content = match &counter.credential {
        None => bound.to_string(),
        // No name has a space in it.
        Some(CredentialVersion { service, owner, version }) => format!("{bound} {service} {owner} {version}"),
    };
    Alteration::Put { name, content: content.into_bytes() }
}

pub(super) fn uncounted(workspace: &WorkspaceId, id: ValueId) -> Alteration {
    Alteration::Delete { name: unproven_name(workspace, &id.to_string()) }
}

fn lease_name(workspace: &WorkspaceId, id: &str) -> String {
    format!("workspace/{workspace}/lease/{id}")
}

fn unproven_name(workspace: &WorkspaceId, id: &str) -> String {
    format!("workspace/{workspace}/unproven/{id}")
}
