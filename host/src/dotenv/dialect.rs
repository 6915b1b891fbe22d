//! The dialects, by name.

use std::{fmt, str::FromStr};

use super::{
    compose, docker, node, python,
    reading::{Reading, Stop},
};

/// Whose way of reading a dotenv file is meant. It is named, never detected: a file does not tell
/// whether its quotes belong to the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Dialect {
    /// What every other dialect reads alike; a line on which two of them part is a problem.
    #[default]
    Common,
    /// `docker run --env-file`.
    Docker,
    /// `.env` and `env_file` of docker compose, which reads other values than the docker CLI.
    Compose,
    /// python-dotenv, interpolating, which is its default.
    Python,
    /// dotenv for Node, without dotenv-expand.
    Node,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] = [Self::Common, Self::Docker, Self::Compose, Self::Python, Self::Node];

    /// Those with a parser of their own.
    pub(super) const REAL: [Self; 4] = [Self::Docker, Self::Compose, Self::Python, Self::Node];

    /// As a user writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Docker => "docker",
            Self::Compose => "compose",
            Self::Python => "python",
            Self::Node => "node",
        }
    }

    /// The text as this dialect reads it. What is common is no reading: it is what four readings share.
    pub(super) fn read(self, text: &str) -> Reading {
        let read: fn(&str, &mut Reading) -> Result<(), Stop> = match self {
            Self::Common | Self::Docker => docker::read,
            Self::Compose => compose::read,
            Self::Python => python::read,
            Self::Node => node::read,
        };
        let mut reading = Reading::default();
        reading.stop = read(text, &mut reading).err();
        reading
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no dialect.
#[derive(Debug, thiserror::Error)]
#[error("unknown dialect; use common, docker, compose, python or node")]
pub struct UnknownDialect;

impl FromStr for Dialect {
    type Err = UnknownDialect;
    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == text).ok_or(UnknownDialect)
    }
}
