//! Where dialects part: every dialect reads the file, and a line is compared by what each makes of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Dialect,
    problem::{Differently, Manner},
    reading::{Reading, What},
};
use crate::id::VariableName;

/// The file as each dialect reads it.
pub(super) struct Readings(BTreeMap<Dialect, Reading>);

impl Readings {
    pub(super) fn of(text: &str) -> Self {
        Self(Dialect::REAL.into_iter().map(|dialect| (dialect, dialect.read(text))).collect())
    }

    /// The reading of a dialect and those of the others. What is common is read as docker does: where
    /// all agree it makes no difference.
    pub(super) fn apart(mut self, dialect: Dialect) -> (Reading, Self) {
        let own = if dialect == Dialect::Common { Dialect::Docker } else { dialect };
        (self.0.remove(&own).unwrap_or_default(), self)
    }

    /// Lines that some dialect has a statement on, or gives the file up at.
    pub(super) fn lines(&self) -> BTreeSet<u32> {
        let of = |reading: &Reading| {
            let statements = reading.statements.iter().map(|statement| statement.line);
            statements.chain(reading.stop.as_ref().map(|stop| stop.line)).collect::<Vec<_>>()
        };
        self.0.values().flat_map(of).collect()
    }

    /// What the dialects make of a line, if it is not the same for all.
    pub(super) fn disagreement(&self, line: u32) -> Option<Vec<Differently>> {
        let gone = |reading: &Reading| reading.stop.as_ref().is_some_and(|stop| stop.line < line);
        let readings = || self.0.iter().filter(|(_, reading)| !gone(reading));
        let (_, first) = readings().next()?;
        let why =
            |reading: &Reading| reading.stop.as_ref().filter(|stop| stop.line == line).map(|stop| stop.why);
        let same = |other: &Reading| {
            let (one, other) = (first.on(line), other.on(line));
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| agree(&one.what, &other.what))
        };
        if readings().all(|(_, reading)| why(reading) == why(first) && same(reading)) {
            return None;
        }
        Some(grouped(readings().map(|(dialect, reading)| (*dialect, on_line(reading, line)))))
    }

    /// Who makes something else of a variable, and what.
    pub(super) fn otherwise(&self, line: u32, own: &What) -> Vec<Differently> {
        let What::Value { name, .. } = own else { return Vec::new() };
        let other = |(dialect, reading): (&Dialect, &Reading)| {
            if !reading.reaches(line) {
                return None;
            }
            let named = |what: &&What| matches!(what, What::Value { name: other, .. } | What::Unset { name: other } if other == name);
            let what = reading.on(line).iter().map(|statement| &statement.what).find(named);
            let what = what
                .filter(|what| !agree(own, what))
                .map(What::manner)
                .or_else(|| what.is_none().then_some(Manner::Nothing))?;
            let how = if what == own.manner() { "another value".to_owned() } else { what.to_string() };
            Some((*dialect, how))
        };
        grouped(self.0.iter().filter_map(other))
    }

    /// Who reads a variable on a line.
    pub(super) fn variables(&self, line: u32) -> Vec<Differently> {
        let reads = |reading: &Reading| {
            reading
                .on(line)
                .iter()
                .any(|statement| matches!(&statement.what, What::Value { name, .. } if is_name(name)))
        };
        let some = self.0.iter().filter(|(_, reading)| reads(reading));
        grouped(some.map(|(dialect, _)| (*dialect, "a variable".to_owned())))
    }

    /// Who gives the file up at a line, and why.
    pub(super) fn refusals(&self, line: u32) -> Vec<Differently> {
        let stop = |(dialect, reading): (&Dialect, &Reading)| {
            let stop = reading.stop.as_ref().filter(|stop| stop.line == line)?;
            Some((*dialect, stop.why.to_string()))
        };
        grouped(self.0.iter().filter_map(stop))
    }
}

fn is_name(name: &str) -> bool {
    name.parse::<VariableName>().is_ok()
}

/// The same outcome, whichever way it was read.
fn agree(one: &What, other: &What) -> bool {
    match (one, other) {
        (What::Value { name, value, .. }, What::Value { name: other_name, value: other_value, .. }) => {
            (name, value) == (other_name, other_value)
        }
        _ => one == other,
    }
}

fn on_line(reading: &Reading, line: u32) -> String {
    if let Some(stop) = reading.stop.as_ref().filter(|stop| stop.line == line) {
        return Manner::Refused(stop.why).to_string();
    }
    let statements = reading.on(line);
    let told: Vec<String> = statements.iter().map(|statement| statement.what.manner().to_string()).collect();
    if told.is_empty() { Manner::Nothing.to_string() } else { told.join(" and ") }
}

/// Dialects that make the same of it, together.
fn grouped(each: impl Iterator<Item = (Dialect, String)>) -> Vec<Differently> {
    let mut groups: Vec<Differently> = Vec::new();
    for (dialect, how) in each {
        match groups.iter_mut().find(|group| group.how == how) {
            Some(group) => group.dialects.push(dialect),
            None => groups.push(Differently { dialects: vec![dialect], how }),
        }
    }
    groups
}
