//! What there is to say of each key of a pair, so that two pairs can be compared: previews of plain values,
//! and of a secret nothing that would tell whether it equals another.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    generation::Generation,
    manifest::{self, KeyManifest},
    model::{SealedValue, question::Sensitivity},
    plan::{Candidate, Planned, What},
    prepared::Prepared,
    preview,
};

/// A key in one environment at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ComparedKey {
    /// The layer that its value comes from.
    pub(super) layer: String,
    /// Where in that layer, such as a service.
    pub(super) source: String,
    /// The version of its value; null for what has none, such as a binding without a credential.
    #[schema(required = true)]
    pub(super) version: Option<u64>,
    /// What it holds: the form that is required of it, or else `text`, or a bound service's kind.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The form that is required of it; null for any.
    #[schema(required = true)]
    pub(super) expected: Option<String>,
    pub(super) secret: bool,
    pub(super) required: bool,
    pub(super) description: String,
    /// After how many days it is to be rotated; of a secret of which that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) rotate_every: Option<u32>,
    /// A preview; of a secret, a mask. Null for what cannot be opened.
    #[schema(required = true)]
    pub(super) value: Option<String>,
}

/// The same, with what is compared and never shown.
pub(super) struct Told {
    pub(super) shown: ComparedKey,
    /// The whole value, of what is plain.
    plain: Option<String>,
    /// What it may be given, by the ids of values.
    values: Vec<String>,
}

/// Whether two values are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Equality {
    /// They are.
    Same,
    /// They are not.
    Different,
    /// One is a secret, or cannot be opened: nobody is told.
    NotCompared,
}

impl Told {
    /// Whether the values are equal.
    pub(super) fn equality(&self, other: &Self) -> Equality {
        match (&self.plain, &other.plain) {
            (Some(one), Some(other)) if one == other => Equality::Same,
            (Some(_), Some(_)) => Equality::Different,
            _ => Equality::NotCompared,
        }
    }

    /// Whether the same stored values are to choose from. Of one environment at two revisions; two
    /// environments never share a stored value.
    pub(super) fn has_same_values(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

/// Every key of a pair, by name.
pub(super) fn keys(prepared: &Prepared, live: &Generation) -> BTreeMap<String, Told> {
    let plan = &prepared.plan;
    let key = live.capsule_key();
    let (previews, whole) = (preview::of_plan(prepared, key), preview::reveal_plain(prepared, key));
    let manifests = manifest::of_plan(plan).keys.into_iter();
    let told = plan.variables.iter().zip(manifests).enumerate().map(|(index, (variable, manifest))| {
        let is_secret = variable.sensitivity == Sensitivity::Secret;
        let at = |all: &[Option<String>]| all.get(index).cloned().flatten();
        let value = if is_secret { Some(preview::MASK.to_owned()) } else { at(&previews) };
        let plain = if is_secret { None } else { at(&whole) };
        let candidate = plan.candidates.get(variable.default as usize);
        let source = candidate.and_then(|one| plan.sources.get(one.source as usize));
        let (name, values) = (manifest.name.clone(), manifest.values.clone());
        let shown = ComparedKey {
            value,
            source: source.cloned().unwrap_or_default(),
            ..shown(variable, manifest, candidate)
        };
        (name, Told { shown, plain, values })
    });
    told.collect()
}

fn shown(
    variable: &Planned,
    manifest: KeyManifest,
    candidate: Option<&Candidate<SealedValue>>,
) -> ComparedKey {
    let kind = match (&manifest.expected, candidate.map(|one| &one.what)) {
        (Some(form), _) => form.clone(),
        (None, Some(What::Endpoint(bound))) => bound.kind.as_str().to_owned(),
        (None, _) => "text".to_owned(),
    };
    ComparedKey {
        layer: manifest.layer,
        source: String::new(),
        version: candidate.map(|one| one.version).filter(|version| *version > 0),
        kind,
        expected: manifest.expected,
        secret: manifest.secret,
        required: variable.required,
        description: variable.description.clone(),
        rotate_every: variable.interval.map(|interval| interval.every.number()),
        value: None,
    }
}
