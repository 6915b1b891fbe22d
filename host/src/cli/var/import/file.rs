//! The file that is imported, and which of its names are secrets.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    str::FromStr,
};

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::{
    cli::exit::Misuse,
    dotenv::{
        self, Assignment, Dialect, InvalidPattern, MAX_BYTES, NamePattern, Problem, SecretNames, Warning,
    },
    id::VariableName,
};

/// What a file is not taken for: every reason, by line.
#[derive(Debug, thiserror::Error)]
#[error("{} things are in the way", .0.len())]
pub(crate) struct Unread(pub(crate) Vec<Problem>);

/// A name, or a pattern of names.
#[derive(Debug, Clone)]
pub(super) enum Named {
    One(VariableName),
    Some(NamePattern),
}

impl Named {
    pub(super) fn everything() -> Self {
        Self::Some("*".parse().expect("a star is a pattern"))
    }
}

impl FromStr for Named {
    type Err = InvalidPattern;
    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        // A name alone has to be in the file: misspelt, it would leave a secret plain.
        match text.parse() {
            Ok(name) => Ok(Self::One(name)),
            Err(_) => text.parse().map(Self::Some),
        }
    }
}

/// What the file sets, in its order, and what is in doubt.
pub(super) fn read(
    path: &Path,
    dialect: Dialect,
    secret: &[Named],
) -> anyhow::Result<(Vec<Assignment>, Vec<Warning>)> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let unreadable = || Misuse(format!("cannot read {name}"));
    let text = if is_stdin {
        bounded(io::stdin().lock()).with_context(unreadable)?
    } else {
        bounded(File::open(path).with_context(unreadable)?).with_context(unreadable)?
    };
    let refused = |problems: Vec<Problem>| {
        let advice = format!("cannot import {name}; nothing is changed");
        anyhow::Error::new(Unread(problems)).context(Misuse(advice))
    };
    let mut parsed = dotenv::parse(&text, dialect).map_err(refused)?;
    let warnings = std::mem::take(&mut parsed.warnings);
    let assignments = parsed.assignments(&names(secret)).map_err(refused)?;
    if assignments.is_empty() {
        return Err(Misuse(format!("{name} sets no variable")).into());
    }
    Ok((assignments, warnings))
}

fn names(secret: &[Named]) -> SecretNames {
    let mut names = SecretNames::default();
    for one in secret {
        match one {
            Named::One(name) => drop(names.listed.insert(name.clone())),
            Named::Some(pattern) => names.patterns.push(pattern.clone()),
        }
    }
    names
}

/// A file, and one byte more where it is too long, so that the parser says so.
fn bounded(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for everything first: a buffer that grows leaves copies of itself behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 2));
    source.take(MAX_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}
