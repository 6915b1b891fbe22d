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
    fn an_unknown_setting_is_named() {
        let settings = [Attribute::new("a", "1"), Attribute::new("b", "2")];
        let unknown = Settings::new(&settings).unknown(&["a"]);
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].code, "unknown-setting");
        assert_eq!(unknown[0].field.as_deref(), Some("b"));
        assert!(Settings::new(&settings).unknown(&["*"]).is_empty());
    }
}
