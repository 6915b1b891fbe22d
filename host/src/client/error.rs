use std::{error::Error as StdError, time::Duration};

use http::{HeaderMap, StatusCode, header};

use super::Problem;

/// Why there is no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or one that broke.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The listener.
        url: String,
        /// What went wrong.
        reason: String,
        /// Whether the request may have arrived before the connection broke.
        sent: bool,
    },
    /// Connected, but no complete answer in time.
    #[error("{url} did not answer within {seconds} s")]
    TimedOut {
        /// The listener.
        url: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The rule that keeps tokens and secrets off the wire in the clear.
    #[error("{url} is plaintext and not on this machine: everyone on the way could read the token")]
    Plaintext {
        /// The listener.
        url: String,
    },
    /// The host said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The host said something that makes no sense here.
    #[error("{url} gave an answer that cannot be used: {reason}")]
    Unusable {
        /// The listener.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A refusal, as the host explains it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", problem.summary())]
pub struct Refusal {
    /// The status, 3xx to 5xx.
    pub status: StatusCode,
    /// When to ask again, if the host said so in seconds.
    pub retry_after: Option<Duration>,
    /// The explanation.
    pub problem: Problem,
}

impl Error {
    /// The refusal, if this is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self { Some(refusal) } else { None }
    }

    pub(super) fn may_retry(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Refused(_) => self.retry_after().is_some(),
            Self::Plaintext { .. } | Self::Unusable { .. } => false,
        }
    }

    /// How long the host asks to wait before it is asked again: only for the two statuses that
    /// say that nothing was done.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let refusal = self.refusal()?;
        let put_off = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        refusal.retry_after.filter(|_| put_off.contains(&refusal.status))
    }
}

impl Refusal {
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = text(header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
        let problem = Problem::read(status, text(header::CONTENT_TYPE).unwrap_or_default(), body);
        Self { status, retry_after: retry_after.map(Duration::from_secs), problem }
    }
}

/// An error and its causes on one line, each once: libraries like to repeat their cause.
pub(super) fn reason(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |error| (**error).source()) {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
