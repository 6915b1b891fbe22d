//! What a promotion policy is asked and may answer. No value appears here, and none can: a policy sees
//! which keys there are, of what type, and what is different, never what is in them. The fields follow
//! `wit/policy.wit`, which is the contract with policies.

use super::{
    Role,
    question::{AskedEnvironment, AskedRelease, Attribute, Sensitivity, Violation},
};

/// May this release move?
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The deployment's name.
    pub deployment: String,
    /// The release that wants to move.
    pub release: AskedRelease,
    /// Where it comes from; the target itself, where that is the first of its chain.
    pub source: Stage,
    /// Where it wants to go.
    pub target: Stage,
    /// Who asks, as approvals name principals.
    pub requested_by: String,
    /// When it was asked for, in seconds since 1970.
    pub requested_at: u64,
    /// What was approved of this very request, in the order in which it was.
    pub approvals: Vec<Approval>,
    /// How the target would differ from what runs there now, in the order of names, each once.
    pub changes: Vec<Change>,
    /// How the target's keys differ from the source's, in the order of names.
    pub key_differences: Vec<KeyDifference>,
    /// Whether a secret of the target equals one of another environment.
    pub shares_secret: bool,
    /// What time it is, in seconds since 1970: the only clock that a policy has.
    pub evaluated_at: u64,
}

/// One end of a promotion.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The environment.
    pub environment: AskedEnvironment,
    /// The release that is active there.
    pub active: Option<AskedRelease>,
    /// Since when without a break, in seconds since 1970.
    pub active_since: Option<u64>,
    /// What was reported from there about the release that wants to move, each name once.
    pub checks: Vec<Check>,
}

/// What a pipeline or a monitor reported last under this name.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How it ended, if it did.
    pub conclusion: Conclusion,
    /// When, in seconds since 1970.
    pub completed_at: Option<u64>,
    /// Its numbers, each name once.
    pub measures: Vec<Measure>,
    /// Its words.
    pub labels: Vec<Attribute>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conclusion {
    /// Well.
    Success,
    /// Not well.
    Failure,
    /// With nothing to say.
    Neutral,
    /// It did not end yet.
    Pending,
}

impl Conclusion {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Success, Self::Failure, Self::Neutral, Self::Pending];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Pending => "pending",
        }
    }
}

/// A number that a check reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Of what.
    pub name: String,
    /// How much; finite.
    pub value: f64,
    /// In what; empty for a ratio or a count.
    pub unit: String,
}

/// That somebody wants the release to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub principal: String,
    /// As what.
    pub role: Role,
    /// When, in seconds since 1970.
    pub approved_at: u64,
}

/// How a variable of the target would differ from what runs there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub variable: String,
    /// How.
    pub kind: ChangeKind,
    /// Whether it is a secret.
    pub sensitivity: Sensitivity,
}

/// What becomes of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its value is another.
    Changed,
}

impl ChangeKind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Added, Self::Removed, Self::Changed];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// How a key of the target differs from the source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDifference {
    /// Its name.
    pub variable: String,
    /// How.
    pub kind: KeyDifferenceKind,
    /// Whether it is a secret on either side.
    pub sensitivity: Sensitivity,
    /// Whether a boot is refused without it on either side.
    pub required: bool,
}

/// In what two environments' keys differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyDifferenceKind {
    /// The source has it, and the target does not.
    Missing,
    /// The target has it, and the source does not.
    Extra,
    /// It is of another type.
    ValueType,
    /// It is a secret on one side only.
    Secrecy,
}

impl KeyDifferenceKind {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Extra, Self::ValueType, Self::Secrecy];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::ValueType => "value-type",
            Self::Secrecy => "secrecy",
        }
    }
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// Its word.
    pub verdict: Verdict,
    /// For the tenant's people.
    pub warnings: Vec<String>,
    /// For machines.
    pub annotations: Vec<Attribute>,
}

/// A policy's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The release may move.
    Allow,
    /// It may not, for at least one reason.
    Deny(Vec<Violation>),
    /// Not now.
    Defer(Deferral),
}

/// Not now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferral {
    /// Why.
    pub reason: String,
    /// When asking again makes sense; none when only an event can change the answer.
    pub retry_after_seconds: Option<u32>,
    /// What is still to be approved, each role once.
    pub required_approvals: Vec<RequiredApproval>,
}

/// Approvals that are still to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredApproval {
    /// As what.
    pub role: Role,
    /// How many, by principals who differ from those who gave theirs and from the one who asked.
    pub missing: u32,
}
