//! The settings of a policy's attachment.

use crate::wire::{Attribute, Violation};

/// The settings of a policy's attachment: keys and values, each key once.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a>(&'a [Attribute]);

impl<'a> Settings<'a> {
    /// Reads settings as they crossed.
    pub fn new(settings: &'a [Attribute]) -> Self {
        Self(settings)
    }

    /// The value of a setting, if it is set.
    pub fn get(self, key: &str) -> Option<&'a str> {
        value_of(self.0, key)
    }

    /// The parts of a comma-separated setting, trimmed, empty ones left out; none if it is not set.
    pub fn list(self, key: &str) -> Option<impl Iterator<Item = &'a str> + Clone> {
        let parts = self.get(key)?.split(',').map(str::trim_ascii);
        Some(parts.filter(|part| !part.is_empty()))
    }

    /// A whole number, if it is set.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(self, key: &str) -> Result<Option<u32>, Violation> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || Violation::new("invalid-number", "a whole number is needed").about(key);
        digits(value).map(Some).ok_or_else(wrong)
    }

    /// A length of time in seconds, if it is set: `90s`, `30m`, `24h`, `7d`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn duration(self, key: &str) -> Result<Option<u64>, Violation> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let message = "a whole number of s, m, h or d is needed, such as 30m";
        seconds(value).map(Some).ok_or_else(|| Violation::new("invalid-duration", message).about(key))
    }

    /// All settings, as keys and values.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().map(|setting| (setting.key.as_str(), setting.value.as_str()))
    }

    /// A violation for each setting that is not among `known`. A misspelt setting that is silently
    /// ignored is a policy that silently does something else. `*` among them lets any through.
    pub(crate) fn unknown(self, known: &[&str]) -> Vec<Violation> {
        if known.contains(&"*") {
            return Vec::new();
        }
        let unknown = self.iter().filter(|(key, _)| !known.contains(key));
        unknown
            .map(|(key, _)| Violation::new("unknown-setting", "this policy has no such setting").about(key))
            .collect()
    }
}

fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    digits(number).map(|number| u64::from(number) * unit)
}

/// Digits alone: `parse` would take a sign.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The value of the first attribute with this key.
pub(crate) fn value_of<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(&found.value)
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::wire::Attribute;

    #[test]
    fn a_list_is_trimmed_and_has_no_empty_parts() {
        let settings = [Attribute::new("names", " A, ,B,")];
        let names: Vec<_> = Settings::new(&settings).list("names").unwrap().collect();
        assert_eq!(names, ["A", "B"]);
    }

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit_and_nothing_else() {
        let seconds = |value: &str| Settings::new(&[Attribute::new("soak", value)]).duration("soak");
        for (text, expected) in [("0s", 0), ("90s", 90), ("30m", 1_800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(seconds(text), Ok(Some(expected)), "{text}");
        }
        for wrong in ["", "m", "30", "+3m", "-3m", "3 m", "1.5h", "3M", "3w", "3\u{b5}", "99999999999d"] {
            let violation = seconds(wrong).unwrap_err();
            assert_eq!(
                (violation.code.as_str(), violation.field.as_deref()),
                ("invalid-duration", Some("soak"))
            );
        }
        assert_eq!(Settings::new(&[]).duration("soak"), Ok(None));
    }

    #[test]
    fn a_number_is_whole() {
        let number = |value: &str| Settings::new(&[Attribute::new("n", value)]).number("n");
        assert_eq!(number("2"), Ok(Some(2)));
        for wrong in ["", "two", "-1", "+1", "1.5", "5000000000"] {
            assert_eq!(number(wrong).unwrap_err().code, "invalid-number", "{wrong}");
        }
    }

    #[test]
    fn an_unknown_setting_is_named() {
        let settings = [Attribute::new("a", "1"), Attribute::new("b", "2")];
        let unknown = Settings::new(&settings).unknown(&["a"]);
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].code, "unknown-setting");
        assert_eq!(unknown[0].field.as_deref(), Some("b"));
        assert!(Settings::new(&settings).unknown(&["*"]).is_empty());
    }
}
