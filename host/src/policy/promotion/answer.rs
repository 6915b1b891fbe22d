//! What a promotion policy answered, held to limits: it is kept with the promotion, and people read it.

use super::super::{bindings::promotion as wire, failure::AnswerFault};
use crate::model::{
    Role,
    promotion::{Deferral, Evaluation, RequiredApproval, Verdict},
    question::{Attribute, Violation},
};

/// Violations of one policy.
pub const VIOLATIONS: usize = 64;
/// Warnings of one policy.
pub const WARNINGS: usize = 32;
/// Annotations of one policy.
pub const ANNOTATIONS: usize = 32;
/// Bytes of a violation's code, of an annotation's key.
pub const CODE_BYTES: usize = 64;
/// Bytes of any other text: a message, a reason, a field, a warning, an annotation.
pub const TEXT_BYTES: usize = 2_048;
/// Approvals that may be missing in one role.
pub const APPROVALS: u32 = 16;
/// The longest that a policy may put off being asked again, in seconds: a leap year.
pub const RETRY_SECONDS: u32 = 366 * 86_400;

/// Checks one policy's answer. Nothing of one that breaks a rule is used.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn check(answer: wire::Evaluation) -> Result<Evaluation, AnswerFault> {
    at_most("warnings", answer.warnings.len(), WARNINGS)?;
    at_most("annotations", answer.annotations.len(), ANNOTATIONS)?;
    answer.warnings.iter().try_for_each(|warning| short("a warning", warning, TEXT_BYTES))?;
    let annotations: Vec<Attribute> = answer.annotations.into_iter().map(Into::into).collect();
    for annotation in &annotations {
        short("an annotation's key", &annotation.key, CODE_BYTES)?;
        short("an annotation", &annotation.value, TEXT_BYTES)?;
    }
    let verdict = match answer.verdict {
        wire::Verdict::Allow => Verdict::Allow,
        wire::Verdict::Deny(violations) => {
            Verdict::Deny(denial(violations.into_iter().map(Into::into).collect())?)
        }
        wire::Verdict::Defer(deferral) => Verdict::Defer(deferred(deferral)?),
    };
    Ok(Evaluation { verdict, warnings: answer.warnings, annotations })
}

fn denial(violations: Vec<Violation>) -> Result<Vec<Violation>, AnswerFault> {
    at_most("violations", violations.len(), VIOLATIONS)?;
    if violations.is_empty() {
        return Err(AnswerFault::NoReason);
    }
    for violation in &violations {
        let is_kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if violation.code.is_empty() || !violation.code.bytes().all(is_kebab) {
            return Err(AnswerFault::NoCode);
        }
        short("a violation's code", &violation.code, CODE_BYTES)?;
        short("a violation's message", &violation.message, TEXT_BYTES)?;
        short("a violation's field", violation.field.as_deref().unwrap_or_default(), TEXT_BYTES)?;
    }
    Ok(violations)
}

fn deferred(deferral: wire::Deferral) -> Result<Deferral, AnswerFault> {
    let wire::Deferral { reason, retry_after_seconds, required_approvals } = deferral;
    short("a reason", &reason, TEXT_BYTES)?;
    if retry_after_seconds.is_some_and(|seconds| !(1..=RETRY_SECONDS).contains(&seconds)) {
        return Err(AnswerFault::Retry { limit: RETRY_SECONDS });
    }
    let mut required: Vec<RequiredApproval> = Vec::new();
    for wire::RequiredApproval { role, missing } in required_approvals {
        // A role that nobody can have would be waited for without end.
        let role = Role::ALL.into_iter().find(|known| known.as_str() == role);
        let role = role.ok_or(AnswerFault::UnknownRole)?;
        let is_known = required.iter().any(|one| one.role == role);
        if is_known || !(1..=APPROVALS).contains(&missing) {
            return Err(AnswerFault::Approvals { role: role.as_str(), limit: APPROVALS });
        }
        required.push(RequiredApproval { role, missing });
    }
    Ok(Deferral { reason, retry_after_seconds, required_approvals: required })
}

fn at_most(what: &'static str, count: usize, limit: usize) -> Result<(), AnswerFault> {
    if count > limit { Err(AnswerFault::TooMany { what, count, limit }) } else { Ok(()) }
}

fn short(what: &'static str, text: &str, limit: usize) -> Result<(), AnswerFault> {
    if text.len() > limit { Err(AnswerFault::TooLong { what, limit }) } else { Ok(()) }
}
