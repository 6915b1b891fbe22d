//! Lists of values: what a pair of deployment and environment is given, or what one layer sets.

use std::{cmp::Ordering, collections::BTreeMap};

use serde_json::json;

use super::{
    Answer,
    at::At,
    shown::{Every, Owned, RequiredEntry, ValueEntry, Values},
};
use crate::{
    admin::{
        Caller,
        deployments::WireType,
        pinned::ShownPin,
        query::{MAX_PAGE, PAGE, Paging, parameter},
        tagged,
    },
    audit,
    host::Host,
    id::{DeploymentId, EnvironmentName, VariableName},
    made::{ResourceKey, ValueKey},
    model::{Content, Place, Template, question::Sensitivity},
    plan::{Planned, What},
    prepared::Prepared,
    preview,
    serve::respond::Problem,
};

/// The values of `at`, masked; `reveal=true` shows plain ones, and is recorded.
pub(super) fn list(host: &Host, caller: &Caller, at: &At<'_>, query: Option<&str>) -> Answer {
    let reveal = match parameter(query, "reveal")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::bad_request("`reveal` is true or false")),
    };
    let paging = Paging::asked(query, PAGE, MAX_PAGE)?;
    let revision = at.served.snapshot.revision.0;
    let (deployment, environment) = names(&at.place);
    let (deployment, environment) =
        (deployment.map(ToString::to_string), environment.map(ToString::to_string));
    if reveal {
        at.may_be_revealed(caller)?;
    }
    let show = |prepared: &Prepared| {
        let key = caller.live.capsule_key();
        if reveal { preview::reveal_plain(prepared, key) } else { preview::of_plan(prepared, key) }
    };
    let (variables, next) = match &at.place {
        Place::Deployment(deployment, Some(environment)) => {
            let prepared = at.served.prepared(deployment, environment).ok_or_else(Problem::not_found)?;
            planned(at, prepared, (&show(prepared), reveal), &paging)
        }
        _ => of_layer(caller, at, (show, reveal), &paging),
    };
    if reveal {
        let plain = variables.iter().filter(|one| !one.is_secret).map(|one| one.name.clone());
        let details = json!({
            "workspace": at.served.snapshot.configuration.workspace.as_str(), "revision": revision,
            "deployment": deployment, "environment": environment, "keys": audit::listed(plain.collect()),
        });
        host.record_reveal(&caller.token.principal, details)?;
    }
    let required = if paging.after.is_none() { required(at) } else { Vec::new() };
    let pin = match &at.place {
        Place::Deployment(id, Some(name)) => ShownPin::of(host, at.served, id, name),
        _ => None,
    };
    Ok(tagged(revision, Values { pin, deployment, environment, revision, variables, required, next }))
}

fn names(place: &Place) -> (Option<&DeploymentId>, Option<&EnvironmentName>) {
    match place {
        Place::Workspace => (None, None),
        Place::Environment(environment) => (None, Some(environment)),
        Place::Deployment(deployment, environment) => (Some(deployment), environment.as_ref()),
    }
}

/// Every name of a plan, with where its value comes from.
fn planned(
    at: &At<'_>,
    prepared: &Prepared,
    (shown, reveal): (&[Option<String>], bool),
    paging: &Paging<VariableName>,
) -> (Vec<ValueEntry>, Option<String>) {
    let plan = &prepared.plan;
    let variables = plan.variables.iter().enumerate();
    let (page, next) = paging.of(variables, Ordering::Greater, |(_, variable)| variable.name.clone());
    let entries = page.into_iter().map(|(index, variable)| {
        let candidate = plan.candidates.get(variable.default as usize);
        ValueEntry {
            name: variable.name.to_string(),
            description: variable.description.clone(),
            is_secret: variable.sensitivity == Sensitivity::Secret,
            layer: variable.provenance.layer.as_str(),
            overrode: Some(variable.provenance.overrode.iter().map(|layer| layer.as_str()).collect()),
            required: Some(variable.required),
            version: candidate.map(|candidate| candidate.version).filter(|version| *version > 0),
            live: live(
                (variable.candidates.clone())
                    .filter_map(|index| plan.candidates.get(index as usize))
                    .filter(|one| matches!(one.what, What::Stored { .. }))
                    .map(|one| one.version),
            ),
            value: value_of(variable.sensitivity, shown.get(index)),
            template: match candidate.map(|candidate| &candidate.what) {
                Some(What::Template(template)) => told(template, variable.sensitivity, reveal),
                _ => None,
            },
            every: Every::of(variable.interval),
            owned: at.owned(&key_of(prepared, variable)),
        }
    });
    (entries.collect(), next)
}

/// What a layer sets by itself. A value is shown from a pair where nothing overrides it.
fn of_layer(
    caller: &Caller,
    at: &At<'_>,
    (show, reveal): (impl Fn(&Prepared) -> Vec<Option<String>>, bool),
    paging: &Paging<VariableName>,
) -> (Vec<ValueEntry>, Option<String>) {
    let variables = at.layer().map(|layer| &layer.variables).into_iter().flatten();
    let (page, next) = paging.of(variables, Ordering::Greater, |(name, _)| (*name).clone());
    let pairs = at.pairs(caller);
    // Only those that something is shown from are opened, and each once.
    let mut opened: BTreeMap<u64, Vec<Option<String>>> = BTreeMap::new();
    let entries = page.into_iter().map(|(name, variable)| {
        let from = pairs.iter().find_map(|prepared| {
            let index = prepared.plan.index_of(name.as_str())?;
            let layer = prepared.plan.variables[index].provenance.layer;
            (layer == at.layer_name()).then_some((prepared, index))
        });
        // A template is as secret as what it is made of, and only a plan tells what that is.
        let planned = from.map(|(prepared, index)| prepared.plan.variables[index].sensitivity);
        let sensitivity = planned.unwrap_or(variable.sensitivity);
        let shown = from.and_then(|(prepared, index)| {
            opened.entry(prepared.number).or_insert_with(|| show(prepared)).get(index)
        });
        ValueEntry {
            name: name.to_string(),
            description: variable.description.clone(),
            is_secret: sensitivity == Sensitivity::Secret,
            layer: at.layer_name().as_str(),
            overrode: None,
            required: None,
            version: match &variable.content {
                Content::Versions { current, .. } => Some(*current),
                Content::Template(_) => None,
            },
            live: match &variable.content {
                Content::Versions { versions, .. } => live(versions.iter().map(|one| one.number)),
                Content::Template(_) => Vec::new(),
            },
            value: value_of(sensitivity, shown),
            template: match &variable.content {
                Content::Template(template) => planned.and_then(|known| told(template, known, reveal)),
                Content::Versions { .. } => None,
            },
            every: Every::of(variable.interval),
            owned: at.owned(&at.key(name)),
        }
    });
    (entries.collect(), next)
}

/// One alone is not worth a word.
fn live(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    let numbers: Vec<_> = numbers.collect();
    if numbers.len() > 1 { numbers } else { Vec::new() }
}

fn value_of(sensitivity: Sensitivity, shown: Option<&Option<String>>) -> Option<String> {
    match sensitivity {
        Sensitivity::Secret => Some(preview::MASK.to_owned()),
        Sensitivity::Plain => shown.cloned().flatten(),
    }
}

/// What a template is made of may hold plain text of any kind.
fn told(template: &Template, sensitivity: Sensitivity, reveal: bool) -> Option<String> {
    (reveal && sensitivity == Sensitivity::Plain).then(|| template.to_string())
}

/// What the layer requires by itself, and who says so.
fn required(at: &At<'_>) -> Vec<RequiredEntry> {
    let resources = &at.served.made.resources;
    let said = at.layer().map(|layer| &layer.required).into_iter().flatten();
    let entries = said.map(|(name, form)| {
        let record = match &at.place {
            Place::Deployment(id, None) => ResourceKey::Deployment(id.clone()),
            _ => ResourceKey::Requirement(at.key(name)),
        };
        RequiredEntry {
            name: name.to_string(),
            form: WireType::of(form.as_ref()),
            owned: Owned::since(resources.get(&record).map(|made| &made.changed)),
        }
    });
    entries.collect()
}

/// The record that a planned variable's value comes from.
fn key_of(prepared: &Prepared, variable: &Planned) -> ValueKey {
    let place = prepared.plan.place_of(variable.provenance.layer);
    ValueKey { place, name: variable.name.clone() }
}
