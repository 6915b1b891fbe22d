//! Questions for a policy's own tests.
//!
//! ```
//! use bootlace_policy::testing::Question;
//!
//! let request = Question::in_environment("production")
//!     .region("eu-central")
//!     .variable("DATABASE_URL", |variable| {
//!         variable.secret().required();
//!         variable.candidate("production").label("role", "primary");
//!         variable.candidate("production").label("role", "replica");
//!     })
//!     .ask();
//! assert_eq!(request.variable("DATABASE_URL").unwrap().candidates().len(), 2);
//! ```

use crate::promotion::PromotionRequest;
use crate::request::{DECLARED, OMITTED, REQUIRED, Request, SECRET};
use crate::wire::{
    Approval, Attribute, Check, Conclusion, Deferral, Environment, EnvironmentType, Evaluation, Instance,
    Measure, Outcome, Release, Resolution, Stage, Verdict, resolve,
};

/// A question in the making.
#[derive(Debug)]
pub struct Question(resolve::Request);

impl Question {
    /// Deployment `checkout` boots in this environment, of type production unless its name starts
    /// with `preview/`; no release, no facts, no variables.
    pub fn in_environment(name: &str) -> Self {
        let kind = if name.starts_with("preview/") {
            EnvironmentType::Development
        } else {
            EnvironmentType::Production
        };
        Self(resolve::Request {
            deployment: "checkout".into(),
            environment: Environment { name: name.into(), kind, labels: Vec::new() },
            release: None,
            instance: Instance { region: None, zone: None, instance_id: None, attributes: Vec::new() },
            variables: resolve::Variables {
                names: no_texts(),
                traits: Vec::new(),
                chosen: Vec::new(),
                candidate_ends: Vec::new(),
            },
            candidates: resolve::Candidates {
                sources: Vec::new(),
                owners: Vec::new(),
                traits: Vec::new(),
                versions: Vec::new(),
                label_ends: Vec::new(),
                label_rows: Vec::new(),
            },
            sources: no_texts(),
            labels: resolve::Labels { keys: no_texts(), values: no_texts() },
            settings: Vec::new(),
        })
    }

    /// There is an active release.
    #[must_use]
    pub fn release(mut self, number: u64) -> Self {
        self.0.release = Some(release(number));
        self
    }

    /// The instance's region.
    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        self.0.instance.region = Some(region.into());
        self
    }

    /// The instance's id.
    #[must_use]
    pub fn instance_id(mut self, id: &str) -> Self {
        self.0.instance.instance_id = Some(id.into());
        self
    }

    /// A setting of the attachment.
    #[must_use]
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.0.settings.push(Attribute::new(key, value));
        self
    }

    /// A variable, plain, optional and declared unless `describe` says otherwise. Its first
    /// candidate is the plan's choice.
    #[must_use]
    pub fn variable(mut self, name: &str, describe: impl FnOnce(&mut VariableInMaking<'_>)) -> Self {
        let first = self.0.candidates.traits.len() as u32;
        let variables = &mut self.0.variables;
        variables.names.push(name);
        variables.traits.push(DECLARED);
        variables.chosen.push(OMITTED);
        variables.candidate_ends.push(first);
        describe(&mut VariableInMaking(&mut self.0));
        let variables = &mut self.0.variables;
        if variables.candidate_ends.last() > Some(&first) {
            *last(&mut variables.chosen) = first;
        }
        self
    }

    /// The question, as the policy gets it.
    pub fn ask(self) -> Request {
        Request::try_from(self.0).expect("indexes are made here and in range")
    }
}

/// The variable that a [`Question`] is being given.
#[derive(Debug)]
pub struct VariableInMaking<'a>(&'a mut resolve::Request);

impl VariableInMaking<'_> {
    /// It is a secret, and so are the candidates that follow.
    pub fn secret(&mut self) -> &mut Self {
        *last(&mut self.0.variables.traits) |= SECRET;
        self
    }

    /// A boot without it is refused.
    pub fn required(&mut self) -> &mut Self {
        *last(&mut self.0.variables.traits) |= REQUIRED;
        self
    }

    /// The active release does not list it.
    pub fn undeclared(&mut self) -> &mut Self {
        *last(&mut self.0.variables.traits) &= !DECLARED;
        self
    }

    /// A candidate that this environment owns, newer than those before it.
    pub fn candidate(&mut self, owner: &str) -> &mut Self {
        let resolve::Request { variables, candidates, sources, .. } = &mut *self.0;
        let first = variables.candidate_ends.iter().rev().nth(1).map_or(0, |end| *end as usize);
        let owner = place(sources, owner);
        candidates.versions.push((candidates.versions.len() - first) as u64 + 1);
        candidates.sources.push(owner);
        candidates.owners.push(owner);
        candidates.traits.push(*last(&mut variables.traits) & SECRET);
        candidates.label_ends.push(candidates.label_rows.len() as u32);
        *last(&mut variables.candidate_ends) += 1;
        self
    }

    /// A label of the candidate named last.
    pub fn label(&mut self, key: &str, value: &str) -> &mut Self {
        let resolve::Request { candidates, labels, .. } = &mut *self.0;
        let known = labels.keys.iter().zip(labels.values.iter()).position(|label| label == (key, value));
        let row = known.unwrap_or_else(|| {
            labels.keys.push(key);
            labels.values.push(value);
            labels.keys.iter().count() - 1
        });
        candidates.label_rows.push(row as u32);
        *last(&mut candidates.label_ends) += 1;
        self
    }
}

/// Release 7 of deployment `checkout` wants to move from `staging`, where it is active since
/// second 0, to `production`; it is second 3,600. No checks, approvals, changes, differences or settings.
pub fn promotion() -> PromotionRequest {
    let release = release(7);
    let stage = |name: &str, kind, active: Option<Release>| Stage {
        environment: Environment { name: name.into(), kind, labels: Vec::new() },
        active_since: active.as_ref().map(|_| 0),
        active,
        checks: Vec::new(),
    };
    PromotionRequest {
        deployment: "checkout".into(),
        source: stage("staging", EnvironmentType::PreProduction, Some(release.clone())),
        target: stage("production", EnvironmentType::Production, None),
        release,
        requested_by: "releaser".into(),
        requested_at: 3_000,
        approvals: Vec::new(),
        changes: Vec::new(),
        key_differences: Vec::new(),
        secret_shared_with_other_environment: false,
        settings: Vec::new(),
        evaluated_at: 3_600,
    }
}

/// A check that was reported at second 60; a pending one is not complete.
pub fn check(name: &str, conclusion: Conclusion) -> Check {
    let completed_at = (conclusion != Conclusion::Pending).then_some(60);
    Check { name: name.into(), conclusion, completed_at, measures: Vec::new(), labels: Vec::new() }
}

impl Check {
    /// With one measure more.
    #[must_use]
    pub fn measured(mut self, name: &str, value: f64, unit: &str) -> Self {
        self.measures.push(Measure { name: name.into(), value, unit: unit.into() });
        self
    }
}

/// An approval, given at second 3,100.
pub fn approval(principal: &str, role: &str) -> Approval {
    Approval { principal: principal.into(), role: role.into(), approved_at: 3_100 }
}

/// The codes that a promotion was denied with; fails the test when it was not.
pub fn denial(evaluation: Evaluation) -> Vec<String> {
    match evaluation.verdict {
        Verdict::Deny(violations) => violations.into_iter().map(|one| one.code).collect(),
        other => panic!("not denied: {other:?}"),
    }
}

/// How a promotion was deferred; fails the test when it was not.
pub fn deferred(evaluation: Evaluation) -> Deferral {
    match evaluation.verdict {
        Verdict::Defer(deferral) => deferral,
        other => panic!("not deferred: {other:?}"),
    }
}

/// What an outcome resolved to; fails the test when the boot was denied.
pub fn resolved(outcome: Outcome) -> Resolution {
    match outcome {
        Outcome::Resolved(resolution) => resolution,
        Outcome::Denied(violations) => panic!("denied: {violations:?}"),
    }
}

/// The codes that an outcome was denied with; fails the test when it was not.
pub fn denied(outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::Denied(violations) => violations.into_iter().map(|one| one.code).collect(),
        Outcome::Resolved(resolution) => panic!("not denied: {resolution:?}"),
    }
}

fn release(number: u64) -> Release {
    Release { number, digest: "sha256:00".into(), created_at: 0, labels: Vec::new() }
}

fn no_texts() -> resolve::Texts {
    resolve::Texts { text: String::new(), ends: Vec::new() }
}

/// The place of `text` in a table, where it is put if it is new.
fn place(table: &mut resolve::Texts, text: &str) -> u32 {
    let known = table.iter().position(|known| known == text);
    known.unwrap_or_else(|| {
        table.push(text);
        table.ends.len() - 1
    }) as u32
}

fn last<T>(column: &mut [T]) -> &mut T {
    column.last_mut().expect("a row was begun")
}

impl resolve::Texts {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|index| self.get(index))
    }
}
