//! A bound on a measure: `error-rate<=0.01`, `p99 < 250 ms`.

use bootlace_policy::{Measure, Violation};

pub(crate) struct Threshold<'a> {
    pub(crate) measure: &'a str,
    bound: &'a str,
    limit: f64,
    unit: &'a str,
}

impl<'a> Threshold<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let at = text.find(['<', '>'])?;
        let width = if text[at + 1..].starts_with('=') { 2 } else { 1 };
        let (measure, bound) = (text[..at].trim_ascii(), &text[at..at + width]);
        let rest = text[at + width..].trim_ascii();
        // No exponent: the unit begins where the number ends.
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".-".contains(c))).unwrap_or(rest.len());
        let limit = rest[..end].parse().ok()?;
        let unit = rest[end..].trim_ascii();
        let is_name = !measure.is_empty() && !measure.contains(|c: char| c.is_whitespace() || c == '=');
        let is_unit = !unit.contains(['<', '>', '=']);
        (is_name && is_unit).then_some(Self { measure, bound, limit, unit })
    }

    /// Why `measure` is not within the bound, if it is not. What is not a number is within none.
    pub(crate) fn breach(&self, check: &str, measure: &Measure) -> Option<Violation> {
        let Self { measure: name, bound, limit, unit } = self;
        if measure.unit != *unit {
            let named = |unit: &str| if unit.is_empty() { "no unit".to_owned() } else { unit.to_owned() };
            let (reported, wanted) = (named(&measure.unit), named(unit));
            let message =
                format!("check {check} reported {name} in {reported}, and its limit is in {wanted}");
            return Some(Violation::new("unit-mismatch", message).about(*name));
        }
        let value = measure.value;
        let holds = match *bound {
            "<" => value < *limit,
            "<=" => value <= *limit,
            ">" => value > *limit,
            _ => value >= *limit,
        };
        let message =
            format!("{name} is {value}{unit} in check {check}, and has to be {bound} {limit}{unit}");
        (!holds).then(|| Violation::new("threshold", message).about(*name))
    }
}
