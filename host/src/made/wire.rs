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

mod environment;
mod resource;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Made, MadeContent, MadeEnvironment, MadeResource, MadeValue, MadeVersion, ResourceKey, SealedFor, Stamp,
    Subject, ValueKey,
};
use crate::{
    id::{Revision, Uid, UnixSeconds, WorkspaceId},
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
struct WireStamp {
    revision: u64,
    at: i64,
    principal: String,
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
            Some("environment") => environment::read(workspace, name, content, &mut made),
            Some("resource") => resource::read((workspace, uid), name, content, &mut made),
            Some("value") => value::read(workspace, name, content, &mut made),
            Some("past") => value::read_past(workspace, name, content, &mut made),
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
        records.add(environment::name(workspace, name.as_str()), Recorded::Environment(environment));
    }
    for (key, resource) in &made.resources {
        records.add(resource::name(workspace, key), Recorded::Resource(key, resource));
    }
    for (key, value) in &made.values {
        records.add(value::name(workspace, key), Recorded::Value(key, value));
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
            self.add(value::past_name(self.workspace, key, one.number), Recorded::Past(key, one));
        }
    }

    fn add_subject(&mut self, made: &'a Made, subject: &'a Subject) {
        match subject {
            Subject::Environment(name) => {
                let found = made.environments.get(name).map(Recorded::Environment);
                found
                    .into_iter()
                    .for_each(|found| self.add(environment::name(self.workspace, name.as_str()), found));
            }
            Subject::Resource(key) => {
                let found = made.resources.get(key).map(|resource| Recorded::Resource(key, resource));
                found.into_iter().for_each(|found| self.add(resource::name(self.workspace, key), found));
            }
            Subject::Value(key) => {
                let found = made.values.get(key).map(|value| Recorded::Value(key, value));
                found.into_iter().for_each(|found| self.add(value::name(self.workspace, key), found));
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
            Self::Environment(made) => environment::write(made),
            Self::Resource(key, made) => resource::write(workspace, key, made),
            Self::Value(key, value) => value::write(key, value),
            Self::Past(key, version) => value::write_past(key, version),
        };
        // Texts and numbers always encode.
        bytes.unwrap_or_default()
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
    use crate::{
        id::ValueId,
        model::{
            Piece, Place, SealedValue, Template,
            question::{Encoding, Sensitivity},
        },
    };

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
