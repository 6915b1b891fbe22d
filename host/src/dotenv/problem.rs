//! What a file is refused for, and what is reported of one that is read. Lines are named, and the
//! names of variables that were read; values never are, nor names that were not read as such: a
//! broken file has pieces of secrets in their place.

use std::fmt;

use super::{Dialect, MAX_BYTES, MAX_ENTRIES, MAX_VALUES_BYTES, reading::How};
use crate::{
    id::{InvalidName, VariableName},
    validate::limits::VALUE_BYTES,
};

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 when it is about the file as a whole.
    pub line: u32,
    /// What is wrong there.
    pub wrong: Wrong,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "the file {}", self.wrong),
            line => write!(f, "line {line}: {}", self.wrong),
        }
    }
}

impl std::error::Error for Problem {}

/// What is wrong on a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text says what it is")]
pub enum Wrong {
    #[error("is longer than {MAX_BYTES} bytes; split it")]
    LongFile,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("holds a NUL character, which no environment variable can; take it out")]
    Nul,
    #[error("{0}")]
    Refused(Refusal),
    #[error("{0}; rename the variable")]
    Name(InvalidName),
    #[error("readers of dotenv files part here ({}); name a dialect, or write it as all read it", listed(.0))]
    Disagree(Vec<Differently>),
    #[error("sets no {0}, which is to be a secret; name one that the file sets")]
    NoSuchSecret(VariableName),
}

/// Why a dialect, or a limit, gives a whole file up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text says what it is")]
pub enum Refusal {
    #[error("there is no name before the value; write NAME=value")]
    NoName,
    #[error("there is a blank in the name; write NAME=value")]
    BlankInName,
    #[error("there is a sign in the name that docker compose does not take; write NAME=value")]
    SignInName,
    #[error("the quotes are not closed; close them")]
    UnclosedQuote,
    #[error("the braces of `${{` hold no reference; write `$$` for a dollar sign")]
    BadReference,
    #[error("a reference is required to have a value (`?`), and the file sets none above it")]
    RequiredReference,
    #[error("references are nested too deep")]
    DeepReference,
    #[error("the line is too long for docker, which reads less than 65536 bytes")]
    LongLine,
    #[error("the value is longer than {VALUE_BYTES} bytes")]
    LongValue,
    #[error("the values together are longer than {MAX_VALUES_BYTES} bytes")]
    LongValues,
    #[error("there are more than {MAX_ENTRIES} entries; split the file")]
    ManyEntries,
}

/// Something in a file that was read which its author may have meant otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {doubt}")]
pub struct Warning {
    /// From 1.
    pub line: u32,
    /// What is in doubt there.
    pub doubt: Doubt,
}

/// What is in doubt on a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text says what it is")]
pub enum Doubt {
    #[error("{name}: other dialects read otherwise ({})", listed(.others))]
    Differs { name: VariableName, others: Vec<Differently> },
    #[error("is no variable here, but to other dialects ({})", listed(.0))]
    ReadElsewhere(Vec<Differently>),
    #[error("other dialects give the whole file up here ({})", listed(.0))]
    RefusedElsewhere(Vec<Differently>),
    #[error("{name} is set again; the value of line {before} is lost")]
    Duplicate { name: VariableName, before: u32 },
    #[error(
        "{name} refers to a name that the file does not set above it; the environment is not looked into"
    )]
    UnsetReference { name: VariableName },
    #[error(
        "a name has no value here and is left out; docker and docker compose would take one from their environment"
    )]
    Inherited,
    #[error("a name has no value here and is left unset, whatever was above")]
    Unset,
    #[error("is not understood and passed over")]
    Skipped,
}

/// Dialects that make the same of a line, and what they make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differently {
    /// Who reads it so.
    pub dialects: Vec<Dialect>,
    /// How, without the value.
    pub how: String,
}

impl fmt::Display for Differently {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, dialect) in self.dialects.iter().enumerate() {
            write!(f, "{}{dialect}", if at > 0 { ", " } else { "" })?;
        }
        write!(f, ": {}", self.how)
    }
}

fn listed(all: &[Differently]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What a dialect makes of a line, without names and values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Value(How),
    Unset,
    Inherited,
    Skipped,
    Nothing,
    Refused(Refusal),
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self {
            Self::Value(how) => how,
            Self::Unset => return f.write_str("a name left unset"),
            Self::Inherited => return f.write_str("a name taken from the environment"),
            Self::Skipped => return f.write_str("passed over"),
            Self::Nothing => return f.write_str("no such variable"),
            Self::Refused(why) => return write!(f, "refused, {why}"),
        };
        let parts = [
            (how.quotes, "quotes taken off"),
            (how.escapes, "escapes decoded"),
            (how.references, "references replaced"),
            (how.comment, "comment left out"),
            (how.blanks, "blanks at the ends left out"),
            (how.lines, "over several lines"),
        ];
        let told: Vec<&str> = parts.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
        f.write_str(if told.is_empty() { "the text as it stands" } else { "" })?;
        f.write_str(&told.join(", "))
    }
}
