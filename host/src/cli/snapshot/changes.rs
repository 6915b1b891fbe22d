//! The difference between two sets of plans, key by key, by the ids of values. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::manifest::{KeyManifest, PlanManifest};

/// What happened to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// One difference in one plan. `before` and `after` hold only what differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) change: Kind,
    pub(super) deployment: String,
    pub(super) environment: String,
    /// The variable; none where the change is about the plan as a whole.
    pub(super) key: Option<String>,
    pub(super) secret: bool,
    /// What the plan as a whole is about: `policies`, or everything that no key shows.
    pub(super) about: Option<&'static str>,
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
}

/// Everything that differs, by deployment, environment and key.
pub(super) fn between(before: &[PlanManifest], after: &[PlanManifest]) -> Vec<Change> {
    let (before, after) = (by_place(before), by_place(after));
    let places: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let differing = |place| {
        let (before, after) = (before.get(&place).copied(), after.get(&place).copied());
        plan(place, before, after)
    };
    places.into_iter().flat_map(differing).collect()
}

type Place<'a> = (&'a str, &'a str);

fn by_place(plans: &[PlanManifest]) -> BTreeMap<Place<'_>, &PlanManifest> {
    plans.iter().map(|plan| ((plan.deployment.as_str(), plan.environment.as_str()), plan)).collect()
}

fn plan(place: Place<'_>, before: Option<&PlanManifest>, after: Option<&PlanManifest>) -> Vec<Change> {
    let mut changes = keys(place, before, after);
    let policies = |plan: Option<&PlanManifest>| plan.map(|plan| plan.policies.clone()).unwrap_or_default();
    let (old, new) = (policies(before), policies(after));
    if old != new {
        changes.push(about(place, "policies", old, new));
    }
    // The digest covers more than names and values: requirements, labels, settings of policies.
    // It covers the release, too, so it tells nothing where that differs.
    if let (Some(before), Some(after), true) = (before, after, changes.is_empty())
        && before.release == after.release
        && before.digest != after.digest
    {
        changes.push(about(
            place,
            "requirements, labels or settings",
            vec![before.digest.clone()],
            vec![after.digest.clone()],
        ));
    }
    changes
}

fn keys(place: Place<'_>, before: Option<&PlanManifest>, after: Option<&PlanManifest>) -> Vec<Change> {
    let named = |plan: Option<&'_ PlanManifest>| -> BTreeMap<String, KeyManifest> {
        let keys = plan.map(|plan| plan.keys.clone()).unwrap_or_default();
        keys.into_iter().map(|key| (key.name.clone(), key)).collect()
    };
    let (before, after) = (named(before), named(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter_map(|name| key(place, name, before.get(name), after.get(name))).collect()
}

fn key(
    (deployment, environment): Place<'_>,
    name: &str,
    before: Option<&KeyManifest>,
    after: Option<&KeyManifest>,
) -> Option<Change> {
    let change = match (before, after) {
        (None, Some(_)) => Kind::Added,
        (Some(_), None) => Kind::Removed,
        (Some(before), Some(after)) if before != after => Kind::Changed,
        _ => return None,
    };
    let (old, new) = (before.map(told).unwrap_or_default(), after.map(told).unwrap_or_default());
    Some(Change {
        change,
        deployment: deployment.to_owned(),
        environment: environment.to_owned(),
        key: Some(name.to_owned()),
        secret: before.or(after).is_some_and(|key| key.secret) || after.is_some_and(|key| key.secret),
        about: None,
        before: old.iter().filter(|part| !new.contains(part)).cloned().collect(),
        after: new.iter().filter(|part| !old.contains(part)).cloned().collect(),
    })
}

/// What there is to say about a key: its values, its layer, whether it is secret, its form.
fn told(key: &KeyManifest) -> Vec<String> {
    let secrecy = if key.secret { "secret" } else { "plain" };
    let form = key.expected.iter().map(|expected| format!("must be {expected}"));
    key.values
        .iter()
        .cloned()
        .chain([format!("from {}", key.layer), secrecy.to_owned()])
        .chain(form)
        .collect()
}

fn about(
    (deployment, environment): Place<'_>,
    about: &'static str,
    before: Vec<String>,
    after: Vec<String>,
) -> Change {
    Change {
        change: Kind::Changed,
        deployment: deployment.to_owned(),
        environment: environment.to_owned(),
        key: None,
        secret: false,
        about: Some(about),
        before,
        after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(name: &str, secret: bool, values: &[&str]) -> KeyManifest {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        KeyManifest { name: name.into(), secret, expected: None, layer: "environment".into(), values }
    }

    fn plan_of(environment: &str, keys: Vec<KeyManifest>) -> PlanManifest {
        PlanManifest {
            deployment: "checkout".into(),
            environment: environment.into(),
            release: None,
            digest: "sha256:1".into(),
            policies: vec!["p@1".into()],
            keys,
        }
    }

    #[test]
    fn equal_plans_do_not_differ_whatever_their_order() {
        let (one, two) =
            (plan_of("production", vec![key_of("A", true, &["v1 a"])]), plan_of("staging", vec![]));
        assert_eq!(between(&[one.clone(), two.clone()], &[two, one]), []);
    }

    #[test]
    fn each_key_is_told_with_what_differs_only() {
        let before = plan_of(
            "production",
            vec![key_of("A", true, &["v1 a"]), key_of("B", false, &["v1 b"]), key_of("C", true, &["v1 c"])],
        );
        let after = plan_of(
            "production",
            vec![
                key_of("A", true, &["v1 a", "v2 d"]),
                key_of("C", false, &["v1 c"]),
                key_of("D", false, &["v1 e"]),
            ],
        );
        let changes = between(&[before], &[after]);
        let told: Vec<_> = changes
            .iter()
            .map(|one| (one.change, one.key.as_deref().unwrap(), one.before.join(","), one.after.join(",")))
            .collect();
        let told: Vec<_> =
            told.iter().map(|(kind, key, old, new)| (*kind, *key, old.as_str(), new.as_str())).collect();
        assert_eq!(
            told,
            [
                (Kind::Changed, "A", "", "v2 d"),
                (Kind::Removed, "B", "v1 b,from environment,plain", ""),
                (Kind::Changed, "C", "secret", "plain"),
                (Kind::Added, "D", "", "v1 e,from environment,plain"),
            ]
        );
        assert!(changes[0].secret && changes[2].secret && !changes[3].secret);
    }

    #[test]
    fn what_no_key_shows_is_still_a_change_unless_the_release_explains_it() {
        let before = plan_of("production", vec![]);
        let after = PlanManifest { digest: "sha256:2".into(), ..before.clone() };
        assert_eq!(
            between(std::slice::from_ref(&before), std::slice::from_ref(&after))[0].about,
            Some("requirements, labels or settings")
        );
        let released = PlanManifest { release: Some(7), ..after };
        assert_eq!(between(std::slice::from_ref(&before), &[released]), []);
        let policies = PlanManifest { policies: vec![], ..before.clone() };
        assert_eq!(between(&[before], &[policies])[0].about, Some("policies"));
    }
}
