//! What a policy answers: the pleasant side of the contract's records.

use crate::request::{Candidate, Variable};
use crate::wire::{
    Assignment, Attribute, Decision, Encoding, Evaluation, Fragment, Interpolation, Outcome, Resolution,
    Verdict, Violation,
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

impl From<Verdict> for Evaluation {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, warnings: Vec::new(), annotations: Vec::new() }
    }
}
