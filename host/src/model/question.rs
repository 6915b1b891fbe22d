//! What a resolve policy is asked and what it may answer. No value appears here, and none can:
//! a policy sees names, kinds, labels and versions, and answers with indexes of what it was
//! offered. The fields follow `wit/policy.wit`, which is the contract with policies.

use super::EnvironmentType;

/// A key and a text: a label, a setting, an annotation, an attribute of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attribute {
    /// The key.
    pub key: String,
    /// The text.
    pub value: String,
}

impl Attribute {
    /// A key and a text.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// A map, as attributes.
#[must_use]
pub fn attributes(map: &std::collections::BTreeMap<String, String>) -> Vec<Attribute> {
    map.iter().map(|(key, value)| Attribute::new(key, value)).collect()
}

/// Whether a variable or candidate is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sensitivity {
    /// May be shown in masked lists and revealed on an audited request.
    Plain,
    /// Never shown again.
    Secret,
}

/// The part of a question that is the same for every instance of one (deployment, environment):
/// made once, when a generation is prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The deployment's name.
    pub deployment: String,
    /// The environment that boots.
    pub environment: AskedEnvironment,
    /// The active release, when there is one.
    pub release: Option<AskedRelease>,
    /// Every variable of the plan, in name order.
    pub variables: Vec<AskedVariable>,
    /// Every candidate; those of one variable are adjacent, in the variables' order.
    pub candidates: Vec<AskedCandidate>,
    /// Where candidates come from: layers, services, environments; named once, used by index.
    pub sources: Vec<String>,
    /// Labels of candidates, named once, used by index.
    pub labels: Vec<Attribute>,
    /// Which candidate carries which label.
    pub candidate_labels: Vec<CandidateLabel>,
}

/// The environment, as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedEnvironment {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: EnvironmentType,
    /// Its labels.
    pub labels: Vec<Attribute>,
}

/// A release, as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRelease {
    /// Its number.
    pub number: u64,
    /// The digest of what was released (an image's, say), as text.
    pub digest: String,
    /// When it was created, in seconds since 1970.
    pub created_at: u64,
    /// Its labels; withheld unless the policy's `vary` names `release-labels`.
    pub labels: Vec<Attribute>,
}

/// A variable, as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedVariable {
    /// Its name.
    pub name: String,
    /// Whether it is a secret.
    pub sensitivity: Sensitivity,
    /// Whether the boot is refused without it.
    pub required: bool,
    /// Whether the active release lists it among its keys.
    pub declared: bool,
    /// The plan's choice; an index into the candidates.
    pub chosen: Option<u32>,
}

/// A candidate, as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedCandidate {
    /// The variable it belongs to, by index.
    pub variable: u32,
    /// Where it comes from; an index into the sources.
    pub source: u32,
    /// The environment that owns it; an index into the sources.
    pub owner: u32,
    /// Whether it is a secret.
    pub sensitivity: Sensitivity,
    /// Its version.
    pub version: u64,
}

/// One label of one candidate, by indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateLabel {
    /// The candidate.
    pub candidate: u32,
    /// The label.
    pub label: u32,
}

/// What an instance says about itself. Claims, never authorization.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Facts {
    /// The region it runs in.
    pub region: Option<String>,
    /// The zone it runs in.
    pub zone: Option<String>,
    /// Its own name.
    pub instance: Option<String>,
    /// Anything else, in key order, each key once.
    pub attributes: Vec<Attribute>,
}

impl Facts {
    /// How many bytes they keep beside their own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let own = [&self.region, &self.zone, &self.instance];
        let own: usize = own.into_iter().flatten().map(String::len).sum();
        let attributes = self.attributes.iter().map(|one| one.key.len() + one.value.len() + size_of_val(one));
        own + attributes.sum::<usize>()
    }
}

/// The facts a policy's answer may depend on. What is not declared is withheld from it, so that
/// its answer may be remembered for all instances that agree on what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Vary {
    /// The instance's region.
    pub region: bool,
    /// The instance's zone.
    pub zone: bool,
    /// The instance's name.
    pub instance_id: bool,
    /// The instance's attributes.
    pub instance_attributes: bool,
    /// The release's labels.
    pub release_labels: bool,
}

impl Vary {
    /// What either of the two depends on.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            region: self.region || other.region,
            zone: self.zone || other.zone,
            instance_id: self.instance_id || other.instance_id,
            instance_attributes: self.instance_attributes || other.instance_attributes,
            release_labels: self.release_labels || other.release_labels,
        }
    }

    /// The facts, as the contract spells them.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let facts = [
            ("region", self.region),
            ("zone", self.zone),
            ("instance-id", self.instance_id),
            ("instance-attributes", self.instance_attributes),
            ("release-labels", self.release_labels),
        ];
        facts.into_iter().filter(|(_, declared)| *declared).map(|(fact, _)| fact).collect()
    }

    /// `facts` without what this does not declare.
    #[must_use]
    pub fn narrow(self, facts: &Facts) -> Facts {
        Facts {
            region: facts.region.as_ref().filter(|_| self.region).cloned(),
            zone: facts.zone.as_ref().filter(|_| self.zone).cloned(),
            instance: facts.instance.as_ref().filter(|_| self.instance_id).cloned(),
            attributes: if self.instance_attributes { facts.attributes.clone() } else { Vec::new() },
        }
    }
}

/// What a chain of policies decided about one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The boot goes on with these assignments.
    Resolved(Resolution),
    /// The boot is refused.
    Denied(Denial),
}

/// What differs from the plan, and what the policies had to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolution {
    /// In variable order, at most one for each; a variable without one keeps the plan's choice.
    pub assignments: Vec<Assignment>,
    /// For the person who boots; they travel in the answer.
    pub warnings: Vec<String>,
    /// For the record; they travel in the audit log and in `explain`.
    pub annotations: Vec<Attribute>,
}

/// A decision about one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable, by index.
    pub variable: u32,
    /// What becomes of it.
    pub decision: Decision,
    /// The policy that decided, by its place in the chain.
    pub decided_by: u32,
}

/// What becomes of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It takes this candidate's value: one of its own candidates.
    Bind(u32),
    /// It takes a text made of literals and plain candidates.
    Template(Vec<Fragment>),
    /// It is not injected.
    Omit,
}

/// A piece of a policy's template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fragment {
    /// Text as it stands.
    Literal(String),
    /// A plain candidate's value, encoded.
    Reference {
        /// The candidate, by index.
        candidate: u32,
        /// How its value is written.
        encoding: Encoding,
    },
}

/// How a value is written into a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// As it is.
    Raw,
    /// Percent-encoded, all but RFC 3986's unreserved characters.
    Percent,
    /// As the inside of a JSON string, without the quotes.
    JsonString,
    /// Base64 with padding (RFC 4648, section 4).
    Base64,
}

impl Encoding {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Percent, Self::JsonString, Self::Base64];

    /// As templates write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Percent => "percent",
            Self::JsonString => "json",
            Self::Base64 => "base64",
        }
    }
}

/// Why the boot was refused, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The policy, by its place in the chain.
    pub denied_by: u32,
    /// Every reason it gave.
    pub violations: Vec<Violation>,
}

/// One reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Stable and machine-readable.
    pub code: String,
    /// For a person.
    pub message: String,
    /// What it is about, often a variable's name.
    pub field: Option<String>,
}
