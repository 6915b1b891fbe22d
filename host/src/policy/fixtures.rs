//! What to ask about, for tests, benches and the canary: a subject of plain variables and secrets, and a
//! promotion.

use std::sync::Arc;

use crate::model::{
    EnvironmentType, Role,
    promotion::{
        Approval, Change, ChangeKind, Check, Conclusion, KeyDifference, KeyDifferenceKind, Measure, Question,
        Stage,
    },
    question::{
        AskedCandidate, AskedEnvironment, AskedRelease, AskedVariable, Attribute, CandidateLabel,
        Sensitivity, Subject,
    },
};

/// A subject with `plain` plain variables of two candidates each (a primary and a replica), and
/// `secret` secrets of one.
#[must_use]
pub fn subject(plain: u32, secret: u32) -> Arc<Subject> {
    let variable = |name: String, sensitivity, chosen| AskedVariable {
        name,
        sensitivity,
        required: false,
        declared: true,
        chosen: Some(chosen),
    };
    let candidate = |variable, sensitivity, version| AskedCandidate {
        variable,
        source: variable % 2,
        owner: 2,
        sensitivity,
        version,
    };
    let mut variables = Vec::new();
    let mut candidates = Vec::new();
    let mut candidate_labels = Vec::new();
    for index in 0..plain {
        let primary = index * 2;
        variables.push(variable(format!("SERVICE_{index}_URL"), Sensitivity::Plain, primary));
        candidates.push(candidate(index, Sensitivity::Plain, 1));
        candidates.push(candidate(index, Sensitivity::Plain, 1));
        for (candidate, role, region) in [(primary, 0, 2), (primary + 1, 1, 3)] {
            candidate_labels.push(CandidateLabel { candidate, label: role });
            candidate_labels.push(CandidateLabel { candidate, label: region });
        }
    }
    for index in plain..plain + secret {
        variables.push(variable(format!("SERVICE_{index}_TOKEN"), Sensitivity::Secret, plain + index));
        candidates.push(candidate(index, Sensitivity::Secret, 1));
    }
    Arc::new(Subject {
        deployment: "checkout".into(),
        environment: environment("production", EnvironmentType::Production),
        release: Some(release(7)),
        variables,
        candidates,
        sources: vec!["environment production".into(), "service orders-db".into(), "production".into()],
        labels: vec![
            Attribute::new("role", "primary"),
            Attribute::new("role", "replica"),
            Attribute::new("region", "eu-west-1"),
            Attribute::new("region", "us-east-1"),
        ],
        candidate_labels,
    })
}

/// Release 7 of `checkout` wants to move from `staging`, where it is active for an hour, to `production`,
/// which has release 6. One check passed, one releaser approved, one variable changes, and `production`
/// lacks a key.
#[must_use]
pub fn promotion() -> Question {
    let now = RELEASED + 7_200;
    let check = Check {
        name: "e2e".into(),
        conclusion: Conclusion::Success,
        completed_at: Some(RELEASED + 4_000),
        measures: vec![Measure { name: "p99".into(), value: 212.5, unit: "ms".into() }],
        labels: vec![Attribute::new("runner", "eu-1")],
    };
    Question {
        deployment: "checkout".into(),
        release: release(7),
        source: Stage {
            environment: environment("staging", EnvironmentType::PreProduction),
            active: Some(release(7)),
            active_since: Some(now - 3_600),
            checks: vec![check],
        },
        target: Stage {
            environment: environment("production", EnvironmentType::Production),
            active: Some(release(6)),
            active_since: Some(RELEASED),
            checks: Vec::new(),
        },
        requested_by: "dana".into(),
        requested_at: now - 600,
        approvals: vec![Approval { principal: "ana".into(), role: Role::Releaser, approved_at: now - 60 }],
        changes: vec![Change {
            variable: "SERVICE_0_URL".into(),
            kind: ChangeKind::Changed,
            sensitivity: Sensitivity::Plain,
        }],
        key_differences: vec![KeyDifference {
            variable: "SERVICE_1_TOKEN".into(),
            kind: KeyDifferenceKind::Missing,
            sensitivity: Sensitivity::Secret,
            required: false,
        }],
        shares_secret: false,
        evaluated_at: now,
    }
}

/// When every release was made, in seconds since 1970.
const RELEASED: u64 = 1_767_225_600;

fn release(number: u64) -> AskedRelease {
    AskedRelease {
        number,
        digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000".into(),
        created_at: RELEASED,
        labels: vec![Attribute::new("branch", "main")],
    }
}

fn environment(name: &str, kind: EnvironmentType) -> AskedEnvironment {
    AskedEnvironment { name: name.into(), kind, labels: vec![Attribute::new("tier", "gold")] }
}
