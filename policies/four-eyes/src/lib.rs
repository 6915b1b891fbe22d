//! Lets a release move when others than the one who asked have approved.
//!
//! Settings: `approvals`, how many different principals (1 unless set); `role`, the role in which they
//! approve (`releaser` unless set). What is still missing defers the promotion until somebody approves.

use bootlace_policy::{
    Deferral, Evaluation, PolicyError, PromotionRequest, Settings, Violation, promotion_policy,
};

promotion_policy!(
    name: "four-eyes",
    version: "0.1.0",
    settings: ["approvals", "role"],
    evaluate: evaluate,
    validate: validate,
);

/// The roles in which somebody may approve.
const ROLES: [&str; 3] = ["developer", "releaser", "admin"];

/// Counts the approvals.
pub fn evaluate(request: &PromotionRequest) -> Result<Evaluation, PolicyError> {
    let (approvals, role) = read(request.settings())?;
    let given = u32::try_from(request.approvals_as(role)).unwrap_or(u32::MAX);
    let missing = approvals.saturating_sub(given);
    if missing > 0 {
        let reason = format!("{given} of {approvals} approvals as {role} are given");
        return Ok(Deferral::new(reason).needs(role, missing).into());
    }
    let mut allowed = Evaluation::allow();
    allowed.annotate("approvals", given.to_string());
    Ok(allowed)
}

/// All that is wrong with the settings.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    read(settings).err().unwrap_or_default()
}

fn read(settings: Settings<'_>) -> Result<(u32, &str), Vec<Violation>> {
    let mut violations = Vec::new();
    let approvals = settings.number("approvals").unwrap_or_else(|wrong| {
        violations.push(wrong);
        None
    });
    if approvals == Some(0) {
        let message = "at least 1 is needed; without the policy none is";
        violations.push(Violation::new("invalid-number", message).about("approvals"));
    }
    let role = settings.get("role").unwrap_or("releaser");
    if !ROLES.contains(&role) {
        let message = format!("nobody approves in this role; use {}", ROLES.join(", "));
        violations.push(Violation::new("unknown-role", message).about("role"));
    }
    if violations.is_empty() { Ok((approvals.unwrap_or(1), role)) } else { Err(violations) }
}

#[cfg(test)]
mod tests;
