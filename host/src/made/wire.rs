//! What was made as records: JSON, one for each thing, one for each earlier version of a value, and one
//! for the revision.
//!
//! | record | content |
//! |---|---|
//! | `workspace/<name>/configuration` | the last revision that a change by API made |
//! | `workspace/<name>/environment/<environment>` | an environment and its keys, wrapped |
//! | `workspace/<name>/resource/<kind>/<names>` | anything else but a value; a policy's names the blobs of its components |
//! | `workspace/<name>/value/<place>/<NAME>` | a value that is set |
//! | `workspace/<name>/past/<place>/<NAME>/<version>` | an earlier version of it |
//!
//! A place is `all`, `in/<environment>`, `of/<deployment>` or `of/<deployment>/in/<environment>`.

mod resource;

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    Made, MadeContent, MadeEnvironment, MadeResource, MadeValue, MadeVersion, ResourceKey, SealedFor, Stamp,
    Subject, ValueKey,
};
use crate::{
    id::{EnvironmentName, Revision, Uid, UnixSeconds, WorkspaceId},
    keyring::{WrappedDataKey, WrappedKey},
    model::{
        Environment, EnvironmentKeys, KeyId, Piece, Place, SealedValue, Template,
        question::{Encoding, Sensitivity},
    },
    state::Alteration,
};

/// A record that does not read.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's record {name} does not read")]
pub struct MadeError {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct WireRevision {
    revision: u64,
    changed: i64,
}

#[derive(Serialize, Deserialize)]
struct WireKey {
    deployment: Option<String>,
    environment: Option<String>,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct WireStamp {
    revision: u64,
    at: i64,
    principal: String,
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

#[derive(Serialize, Deserialize)]
struct WireEnvironment {
    uid: String,
    kind: String,
    protected: bool,
    deprecated: bool,
    expires: Option<i64>,
    promotes_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trigger: Option<String>,
    labels: BTreeMap<String, String>,
    deployments: BTreeSet<String>,
    public: String,
    private_root: String,
    private: String,
    data_root: String,
    data_epoch: u32,
    data: String,
    #[serde(default)]
    admins_only: bool,
    changed: WireStamp,
}

pub(super) fn read(
    workspace: &WorkspaceId,
    uid: Uid,
    records: &BTreeMap<String, Vec<u8>>,
) -> Result<Made, MadeError> {
    let mut made = Made::default();
    let prefix = format!("workspace/{workspace}/");
    for (name, content) in records.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix)) {
        let read = match name[prefix.len()..].split('/').next() {
            Some("configuration") => read_revision(content, &mut made),
            Some("environment") => read_environment(workspace, name, content, &mut made),
            Some("resource") => resource::read((workspace, uid), name, content, &mut made),
            Some("value") => read_value(workspace, name, content, &mut made),
            Some("past") => read_past(workspace, name, content, &mut made),
            _ => Some(()),
        };
        read.ok_or_else(|| MadeError { name: name.clone() })?;
    }
    let unset = made.past.iter().filter(|(key, _)| !made.values.contains_key(*key));
    let unset: Vec<_> = unset.map(|(key, versions)| (key.clone(), versions.clone())).collect();
    for (key, versions) in unset {
        made.past.remove(&key);
        made.buried.insert(key, versions);
    }
    Ok(made)
}

fn read_revision(content: &[u8], made: &mut Made) -> Option<()> {
    let wire: WireRevision = serde_json::from_slice(content).ok()?;
    (made.revision, made.changed) = (Revision(wire.revision), UnixSeconds(wire.changed));
    Some(())
}

fn read_environment(workspace: &WorkspaceId, name: &str, content: &[u8], made: &mut Made) -> Option<()> {
    let wire: WireEnvironment = serde_json::from_slice(content).ok()?;
    let own = name.strip_prefix(&environment_name(workspace, ""))?.parse::<EnvironmentName>().ok()?;
    let uid: Uid = wire.uid.parse().ok()?;
    let environment = Environment {
        name: own.clone(),
        uid,
        kind: wire.kind.parse().ok()?,
        protected: wire.protected,
        deprecated: wire.deprecated,
        expires: wire.expires.map(UnixSeconds),
        promotes_to: wire.promotes_to.as_deref().map(str::parse).transpose().ok()?,
        trigger: wire.trigger.as_deref().map(str::parse).transpose().ok()?,
        labels: wire.labels,
    };
    let deployments = wire.deployments.iter().map(|name| name.parse().ok()).collect::<Option<_>>()?;
    let keys = EnvironmentKeys {
        public: fixed(&wire.public)?,
        root_key: KeyId(fixed(&wire.private_root)?),
        wrapped_private: hex::decode(&wire.private).ok()?,
    };
    let (root_key, bytes) = (KeyId(fixed(&wire.data_root)?), hex::decode(&wire.data).ok()?);
    let data_key =
        WrappedDataKey { environment: uid, key: WrappedKey { root_key, epoch: wire.data_epoch, bytes } };
    let (admins_only, changed) = (wire.admins_only, stamp(wire.changed));
    let read = MadeEnvironment { environment, deployments, keys, data_key, admins_only, changed };
    made.environments.insert(own, read);
    Some(())
}

fn to_environment(made: &MadeEnvironment) -> WireEnvironment {
    let MadeEnvironment { environment, deployments, keys, data_key, admins_only, changed } = made;
    WireEnvironment {
        uid: environment.uid.to_string(),
        kind: environment.kind.to_string(),
        protected: environment.protected,
        deprecated: environment.deprecated,
        expires: environment.expires.map(|at| at.0),
        promotes_to: environment.promotes_to.as_ref().map(ToString::to_string),
        trigger: environment.trigger.map(|trigger| trigger.as_str().to_owned()),
        labels: environment.labels.clone(),
        deployments: deployments.iter().map(ToString::to_string).collect(),
        public: hex::encode(keys.public),
        private_root: keys.root_key.to_string(),
        private: hex::encode(&keys.wrapped_private),
        data_root: data_key.key.root_key.to_string(),
        data_epoch: data_key.key.epoch,
        data: hex::encode(&data_key.key.bytes),
        admins_only: *admins_only,
        changed: to_stamp(changed),
    }
}

fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn read_value(workspace: &WorkspaceId, name: &str, content: &[u8], made: &mut Made) -> Option<()> {
    let wire: WireValue = serde_json::from_slice(content).ok()?;
    let key = key(&wire.key)?;
    let (environment, deployment) = wire.sealed_for;
    let sealed_for =
        SealedFor { environment: environment.parse().ok()?, deployment: deployment.parse().ok()? };
    let (current, changed) = (version(wire.current)?, stamp(wire.changed));
    (value_name(workspace, &key) == name).then_some(())?;
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

fn read_past(workspace: &WorkspaceId, name: &str, content: &[u8], made: &mut Made) -> Option<()> {
    let wire: WirePast = serde_json::from_slice(content).ok()?;
    let (key, version) = (key(&wire.key)?, version(wire.version)?);
    (past_name(workspace, &key, version.number) == name).then_some(())?;
    // Their names are in the order of their numbers.
    match made.past.get_mut(&key) {
        Some(versions) => versions.push(version),
        None => made.past.insert(key, vec![version]),
    }
    Some(())
}

pub(super) fn since(new: &Made, old: &Made, workspace: &WorkspaceId) -> Vec<Alteration> {
    altered(&records(old, workspace), &records(new, workspace), workspace)
}

pub(super) fn changed_since(
    new: &Made,
    old: &Made,
    workspace: &WorkspaceId,
    subjects: &BTreeSet<Subject>,
) -> Vec<Alteration> {
    let of = |made| {
        let mut all = Records::new(workspace, made);
        subjects.iter().for_each(|subject| all.add_subject(made, subject));
        all.all
    };
    altered(&of(old), &of(new), workspace)
}

fn altered(
    before: &BTreeMap<String, Recorded<'_>>,
    after: &BTreeMap<String, Recorded<'_>>,
    workspace: &WorkspaceId,
) -> Vec<Alteration> {
    let mut all: Vec<_> = (before.iter().filter(|(name, _)| !after.contains_key(*name)))
        .map(|(name, _)| Alteration::Delete { name: name.clone() })
        .collect();
    let changed =
        after.iter().filter(|(name, record)| before.get(*name).is_none_or(|before| !before.is_same(record)));
    all.extend(
        changed
            .map(|(name, record)| Alteration::Put { name: name.clone(), content: record.bytes(workspace) }),
    );
    all
}

/// Something that is a record of its own; compared before it is written, because most are the same.
enum Recorded<'a> {
    Revision(&'a Made),
    Environment(&'a MadeEnvironment),
    Resource(&'a ResourceKey, &'a MadeResource),
    Value(&'a ValueKey, &'a MadeValue),
    Past(&'a ValueKey, &'a MadeVersion),
}

fn records<'a>(made: &'a Made, workspace: &'a WorkspaceId) -> BTreeMap<String, Recorded<'a>> {
    let mut records = Records::new(workspace, made);
    for (name, environment) in &made.environments {
        records.add(environment_name(workspace, name.as_str()), Recorded::Environment(environment));
    }
    for (key, resource) in &made.resources {
        records.add(resource::name(workspace, key), Recorded::Resource(key, resource));
    }
    for (key, value) in &made.values {
        records.add(value_name(workspace, key), Recorded::Value(key, value));
    }
    for (key, past) in made.past.iter().chain(&made.buried) {
        records.add_past(key, past);
    }
    records.all
}

/// Records by name.
struct Records<'a> {
    workspace: &'a WorkspaceId,
    all: BTreeMap<String, Recorded<'a>>,
}

impl<'a> Records<'a> {
    /// With the revision.
    fn new(workspace: &'a WorkspaceId, made: &'a Made) -> Self {
        let mut records = Self { workspace, all: BTreeMap::new() };
        if made.revision != Revision::default() {
            records.add(format!("workspace/{workspace}/configuration"), Recorded::Revision(made));
        }
        records
    }

    fn add(&mut self, name: String, record: Recorded<'a>) {
        self.all.insert(name, record);
    }

    fn add_past(&mut self, key: &'a ValueKey, past: &'a [MadeVersion]) {
        for one in past {
            self.add(past_name(self.workspace, key, one.number), Recorded::Past(key, one));
        }
    }

    fn add_subject(&mut self, made: &'a Made, subject: &'a Subject) {
        match subject {
            Subject::Environment(name) => {
                let found = made.environments.get(name).map(Recorded::Environment);
                found
                    .into_iter()
                    .for_each(|found| self.add(environment_name(self.workspace, name.as_str()), found));
            }
            Subject::Resource(key) => {
                let found = made.resources.get(key).map(|resource| Recorded::Resource(key, resource));
                found.into_iter().for_each(|found| self.add(resource::name(self.workspace, key), found));
            }
            Subject::Value(key) => {
                let found = made.values.get(key).map(|value| Recorded::Value(key, value));
                found.into_iter().for_each(|found| self.add(value_name(self.workspace, key), found));
                self.add_past(key, made.earlier(key));
            }
        }
    }
}

impl Recorded<'_> {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Revision(one), Self::Revision(other)) => {
                (one.revision, one.changed) == (other.revision, other.changed)
            }
            (Self::Environment(one), Self::Environment(other)) => one == other,
            (Self::Resource(_, one), Self::Resource(_, other)) => one == other,
            (Self::Value(_, one), Self::Value(_, other)) => one == other,
            (Self::Past(_, one), Self::Past(_, other)) => one == other,
            _ => false,
        }
    }

    fn bytes(&self, workspace: &WorkspaceId) -> Vec<u8> {
        let bytes = match self {
            Self::Revision(made) => {
                serde_json::to_vec(&WireRevision { revision: made.revision.0, changed: made.changed.0 })
            }
            Self::Environment(made) => serde_json::to_vec(&to_environment(made)),
            Self::Resource(key, made) => resource::write(workspace, key, made),
            Self::Value(key, value) => serde_json::to_vec(&WireValue {
                key: to_key(key),
                sealed_for: (
                    value.sealed_for.environment.to_string(),
                    value.sealed_for.deployment.to_string(),
                ),
                description: value.description.clone(),
                inject: value.inject,
                current: to_version(&value.current),
                live: value.live.clone(),
                rotate_every_days: value.rotate_every_days,
                changed: to_stamp(&value.changed),
            }),
            Self::Past(key, version) => {
                serde_json::to_vec(&WirePast { key: to_key(key), version: to_version(version) })
            }
        };
        // Texts and numbers always encode.
        bytes.unwrap_or_default()
    }
}

fn environment_name(workspace: &WorkspaceId, name: &str) -> String {
    format!("workspace/{workspace}/environment/{name}")
}

fn value_name(workspace: &WorkspaceId, key: &ValueKey) -> String {
    format!("workspace/{workspace}/value/{}/{}", place(&key.place), key.name)
}

fn past_name(workspace: &WorkspaceId, key: &ValueKey, number: u64) -> String {
    format!("workspace/{workspace}/past/{}/{}/{number:020}", place(&key.place), key.name)
}

fn place(place: &Place) -> String {
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

fn stamp(wire: WireStamp) -> Stamp {
    Stamp { revision: Revision(wire.revision), at: UnixSeconds(wire.at), principal: wire.principal }
}

fn to_stamp(stamp: &Stamp) -> WireStamp {
    WireStamp { revision: stamp.revision.0, at: stamp.at.0, principal: stamp.principal.clone() }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{PAST_NAMES, PAST_VERSIONS},
        *,
    };
    use crate::id::ValueId;

    fn workspace() -> WorkspaceId {
        "acme".parse().unwrap()
    }

    fn at(place: Place, name: &str) -> ValueKey {
        ValueKey { place, name: name.parse().unwrap() }
    }

    fn value(made: &Made, key: &ValueKey, byte: u8) -> MadeValue {
        let set = Stamp { revision: made.revision, at: UnixSeconds(7), principal: "ada".into() };
        let value = SealedValue { id: ValueId([byte; 16]), bytes: vec![byte; 40].into() };
        let (number, sensitivity) = (made.next_version(key), Sensitivity::Secret);
        // One is a template, as a clone may take over.
        let content = match byte {
            3 => MadeContent::Template(Template(vec![
                Piece::Literal("a".into()),
                Piece::Reference { name: "B".parse().unwrap(), encoding: Encoding::Percent },
            ])),
            _ => MadeContent::Sealed(value),
        };
        let current = MadeVersion { number, sensitivity, content, set: set.clone() };
        let sealed_for = SealedFor { environment: Uid([3; 16]), deployment: Uid::NONE };
        let inject = byte != 4;
        // Two in a row that hold a value are live together, now and then.
        let before = made.values.get(key).filter(|_| byte.is_multiple_of(3));
        let sealed = |one: &&MadeValue| matches!(one.current.content, MadeContent::Sealed(_));
        let live = before.filter(sealed).map(|before| before.current.number).into_iter().collect();
        let rotate_every_days = byte.is_multiple_of(2).then_some(90);
        let description = "for the tests".into();
        MadeValue { sealed_for, description, inject, current, live, rotate_every_days, changed: set }
    }

    fn apply(records: &mut BTreeMap<String, Vec<u8>>, changes: Vec<Alteration>) {
        for one in changes {
            match one {
                Alteration::Put { name, content } => drop(records.insert(name, content)),
                Alteration::Delete { name } => assert!(records.remove(&name).is_some(), "{name}"),
            }
        }
    }

    #[test]
    fn what_was_made_reads_back_from_its_records_after_every_change() {
        let (deployment, environment) = ("checkout".parse().unwrap(), "preview/pr-42".parse().unwrap());
        let keys = [
            at(Place::Workspace, "A"),
            at(Place::Environment("staging".parse().unwrap()), "A"),
            at(Place::Deployment("checkout".parse().unwrap(), None), "A"),
            at(Place::Deployment(deployment, Some(environment)), "A"),
        ];
        let (mut records, mut made) = (BTreeMap::new(), Made::default());
        for step in 0..3 * PAST_VERSIONS {
            let old = made.clone();
            made.revision = made.revision.next();
            let key = &keys[step % keys.len()];
            if step % 7 == 6 {
                assert!(made.unset(key).is_some() == old.values.contains_key(key));
            } else if step % 7 == 5 {
                let past = made.earlier(key).first().map(|version| version.number);
                let stamp = Stamp { revision: made.revision, at: UnixSeconds(9), principal: "eve".into() };
                assert!(past.is_none_or(|number| made.revoke(key, number, &stamp)));
            } else {
                let next = value(&made, key, u8::try_from(step).unwrap());
                made.set(key.clone(), next);
            }
            let changes = made.since(&old, &workspace());
            assert!(
                changes.len() <= 4,
                "the revision, the value, what it was, what is forgotten: {changes:?}"
            );
            apply(&mut records, changes);
            assert_eq!(Made::from_records(&workspace(), Uid([9; 16]), &records).unwrap(), made);
        }
        for (name, content) in records {
            let renamed = name.replace("/A", "/B").replace("configuration", "value/all/A");
            assert!(
                Made::from_records(&workspace(), Uid([9; 16]), &[(renamed, content)].into()).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn versions_count_on_and_only_the_last_are_kept() {
        let (mut made, key) = (Made::default(), at(Place::Workspace, "A"));
        for number in 1..=2 * PAST_VERSIONS as u64 {
            assert_eq!(made.next_version(&key), number);
            let next = value(&made, &key, 1);
            made.set(key.clone(), next);
        }
        made.unset(&key);
        assert_eq!(made.next_version(&key), 2 * PAST_VERSIONS as u64 + 1, "not counted anew");
        assert_eq!(made.earlier(&key).len(), PAST_VERSIONS);
    }

    #[test]
    fn the_names_that_are_remembered_are_bounded() {
        let mut made = Made::default();
        for number in 0..PAST_NAMES + 5 {
            let key = at(Place::Workspace, &format!("A{number}"));
            let next = value(&made, &key, 1);
            made.set(key.clone(), next);
            made.unset(&key);
        }
        assert_eq!(made.buried.len(), PAST_NAMES);
    }
}
