//! What format 2 adds to format 1, there and back.

use std::collections::BTreeMap;

use super::{
    BundleLimits, InvalidContent,
    checked::{Read, under},
    form::Form,
    wire::more as wire,
};
use crate::{
    id::VariableName,
    model::{Configuration, Layer, ValueType},
};

type Required = BTreeMap<VariableName, Option<ValueType>>;

/// What `configuration` says beyond format 1; nothing where it says no more.
pub(super) fn write<V: Form>(configuration: &Configuration<V>) -> Option<wire::More> {
    let more = wire::More {
        base: types(&configuration.base),
        environments: said(&configuration.environment_layers, types),
        deployments: said(&configuration.deployments, |deployment| wire::Deployment {
            types: types(&deployment.base),
            environments: said(&deployment.environments, |here| wire::Override { types: types(&here.layer) }),
        }),
    };
    (more != wire::More::default()).then_some(more)
}

/// Adds what format 2 says to a configuration that was read from format 1.
pub(super) fn read<V: Form>(
    mut configuration: Configuration<V>,
    more: wire::More,
    limits: &BundleLimits,
) -> Read<Configuration<V>> {
    let as_written = more.clone();
    let mut reader = Reader { limits, patterns: 0 };
    reader.types(&mut configuration.base.required, more.base).map_err(under("base"))?;
    for (name, types) in more.environments {
        if let Some(layer) = configuration.environment_layers.get_mut(name.as_str()) {
            reader.types(&mut layer.required, types).map_err(at("environments", &name))?;
        }
    }
    for (name, more) in more.deployments {
        let Some(deployment) = configuration.deployments.get_mut(name.as_str()) else { continue };
        reader.types(&mut deployment.base.required, more.types).map_err(at("deployments", &name))?;
        for (environment, more) in more.environments {
            let Some(here) = deployment.environments.get_mut(environment.as_str()) else { continue };
            let place = |error: super::ContentError| {
                at("deployments", &name)(at("environments", &environment)(error))
            };
            reader.types(&mut here.layer.required, more.types).map_err(place)?;
        }
    }
    // Whatever belongs to nothing, or says nothing, was passed over: it would not be written.
    if write(&configuration) == Some(as_written) {
        Ok(configuration)
    } else {
        Err(InvalidContent::Loose.at(""))
    }
}

struct Reader<'a> {
    limits: &'a BundleLimits,
    /// Compiled so far.
    patterns: usize,
}

impl Reader<'_> {
    fn types(&mut self, required: &mut Required, types: wire::Types) -> Read<()> {
        for (name, found) in types {
            if let Some(expected) = required.get_mut(name.as_str()) {
                *expected = Some(self.value_type(found).map_err(at("required", &name))?);
            }
        }
        Ok(())
    }

    fn value_type(&mut self, found: wire::ValueType) -> Read<ValueType> {
        let made = match found {
            wire::ValueType::Url { schemes } => ValueType::url(schemes),
            wire::ValueType::Port => Ok(ValueType::Port),
            wire::ValueType::Integer { min, max } => ValueType::integer(min, max),
            wire::ValueType::Boolean => Ok(ValueType::Boolean),
            wire::ValueType::Pattern(text) => {
                self.patterns += 1;
                if self.patterns > self.limits.patterns {
                    return Err(InvalidContent::TooMany { limit: self.limits.patterns }.at("patterns"));
                }
                text.parse().map(ValueType::Pattern)
            }
        };
        made.map_err(|error| InvalidContent::Type(error).at(""))
    }
}

fn at<'a>(place: &'a str, name: &'a str) -> impl Fn(super::ContentError) -> super::ContentError + use<'a> {
    move |error| error.under(name).under(place)
}

/// By name what `write` says of each, but for those of which it says nothing.
fn said<K: ToString, V, W: Default + PartialEq>(
    entries: &BTreeMap<K, V>,
    write: impl Fn(&V) -> W,
) -> BTreeMap<String, W> {
    let written = entries.iter().map(|(name, entry)| (name.to_string(), write(entry)));
    written.filter(|(_, entry)| *entry != W::default()).collect()
}

fn types<V>(layer: &Layer<V>) -> wire::Types {
    let typed = layer.required.iter().filter_map(|(name, expected)| Some((name, expected.as_ref()?)));
    typed.map(|(name, expected)| (name.to_string(), value_type(expected))).collect()
}

fn value_type(expected: &ValueType) -> wire::ValueType {
    match expected {
        ValueType::Url { schemes } => wire::ValueType::Url { schemes: schemes.clone() },
        ValueType::Port => wire::ValueType::Port,
        ValueType::Integer { min, max } => wire::ValueType::Integer { min: *min, max: *max },
        ValueType::Boolean => wire::ValueType::Boolean,
        ValueType::Pattern(pattern) => wire::ValueType::Pattern(pattern.as_str().to_owned()),
    }
}
