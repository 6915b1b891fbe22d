//! The forms of required keys.

use std::collections::BTreeMap;

use super::{BundleLimits, InvalidContent, Read, at, wire};
use crate::{
    id::VariableName,
    model::{Layer, ValueType},
};

/// The forms of a layer's required names, where there are any.
pub(super) fn write<V>(layer: &Layer<V>) -> wire::Types {
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

/// Reads forms, and counts what each costs.
pub(super) struct Reader<'a> {
    limits: &'a BundleLimits,
    /// Compiled so far.
    patterns: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(limits: &'a BundleLimits) -> Self {
        Self { limits, patterns: 0 }
    }

    /// Adds the forms of a layer's required names.
    pub(super) fn read(
        &mut self,
        required: &mut BTreeMap<VariableName, Option<ValueType>>,
        types: wire::Types,
    ) -> Read<()> {
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
