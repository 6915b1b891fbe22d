//! What a resolve policy is asked.

use std::cell::OnceCell;

use crate::groups::Groups;
use crate::settings::{Settings, value_of};
use crate::wire::{Attribute, Environment, Instance, PolicyError, Release, Sensitivity, Violation, resolve};

/// What should this instance be given? Every index in it has been checked.
#[derive(Debug)]
pub struct Request {
    wire: resolve::Request,
    candidates: OnceCell<Groups>,
    labels: OnceCell<Groups>,
}

impl Request {
    /// The deployment that boots.
    pub fn deployment(&self) -> &str {
        &self.wire.deployment
    }

    /// The environment that the instance boots in.
    pub fn environment(&self) -> &Environment {
        &self.wire.environment
    }

    /// The active release, if there is one.
    pub fn release(&self) -> Option<&Release> {
        self.wire.release.as_ref()
    }

    /// The facts about the instance, as far as the policy declared that it varies by them.
    pub fn instance(&self) -> &Instance {
        &self.wire.instance
    }

    /// The settings of this policy's attachment.
    pub fn settings(&self) -> Settings<'_> {
        Settings::new(&self.wire.settings)
    }

    /// Every variable of the plan.
    pub fn variables(&self) -> impl ExactSizeIterator<Item = Variable<'_>> {
        (0..self.wire.variables.len() as u32).map(|index| Variable { request: self, index })
    }

    /// The variable of this name.
    pub fn variable(&self, name: &str) -> Option<Variable<'_>> {
        self.variables().find(|variable| variable.name() == name)
    }

    /// The question as it crossed.
    pub fn wire(&self) -> &resolve::Request {
        &self.wire
    }

    fn candidate(&self, index: u32) -> Candidate<'_> {
        Candidate { request: self, index }
    }
}

/// The host's indexes are checked once, here: nothing below can then be out of range.
impl TryFrom<resolve::Request> for Request {
    type Error = PolicyError;

    fn try_from(wire: resolve::Request) -> Result<Self, PolicyError> {
        let below = |index: u32, count: usize| (index as usize) < count;
        let sources = wire.sources.len();
        let candidates = wire.candidates.len();
        let valid = wire.candidates.iter().all(|candidate| {
            below(candidate.variable, wire.variables.len())
                && below(candidate.source, sources)
                && below(candidate.owner, sources)
        }) && wire
            .candidate_labels
            .iter()
            .all(|row| below(row.candidate, candidates) && below(row.label, wire.labels.len()))
            && wire
                .variables
                .iter()
                .all(|variable| variable.chosen.is_none_or(|index| below(index, candidates)));
        if !valid {
            return Err(PolicyError::InvalidInput("an index is out of range".into()));
        }
        Ok(Self { wire, candidates: OnceCell::new(), labels: OnceCell::new() })
    }
}

/// A variable of the plan.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    request: &'a Request,
    index: u32,
}

impl<'a> Variable<'a> {
    /// Its name.
    pub fn name(self) -> &'a str {
        &self.row().name
    }

    /// Whether it may hold a secret.
    pub fn is_secret(self) -> bool {
        self.row().sensitivity == Sensitivity::Secret
    }

    /// Whether a boot without it is refused.
    pub fn is_required(self) -> bool {
        self.row().required
    }

    /// Whether the active release lists it among its keys.
    pub fn is_declared(self) -> bool {
        self.row().declared
    }

    /// The choice so far: the plan's, or that of the policies before this one; none where it was
    /// omitted.
    pub fn chosen(self) -> Option<Candidate<'a>> {
        Some(self.request.candidate(self.row().chosen?))
    }

    /// What it may be given, in the order of the question.
    pub fn candidates(self) -> impl ExactSizeIterator<Item = Candidate<'a>> + Clone {
        let request = self.request;
        let groups = request.candidates.get_or_init(|| {
            let rows = request.wire.candidates.iter();
            Groups::new(rows.map(|row| row.variable), request.wire.variables.len())
        });
        groups.of(self.index).map(|index| request.candidate(index))
    }

    /// A violation that is about this variable.
    pub fn violation(self, code: &str, message: impl Into<String>) -> Violation {
        Violation::new(code, message).about(self.name())
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }

    fn row(self) -> &'a resolve::Variable {
        &self.request.wire.variables[self.index as usize]
    }
}

/// One value that a variable may be given.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    request: &'a Request,
    index: u32,
}

impl<'a> Candidate<'a> {
    /// The variable that may be given this.
    pub fn variable(self) -> Variable<'a> {
        Variable { request: self.request, index: self.row().variable }
    }

    /// The layer or the service that it comes from.
    pub fn source(self) -> &'a str {
        &self.request.wire.sources[self.row().source as usize]
    }

    /// The environment that owns it.
    pub fn owner(self) -> &'a str {
        &self.request.wire.sources[self.row().owner as usize]
    }

    /// Whether it is a secret: then it may only be bound, to a variable that is one.
    pub fn is_secret(self) -> bool {
        self.row().sensitivity == Sensitivity::Secret
    }

    /// The greater, the newer, among the candidates of one variable.
    pub fn version(self) -> u64 {
        self.row().version
    }

    /// The value of one of its labels.
    pub fn label(self, key: &str) -> Option<&'a str> {
        let found = self.labels().find(|label| label.key == key)?;
        Some(&found.value)
    }

    /// Its labels.
    pub fn labels(self) -> impl ExactSizeIterator<Item = &'a Attribute> {
        let wire = &self.request.wire;
        let groups = self.request.labels.get_or_init(|| {
            let rows = wire.candidate_labels.iter();
            Groups::new(rows.map(|row| row.candidate), wire.candidates.len())
        });
        let rows = groups.of(self.index);
        rows.map(|row| &wire.labels[wire.candidate_labels[row as usize].label as usize])
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }

    fn row(self) -> &'a resolve::Candidate {
        &self.request.wire.candidates[self.index as usize]
    }
}

impl Environment {
    /// The value of one of its labels.
    pub fn label(&self, key: &str) -> Option<&str> {
        value_of(&self.labels, key)
    }
}

impl Instance {
    /// The value of one of its attributes.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        value_of(&self.attributes, key)
    }
}
