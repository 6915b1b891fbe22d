//! A subject's tables as they cross, prepared once for all questions about it.

use super::bindings;
use crate::model::question::{Facts, Subject, Vary};

/// What is the same in every question about one subject.
pub(super) struct Tables {
    environment_labels: Vec<bindings::Attribute>,
    release_labels: Vec<bindings::Attribute>,
    candidates: Vec<bindings::Candidate>,
    labels: Vec<bindings::Attribute>,
    candidate_labels: Vec<bindings::CandidateLabel>,
}

impl Tables {
    pub(super) fn new(subject: &Subject) -> Self {
        let release_labels = subject.release.as_ref().map(|release| release.labels.as_slice());
        Self {
            environment_labels: bindings::attributes(&subject.environment.labels),
            release_labels: bindings::attributes(release_labels.unwrap_or_default()),
            candidates: subject.candidates.iter().map(Into::into).collect(),
            labels: bindings::attributes(&subject.labels),
            candidate_labels: subject.candidate_labels.iter().map(Into::into).collect(),
        }
    }

    /// The whole question, without what `vary` does not declare.
    pub(super) fn request<'a>(
        &'a self,
        subject: &'a Subject,
        vary: Vary,
        facts: &'a AskedFacts<'a>,
        variables: &'a [bindings::Variable<'a>],
        settings: &'a [bindings::Attribute],
    ) -> bindings::Request<'a> {
        bindings::Request {
            deployment: &subject.deployment,
            environment: bindings::Environment {
                name: &subject.environment.name,
                kind: subject.environment.kind.into(),
                labels: &self.environment_labels,
            },
            release: subject.release.as_ref().map(|release| bindings::Release {
                number: release.number,
                digest: &release.digest,
                created_at: release.created_at,
                labels: if vary.release_labels { &self.release_labels } else { &[] },
            }),
            instance: facts.narrowed(vary),
            variables,
            candidates: &self.candidates,
            sources: &subject.sources,
            labels: &self.labels,
            candidate_labels: &self.candidate_labels,
            settings,
        }
    }
}

/// An instance's facts as they cross.
pub(super) struct AskedFacts<'a> {
    facts: &'a Facts,
    attributes: Vec<bindings::Attribute>,
}

impl<'a> AskedFacts<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self { facts, attributes: bindings::attributes(&facts.attributes) }
    }

    fn narrowed<'b>(&'b self, vary: Vary) -> bindings::Instance<'b>
    where
        'a: 'b,
    {
        bindings::Instance {
            region: self.facts.region.as_deref().filter(|_| vary.region),
            zone: self.facts.zone.as_deref().filter(|_| vary.zone),
            instance_id: self.facts.instance.as_deref().filter(|_| vary.instance_id),
            attributes: if vary.instance_attributes { &self.attributes } else { &[] },
        }
    }
}
