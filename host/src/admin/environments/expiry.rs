//! When an environment stops serving: a moment, or seconds from now.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    clock::{from_rfc3339, rfc3339},
    id::UnixSeconds,
    serve::respond::Problem,
};

/// The furthest that an expiry may be away, in seconds: ten years.
const MAX_EXPIRY_SECONDS: i64 = 10 * 365 * 86_400;

/// RFC 3339, or seconds from now.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum WireExpires {
    /// A moment, such as `2026-12-24T12:00:00Z`.
    At(String),
    /// Seconds from now.
    In(i64),
}

impl WireExpires {
    /// The moment, which is still to come, and at most `furthest` seconds away.
    pub(super) fn moment(&self, now: UnixSeconds, furthest: Option<i64>) -> Result<UnixSeconds, Problem> {
        let wrong = || {
            let rule = "an expiry is a moment as RFC 3339 has it, or a number of seconds from now";
            Problem::invalid(rule)
        };
        let at = match self {
            Self::At(text) => from_rfc3339(text).ok_or_else(wrong)?,
            Self::In(seconds) => UnixSeconds(now.0.saturating_add(*seconds)),
        };
        let last = UnixSeconds(now.0.saturating_add(furthest.unwrap_or(MAX_EXPIRY_SECONDS)));
        if at <= now {
            return Err(Problem::invalid(format!("an expiry is to come; it is {} now", rfc3339(now))));
        }
        if at > last {
            return Err(Problem::invalid(format!("this expires by {} at the latest", rfc3339(last))));
        }
        Ok(at)
    }
}
