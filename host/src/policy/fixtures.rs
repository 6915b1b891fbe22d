//! A subject to ask about, for tests, benches and the canary: two variables, one plain with two
//! candidates, one secret.

use std::sync::Arc;

use crate::model::{
    EnvironmentType,
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
        environment: AskedEnvironment {
            name: "production".into(),
            kind: EnvironmentType::Production,
            labels: vec![Attribute::new("tier", "gold")],
        },
        release: Some(AskedRelease {
            number: 7,
            digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000".into(),
            created_at: 1_767_225_600,
            labels: vec![Attribute::new("branch", "main")],
        }),
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
