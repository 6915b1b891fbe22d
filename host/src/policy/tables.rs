//! A subject's tables as they cross, prepared once for all questions about it: a column for each
//! property, so that a question copies bytes and writes no records.

use super::bindings;
use crate::model::question::{AskedVariable, Facts, Sensitivity, Subject, Vary};

/// In the column of choices: nothing is chosen.
pub(super) const OMITTED: u32 = u32::MAX;

const SECRET: u8 = 1;
const REQUIRED: u8 = 2;
const DECLARED: u8 = 4;

/// What is the same in every question about one subject.
pub(super) struct Tables {
    environment_labels: Vec<bindings::Attribute>,
    release_labels: Vec<bindings::Attribute>,
    variables: Variables,
    candidates: Candidates,
    sources: Texts,
    label_keys: Texts,
    label_values: Texts,
}

impl Tables {
    pub(super) fn new(subject: &Subject) -> Self {
        let release_labels = subject.release.as_ref().map(|release| release.labels.as_slice());
        Self {
            environment_labels: bindings::attributes(&subject.environment.labels),
            release_labels: bindings::attributes(release_labels.unwrap_or_default()),
            variables: Variables::new(subject),
            candidates: Candidates::new(subject),
            sources: subject.sources.iter().map(String::as_str).collect(),
            label_keys: subject.labels.iter().map(|label| label.key.as_str()).collect(),
            label_values: subject.labels.iter().map(|label| label.value.as_str()).collect(),
        }
    }

    /// The plan's choice for every variable: [`OMITTED`], or a candidate.
    pub(super) fn planned(&self) -> &[u32] {
        &self.variables.planned
    }

    /// The whole question, without what `vary` does not declare.
    pub(super) fn request<'a>(
        &'a self,
        subject: &'a Subject,
        vary: Vary,
        facts: &'a AskedFacts<'a>,
        chosen: &'a [u32],
        settings: &'a [bindings::Attribute],
    ) -> bindings::Request<'a> {
        let Self { variables, candidates, sources, label_keys, label_values, .. } = self;
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
            variables: bindings::Variables {
                names: variables.names.lent(),
                traits: &variables.traits,
                chosen,
                candidate_ends: &variables.candidate_ends,
            },
            candidates: bindings::Candidates {
                sources: &candidates.sources,
                owners: &candidates.owners,
                traits: &candidates.traits,
                versions: &candidates.versions,
                label_ends: &candidates.label_ends,
                label_rows: &candidates.label_rows,
            },
            sources: sources.lent(),
            labels: bindings::Labels { keys: label_keys.lent(), values: label_values.lent() },
            settings,
        }
    }
}

struct Variables {
    names: Texts,
    traits: Vec<u8>,
    planned: Vec<u32>,
    candidate_ends: Vec<u32>,
}

impl Variables {
    /// Counts on a subject's order: the candidates of one variable are adjacent, in the variables'
    /// order.
    fn new(subject: &Subject) -> Self {
        let variables = &subject.variables;
        debug_assert!(subject.candidates.is_sorted_by_key(|candidate| candidate.variable));
        let end = |at| index(subject.candidates.partition_point(|row| row.variable <= at));
        Self {
            names: variables.iter().map(|variable| variable.name.as_str()).collect(),
            traits: variables.iter().map(traits).collect(),
            planned: variables.iter().map(|variable| variable.chosen.unwrap_or(OMITTED)).collect(),
            candidate_ends: (0..index(variables.len())).map(end).collect(),
        }
    }
}

fn traits(variable: &AskedVariable) -> u8 {
    secrecy(variable.sensitivity)
        | if variable.required { REQUIRED } else { 0 }
        | if variable.declared { DECLARED } else { 0 }
}

fn secrecy(sensitivity: Sensitivity) -> u8 {
    if sensitivity == Sensitivity::Secret { SECRET } else { 0 }
}

struct Candidates {
    sources: Vec<u32>,
    owners: Vec<u32>,
    traits: Vec<u8>,
    versions: Vec<u64>,
    label_ends: Vec<u32>,
    label_rows: Vec<u32>,
}

impl Candidates {
    fn new(subject: &Subject) -> Self {
        let candidates = &subject.candidates;
        let mut rows = subject.candidate_labels.clone();
        rows.sort_by_key(|row| row.candidate);
        let end = |at| index(rows.partition_point(|row| row.candidate <= at));
        Self {
            sources: candidates.iter().map(|candidate| candidate.source).collect(),
            owners: candidates.iter().map(|candidate| candidate.owner).collect(),
            traits: candidates.iter().map(|candidate| secrecy(candidate.sensitivity)).collect(),
            versions: candidates.iter().map(|candidate| candidate.version).collect(),
            label_ends: (0..index(candidates.len())).map(end).collect(),
            label_rows: rows.iter().map(|row| row.label).collect(),
        }
    }
}

/// Texts, one right behind the other.
struct Texts {
    text: String,
    ends: Vec<u32>,
}

impl Texts {
    fn lent(&self) -> bindings::Texts<'_> {
        bindings::Texts { text: &self.text, ends: &self.ends }
    }
}

impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut text = String::new();
        let mut end_of = |one: &str| {
            text.push_str(one);
            index(text.len())
        };
        let ends = texts.into_iter().map(&mut end_of).collect();
        Self { text, ends }
    }
}

/// A snapshot's own limits keep every table far below `u32::MAX` rows and bytes.
pub(super) fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
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
