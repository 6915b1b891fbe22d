//! The changes that an import is made of: each as large as a host takes it, and only of values that
//! are still what they were seen to be.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::json;
use zeroize::Zeroizing;

use super::{super::place::Target, compare::Item};
use crate::{
    change::MAX_EDITS,
    cli::{
        block_on,
        change::{Changed, Etag},
        output::Output,
    },
    client::Request,
    id::VariableName,
};

/// Bytes of one change's body; a host takes 512 KiB.
const MAX_BODY_BYTES: usize = 500 << 10;

/// What new values are said to be for.
pub(super) struct Described {
    /// By a person.
    pub(super) said: Option<String>,
    /// Where they came from: of new secrets, which all have a description.
    pub(super) origin: String,
}

/// One change.
struct Change<'a> {
    /// What all of its values were changed by; none of what is new.
    etag: Option<Etag>,
    names: Vec<&'a VariableName>,
    body: Zeroizing<Vec<u8>>,
}

/// Sets everything that is not to be kept, and gives the last revision.
pub(super) fn send(
    target: &Target,
    items: &[Item],
    described: &Described,
    output: &Output,
) -> anyhow::Result<u64> {
    let place = &target.place;
    let changes = changes(place.said(), items, described);
    let all: usize = changes.iter().map(|change| change.names.len()).sum();
    let progress = output.progress(&format!("setting {all} values of {place}"));
    let client = place.host.client()?;
    block_on(async {
        let (mut done, mut revision) = (0, 0);
        for change in changes {
            let request = place.host.within(target.confirmed(Request::post(&place.path())));
            let request = request.body("application/json", change.body.to_vec());
            let request = match change.etag {
                Some(Etag(revision)) => request.if_match(revision),
                None => request.if_absent(),
            };
            let answer = client.send(&request).await.with_context(|| unfinished(done, all, revision))?;
            revision = answer.json::<Changed>()?.revision;
            done += change.names.len();
            progress.now(&format!("{done} of {all} values of {place} are set"));
        }
        Ok(revision)
    })
}

/// How far it came.
fn unfinished(done: usize, all: usize, revision: u64) -> String {
    match done {
        0 => format!("none of {all} values is set"),
        done => format!(
            "{done} of {all} values are set, in revision {revision}; set the rest with --keep-existing"
        ),
    }
}

/// Values that were changed by the same revision go together, as far as there is room: a condition
/// holds of a change as a whole. What is new goes first.
fn changes<'a>(environment: Option<&str>, items: &'a [Item], described: &Described) -> Vec<Change<'a>> {
    let mut groups: BTreeMap<Option<Etag>, Vec<&Item>> = BTreeMap::new();
    for item in items.iter().filter(|item| !item.kept) {
        groups.entry(item.etag()).or_default().push(item);
    }
    let mut changes: Vec<Change<'a>> = Vec::new();
    for (etag, items) in groups {
        let mut open: Option<Change<'a>> = None;
        for item in items {
            let wanted = wanted(environment, item, described);
            let is_full = |change: &Change<'_>| {
                change.names.len() == MAX_EDITS || change.body.len() + wanted.len() + 1 > MAX_BODY_BYTES
            };
            changes.extend(open.take_if(|change| is_full(change)));
            let change = open.get_or_insert_with(|| {
                let body = Zeroizing::new(Vec::with_capacity(MAX_BODY_BYTES + 1));
                Change { etag, names: Vec::new(), body }
            });
            change.body.push(if change.names.is_empty() { b'[' } else { b',' });
            change.body.extend_from_slice(&wanted);
            change.names.push(&item.name);
        }
        changes.extend(open);
    }
    changes.iter_mut().for_each(|change| change.body.push(b']'));
    changes
}

fn wanted(environment: Option<&str>, item: &Item, described: &Described) -> Zeroizing<Vec<u8>> {
    let is_described = item.there.as_ref().is_some_and(|there| there.is_described);
    let origin = || (item.to_be_secret && !is_described).then_some(described.origin.as_str());
    let said = described.said.as_deref().filter(|_| !is_described);
    let wanted = json!({
        "environment": environment, "name": item.name.as_str(), "value": item.value.as_str(),
        "is_secret": item.to_be_secret.then_some(true), "description": said.or_else(origin),
    });
    Zeroizing::new(wanted.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::compare::Standing, *};

    fn item(number: usize, value: &str, to_be_secret: bool) -> Item {
        Item {
            name: format!("KEY_{number}").parse().unwrap(),
            value: Zeroizing::new(value.to_owned()),
            line: 1,
            to_be_secret,
            there: None,
            kept: false,
        }
    }

    fn sent(items: &[Item]) -> Vec<Vec<Value>> {
        let described = Described { said: None, origin: "imported from .env".into() };
        let changes = changes(Some("staging"), items, &described);
        changes.iter().map(|change| serde_json::from_slice(&change.body).unwrap()).collect()
    }

    #[test]
    fn a_change_has_as_many_values_as_a_host_takes_and_no_more() {
        let items: Vec<_> = (0..2 * MAX_EDITS + 1).map(|number| item(number, "x", false)).collect();
        let sent = sent(&items);
        assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_EDITS, MAX_EDITS, 1]);
        let names = sent.iter().flatten().map(|one| one["name"].as_str().unwrap().to_owned());
        assert!(names.eq(items.iter().map(|item| item.name.to_string())), "each once, in order");
    }

    #[test]
    fn what_was_changed_apart_is_replaced_apart_and_what_is_new_goes_first() {
        let standing =
            |number, etag| Item { there: Some(Standing::at(Etag(etag))), ..item(number, "x", false) };
        let items = [standing(0, 7), standing(1, 5), item(2, "x", false), standing(3, 7)];
        let described = Described { said: None, origin: String::new() };
        let changes = changes(None, &items, &described);
        let told: Vec<_> = changes
            .iter()
            .map(|change| {
                (change.etag, change.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            })
            .collect();
        let expected = [(None, "KEY_2"), (Some(Etag(5)), "KEY_1"), (Some(Etag(7)), "KEY_0 KEY_3")];
        assert_eq!(told, expected.map(|(etag, names)| (etag, names.to_owned())));
    }

    #[test]
    fn large_values_part_a_change_too_however_they_are_escaped() {
        let large = "\u{1}".repeat(64 << 10);
        let items: Vec<_> = (0..3).map(|number| item(number, &large, false)).collect();
        assert_eq!(sent(&items).iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn a_new_secret_says_where_it_came_from_and_what_is_plain_needs_no_word() {
        let sent = sent(&[item(0, "a", true), item(1, "b", false)]);
        let expected = json!([
            { "environment": "staging", "name": "KEY_0", "value": "a", "is_secret": true, "description": "imported from .env" },
            { "environment": "staging", "name": "KEY_1", "value": "b", "is_secret": null, "description": null },
        ]);
        assert_eq!(json!(sent[0]), expected);
    }
}
