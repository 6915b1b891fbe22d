//! The one mapping from errors to exit codes.

use std::{io, process::ExitCode};

use crate::{client, source::Problems};

/// The host refused, or the work could not be done.
pub const REFUSED: u8 = 1;
/// Wrong usage.
pub const MISUSE: u8 = 2;
/// The host cannot be reached.
pub const UNREACHABLE: u8 = 3;
/// The command of `run` is there, but cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command of `run` is not there.
pub const NOT_FOUND: u8 = 127;

/// Wrong usage that only shows after parsing. Says what to give instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// The command of `run` did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {command:?}")]
pub struct NotStarted {
    /// The command's name.
    pub command: String,
    /// Why.
    pub source: io::Error,
}

/// What a comparison exits with that was asked for an exit code: 1 where there is a difference.
#[must_use]
pub fn differs(is_told: bool) -> ExitCode {
    if is_told { REFUSED.into() } else { ExitCode::SUCCESS }
}

/// What to exit with.
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    use client::Error as E;
    // Not by walking the chain: `anyhow` finds what was added as context only this way.
    if error.is::<Misuse>() || error.is::<Problems>() {
        return MISUSE;
    }
    if let Some(NotStarted { source, .. }) = error.downcast_ref() {
        return if source.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    }
    match error.downcast_ref::<E>() {
        Some(E::Unreachable { .. } | E::TimedOut { .. }) => UNREACHABLE,
        Some(E::Plaintext { .. }) => MISUSE,
        Some(E::Refused(_) | E::Unusable { .. }) | None => REFUSED,
    }
}

/// Whether nobody reads our output any more.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_code_says_who_has_to_act_whatever_the_context() {
        let unreachable = client::Error::TimedOut { url: "http://x".into(), seconds: 30 };
        let plaintext = client::Error::Plaintext { url: "http://x".into() };
        let unusable = client::Error::Unusable { url: "http://x".into(), reason: "empty".into() };
        let absent = NotStarted { command: "x".into(), source: io::ErrorKind::NotFound.into() };
        let denied = NotStarted { command: "x".into(), source: io::ErrorKind::PermissionDenied.into() };
        for (error, expected) in [
            (anyhow!(unreachable), UNREACHABLE),
            (anyhow!(plaintext), MISUSE),
            (anyhow!(unusable), REFUSED),
            (anyhow!(Misuse("give a token".into())), MISUSE),
            (anyhow!(io::Error::from(io::ErrorKind::NotFound)).context(Misuse("no file".into())), MISUSE),
            (anyhow!(absent), NOT_FOUND),
            (anyhow!(denied), NOT_EXECUTABLE),
            (anyhow!(io::Error::from(io::ErrorKind::StorageFull)), REFUSED),
        ] {
            let error = Err::<(), _>(error).context("cannot boot").unwrap_err();
            assert_eq!(code(&error), expected, "{error:#}");
        }
    }
}
