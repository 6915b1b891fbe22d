//! What one dialect makes of a file: its statements by line, and where it gives the file up.

use std::collections::HashMap;

use super::{
    MAX_ENTRIES, MAX_VALUES_BYTES,
    problem::{Manner, Refusal},
};
use crate::validate::limits::VALUE_BYTES;

/// A file as one dialect reads it.
#[derive(Default)]
pub(super) struct Reading {
    /// In the order of their lines.
    pub(super) statements: Vec<Statement>,
    /// Where the dialect gives the whole file up, and why.
    pub(super) stop: Option<Stop>,
    /// The statement that set each name last, for references.
    last: HashMap<String, usize>,
    bytes: usize,
}

/// A statement and where its name stands.
pub(super) struct Statement {
    pub(super) line: u32,
    pub(super) what: What,
}

/// What a dialect makes of a statement.
#[derive(PartialEq)]
pub(super) enum What {
    /// A variable.
    Value { name: String, value: String, how: How },
    /// A name without a value, which leaves the variable unset, even if it was set above.
    Unset { name: String },
    /// A name without a value, which is taken from the reader's own environment.
    Inherited,
    /// Something that is passed over in silence.
    Skipped,
}

/// How the text behind the `=` became the value.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct How {
    /// Quotes were taken off.
    pub(super) quotes: bool,
    /// Escapes were decoded.
    pub(super) escapes: bool,
    /// References were replaced.
    pub(super) references: bool,
    /// A reference is to a name that the file does not set above.
    pub(super) unset: bool,
    /// A comment was left out.
    pub(super) comment: bool,
    /// Blanks at the ends were left out.
    pub(super) blanks: bool,
    /// It goes on over several lines.
    pub(super) lines: bool,
}

/// The end of a reading.
pub(super) struct Stop {
    pub(super) line: u32,
    pub(super) why: Refusal,
}

impl Reading {
    /// Adds a variable.
    pub(super) fn value(&mut self, line: u32, name: &str, value: String, how: How) -> Result<(), Stop> {
        let stop = |why| Err(Stop { line, why });
        self.bytes += value.len();
        if value.len() > VALUE_BYTES {
            return stop(Refusal::LongValue);
        }
        if self.bytes > MAX_VALUES_BYTES {
            return stop(Refusal::LongValues);
        }
        self.last.insert(name.to_owned(), self.statements.len());
        self.push(line, What::Value { name: name.to_owned(), value, how })
    }

    /// Adds a name that is left unset.
    pub(super) fn unset(&mut self, line: u32, name: &str) -> Result<(), Stop> {
        self.last.insert(name.to_owned(), self.statements.len());
        self.push(line, What::Unset { name: name.to_owned() })
    }

    /// Adds a statement; what is passed over counts too, so that the warnings are bounded with them.
    pub(super) fn push(&mut self, line: u32, what: What) -> Result<(), Stop> {
        if self.statements.len() >= MAX_ENTRIES {
            return Err(Stop { line, why: Refusal::ManyEntries });
        }
        self.statements.push(Statement { line, what });
        Ok(())
    }

    /// What a reference to `name` stands for here; nothing for what is left unset.
    pub(super) fn reference(&self, name: &str) -> Option<&str> {
        match &self.statements.get(*self.last.get(name)?)?.what {
            What::Value { value, .. } => Some(value),
            _ => Some(""),
        }
    }

    /// What was read on a line.
    pub(super) fn on(&self, line: u32) -> &[Statement] {
        let start = self.statements.partition_point(|statement| statement.line < line);
        let rest = self.statements.get(start..).unwrap_or_default();
        &rest[..rest.partition_point(|statement| statement.line == line)]
    }

    /// Whether the dialect came as far as `line`.
    pub(super) fn reaches(&self, line: u32) -> bool {
        self.stop.as_ref().is_none_or(|stop| line < stop.line)
    }
}

impl What {
    /// The statement without names and values.
    pub(super) fn manner(&self) -> Manner {
        match self {
            Self::Value { how, .. } => Manner::Value(*how),
            Self::Unset { .. } => Manner::Unset,
            Self::Inherited => Manner::Inherited,
            Self::Skipped => Manner::Skipped,
        }
    }
}

/// A text and a place in it, with the line that the place is on. A line ends with `\n`, `\r\n` or
/// `\r`, whatever the dialect says: all dialects, and people's editors, are to count alike.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
    counted: usize,
    line: u32,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, counted: 0, line: 1 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves on by `bytes`, which end between two characters.
    pub(super) fn advance(&mut self, bytes: usize) -> &'a str {
        let passed = &self.rest()[..bytes];
        self.at += bytes;
        passed
    }

    /// Moves on over all characters that are `wanted`.
    pub(super) fn skip(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        self.advance(rest.find(|c| !wanted(c)).unwrap_or(rest.len()))
    }

    /// Moves on over `text`, if it stands here.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let here = self.rest().starts_with(text);
        if here {
            self.at += text.len();
        }
        here
    }

    /// The line of this place, from 1.
    pub(super) fn line(&mut self) -> u32 {
        let bytes = self.text.as_bytes();
        for at in self.counted..self.at {
            let ends = bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
            self.line += u32::from(ends);
        }
        self.counted = self.counted.max(self.at);
        self.line
    }
}

/// `text` with every line ended by `\n`.
pub(super) fn with_newlines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
