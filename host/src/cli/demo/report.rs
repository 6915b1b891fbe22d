//! What the demo shows: three environments side by side, and why each is as it is.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::cli::output::{MASK, Page, Table};

/// A value is shown up to this many characters.
const WIDTH: usize = 34;

/// One environment's boot.
pub(super) struct Boot {
    pub(super) environment: &'static str,
    /// What the instance was given.
    pub(super) answer: Value,
    /// Where it came from.
    pub(super) explained: Value,
    /// The first boot, policies asked.
    pub(super) first: Duration,
    /// The median of those after it.
    pub(super) later: Duration,
}

pub(super) fn render(boots: &[Boot], page: &mut Page) {
    let workspace = boots.first().and_then(|boot| boot.answer["workspace"].as_str()).unwrap_or_default();
    page.heading(
        &format!("{workspace}/checkout in {} environments", boots.len()),
        "one variable name, each environment's own value; secrets masked",
    );
    let titles: Vec<&'static str> = std::iter::once("").chain(boots.iter().map(|b| b.environment)).collect();
    let mut table = Table::new(&titles);
    let row = |table: &mut Table, name: &str, cell: &dyn Fn(&Boot) -> String| {
        let cells: Vec<String> = boots.iter().map(cell).collect();
        let cells: Vec<&str> = std::iter::once(name).chain(cells.iter().map(String::as_str)).collect();
        table.row(&cells);
    };
    row(&mut table, "release", &|boot| boot.answer["release"].to_string());
    for name in names(boots) {
        row(&mut table, &name, &|boot| shown(boot, &name));
    }
    row(&mut table, "plain variables", &|boot| count(boot, false));
    row(&mut table, "secrets", &|boot| format!("{}, each {MASK}", count(boot, true)));
    row(&mut table, "first boot", &|boot| format!("{} µs, policies asked", boot.first.as_micros()));
    row(&mut table, "later boots", &|boot| format!("{} µs, decision remembered", boot.later.as_micros()));
    page.table(&table);
    page.gap();
    for boot in boots {
        reasons(boot, page);
    }
}

pub(super) fn json(boots: &[Boot]) -> Value {
    let each = boots.iter().map(|boot| {
        let environment: serde_json::Map<_, _> =
            keys(boot).map(|key| (text(key, "name"), masked(boot, key).into())).collect();
        json!({
            "environment": boot.environment, "release": boot.answer["release"], "revision": boot.answer["revision"],
            "digest": boot.answer["digest"], "env": environment, "warnings": boot.answer["warnings"],
            "policies": boot.explained["policies"], "decisions": decisions(boot),
            "first_boot_us": boot.first.as_micros() as u64, "later_boots_us": boot.later.as_micros() as u64,
        })
    });
    json!({ "boots": each.collect::<Vec<_>>() })
}

/// Names that show a difference between environments: what this product is about. The rest is
/// counted, and so are secrets, which differ everywhere and show nothing.
fn names(boots: &[Boot]) -> BTreeSet<String> {
    let all = boots.iter().flat_map(|boot| keys(boot).map(|key| text(key, "name")));
    let differs =
        |name: &String| boots.iter().map(|boot| shown(boot, name)).collect::<BTreeSet<_>>().len() > 1;
    all.filter(differs).collect()
}

fn shown(boot: &Boot, name: &str) -> String {
    let key = keys(boot).find(|key| key["name"] == *name);
    let text = match key {
        Some(key) if boot.answer["env"][name].is_string() => masked(boot, key),
        Some(key) if key["injected"] == false => "(left out)".to_owned(),
        _ => "(not set)".to_owned(),
    };
    if text.chars().count() <= WIDTH {
        return text;
    }
    text.chars().take(WIDTH - 1).chain(['…']).collect()
}

/// A plain value as it is; of a URL with credentials all but those; nothing of any other secret.
fn masked(boot: &Boot, key: &Value) -> String {
    let value = boot.answer["env"][text(key, "name")].as_str().unwrap_or_default();
    if key["secret"] == false {
        return value.to_owned();
    }
    let url = value.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    match url {
        Some((scheme, (_, place))) => {
            format!("{scheme}://{MASK}@{}", place.split('?').next().unwrap_or(place))
        }
        None => MASK.to_owned(),
    }
}

/// How many variables the instance was given, secret or plain.
fn count(boot: &Boot, secret: bool) -> String {
    let is_given = |key: &&Value| boot.answer["env"][text(key, "name")].is_string();
    keys(boot).filter(is_given).filter(|key| key["secret"] == secret).count().to_string()
}

fn reasons(boot: &Boot, page: &mut Page) {
    let policies: Vec<_> = list(&boot.explained["policies"]).map(|policy| text(policy, "name")).collect();
    page.heading(boot.environment, &format!("asked {}", policies.join(", then ")));
    for decision in decisions(boot) {
        page.line(&format!("  {decision}"));
    }
    for warning in list(&boot.answer["warnings"]).filter_map(Value::as_str) {
        page.line(&format!("  warning: {warning}"));
    }
    page.gap();
}

/// What the policies changed of the plan, a sentence for each.
fn decisions(boot: &Boot) -> Vec<String> {
    let mut told = Vec::new();
    let mut left_out: Vec<(String, String)> = Vec::new();
    for key in keys(boot).filter(|key| key["decided_by"].is_string()) {
        let (name, policy) = (text(key, "name"), text(key, "decided_by"));
        let chosen = list(&key["candidates"]).find(|candidate| candidate["chosen"] == true);
        match chosen {
            Some(candidate) => told.push(format!("{policy}: {name} is {}", described(candidate))),
            None => left_out.push((policy, name)),
        }
    }
    let policies: BTreeSet<_> = left_out.iter().map(|(policy, _)| policy.clone()).collect();
    for policy in policies {
        let names: Vec<_> =
            left_out.iter().filter(|(by, _)| *by == policy).map(|(_, name)| name.as_str()).collect();
        told.push(format!("{policy}: leaves out {}", names.join(", ")));
    }
    if told.is_empty() {
        told.push("the plan stands as it is".to_owned());
    }
    told
}

fn described(candidate: &Value) -> String {
    let labels = &candidate["labels"];
    match (labels["role"].as_str(), labels["region"].as_str()) {
        (Some(role), Some(region)) => format!("the {role} in {region}"),
        (Some(role), None) => format!("the {role}"),
        _ => format!("version {}", candidate["version"]),
    }
}

fn keys(boot: &Boot) -> impl Iterator<Item = &Value> {
    list(&boot.explained["keys"])
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
