//! Whether what is readable has the form that is required of it, for everything that a policy could
//! choose. What is sealed is looked at where it is opened: by a host, before a push is accepted.

use super::{Findings, Inspect, Path, Rule, limits, pairs::Pair};
use crate::{
    model::{Binding, Configuration, Content, Layer, ValueType},
    plan::{
        layers::{Entry, Setting, Stack},
        requirement::{self, Contradiction, Requirement},
        scoped::Scoped,
    },
    render,
};

/// Patterns cost memory wherever they are written.
pub(super) fn counts<V>(configuration: &Configuration<V>, found: &mut Findings) {
    let deployments = configuration
        .deployments
        .values()
        .flat_map(|one| one.environments.values().map(|here| &here.layer).chain([&one.base]));
    let layers = deployments.chain(configuration.environment_layers.values()).chain([&configuration.base]);
    let is_pattern = |expected: &&Option<ValueType>| matches!(expected, Some(ValueType::Pattern(_)));
    let patterns = |layer: &Layer<V>| layer.required.values().filter(is_pattern).count();
    let count = layers.map(patterns).sum();
    found.at_most(|| Path::of("workspace"), "patterns of required keys", count, limits::PATTERNS);
}

pub(super) fn check<V: Inspect>(
    configuration: &Configuration<V>,
    pair: &Pair<'_>,
    stack: &Stack<'_, V>,
    found: &mut Findings,
) {
    if stack.required().flatten().all(|one| one.expected.is_none()) {
        return;
    }
    let winners: Vec<_> = stack.names().filter_map(<[_]>::last).collect();
    let asked = |one: &Requirement<'_>| pair.layer(one.layer).at("required").at(one.name);
    for layers in stack.required() {
        let expected = match requirement::together(layers) {
            Ok(Some(expected)) => expected,
            Ok(None) => continue,
            Err(Contradiction { earlier, later }) => {
                let word = |one: &Requirement<'_>| one.expected.map(ToString::to_string).unwrap_or_default();
                let rule = Rule::TypesContradict {
                    here: word(&later),
                    there: word(&earlier),
                    other: asked(&earlier),
                    environment: pair.environment.clone(),
                };
                found.add(asked(&later), rule);
                continue;
            }
        };
        // What nothing sets is missing, and that is said elsewhere.
        let Ok(at) = winners.binary_search_by(|entry| entry.name.cmp(layers[0].name)) else { continue };
        if fits(configuration, winners[at], &expected) {
            continue;
        }
        // The narrowest that says a form is the one to look at.
        let last = layers.iter().rev().find(|one| one.expected.is_some()).unwrap_or(&layers[0]);
        let rule = Rule::WrongType {
            expected: expected.to_string(),
            asked: asked(last),
            environment: pair.environment.clone(),
        };
        found.add(pair.variable(winners[at]), rule);
    }
}

/// Whether all that is readable of an entry has the form.
fn fits<V: Inspect>(configuration: &Configuration<V>, entry: &Entry<'_, V>, expected: &ValueType) -> bool {
    match &entry.setting {
        Setting::Variable(variable) => match &variable.content {
            // Its text is known when its choices are: a host looks at the plan's own at the push.
            Content::Template(_) => true,
            Content::Versions { versions, .. } => {
                let mut readable = versions.iter().filter_map(|version| version.value.readable());
                readable.all(|text| expected.accepts(text))
            }
        },
        Setting::Binding(binding) => endpoints_fit(configuration, binding, expected),
        Setting::Scoped(Scoped::Text { text, .. }) => expected.accepts(text),
        Setting::Scoped(Scoped::Settings { value, .. }) => {
            value.readable().is_none_or(|text| expected.accepts(text))
        }
        Setting::Scoped(Scoped::Credential { .. }) => true,
    }
}

/// A URL is the same URL whatever the password in it; to a pattern it is not.
fn endpoints_fit<V>(configuration: &Configuration<V>, binding: &Binding, expected: &ValueType) -> bool {
    let Some(service) = configuration.services.get(&binding.service) else { return true };
    let Some(instance) = service.instances.get(&binding.owner) else { return true };
    if matches!(expected, ValueType::Pattern(_)) && !instance.credential.is_empty() {
        return true;
    }
    instance.endpoints.iter().all(|endpoint| {
        let mut url = Vec::new();
        let written = render::url(service.kind, endpoint, &instance.user, None, &mut url);
        // What cannot be written has an error of its own.
        written.is_err() || std::str::from_utf8(&url).is_ok_and(|url| expected.accepts(url))
    })
}
