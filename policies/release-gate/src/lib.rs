//! Lets a release move when its checks succeeded, it ran long enough and enough people approved.
//!
//! Settings, all optional; one that is not set asks for nothing:
//!
//! - `checks`: names of checks that must have succeeded where the release comes from,
//!   comma-separated. A failed one denies, a missing or pending one defers.
//! - `soak-seconds`: how long the release must have been active where it comes from.
//! - `approvals`: how many different principals must have approved, in the role that `role` names
//!   (`admin` if it is not set). Whoever asked for the promotion does not count.

use bootlace_policy::{
    Conclusion, Deferral, Evaluation, PolicyError, PromotionRequest, Settings, Verdict, Violation,
    promotion_policy,
};

promotion_policy!(
    name: "release-gate",
    version: "0.1.0",
    settings: ["checks", "soak-seconds", "approvals", "role"],
    evaluate: evaluate,
    validate: validate,
);

/// Denies on a failed check, defers while something is missing, allows otherwise.
pub fn evaluate(request: &PromotionRequest) -> Result<Evaluation, PolicyError> {
    let settings = request.settings();
    let (Some(soak), Some(approvals)) = (number(settings, "soak-seconds"), number(settings, "approvals"))
    else {
        return Err(PolicyError::InvalidSettings("a whole number is needed".into()));
    };
    let mut failed = Vec::new();
    let mut missing = Vec::new();
    for name in settings.list("checks").into_iter().flatten() {
        match request.check(name).map(|check| check.conclusion) {
            Some(Conclusion::Success) => {}
            Some(Conclusion::Failure) => {
                failed.push(Violation::new("check-failed", format!("{name} failed")).about(name));
            }
            _ => missing.push(format!("check {name}")),
        }
    }
    if !failed.is_empty() {
        return Ok(Verdict::Deny(failed).into());
    }

    let left = match request.soaked_seconds() {
        Some(soaked) => soak.saturating_sub(soaked),
        None => soak,
    };
    if left > 0 {
        missing.push(format!("{left} s of soak time"));
    }
    let role = settings.get("role").unwrap_or("admin");
    let short = approvals.saturating_sub(request.approvals_as(role) as u64);
    if short > 0 {
        missing.push(format!("{short} approvals as {role}"));
    }
    if missing.is_empty() {
        return Ok(Verdict::Allow.into());
    }
    let deferral = Deferral {
        reason: format!("waiting for {}", missing.join(", ")),
        retry_after_seconds: u32::try_from(left).ok().filter(|left| *left > 0),
        required_approvals: if short > 0 { vec![role.to_owned()] } else { Vec::new() },
    };
    Ok(Verdict::Defer(deferral).into())
}

/// All that is wrong with the settings.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    let wrong = ["soak-seconds", "approvals"].into_iter().filter(|key| number(settings, key).is_none());
    wrong.map(|key| Violation::new("invalid-number", "a whole number is needed").about(key)).collect()
}

/// The setting as a number, 0 if it is not set; none if it is not a number.
fn number(settings: Settings<'_>, key: &str) -> Option<u64> {
    settings.get(key).map_or(Some(0), |value| value.parse().ok())
}

#[cfg(test)]
mod tests;
