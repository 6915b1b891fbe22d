//! What is to be set beside what is there: each value is replaced only as it was seen.

use zeroize::Zeroizing;

use super::super::wire::{Values, Variable};
use crate::{
    cli::{change::Etag, exit::Misuse},
    dotenv::{AssignedValue, Assignment},
    id::VariableName,
    plan::LayerName,
};

/// One value that the file sets.
pub(super) struct Item {
    pub(super) name: VariableName,
    pub(super) value: Zeroizing<String>,
    /// Where it stands in the file.
    pub(super) line: u32,
    /// Whether it is to be a secret; what is one already stays one in any case.
    pub(super) to_be_secret: bool,
    /// What stands in its place.
    pub(super) there: Option<Standing>,
    /// Whether that is left alone.
    pub(super) kept: bool,
}

/// A value that was made by API.
pub(super) struct Standing {
    pub(super) etag: Etag,
    is_secret: bool,
    pub(super) is_described: bool,
}

impl Item {
    pub(super) fn is_secret(&self) -> bool {
        self.to_be_secret || self.there.as_ref().is_some_and(|there| there.is_secret)
    }

    /// What becomes of it, in a word.
    pub(super) fn action(&self) -> &'static str {
        match (&self.there, self.kept) {
            (_, true) => "keep",
            (Some(_), false) => "replace",
            (None, false) => "add",
        }
    }

    /// The tag of what is replaced; none of what is new.
    pub(super) fn etag(&self) -> Option<Etag> {
        self.there.as_ref().map(|there| there.etag)
    }
}

/// The file's values beside those in `layer`.
pub(super) fn compare(
    assignments: Vec<Assignment>,
    there: &Values,
    layer: LayerName,
    keep_existing: bool,
) -> anyhow::Result<Vec<Item>> {
    let mut owned = Vec::new();
    let mut items = Vec::with_capacity(assignments.len());
    for Assignment { name, value, line } in assignments {
        let here = |one: &&Variable| one.layer == layer.as_str() && one.name == name.as_str();
        let found = there.variables.iter().find(here);
        if found.is_some_and(|found| found.etag.is_none()) && !keep_existing {
            owned.push(name.to_string());
            continue;
        }
        let there = found.and_then(|found| {
            let etag = found.etag?;
            Some(Standing { etag, is_secret: found.is_secret, is_described: !found.description.is_empty() })
        });
        let (value, to_be_secret) = match value {
            AssignedValue::Plain(text) => (Zeroizing::new(text), false),
            AssignedValue::Secret(bytes) => (text(bytes.expose())?, true),
        };
        items.push(Item { name, value, line, to_be_secret, there, kept: keep_existing && found.is_some() });
    }
    if owned.is_empty() {
        return Ok(items);
    }
    let advice = format!(
        "the workspace directory sets {}: change them there, or say --keep-existing; nothing is changed",
        owned.join(", ")
    );
    Err(Misuse(advice).into())
}

/// A file's values are text, since the file is.
fn text(bytes: &[u8]) -> anyhow::Result<Zeroizing<String>> {
    Ok(Zeroizing::new(std::str::from_utf8(bytes)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there() -> Values {
        let answer = r#"{"revision":5,"variables":[
            {"name":"OURS","is_secret":true,"layer":"deployment-in-environment","etag":"\"5\"","description":"signs"},
            {"name":"BELOW","is_secret":false,"layer":"deployment","etag":"\"4\""},
            {"name":"THEIRS","is_secret":false,"layer":"deployment-in-environment","etag":null}]}"#;
        serde_json::from_str(answer).unwrap()
    }

    fn items(names: &[&str], keep_existing: bool) -> anyhow::Result<Vec<Item>> {
        let assignments = names.iter().map(|name| Assignment {
            name: name.parse().unwrap(),
            value: AssignedValue::Plain("x".into()),
            line: 1,
        });
        compare(assignments.collect(), &there(), LayerName::DeploymentInEnvironment, keep_existing)
    }

    impl Standing {
        pub(in super::super) fn at(etag: Etag) -> Self {
            Self { etag, is_secret: false, is_described: false }
        }
    }

    #[test]
    fn what_is_there_is_replaced_as_it_was_seen_and_what_another_layer_sets_is_new_here() {
        let items = items(&["NEW", "OURS", "BELOW"], false).unwrap();
        let told: Vec<_> = items.iter().map(|item| (item.action(), item.etag(), item.is_secret())).collect();
        assert_eq!(told, [("add", None, false), ("replace", Some(Etag(5)), true), ("add", None, false)]);
    }

    #[test]
    fn what_a_directory_owns_stops_everything_or_is_kept() {
        let error = items(&["NEW", "THEIRS"], false).err().unwrap();
        assert!(error.is::<Misuse>() && error.to_string().contains("sets THEIRS:"), "{error}");
        let kept: Vec<_> = items(&["NEW", "THEIRS", "OURS"], true).unwrap();
        let told: Vec<_> = kept.iter().map(Item::action).collect();
        assert_eq!(told, ["add", "keep", "keep"]);
    }
}
