//! Each layer's variables, by themselves.

use super::{Findings, Form, Inspect, Path, Rule, limits};
use crate::model::{Configuration, Content, Layer, Template, Variable, Version, question::Sensitivity};

pub(super) fn check<V: Inspect>(configuration: &Configuration<V>, found: &mut Findings) {
    layer(&configuration.base, &Path::of("base"), true, found);
    for (name, values) in &configuration.environment_layers {
        layer(values, &Path::of("environments").at(name), false, found);
    }
    for (id, deployment) in &configuration.deployments {
        let path = Path::of("deployments").at(id);
        layer(&deployment.base, &path, true, found);
        for (name, here) in &deployment.environments {
            let path = path.clone().at("environments").at(name);
            layer(&here.layer, &path, false, found);
            found.at_most(|| path.clone(), "bindings", here.bindings.len(), limits::VARIABLES_PER_LAYER);
            for (name, binding) in &here.bindings {
                let path = path.clone().at("bindings").at(name);
                description(&binding.description, &path, found);
                if here.layer.variables.contains_key(name) {
                    found.add(path, Rule::VariableAndBinding);
                }
            }
        }
    }
}

fn layer<V: Inspect>(layer: &Layer<V>, path: &Path, base: bool, found: &mut Findings) {
    found.at_most(|| path.clone(), "variables", layer.variables.len(), limits::VARIABLES_PER_LAYER);
    found.at_most(|| path.clone(), "required names", layer.required.len(), limits::VARIABLES_PER_LAYER);
    for (name, value) in &layer.variables {
        variable(value, &path.clone().at("variables").at(name), base, found);
    }
}

fn variable<V: Inspect>(variable: &Variable<V>, path: &Path, base: bool, found: &mut Findings) {
    let secret = variable.sensitivity == Sensitivity::Secret;
    description(&variable.description, path, found);
    if base && secret {
        found.add(path.clone(), Rule::SecretInBase);
    }
    if variable.interval.is_some() && !secret {
        found.add(path.clone(), Rule::RotatedPlain);
    }
    match &variable.content {
        Content::Template(template) => self::template(template, path, found),
        Content::Versions { versions: list, current } => {
            if secret && variable.description.trim().is_empty() {
                found.add(path.clone(), Rule::NoDescription);
            }
            versions(list, *current, path, found);
            for version in list {
                match version.value.form() {
                    Form::Plain(_) if secret => found.add(path.clone(), Rule::PlainSecret),
                    Form::SealedText(_) if !secret => found.add(path.clone(), Rule::SealedPlain),
                    _ => {}
                }
            }
        }
    }
}

fn template(template: &Template, path: &Path, found: &mut Findings) {
    use crate::model::Piece;
    found.at_most(|| path.clone(), "pieces", template.0.len(), limits::TEMPLATE_PIECES);
    if template.0.iter().any(|piece| matches!(piece, Piece::Literal(text) if text.contains('\0'))) {
        found.add(path.clone(), Rule::Nul);
    }
    let literal = |piece: &Piece| match piece {
        Piece::Literal(text) => text.len(),
        Piece::Reference { .. } => 0,
    };
    let count = template.0.iter().map(literal).sum();
    if count > limits::VALUE_BYTES {
        found.add(path.clone(), Rule::TooLong { what: "a template", count, limit: limits::VALUE_BYTES });
    }
}

/// Live versions ascend, and one of them is current.
pub(super) fn versions<V: Inspect>(list: &[Version<V>], current: u64, path: &Path, found: &mut Findings) {
    if list.is_empty() {
        found.add(path.clone(), Rule::NoVersions);
        return;
    }
    found.at_most(|| path.clone(), "versions", list.len(), limits::VERSIONS);
    let starts = list.first().is_some_and(|version| version.number >= 1);
    if !starts || !list.is_sorted_by(|one, next| one.number < next.number) {
        found.add(path.clone(), Rule::VersionOrder);
    }
    if !list.iter().any(|version| version.number == current) {
        found.add(path.clone(), Rule::NoCurrentVersion(current));
    }
    for version in list {
        if version.value.readable().is_some_and(|text| text.contains('\0')) {
            found.add(path.clone(), Rule::Nul);
        }
        let (what, count, limit) = match version.value.form() {
            Form::Plain(count) => ("a value", count, limits::VALUE_BYTES),
            Form::SealedText(count) => ("a sealed text", count, limits::SEALED_TEXT_BYTES),
            Form::Held => continue,
        };
        if count > limit {
            found.add(path.clone(), Rule::TooLong { what, count, limit });
        }
    }
}

pub(super) fn description(text: &str, path: &Path, found: &mut Findings) {
    if text.len() > limits::DESCRIPTION_BYTES {
        let (count, limit) = (text.len(), limits::DESCRIPTION_BYTES);
        found.add(path.clone(), Rule::TooLong { what: "a description", count, limit });
    }
}
