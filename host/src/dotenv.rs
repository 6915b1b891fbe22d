//! Dotenv files, read exactly as the program reads them that they were written for. There is no one
//! format: `A="x" # y` is `x` to python-dotenv, and `"x" # y` with quotes and all to docker. So the
//! user names a [`Dialect`], and each has a parser here that reads what the original reads; vectors
//! recorded from the originals (`tests/dotenv`) hold it to that. Without a name, only what all of them
//! read alike is taken.
//!
//! What a dialect leaves in doubt is reported, not guessed: every [`Warning`] names a line and never a
//! value. An import sets what is in [`Parsed::assignments`]:
//!
//! ```
//! use bootlace::dotenv::{self, AssignedValue, Dialect, SecretNames};
//!
//! let file = b"LOG_LEVEL=info\nSTRIPE_KEY='sk_live_1'\n";
//! let parsed = dotenv::parse(file, Dialect::Python).map_err(|problems| problems[0].to_string())?;
//! assert!(parsed.warnings[0].to_string().starts_with("line 2: STRIPE_KEY: other dialects"));
//!
//! let secrets = SecretNames { patterns: vec!["*_KEY".parse()?], ..SecretNames::default() };
//! let set = parsed.assignments(&secrets).map_err(|problems| problems[0].to_string())?;
//! assert!(matches!(&set[0].value, AssignedValue::Plain(text) if text == "info"));
//! assert!(matches!(&set[1].value, AssignedValue::Secret(bytes) if bytes.expose() == b"sk_live_1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assign;
mod compare;
mod compose;
mod dialect;
mod docker;
mod node;
mod problem;
mod python;
mod reading;
mod references;

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

pub use assign::{AssignedValue, Assignment, InvalidPattern, NamePattern, SecretNames};
pub use dialect::{Dialect, UnknownDialect};
pub use problem::{Differently, Doubt, Problem, Refusal, Warning, Wrong};

use self::{
    compare::Readings,
    reading::{Reading, Statement, What},
};
use crate::{id::VariableName, validate::limits};

/// Bytes of one file.
pub const MAX_BYTES: usize = 1 << 20;
/// Statements of one file: what is set again and what is passed over included.
pub const MAX_ENTRIES: usize = 4_096;
/// Bytes of all values of one file: references make more of them than the file holds.
pub const MAX_VALUES_BYTES: usize = 4 << 20;

/// A file, read.
#[derive(Debug)]
pub struct Parsed {
    /// Each name once, with the value that is set last, in the order of those lines.
    pub entries: Vec<Entry>,
    /// What is in doubt, in the order of the lines.
    pub warnings: Vec<Warning>,
}

/// One variable of a file.
pub struct Entry {
    /// What it is called.
    pub name: VariableName,
    value: Zeroizing<String>,
    /// Where its name stands, from 1.
    pub line: u32,
}

impl Entry {
    /// What it holds. It may be a secret: only the user knows.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}=..", self.line, self.name)
    }
}

/// Reads a file in a dialect.
///
/// # Errors
/// All that is wrong, by line: what the dialect itself refuses, names and sizes that no variable can
/// have, and in [`Dialect::Common`] what any two dialects read differently.
pub fn parse(text: &[u8], dialect: Dialect) -> Result<Parsed, Vec<Problem>> {
    let text = checked(text).map_err(|problem| vec![problem])?;
    let readings = Readings::of(text);
    let mut problems = if dialect == Dialect::Common { disagreements(&readings) } else { Vec::new() };
    let lines = readings.lines();
    let (own, others) = readings.apart(dialect);
    let mut found = Found::default();
    for line in lines {
        if !own.reaches(line) {
            break;
        }
        let statements = own.on(line);
        statements.iter().for_each(|statement| found.add(statement, &others));
        let doubt = |differently: Vec<Differently>, doubt: fn(_) -> Doubt| {
            (!differently.is_empty()).then(|| Warning { line, doubt: doubt(differently) })
        };
        if !statements.iter().any(|statement| matches!(statement.what, What::Value { .. })) {
            found.warnings.extend(doubt(others.variables(line), Doubt::ReadElsewhere));
        }
        found.warnings.extend(doubt(others.refusals(line), Doubt::RefusedElsewhere));
    }
    problems.extend(found.problems);
    if dialect != Dialect::Common || problems.is_empty() {
        problems.extend(refusal(&own));
    }
    problems.sort_by_key(|problem| problem.line);
    problems.truncate(limits::VIOLATIONS);
    if problems.is_empty() {
        let mut entries: Vec<Entry> = found.entries.into_values().collect();
        entries.sort_by_key(|entry| entry.line);
        Ok(Parsed { entries, warnings: found.warnings })
    } else {
        Err(problems)
    }
}

fn checked(text: &[u8]) -> Result<&str, Problem> {
    let line = |bytes: &[u8]| u32::try_from(bytes.split(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX);
    if text.len() > MAX_BYTES {
        return Err(Problem { line: 0, wrong: Wrong::LongFile });
    }
    if let Some(at) = text.iter().position(|byte| *byte == 0) {
        return Err(Problem { line: line(&text[..at]), wrong: Wrong::Nul });
    }
    std::str::from_utf8(text)
        .map_err(|error| Problem { line: line(&text[..error.valid_up_to()]), wrong: Wrong::NotText })
}

fn disagreements(readings: &Readings) -> Vec<Problem> {
    let lines = readings.lines().into_iter();
    lines
        .filter_map(|line| Some(Problem { line, wrong: Wrong::Disagree(readings.disagreement(line)?) }))
        .collect()
}

fn refusal(reading: &Reading) -> Option<Problem> {
    let stop = reading.stop.as_ref()?;
    Some(Problem { line: stop.line, wrong: Wrong::Refused(stop.why) })
}

/// What a dialect's statements come to.
#[derive(Default)]
struct Found {
    entries: BTreeMap<VariableName, Entry>,
    warnings: Vec<Warning>,
    problems: Vec<Problem>,
}

impl Found {
    fn add(&mut self, statement: &Statement, others: &Readings) {
        let line = statement.line;
        let What::Value { name, value, how } = &statement.what else { return self.doubtful(statement) };
        let name = match name.parse::<VariableName>() {
            Ok(name) => name,
            Err(error) => return self.problems.push(Problem { line, wrong: Wrong::Name(error) }),
        };
        let others = others.otherwise(line, &statement.what);
        if !others.is_empty() {
            self.warn(line, Doubt::Differs { name: name.clone(), others });
        }
        if how.unset {
            self.warn(line, Doubt::UnsetReference { name: name.clone() });
        }
        let entry = Entry { name: name.clone(), value: Zeroizing::new(value.clone()), line };
        if let Some(before) = self.entries.insert(name.clone(), entry) {
            self.warn(line, Doubt::Duplicate { name, before: before.line });
        }
    }

    fn doubtful(&mut self, statement: &Statement) {
        let doubt = match &statement.what {
            What::Unset { name } => {
                self.entries.remove(name.as_str());
                Doubt::Unset
            }
            What::Inherited => Doubt::Inherited,
            What::Value { .. } | What::Skipped => Doubt::Skipped,
        };
        self.warn(statement.line, doubt);
    }

    fn warn(&mut self, line: u32, doubt: Doubt) {
        self.warnings.push(Warning { line, doubt });
    }
}

#[cfg(test)]
mod tests;
