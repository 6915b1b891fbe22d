//! How a value came to be: its versions, the newest first, without a value.

use std::cmp::Ordering;

use super::{
    Answer,
    at::At,
    shown::{Every, VersionEntry, Versions},
};
use crate::{
    admin::{
        query::{MAX_PAGE, PAGE, Paging},
        tagged,
    },
    host::Host,
    id::VariableName,
    made::{MadeVersion, ValueKey},
    model::{Content, question::Sensitivity},
    serve::respond::Problem,
};

/// The versions of `name` in the layer.
pub(super) fn versions(host: &Host, at: &At<'_>, name: &str, query: Option<&str>) -> Answer {
    let name: VariableName = name.parse().map_err(|_| Problem::not_found())?;
    let key = at.key(&name);
    let made = &at.served.made;
    let (workspace, now) = (&at.served.snapshot.configuration.workspace, host.clock.now());
    let entry = |one: &MadeVersion, state| {
        let secret = one.stored().filter(|_| one.sensitivity == Sensitivity::Secret);
        let holders = secret.map(|value| host.leases.holders(workspace, value.id));
        VersionEntry::of(one, state, holders.as_ref(), now)
    };
    let mut listed = Vec::new();
    if let Some(value) = made.values.get(&key) {
        listed.push(entry(&value.current, (true, true)));
    }
    let past = made.earlier(&key).iter().rev();
    let live = made.values.get(&key).map(|value| &value.live);
    let is_live = |number: &u64| live.is_some_and(|live| live.contains(number));
    listed.extend(past.map(|one| entry(one, (false, is_live(&one.number)))));
    if listed.is_empty() {
        listed = of_directory(at, &key);
    }
    if listed.is_empty() {
        return Err(Problem::not_found());
    }
    let paging = Paging::asked(query, PAGE, MAX_PAGE)?;
    let (versions, next) = paging.of(listed, Ordering::Less, |one| one.version);
    let changed = made.values.get(&key).map_or(at.served.snapshot.revision, |value| value.changed.revision);
    let set = at.layer().and_then(|layer| layer.variables.get(&key.name));
    let every = Every::of(set.and_then(|variable| variable.interval));
    let body = Versions { name: key.name.to_string(), every, owned: at.owned(&key), versions, next };
    Ok(tagged(changed.0, body))
}

/// The versions of what a directory owns.
fn of_directory(at: &At<'_>, key: &ValueKey) -> Vec<VersionEntry> {
    let Some(variable) = at.layer().and_then(|layer| layer.variables.get(&key.name)) else {
        return Vec::new();
    };
    let Content::Versions { versions, current } = &variable.content else { return Vec::new() };
    let is_secret = variable.sensitivity == Sensitivity::Secret;
    let listed = versions.iter().rev().map(|one| VersionEntry {
        version: one.number,
        current: one.number == *current,
        live: true,
        is_secret,
        set: None,
        leases: None,
        lost: None,
        unproven: None,
        holders: Vec::new(),
        revoked: None,
    });
    listed.collect()
}
