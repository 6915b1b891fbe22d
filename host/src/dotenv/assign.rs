//! What an import sets: every entry, as a plain value or as a secret.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{Entry, Parsed, Problem, Wrong};
use crate::{id::VariableName, secret::Secret};

/// Which names are secrets.
#[derive(Debug, Clone, Default)]
pub struct SecretNames {
    /// By name; each has to be in the file.
    pub listed: BTreeSet<VariableName>,
    /// By pattern; one may match nothing.
    pub patterns: Vec<NamePattern>,
}

impl SecretNames {
    fn holds(&self, name: &VariableName) -> bool {
        self.listed.contains(name) || self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// A name in which `*` stands for any letters, also none: `*_KEY`, `STRIPE_*`, `*SECRET*`, `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a pattern of names: use 1 to 128 of A-Z, a-z, 0-9, _ and *")]
pub struct InvalidPattern;

impl FromStr for NamePattern {
    type Err = InvalidPattern;
    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'*';
        let good = (1..=128).contains(&text.len()) && text.bytes().all(known);
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidPattern) }
    }
}

impl NamePattern {
    /// Whether the whole name is of this pattern.
    #[must_use]
    pub fn matches(&self, name: &VariableName) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == name.as_str() };
        let Some(mut left) = name.as_str().strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            // The first place is the best one: it leaves most to the parts behind.
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        left.ends_with(end)
    }
}

/// One variable to set.
#[derive(Debug)]
pub struct Assignment {
    /// What it is called.
    pub name: VariableName,
    /// What it is to hold.
    pub value: AssignedValue,
    /// Where it stands in the file.
    pub line: u32,
}

/// A value to set.
pub enum AssignedValue {
    /// To be stored as readable text.
    Plain(String),
    /// To be sealed before it goes anywhere.
    Secret(Secret),
}

/// Never prints a value, not even a plain one.
impl fmt::Debug for AssignedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Secret(_) => "Secret(..)",
        })
    }
}

impl Parsed {
    /// What to set, in the order of the file.
    ///
    /// # Errors
    /// When a name that is to be a secret is not in the file: misspelt, it would leave a secret plain.
    pub fn assignments(self, secrets: &SecretNames) -> Result<Vec<Assignment>, Vec<Problem>> {
        let missing = |name: &&VariableName| !self.entries.iter().any(|entry| entry.name == **name);
        let problem = |name: &VariableName| Problem { line: 0, wrong: Wrong::NoSuchSecret(name.clone()) };
        let problems: Vec<Problem> = secrets.listed.iter().filter(missing).map(problem).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let assignment = |mut entry: Entry| {
            let text = std::mem::take(&mut *entry.value);
            let secret = secrets.holds(&entry.name);
            let value = if secret { AssignedValue::Secret(text.into()) } else { AssignedValue::Plain(text) };
            Assignment { name: entry.name, value, line: entry.line }
        };
        Ok(self.entries.into_iter().map(assignment).collect())
    }
}
