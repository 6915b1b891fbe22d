//! When an environment stops serving, as somebody types it.

use serde_json::{Value, json};

use crate::clock::from_rfc3339;

/// Reads `7d`, `12h`, `30m`, a moment as RFC 3339 has it, or `never`: what the host takes for it.
pub(super) fn expires(text: &str) -> Result<Value, &'static str> {
    const HOW: &str = "write it like 7d, 12h, 30m, 2026-12-24T12:00:00Z or never";
    if text == "never" {
        return Ok(Value::Null);
    }
    if from_rfc3339(text).is_some() {
        return Ok(json!(text));
    }
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or(HOW)?;
    let (number, unit) = text.split_at(at);
    let number: i64 = number.parse().map_err(|_| HOW)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(HOW),
    };
    number.checked_mul(seconds).filter(|all| *all > 0).map(|all| json!(all)).ok_or(HOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_span_a_moment_or_never() {
        for (text, value) in [
            ("7d", json!(604_800)),
            ("90s", json!(90)),
            ("2026-12-24T12:00:00Z", json!("2026-12-24T12:00:00Z")),
            ("never", Value::Null),
        ] {
            assert_eq!(expires(text), Ok(value), "{text}");
        }
        for wrong in ["", "7", "d", "0d", "-1d", "1w", "7d ", "tomorrow", "9223372036854775807d"] {
            assert!(expires(wrong).is_err(), "{wrong}");
        }
    }
}
