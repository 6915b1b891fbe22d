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
use crate::request::Request;
use crate::wire::{
    Attribute, CandidateLabel, Environment, EnvironmentType, Instance, Outcome, Release, Resolution,
    Sensitivity, Stage, resolve,
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
            variables: Vec::new(),
            candidates: Vec::new(),
            sources: Vec::new(),
            labels: Vec::new(),
            candidate_labels: Vec::new(),
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
        let first = self.0.candidates.len() as u32;
        self.0.variables.push(resolve::Variable {
            name: name.into(),
            sensitivity: Sensitivity::Plain,
            required: false,
            declared: true,
            chosen: None,
        });
        describe(&mut VariableInMaking(&mut self.0));
        if self.0.candidates.len() as u32 > first {
            self.last_variable().chosen = Some(first);
        }
        self
    }

    /// The question, as the policy gets it.
    pub fn ask(self) -> Request {
        Request::try_from(self.0).expect("indexes are made here and in range")
    }

    fn last_variable(&mut self) -> &mut resolve::Variable {
        last_variable(&mut self.0)
    }
}

/// The variable that a [`Question`] is being given.
#[derive(Debug)]
pub struct VariableInMaking<'a>(&'a mut resolve::Request);

impl VariableInMaking<'_> {
    /// It is a secret, and so are the candidates that follow.
    pub fn secret(&mut self) -> &mut Self {
        last_variable(self.0).sensitivity = Sensitivity::Secret;
        self
    }

    /// A boot without it is refused.
    pub fn required(&mut self) -> &mut Self {
        last_variable(self.0).required = true;
        self
    }

    /// The active release does not list it.
    pub fn undeclared(&mut self) -> &mut Self {
        last_variable(self.0).declared = false;
        self
    }

    /// A candidate that this environment owns, newer than those before it.
    pub fn candidate(&mut self, owner: &str) -> &mut Self {
        let variable = self.0.variables.len() as u32 - 1;
        let owner = place(&mut self.0.sources, owner.to_owned());
        let of_this = self.0.candidates.iter().filter(|row| row.variable == variable);
        let version = of_this.count() as u64 + 1;
        let sensitivity = last_variable(self.0).sensitivity;
        self.0.candidates.push(resolve::Candidate { variable, source: owner, owner, sensitivity, version });
        self
    }

    /// A label of the candidate named last.
    pub fn label(&mut self, key: &str, value: &str) -> &mut Self {
        let label = place(&mut self.0.labels, Attribute::new(key, value));
        let candidate = self.0.candidates.len() as u32 - 1;
        let row = CandidateLabel { candidate, label };
        self.0.candidate_labels.push(row);
        self
    }
}

/// Release 7 of deployment `checkout` wants to move from `staging`, where it is active since
/// second 0, to `production`; it is second 3,600. No checks, approvals, changes or settings.
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
        approvals: Vec::new(),
        changes: Vec::new(),
        secret_shared_with_other_environment: false,
        settings: Vec::new(),
        evaluated_at: 3_600,
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

fn last_variable(request: &mut resolve::Request) -> &mut resolve::Variable {
    request.variables.last_mut().expect("a variable was begun")
}

/// The index of `item` in `table`, where it is put if it is new.
fn place<T: PartialEq>(table: &mut Vec<T>, item: T) -> u32 {
    let index = table.iter().position(|known| *known == item);
    index.unwrap_or_else(|| {
        table.push(item);
        table.len() - 1
    }) as u32
}
