//! What a resolve policy is asked.

use std::ops::Range;

use crate::settings::{Settings, value_of};
use crate::wire::{Environment, Instance, PolicyError, Release, Violation, resolve};

/// What should this instance be given?
#[derive(Debug)]
pub struct Request(resolve::Request);

impl Request {
    /// The deployment that boots.
    pub fn deployment(&self) -> &str {
        &self.0.deployment
    }

    /// The environment that the instance boots in.
    pub fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// The active release, if there is one.
    pub fn release(&self) -> Option<&Release> {
        self.0.release.as_ref()
    }

    /// The facts about the instance, as far as the policy declared that it varies by them.
    pub fn instance(&self) -> &Instance {
        &self.0.instance
    }

    /// The settings of this policy's attachment.
    pub fn settings(&self) -> Settings<'_> {
        Settings::new(&self.0.settings)
    }

    /// Every variable of the plan.
    pub fn variables(&self) -> impl ExactSizeIterator<Item = Variable<'_>> {
        (0..self.0.variables.traits.len() as u32).map(|index| Variable { request: self, index })
    }

    /// The variable of this name.
    pub fn variable(&self, name: &str) -> Option<Variable<'_>> {
        self.variables().find(|variable| variable.name() == name)
    }

    /// The question as it crossed.
    pub fn wire(&self) -> &resolve::Request {
        &self.0
    }

    /// The label of candidates with this key and this value, if any of them has it: to be looked for
    /// in many, found once.
    pub fn label(&self, key: &str, value: &str) -> Option<Label> {
        let labels = &self.0.labels;
        let is_it = |at: &u32| labels.values.get(*at) == value && labels.keys.get(*at) == key;
        (0..labels.keys.len()).find(is_it).map(Label)
    }
}

/// The columns of a table must be equally long. An index beyond its table would be the host's fault,
/// and ends the policy where it is used.
impl TryFrom<resolve::Request> for Request {
    type Error = PolicyError;

    fn try_from(wire: resolve::Request) -> Result<Self, PolicyError> {
        let resolve::Request { variables, candidates, labels, .. } = &wire;
        let variable_columns =
            [variables.names.ends.len(), variables.chosen.len(), variables.candidate_ends.len()];
        let candidate_columns = [
            candidates.sources.len(),
            candidates.owners.len(),
            candidates.versions.len(),
            candidates.label_ends.len(),
        ];
        let equal = variable_columns.iter().all(|length| *length == variables.traits.len())
            && candidate_columns.iter().all(|length| *length == candidates.traits.len())
            && labels.keys.len() == labels.values.len();
        if !equal {
            return Err(PolicyError::InvalidInput("the columns of a table differ in length".into()));
        }
        Ok(Self(wire))
    }
}

/// A label that candidates may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(u32);

/// A variable of the plan.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    request: &'a Request,
    index: u32,
}

impl<'a> Variable<'a> {
    /// Its name.
    pub fn name(self) -> &'a str {
        self.table().names.get(self.index)
    }

    /// Whether it may hold a secret.
    pub fn is_secret(self) -> bool {
        self.traits() & SECRET != 0
    }

    /// Whether a boot without it is refused.
    pub fn is_required(self) -> bool {
        self.traits() & REQUIRED != 0
    }

    /// Whether the active release lists it among its keys.
    pub fn is_declared(self) -> bool {
        self.traits() & DECLARED != 0
    }

    /// The choice so far: the plan's, or that of the policies before this one; none where it was
    /// omitted.
    pub fn chosen(self) -> Option<Candidate<'a>> {
        let chosen = self.table().chosen[self.index as usize];
        (chosen != OMITTED).then(|| self.candidate(chosen))
    }

    /// What it may be given, in the order of the question.
    pub fn candidates(self) -> impl ExactSizeIterator<Item = Candidate<'a>> + Clone {
        group(&self.table().candidate_ends, self.index).map(move |row| self.candidate(row as u32))
    }

    /// A violation that is about this variable.
    pub fn violation(self, code: &str, message: impl Into<String>) -> Violation {
        Violation::new(code, message).about(self.name())
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }

    fn candidate(self, index: u32) -> Candidate<'a> {
        Candidate { variable: self, index }
    }

    fn traits(self) -> u8 {
        self.table().traits[self.index as usize]
    }

    fn table(self) -> &'a resolve::Variables {
        &self.request.0.variables
    }
}

/// One value that a variable may be given.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    variable: Variable<'a>,
    index: u32,
}

impl<'a> Candidate<'a> {
    /// The variable that may be given this.
    pub fn variable(self) -> Variable<'a> {
        self.variable
    }

    /// The layer or the service that it comes from.
    pub fn source(self) -> &'a str {
        self.wire().sources.get(self.table().sources[self.index as usize])
    }

    /// The environment that owns it.
    pub fn owner(self) -> &'a str {
        self.wire().sources.get(self.table().owners[self.index as usize])
    }

    /// Whether it is a secret: then it may only be bound, to a variable that is one.
    pub fn is_secret(self) -> bool {
        self.table().traits[self.index as usize] & SECRET != 0
    }

    /// The greater, the newer, among the candidates of one variable.
    pub fn version(self) -> u64 {
        self.table().versions[self.index as usize]
    }

    /// Whether it has this label; one that no candidate has, it has not.
    pub fn has(self, label: Option<Label>) -> bool {
        label.is_some_and(|label| self.label_rows().contains(&label.0))
    }

    /// The value of one of its labels.
    pub fn label(self, key: &str) -> Option<&'a str> {
        self.labels().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// Its labels, as keys and values.
    pub fn labels(self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> {
        let labels = &self.wire().labels;
        self.label_rows().iter().map(|row| (labels.keys.get(*row), labels.values.get(*row)))
    }

    pub(crate) fn index(self) -> u32 {
        self.index
    }

    fn label_rows(self) -> &'a [u32] {
        let table = self.table();
        &table.label_rows[group(&table.label_ends, self.index)]
    }

    fn table(self) -> &'a resolve::Candidates {
        &self.wire().candidates
    }

    fn wire(self) -> &'a resolve::Request {
        &self.variable.request.0
    }
}

impl resolve::Texts {
    fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    pub(crate) fn get(&self, index: u32) -> &str {
        &self.text[group(&self.ends, index)]
    }
}

/// The rows of one owner in a table where they stand together, in the owners' order.
fn group(ends: &[u32], owner: u32) -> Range<usize> {
    let owner = owner as usize;
    let start = if owner == 0 { 0 } else { ends[owner - 1] };
    start as usize..ends[owner] as usize
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

// The bits and the number of `wit/policy.wit`.
pub(crate) const SECRET: u8 = 1;
pub(crate) const REQUIRED: u8 = 2;
pub(crate) const DECLARED: u8 = 4;
pub(crate) const OMITTED: u32 = u32::MAX;
