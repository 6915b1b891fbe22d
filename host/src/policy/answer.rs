//! What a policy answered, checked against what it was offered.

use super::{bindings, failure::AnswerFault};
use crate::model::question::{AskedVariable, Attribute, Decision, Fragment, Sensitivity, Subject, Violation};

/// A checked answer of one policy.
pub(super) enum Outcome {
    Resolved(Resolved),
    Denied(Vec<Violation>),
}

/// What one policy wants, checked.
pub(super) struct Resolved {
    /// In variable order, at most one for each.
    pub(super) assignments: Vec<(u32, Decision)>,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: Vec<Attribute>,
}

/// Checks one policy's answer.
///
/// - A `bind` names a candidate of that same variable, and a secret goes to a secret only.
/// - A template refers to plain candidates only: else `"https://evil/" + reference(STRIPE_KEY)`
///   in some URL would carry a secret out unseen.
/// - Only the last policy of a chain writes templates: those after it could not see what a text is
///   made of, and the broader must have the last word on what is really injected.
/// - Each variable at most once.
///
/// The size of an answer is bounded before it gets here: what crosses is counted as it crosses.
///
/// # Errors
/// The first assignment that breaks a rule.
pub(super) fn check(
    subject: &Subject,
    outcome: bindings::Outcome,
    is_last: bool,
) -> Result<Outcome, AnswerFault> {
    match outcome {
        bindings::Outcome::Resolved(resolution) => Ok(Outcome::Resolved(Resolved {
            assignments: check_assignments(subject, resolution.assignments, is_last)?,
            warnings: resolution.warnings,
            annotations: resolution.annotations.into_iter().map(Into::into).collect(),
        })),
        bindings::Outcome::Denied(violations) => {
            Ok(Outcome::Denied(violations.into_iter().map(Into::into).collect()))
        }
    }
}

fn check_assignments(
    subject: &Subject,
    assignments: Vec<bindings::Assignment>,
    is_last: bool,
) -> Result<Vec<(u32, Decision)>, AnswerFault> {
    let mut checked = assignments
        .into_iter()
        .map(|assignment| {
            let index = assignment.variable;
            let variable = at(&subject.variables, index).ok_or(AnswerFault::UnknownVariable { index })?;
            let decision = match assignment.decision {
                bindings::Decision::Bind(candidate) => bind(subject, index, variable, candidate)?,
                bindings::Decision::Template(_) if !is_last => {
                    return Err(AnswerFault::TemplateNotLast { variable: variable.name.clone() });
                }
                bindings::Decision::Template(fragments) => template(subject, variable, fragments)?,
                bindings::Decision::Omit => Decision::Omit,
            };
            Ok((index, decision))
        })
        .collect::<Result<Vec<_>, AnswerFault>>()?;
    checked.sort_by_key(|(variable, _)| *variable);
    for pair in checked.windows(2) {
        if let [(first, _), (second, _)] = pair
            && first == second
        {
            return Err(AnswerFault::Duplicate { variable: name(subject, *first) });
        }
    }
    Ok(checked)
}

fn bind(
    subject: &Subject,
    index: u32,
    variable: &AskedVariable,
    candidate: u32,
) -> Result<Decision, AnswerFault> {
    let to = || variable.name.clone();
    let offered = at(&subject.candidates, candidate)
        .ok_or_else(|| AnswerFault::UnknownCandidate { variable: to(), index: candidate })?;
    if offered.variable != index {
        return Err(AnswerFault::ForeignCandidate { variable: to(), owner: name(subject, offered.variable) });
    }
    if offered.sensitivity == Sensitivity::Secret && variable.sensitivity == Sensitivity::Plain {
        return Err(AnswerFault::SecretToPlain { variable: to() });
    }
    Ok(Decision::Bind(candidate))
}

fn template(
    subject: &Subject,
    variable: &AskedVariable,
    fragments: Vec<bindings::Fragment>,
) -> Result<Decision, AnswerFault> {
    let to = || variable.name.clone();
    let checked = fragments.into_iter().map(|fragment| match fragment {
        bindings::Fragment::Literal(text) if text.contains('\0') => Err(AnswerFault::Nul { variable: to() }),
        bindings::Fragment::Literal(text) => Ok(Fragment::Literal(text)),
        bindings::Fragment::Reference(bindings::Interpolation { candidate, encoding }) => {
            let offered = at(&subject.candidates, candidate)
                .ok_or_else(|| AnswerFault::UnknownCandidate { variable: to(), index: candidate })?;
            match offered.sensitivity {
                Sensitivity::Plain => Ok(Fragment::Reference { candidate, encoding: encoding.into() }),
                Sensitivity::Secret => Err(AnswerFault::SecretInTemplate { variable: to() }),
            }
        }
    });
    checked.collect::<Result<_, _>>().map(Decision::Template)
}

fn at<T>(list: &[T], index: u32) -> Option<&T> {
    usize::try_from(index).ok().and_then(|index| list.get(index))
}

fn name(subject: &Subject, variable: u32) -> String {
    at(&subject.variables, variable).map_or_else(String::new, |variable| variable.name.clone())
}
