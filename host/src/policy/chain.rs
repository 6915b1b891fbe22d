//! The resolve policies of one (deployment, environment), asked in turn.
//!
//! They run from the narrowest place to the broadest: deployment, environment, workspace. Each
//! sees every variable with its candidates and the choice so far, so that the broader has the last
//! word, omissions included, and a platform's guard sees what will really be injected.

use std::sync::Arc;

use super::{
    answer::{self, Outcome},
    bindings,
    choices::Choices,
    engine::{Engine, RUNTIME_VERSION},
    failure::{FailureKind, LogLine, PolicyFailure, Reported},
    limits::Limits,
    loaded::Loaded,
    standing::Standing,
    tables::{AskedFacts, Tables, index},
    tally::{Came, Tally},
};
use crate::{
    canonical::Canonical,
    id::Digest,
    model::{
        PolicyKind,
        question::{Answer, Attribute, Denial, Facts, Resolution, Subject, Vary},
    },
};

/// A policy in a chain.
#[derive(Debug, Clone)]
pub struct Link {
    /// The policy.
    pub loaded: Arc<Loaded>,
    /// What its attachment tells it, in key order.
    pub settings: Vec<Attribute>,
    /// Its name in the workspace; failures and `explain` use it.
    pub name: String,
    /// Where its questions are counted.
    pub tally: Arc<Tally>,
}

/// The policies of one boot, in running order, with the question that is put to them prepared as
/// far as it is the same for every instance.
pub struct Chain {
    links: Vec<PreparedLink>,
    subject: Arc<Subject>,
    tables: Tables,
    vary: Vary,
    digest: Digest,
    standing: Standing,
}

/// What a chain decided, and what that cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub answer: Answer,
    /// What each policy did, in running order; those after a denial were not asked.
    pub links: Vec<LinkReport>,
}

/// What one policy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkReport {
    /// The fuel it used, in wasmtime's units.
    pub fuel: u64,
    /// What it said.
    pub log: Vec<LogLine>,
    /// The lines that it said beyond its limits.
    pub dropped_lines: u32,
}

/// Why there is no chain of these links.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Too many.
    #[error("{count} policies are attached, and {limit} may be")]
    TooLong {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A promotion policy cannot decide about a boot.
    #[error("{name} is not a resolve policy")]
    NotResolve {
        /// The policy's name.
        name: String,
    },
    /// A resolve policy cannot decide about a promotion.
    #[error("{name} is not a promotion policy")]
    NotPromotion {
        /// The policy's name.
        name: String,
    },
}

impl Chain {
    /// Prepares the question about `subject` for `links`, in running order.
    ///
    /// # Errors
    /// When there are too many, or one is not a resolve policy.
    pub fn new(engine: &Engine, links: Vec<Link>, subject: Arc<Subject>) -> Result<Self, ChainError> {
        let limits = engine.limits();
        if links.len() > limits.chain {
            return Err(ChainError::TooLong { count: links.len(), limit: limits.chain });
        }
        if let Some(link) = links.iter().find(|link| link.loaded.kind() != PolicyKind::Resolve) {
            return Err(ChainError::NotResolve { name: link.name.clone() });
        }
        let vary = links.iter().fold(Vary::default(), |vary, link| vary.union(link.loaded.descriptor().vary));
        let standing = Standing::new(links.iter().any(|link| link.loaded.imports_wasi()));
        let digest = digest(engine, &links);
        let links = links.into_iter().map(PreparedLink::new).collect();
        Ok(Self { links, tables: Tables::new(&subject), subject, vary, digest, standing })
    }

    /// Whether there is nobody to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The facts that the chain's answer depends on: what any of its policies declared.
    #[must_use]
    pub fn vary(&self) -> Vary {
        self.vary
    }

    /// The digest of everything but the subject and the facts that the answer depends on: the
    /// components in order, their settings, the limits, the runtime's version.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The policies' names, in running order; `Assignment::decided_by` and
    /// `Denial::denied_by` index them.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.links.iter().map(|link| link.name.as_str())
    }

    /// What the chain is asked about.
    #[must_use]
    pub fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    /// Asks the policies in turn, on this thread. Facts that a policy did not declare are withheld
    /// from it.
    ///
    /// # Errors
    /// The first policy that does not answer, and why.
    pub fn decide(&self, facts: &Facts) -> Result<Verdict, PolicyFailure> {
        self.decide_within(u64::MAX, facts)
    }

    /// As [`Chain::decide`], for at most `wall_ms` milliseconds, if the limits allow more than that.
    ///
    /// # Errors
    /// As [`Chain::decide`].
    pub(super) fn decide_within(&self, wall_ms: u64, facts: &Facts) -> Result<Verdict, PolicyFailure> {
        let Some(engine) = self.links.first().map(|link| link.loaded.engine()) else {
            return Ok(Verdict { answer: Answer::Resolved(Resolution::default()), links: Vec::new() });
        };
        let started = engine.ticks();
        let elapsed = || engine.ticks().saturating_sub(started);
        let wall_ms = wall_ms.min(engine.limits().chain_wall_ms);
        let verdict = self.ask_each(engine.limits(), wall_ms, facts, elapsed);
        match &verdict {
            Ok(verdict) => self.standing.answered(verdict.fuel(), elapsed()),
            Err(failure) => self.standing.failed(&failure.kind),
        }
        verdict
    }

    fn ask_each(
        &self,
        limits: &Limits,
        chain_wall_ms: u64,
        facts: &Facts,
        elapsed_ms: impl Fn() -> u64,
    ) -> Result<Verdict, PolicyFailure> {
        let facts = AskedFacts::new(facts);
        let mut choices = Choices::default();
        let mut links = Vec::with_capacity(self.links.len());
        for (place, link) in self.links.iter().enumerate() {
            let left_ms = chain_wall_ms.saturating_sub(elapsed_ms());
            let is_last = place + 1 == self.links.len();
            let (answered, report) = self.ask(link, limits.wall_ms.min(left_ms), &facts, &choices);
            let outcome = answered.and_then(|outcome| {
                answer::check(&self.subject, outcome, is_last).map_err(FailureKind::from)
            });
            let place = index(place);
            let came = match &outcome {
                Ok(Outcome::Resolved(_)) => Came::Resolved,
                Ok(Outcome::Denied(_)) => Came::Denied,
                Err(_) => Came::Failed,
            };
            link.tally.note(&came, report.fuel);
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(kind) => {
                    return Err(PolicyFailure {
                        policy: link.name.clone(),
                        link: place,
                        kind,
                        log: report.log,
                    });
                }
            };
            links.push(report);
            match outcome {
                Outcome::Resolved(resolved) => choices.take(&self.subject, place, resolved),
                Outcome::Denied(violations) => {
                    let denial = Denial { denied_by: place, violations };
                    return Ok(Verdict { answer: Answer::Denied(denial), links });
                }
            }
        }
        Ok(Verdict { answer: Answer::Resolved(choices.into_resolution()), links })
    }

    fn ask(
        &self,
        link: &PreparedLink,
        wall_ms: u64,
        facts: &AskedFacts<'_>,
        choices: &Choices,
    ) -> (Result<bindings::Outcome, FailureKind>, LinkReport) {
        let chosen = choices.over(self.tables.planned());
        let vary = link.loaded.descriptor().vary;
        let request = self.tables.request(&self.subject, vary, facts, &chosen, &link.settings);
        let called = link.loaded.decide(wall_ms, request);
        let report = LinkReport { fuel: called.fuel, log: called.log, dropped_lines: called.dropped_lines };
        let answered = match called.result {
            Ok((Ok(outcome),)) => Ok(outcome),
            Ok((Err(reported),)) => Err(Reported::from(reported).into()),
            Err(kind) => Err(kind),
        };
        (answered, report)
    }

    /// How the chain behaved of late.
    pub(super) fn standing(&self) -> &Standing {
        &self.standing
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

struct PreparedLink {
    loaded: Arc<Loaded>,
    settings: Vec<bindings::Attribute>,
    name: String,
    tally: Arc<Tally>,
}

impl PreparedLink {
    fn new(link: Link) -> Self {
        let Link { loaded, settings, name, tally } = link;
        Self { loaded, settings: bindings::attributes(&settings), name, tally }
    }
}

impl Verdict {
    /// The fuel of all policies together, in wasmtime's units.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.links.iter().map(|link| link.fuel).sum()
    }
}

fn digest(engine: &Engine, links: &[Link]) -> Digest {
    let hash = engine.limits().canonical(Canonical::new("bootlace policy chain 1").text(RUNTIME_VERSION));
    let each = hash.each(links.iter(), |hash, link| {
        hash.bytes(&link.loaded.digest().0)
            .text(&link.name)
            .each(link.settings.iter(), |hash, setting| hash.text(&setting.key).text(&setting.value))
    });
    each.finish()
}
