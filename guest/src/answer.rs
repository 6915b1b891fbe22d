//! What a policy answers: the pleasant side of the contract's records.

use crate::request::{Candidate, Variable};
use crate::wire::{
    Assignment, Attribute, Decision, Deferral, Encoding, Evaluation, Fragment, Interpolation, Outcome,
    PolicyError, RequiredApproval, Resolution, Verdict, Violation,
};

impl Resolution {
    /// Changes nothing so far: a variable without an assignment keeps the choice made before.
    pub fn new() -> Self {
        Self { assignments: Vec::new(), warnings: Vec::new(), annotations: Vec::new() }
    }

    /// Gives its variable this candidate. A variable may be assigned once.
    pub fn bind(&mut self, candidate: Candidate<'_>) {
        self.assign(candidate.variable().index(), Decision::Bind(candidate.index()));
    }

    /// Keeps a variable from the instance.
    pub fn omit(&mut self, variable: Variable<'_>) {
        self.assign(variable.index(), Decision::Omit);
    }

    /// Gives a variable a text with plain candidates in it; a secret one makes the host refuse the
    /// answer.
    pub fn template(&mut self, variable: Variable<'_>, fragments: impl IntoIterator<Item = Fragment>) {
        let fragments = fragments.into_iter().collect();
        self.assign(variable.index(), Decision::Template(fragments));
    }

    /// Tells the tenant's people something with the boot's explanation.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Tells machines something with the boot's explanation.
    pub fn annotate(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.annotations.push(Attribute::new(key, value));
    }

    fn assign(&mut self, variable: u32, decision: Decision) {
        self.assignments.push(Assignment { variable, decision });
    }
}

/// Gives each its variable.
impl<'a> Extend<Candidate<'a>> for Resolution {
    fn extend<I: IntoIterator<Item = Candidate<'a>>>(&mut self, candidates: I) {
        candidates.into_iter().for_each(|candidate| self.bind(candidate));
    }
}

impl Default for Resolution {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Resolution> for Outcome {
    fn from(resolution: Resolution) -> Self {
        Self::Resolved(resolution)
    }
}

impl From<Violation> for Outcome {
    fn from(violation: Violation) -> Self {
        Self::Denied(vec![violation])
    }
}

impl Fragment {
    /// Text as it is.
    pub fn literal(text: impl Into<String>) -> Self {
        Self::Literal(text.into())
    }

    /// The value of a plain candidate, written by the host in this encoding.
    pub fn reference(candidate: Candidate<'_>, encoding: Encoding) -> Self {
        Self::Reference(Interpolation { candidate: candidate.index(), encoding })
    }
}

impl Violation {
    /// A refusal: `code` is stable and machine-readable, `message` is for a person.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), field: None }
    }

    /// Names the setting or the variable that it is about.
    #[must_use]
    pub fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl Attribute {
    /// A key and its value.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// What is wrong with the settings, where it is found when the question is answered.
impl From<Vec<Violation>> for PolicyError {
    fn from(violations: Vec<Violation>) -> Self {
        let mut text = String::new();
        for violation in &violations {
            text += if text.is_empty() { "" } else { "; " };
            if let Some(field) = &violation.field {
                text += field;
                text += ": ";
            }
            text += &violation.message;
        }
        Self::InvalidSettings(text)
    }
}

impl Evaluation {
    /// The release may move, for this policy.
    pub fn allow() -> Self {
        Verdict::Allow.into()
    }

    /// The release may move, unless there are reasons why it may not.
    pub fn unless(violations: Vec<Violation>) -> Self {
        if violations.is_empty() { Self::allow() } else { Verdict::Deny(violations).into() }
    }

    /// Tells the tenant's people something with the promotion.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Tells machines something with the promotion.
    pub fn annotate(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.annotations.push(Attribute::new(key, value));
    }
}

impl From<Verdict> for Evaluation {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, warnings: Vec::new(), annotations: Vec::new() }
    }
}

impl From<Deferral> for Evaluation {
    fn from(deferral: Deferral) -> Self {
        Verdict::Defer(deferral).into()
    }
}

impl Deferral {
    /// Not now; only an event can change that, unless [`Self::retry_after`] says otherwise.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after_seconds: None, required_approvals: Vec::new() }
    }

    /// Asking again makes sense after so many seconds: at least one, and at most a leap year's, whatever
    /// `seconds` says.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        const LONGEST: u32 = 366 * 86_400;
        self.retry_after_seconds = Some(u32::try_from(seconds).unwrap_or(LONGEST).clamp(1, LONGEST));
        self
    }

    /// So many approvals in a role are still to be given.
    #[must_use]
    pub fn needs(mut self, role: impl Into<String>, missing: u32) -> Self {
        self.required_approvals.push(RequiredApproval { role: role.into(), missing });
        self
    }
}
