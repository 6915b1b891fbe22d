//! The promotion policies of one environment, all asked about one promotion.
//!
//! All must allow. A denial weighs more than a deferral, and a deferral more than an allowance; whatever
//! the outcome, every policy is asked, so that whoever wants to promote learns at once all that is in the
//! way. A policy that does not answer denies: nothing that goes wrong lets a release move.

pub mod answer;

use super::{
    bindings::{self, promotion as wire},
    chain::{ChainError, Link},
    failure::{FailureKind, LogLine, Reported, patiently},
    tally::Came,
};
use crate::{
    id::Digest,
    model::{
        PolicyKind,
        promotion::{Deferral, Evaluation, Question, RequiredApproval, Verdict},
        question::Violation,
    },
};

/// The code of a violation that stands for a policy that did not answer.
pub const POLICY_FAILED: &str = "policy-failed";
/// When to ask again where the host was too busy, in seconds.
const BUSY_SECONDS: u32 = 1;

/// The promotion policies of one environment, in the order in which they are asked and shown.
#[derive(Debug)]
pub struct PromotionChain {
    links: Vec<Link>,
}

/// What all policies together say about a promotion, and what each said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// Why the release may not move; all reasons of all policies.
    pub violations: Vec<Objection>,
    /// Why it may not move now, in the words of the policies that defer.
    pub reasons: Vec<Reason>,
    /// What is still to be approved, by whichever policy: in a role the most that any of them wants.
    pub required_approvals: Vec<RequiredApproval>,
    /// When asking again makes sense: when the last of the policies that defer says so, and none where
    /// one of them waits for an event.
    pub retry_after_seconds: Option<u32>,
    /// The latest time that any of them names: before that nothing moves, whatever the others wait for.
    pub latest_seconds: Option<u32>,
    /// What each policy said, in the order in which they were asked.
    pub policies: Vec<PolicyReport>,
}

/// What all policies together come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The release may move.
    Allowed,
    /// Not now.
    Deferred,
    /// It may not.
    Denied,
}

/// A policy's reason against a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The policy's name in the workspace.
    pub policy: String,
    /// The reason.
    pub violation: Violation,
}

/// A policy's reason to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The policy's name in the workspace.
    pub policy: String,
    /// The reason.
    pub text: String,
}

/// What one policy said, and what that cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReport {
    /// Its name in the workspace.
    pub policy: String,
    /// Of its component.
    pub digest: Digest,
    /// What it said, or why it did not.
    pub said: Result<Evaluation, FailureKind>,
    /// The fuel that it used, in wasmtime's units.
    pub fuel: u64,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// The lines that it logged beyond its limits.
    pub dropped_lines: u32,
}

impl PromotionChain {
    /// Whether there is nobody to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The policies `links`, in the order in which they are asked. None is a chain, too: it allows.
    ///
    /// # Errors
    /// When there are too many, or one is not a promotion policy.
    pub fn new(links: Vec<Link>) -> Result<Self, ChainError> {
        let limit = links.first().map_or(0, |link| link.loaded.engine().limits().chain);
        if links.len() > limit {
            return Err(ChainError::TooLong { count: links.len(), limit });
        }
        if let Some(link) = links.iter().find(|link| link.loaded.kind() != PolicyKind::Promotion) {
            return Err(ChainError::NotPromotion { name: link.name.clone() });
        }
        Ok(Self { links })
    }

    /// The policies' names, in the order in which they are asked.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.links.iter().map(|link| link.name.as_str())
    }

    /// Asks every policy, on this thread: a few milliseconds each at the very most, unless the machine is
    /// busy. A boot does not wait for it, and it may wait for boots; not for a runtime's workers.
    #[must_use]
    pub fn judge(&self, question: &Question) -> Judgement {
        let labels = wire::Labels::of(question);
        let mut judgement = Judgement::default();
        for link in &self.links {
            judgement.add(ask(link, question, &labels));
        }
        judgement
    }
}

/// Puts the question to one policy; again where a clock or a full pool was in the way.
fn ask(link: &Link, question: &Question, labels: &wire::Labels) -> PolicyReport {
    let settings = bindings::attributes(&link.settings);
    let request = wire::Request::new(question, labels, &settings);
    let asked = patiently::<_, Box<PolicyReport>>(
        |report| report.is_final(),
        || {
            let report = put(link, &request);
            if report.is_final() { Ok(report) } else { Err(Box::new(report)) }
        },
    );
    let report = asked.unwrap_or_else(|report| *report);
    let came = match &report.said {
        Ok(Evaluation { verdict: Verdict::Deny(_), .. }) => Came::Denied,
        Ok(_) => Came::Resolved,
        Err(_) => Came::Failed,
    };
    link.tally.note(&came, report.fuel);
    report
}

fn put(link: &Link, request: &wire::Request<'_>) -> PolicyReport {
    let called = link.loaded.evaluate(link.loaded.engine().limits().wall_ms, request);
    let said = match called.result {
        Ok((Ok(evaluation),)) => answer::check(evaluation).map_err(FailureKind::from),
        Ok((Err(reported),)) => Err(Reported::from(reported).into()),
        Err(kind) => Err(kind),
    };
    PolicyReport {
        policy: link.name.clone(),
        digest: link.loaded.digest(),
        said,
        fuel: called.fuel,
        log: called.log,
        dropped_lines: called.dropped_lines,
    }
}

impl PolicyReport {
    /// Whether the same question would be answered in the same way again.
    fn is_final(&self) -> bool {
        self.said.as_ref().err().is_none_or(FailureKind::is_deterministic)
    }
}

impl Judgement {
    /// What it comes to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match (self.violations.is_empty(), self.reasons.is_empty()) {
            (false, _) => Outcome::Denied,
            (true, false) => Outcome::Deferred,
            (true, true) => Outcome::Allowed,
        }
    }

    /// The fuel of all policies together, in wasmtime's units.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.policies.iter().map(|one| one.fuel).sum()
    }

    /// A reason against the promotion: of a policy, or of a rule of the host's own under its name.
    pub fn deny(&mut self, policy: &str, violation: Violation) {
        self.violations.push(Objection { policy: policy.to_owned(), violation });
    }

    /// A reason to wait: of a policy, or of a rule of the host's own under its name.
    pub fn defer(&mut self, policy: &str, deferral: &Deferral) {
        let Deferral { reason, retry_after_seconds, required_approvals } = deferral;
        let is_first = self.reasons.is_empty();
        self.reasons.push(Reason { policy: policy.to_owned(), text: reason.clone() });
        let latest = self.retry_after_seconds.zip(*retry_after_seconds).map(|(one, other)| one.max(other));
        self.retry_after_seconds = if is_first { *retry_after_seconds } else { latest };
        self.latest_seconds = self.latest_seconds.max(*retry_after_seconds);
        for wanted in required_approvals {
            match self.required_approvals.iter_mut().find(|known| known.role == wanted.role) {
                Some(known) => known.missing = known.missing.max(wanted.missing),
                None => self.required_approvals.push(*wanted),
            }
        }
        self.required_approvals.sort_by_key(|one| one.role);
    }

    fn add(&mut self, report: PolicyReport) {
        let policy = report.policy.clone();
        match &report.said {
            Ok(Evaluation { verdict: Verdict::Allow, .. }) => {}
            Ok(Evaluation { verdict: Verdict::Deny(violations), .. }) => {
                violations.iter().for_each(|violation| self.deny(&policy, violation.clone()));
            }
            Ok(Evaluation { verdict: Verdict::Defer(deferral), .. }) => self.defer(&policy, deferral),
            // Never the policy's fault, and no word against the promotion.
            Err(busy @ FailureKind::Busy) => {
                let retry_after_seconds = Some(BUSY_SECONDS);
                let reason = busy.to_string();
                self.defer(
                    &policy,
                    &Deferral { reason, retry_after_seconds, required_approvals: Vec::new() },
                );
            }
            Err(kind) => {
                let message = format!("policy {policy} {kind}");
                self.deny(&policy, Violation { code: POLICY_FAILED.into(), message, field: None });
            }
        }
        self.policies.push(report);
    }
}
