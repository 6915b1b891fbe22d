//! Values and their earlier versions, as records.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{Made, MadeContent, MadeValue, MadeVersion, SealedFor, ValueKey, WireStamp, stamp, to_stamp};
use crate::{
    id::WorkspaceId,
    model::{
        Piece, Place, SealedValue, Template,
        question::{Encoding, Sensitivity},
    },
};

#[derive(Serialize, Deserialize)]
struct WireKey {
    deployment: Option<String>,
    environment: Option<String>,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct WireVersion {
    number: u64,
    secret: bool,
    #[serde(flatten)]
    content: WireContent,
    set: WireStamp,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WireContent {
    Sealed { id: String, sealed: String },
    Template { template: Vec<WirePiece> },
    Revoked { revoked: WireStamp },
}

/// A literal, or a variable's name and how its value is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WirePiece {
    Literal(String),
    Reference(String, String),
}

#[derive(Serialize, Deserialize)]
struct WireValue {
    key: WireKey,
    sealed_for: (String, String),
    description: String,
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    inject: bool,
    current: WireVersion,
    /// Earlier versions that are live.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    live: BTreeSet<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotate_every_days: Option<u32>,
    changed: WireStamp,
}

fn usual() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_usual(inject: &bool) -> bool {
    *inject
}

#[derive(Serialize, Deserialize)]
struct WirePast {
    key: WireKey,
    version: WireVersion,
}

pub(super) fn read(workspace: &WorkspaceId, recorded: &str, content: &[u8], made: &mut Made) -> Option<()> {
    let wire: WireValue = serde_json::from_slice(content).ok()?;
    let key = key(&wire.key)?;
    let (environment, deployment) = wire.sealed_for;
    let sealed_for =
        SealedFor { environment: environment.parse().ok()?, deployment: deployment.parse().ok()? };
    let (current, changed) = (version(wire.current)?, stamp(wire.changed));
    (name(workspace, &key) == recorded).then_some(())?;
    (!matches!(current.content, MadeContent::Revoked(_))).then_some(())?;
    let WireValue { description, inject, live, rotate_every_days, .. } = wire;
    // Their records were read before: "past" comes before "value".
    let is_there = |number: &u64| {
        let sealed = |one: &&MadeVersion| matches!(one.content, MadeContent::Sealed(_));
        made.earlier(&key).iter().filter(sealed).any(|one| one.number == *number)
    };
    live.iter().all(is_there).then_some(())?;
    let read = MadeValue { sealed_for, description, inject, current, live, rotate_every_days, changed };
    made.values.insert(key, read);
    Some(())
}

pub(super) fn read_past(
    workspace: &WorkspaceId,
    recorded: &str,
    content: &[u8],
    made: &mut Made,
) -> Option<()> {
    let wire: WirePast = serde_json::from_slice(content).ok()?;
    let (key, version) = (key(&wire.key)?, version(wire.version)?);
    (past_name(workspace, &key, version.number) == recorded).then_some(())?;
    // Their names are in the order of their numbers.
    match made.past.get_mut(&key) {
        Some(versions) => versions.push(version),
        None => made.past.insert(key, vec![version]),
    }
    Some(())
}

pub(super) fn write(key: &ValueKey, value: &MadeValue) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&WireValue {
        key: to_key(key),
        sealed_for: (value.sealed_for.environment.to_string(), value.sealed_for.deployment.to_string()),
        description: value.description.clone(),
        inject: value.inject,
        current: to_version(&value.current),
        live: value.live.clone(),
        rotate_every_days: value.rotate_every_days,
        changed: to_stamp(&value.changed),
    })
}

pub(super) fn write_past(key: &ValueKey, version: &MadeVersion) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&WirePast { key: to_key(key), version: to_version(version) })
}

pub(super) fn name(workspace: &WorkspaceId, key: &ValueKey) -> String {
    format!("workspace/{workspace}/value/{}/{}", place(&key.place), key.name)
}

pub(super) fn past_name(workspace: &WorkspaceId, key: &ValueKey, number: u64) -> String {
    format!("workspace/{workspace}/past/{}/{}/{number:020}", place(&key.place), key.name)
}

pub(super) fn place(place: &Place) -> String {
    match place {
        Place::Workspace => "all".to_owned(),
        Place::Environment(environment) => format!("in/{environment}"),
        Place::Deployment(deployment, None) => format!("of/{deployment}"),
        Place::Deployment(deployment, Some(environment)) => format!("of/{deployment}/in/{environment}"),
    }
}

fn key(wire: &WireKey) -> Option<ValueKey> {
    let environment = wire.environment.as_deref().map(str::parse).transpose().ok()?;
    let deployment = wire.deployment.as_deref().map(str::parse).transpose().ok()?;
    let place = match (deployment, environment) {
        (None, None) => Place::Workspace,
        (None, Some(environment)) => Place::Environment(environment),
        (Some(deployment), environment) => Place::Deployment(deployment, environment),
    };
    Some(ValueKey { place, name: wire.name.parse().ok()? })
}

fn to_key(key: &ValueKey) -> WireKey {
    let (deployment, environment) = match &key.place {
        Place::Workspace => (None, None),
        Place::Environment(environment) => (None, Some(environment.to_string())),
        Place::Deployment(deployment, environment) => {
            (Some(deployment.to_string()), environment.as_ref().map(ToString::to_string))
        }
    };
    WireKey { deployment, environment, name: key.name.to_string() }
}

fn version(wire: WireVersion) -> Option<MadeVersion> {
    let sensitivity = if wire.secret { Sensitivity::Secret } else { Sensitivity::Plain };
    let content = match wire.content {
        WireContent::Sealed { id, sealed } => {
            let bytes = BASE64_STANDARD.decode(sealed).ok()?.into();
            MadeContent::Sealed(SealedValue { id: id.parse().ok()?, bytes })
        }
        WireContent::Template { template } => {
            MadeContent::Template(Template(template.into_iter().map(piece).collect::<Option<_>>()?))
        }
        WireContent::Revoked { revoked } => MadeContent::Revoked(stamp(revoked)),
    };
    Some(MadeVersion { number: wire.number, sensitivity, content, set: stamp(wire.set) })
}

fn piece(wire: WirePiece) -> Option<Piece> {
    Some(match wire {
        WirePiece::Literal(text) => Piece::Literal(text),
        WirePiece::Reference(name, encoding) => {
            let encoding = Encoding::ALL.into_iter().find(|known| known.as_str() == encoding)?;
            Piece::Reference { name: name.parse().ok()?, encoding }
        }
    })
}

fn to_piece(piece: &Piece) -> WirePiece {
    match piece {
        Piece::Literal(text) => WirePiece::Literal(text.clone()),
        Piece::Reference { name, encoding } => {
            WirePiece::Reference(name.to_string(), encoding.as_str().to_owned())
        }
    }
}

fn to_version(version: &MadeVersion) -> WireVersion {
    WireVersion {
        number: version.number,
        secret: version.sensitivity == Sensitivity::Secret,
        content: match &version.content {
            MadeContent::Sealed(value) => {
                WireContent::Sealed { id: value.id.to_string(), sealed: BASE64_STANDARD.encode(&value.bytes) }
            }
            MadeContent::Template(template) => {
                WireContent::Template { template: template.0.iter().map(to_piece).collect() }
            }
            MadeContent::Revoked(revoked) => WireContent::Revoked { revoked: to_stamp(revoked) },
        },
        set: to_stamp(&version.set),
    }
}
