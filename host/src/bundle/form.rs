//! The two forms of a value in a bundle: what an operator pushes, and what a host keeps.

use super::{BundleLimits, InvalidContent, wire};
use crate::{
    id::ValueId,
    model::{InputValue, PlainValue, SealedText, SealedValue},
};

/// A form of value, with its place on the wire.
pub(super) trait Form: Clone {
    fn to_wire(&self) -> wire::Value;
    fn from_wire(value: wire::Value, limits: &BundleLimits) -> Result<Self, InvalidContent>;
}

impl Form for InputValue {
    fn to_wire(&self) -> wire::Value {
        match self {
            Self::Plain(PlainValue::Text(text)) => wire::Value::Text(text.clone()),
            Self::Plain(PlainValue::Json(json)) => wire::Value::Json(json.clone()),
            Self::Sealed(text) => wire::Value::SealedText(text.0.to_string()),
        }
    }

    fn from_wire(value: wire::Value, limits: &BundleLimits) -> Result<Self, InvalidContent> {
        let (length, limit) = match &value {
            wire::Value::Text(text) | wire::Value::Json(text) => (text.len(), limits.value_bytes),
            wire::Value::SealedText(text) => (text.len(), limits.sealed_bytes),
            wire::Value::Stored { .. } => return Err(InvalidContent::WrongForm),
        };
        if length > limit {
            return Err(InvalidContent::TooLong { limit });
        }
        match value {
            wire::Value::Json(json) if !is_shallow_json(&json, limits.json_depth) => {
                Err(InvalidContent::Json)
            }
            wire::Value::Text(text) => Ok(Self::Plain(PlainValue::Text(text))),
            wire::Value::Json(json) => Ok(Self::Plain(PlainValue::Json(json))),
            wire::Value::SealedText(text) => Ok(Self::Sealed(SealedText(text.into()))),
            wire::Value::Stored { .. } => Err(InvalidContent::WrongForm),
        }
    }
}

impl Form for SealedValue {
    fn to_wire(&self) -> wire::Value {
        wire::Value::Stored { id: self.id.0, bytes: self.bytes.to_vec() }
    }

    fn from_wire(value: wire::Value, limits: &BundleLimits) -> Result<Self, InvalidContent> {
        match value {
            wire::Value::Stored { bytes, .. } if bytes.len() > limits.sealed_bytes => {
                Err(InvalidContent::TooLong { limit: limits.sealed_bytes })
            }
            wire::Value::Stored { id, bytes } => Ok(Self { id: ValueId(id), bytes: bytes.into() }),
            _ => Err(InvalidContent::WrongForm),
        }
    }
}

/// Whether `text` is JSON that nests at most `depth` deep. The depth comes first, so that the
/// parser never recurses further.
fn is_shallow_json(text: &str, depth: usize) -> bool {
    nesting(text) <= depth && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn nesting(text: &str) -> usize {
    let (mut open, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_or_broken_json_is_refused() {
        for good in ["1", "true", r#"{"a":[1,"]]]["]}"#, r#""\"[[[""#, "[[[]]]"] {
            assert!(is_shallow_json(good, 3), "{good}");
        }
        for bad in ["", "[", "{]", "nul", "1 2", "[[[[]]]]", "NaN"] {
            assert!(!is_shallow_json(bad, 3), "{bad}");
        }
        assert!(!is_shallow_json(&"[".repeat(1 << 20), 32));
    }
}
