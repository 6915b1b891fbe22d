//! The types of the contract's `promotion` interface as they cross. A promotion is rare: its question is
//! lists of records, and the host writes them for each.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::{Attribute, Environment, PolicyError, Release, Violation, attributes};
use crate::model::{
    promotion::{self, KeyDifferenceKind as Different, Question},
    question::{AskedRelease, Sensitivity},
};

/// A question's labels, which the records that cross lend.
pub(in crate::policy) struct Labels {
    release: Vec<Attribute>,
    source: StageLabels,
    target: StageLabels,
}

struct StageLabels {
    environment: Vec<Attribute>,
    active: Vec<Attribute>,
    checks: Vec<Vec<Attribute>>,
}

impl Labels {
    pub(in crate::policy) fn of(question: &Question) -> Self {
        let stage = |stage: &promotion::Stage| StageLabels {
            environment: attributes(&stage.environment.labels),
            active: stage.active.as_ref().map(|active| attributes(&active.labels)).unwrap_or_default(),
            checks: stage.checks.iter().map(|check| attributes(&check.labels)).collect(),
        };
        Self {
            release: attributes(&question.release.labels),
            source: stage(&question.source),
            target: stage(&question.target),
        }
    }
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(in crate::policy) enum Conclusion {
    #[component(name = "success")]
    Success,
    #[component(name = "failure")]
    Failure,
    #[component(name = "neutral")]
    Neutral,
    #[component(name = "pending")]
    Pending,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::policy) struct Measure<'a> {
    name: &'a str,
    value: f64,
    unit: &'a str,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::policy) struct Check<'a> {
    name: &'a str,
    conclusion: Conclusion,
    #[component(name = "completed-at")]
    completed_at: Option<u64>,
    measures: Vec<Measure<'a>>,
    labels: &'a [Attribute],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::policy) struct Approval<'a> {
    principal: &'a str,
    role: &'a str,
    #[component(name = "approved-at")]
    approved_at: u64,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::policy) struct Stage<'a> {
    environment: Environment<'a>,
    active: Option<Release<'a>>,
    #[component(name = "active-since")]
    active_since: Option<u64>,
    checks: Vec<Check<'a>>,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(in crate::policy) enum ChangeKind {
    #[component(name = "added")]
    Added,
    #[component(name = "removed")]
    Removed,
    #[component(name = "changed")]
    Changed,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::policy) struct ConfigChange<'a> {
    variable: &'a str,
    kind: ChangeKind,
    secret: bool,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(in crate::policy) enum KeyDifferenceKind {
    #[component(name = "missing")]
    Missing,
    #[component(name = "extra")]
    Extra,
    #[component(name = "value-type")]
    ValueType,
    #[component(name = "secrecy")]
    Secrecy,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::policy) struct KeyDifference<'a> {
    variable: &'a str,
    kind: KeyDifferenceKind,
    secret: bool,
    required: bool,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::policy) struct Request<'a> {
    deployment: &'a str,
    release: Release<'a>,
    source: Stage<'a>,
    target: Stage<'a>,
    #[component(name = "requested-by")]
    requested_by: &'a str,
    #[component(name = "requested-at")]
    requested_at: u64,
    approvals: Vec<Approval<'a>>,
    changes: Vec<ConfigChange<'a>>,
    #[component(name = "key-differences")]
    key_differences: Vec<KeyDifference<'a>>,
    #[component(name = "secret-shared-with-other-environment")]
    shares_secret: bool,
    settings: &'a [Attribute],
    #[component(name = "evaluated-at")]
    evaluated_at: u64,
}

impl<'a> Request<'a> {
    /// The question as it crosses, to a policy with these settings.
    pub(in crate::policy) fn new(
        question: &'a Question,
        labels: &'a Labels,
        settings: &'a [Attribute],
    ) -> Self {
        let approvals = question.approvals.iter().map(|one| Approval {
            principal: &one.principal,
            role: one.role.as_str(),
            approved_at: one.approved_at,
        });
        let changes = question.changes.iter().map(|one| ConfigChange {
            variable: &one.variable,
            kind: one.kind.into(),
            secret: one.sensitivity == Sensitivity::Secret,
        });
        let differences = question.key_differences.iter().map(|one| KeyDifference {
            variable: &one.variable,
            kind: one.kind.into(),
            secret: one.sensitivity == Sensitivity::Secret,
            required: one.required,
        });
        Self {
            deployment: &question.deployment,
            release: release(&question.release, &labels.release),
            source: stage(&question.source, &labels.source),
            target: stage(&question.target, &labels.target),
            requested_by: &question.requested_by,
            requested_at: question.requested_at,
            approvals: approvals.collect(),
            changes: changes.collect(),
            key_differences: differences.collect(),
            shares_secret: question.shares_secret,
            settings,
            evaluated_at: question.evaluated_at,
        }
    }
}

fn release<'a>(release: &'a AskedRelease, labels: &'a [Attribute]) -> Release<'a> {
    Release { number: release.number, digest: &release.digest, created_at: release.created_at, labels }
}

fn stage<'a>(stage: &'a promotion::Stage, labels: &'a StageLabels) -> Stage<'a> {
    let environment = Environment {
        name: &stage.environment.name,
        kind: stage.environment.kind.into(),
        labels: &labels.environment,
    };
    let checks = stage.checks.iter().zip(&labels.checks).map(|(check, labels)| Check {
        name: &check.name,
        conclusion: check.conclusion.into(),
        completed_at: check.completed_at,
        measures: check.measures.iter().map(Measure::from).collect(),
        labels,
    });
    Stage {
        environment,
        active: stage.active.as_ref().map(|active| release(active, &labels.active)),
        active_since: stage.active_since,
        checks: checks.collect(),
    }
}

impl<'a> From<&'a promotion::Measure> for Measure<'a> {
    fn from(measure: &'a promotion::Measure) -> Self {
        Self { name: &measure.name, value: measure.value, unit: &measure.unit }
    }
}

impl From<promotion::Conclusion> for Conclusion {
    fn from(conclusion: promotion::Conclusion) -> Self {
        match conclusion {
            promotion::Conclusion::Success => Self::Success,
            promotion::Conclusion::Failure => Self::Failure,
            promotion::Conclusion::Neutral => Self::Neutral,
            promotion::Conclusion::Pending => Self::Pending,
        }
    }
}

impl From<promotion::ChangeKind> for ChangeKind {
    fn from(kind: promotion::ChangeKind) -> Self {
        match kind {
            promotion::ChangeKind::Added => Self::Added,
            promotion::ChangeKind::Removed => Self::Removed,
            promotion::ChangeKind::Changed => Self::Changed,
        }
    }
}

impl From<Different> for KeyDifferenceKind {
    fn from(kind: Different) -> Self {
        match kind {
            Different::Missing => Self::Missing,
            Different::Extra => Self::Extra,
            Different::ValueType => Self::ValueType,
            Different::Secrecy => Self::Secrecy,
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::policy) struct RequiredApproval {
    pub(in crate::policy) role: String,
    pub(in crate::policy) missing: u32,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::policy) struct Deferral {
    pub(in crate::policy) reason: String,
    #[component(name = "retry-after-seconds")]
    pub(in crate::policy) retry_after_seconds: Option<u32>,
    #[component(name = "required-approvals")]
    pub(in crate::policy) required_approvals: Vec<RequiredApproval>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(in crate::policy) enum Verdict {
    #[component(name = "allow")]
    Allow,
    #[component(name = "deny")]
    Deny(Vec<Violation>),
    #[component(name = "defer")]
    Defer(Deferral),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::policy) struct Evaluation {
    pub(in crate::policy) verdict: Verdict,
    pub(in crate::policy) warnings: Vec<String>,
    pub(in crate::policy) annotations: Vec<Attribute>,
}

/// What `evaluate` returns.
pub(in crate::policy) type Evaluated = (Result<Evaluation, PolicyError>,);
