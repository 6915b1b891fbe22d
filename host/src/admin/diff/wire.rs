//! What a difference looks like.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::compare::{ComparedKey, Equality, Told},
    model::{Place, SealedValue},
    plan::{Attached, Plan},
};

/// What differs between two environments of a deployment, or two revisions of one.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Difference {
    pub(super) deployment: String,
    /// Whether nothing that can be compared differs.
    pub(super) same: bool,
    pub(super) from: Side,
    pub(super) to: Side,
    /// What of the two differs beside the keys: of `type`, `release`, `policies` and `missing`.
    pub(super) about: Vec<&'static str>,
    /// The keys that differ, by name.
    pub(super) keys: Vec<KeyChange>,
}

/// One of the two.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Side {
    environment: String,
    revision: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The active release; null where there is none.
    #[schema(required = true)]
    release: Option<u64>,
    /// The plan's digest.
    digest: String,
    /// The policies in running order.
    policies: Vec<AttachedPolicy>,
    /// Required and not set.
    missing: Vec<String>,
}

/// A policy, and where it is attached.
#[derive(PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::admin) struct AttachedPolicy {
    name: String,
    /// The component's.
    digest: String,
    /// The layer that it is attached to.
    layer: &'static str,
    settings: BTreeMap<String, String>,
}

/// A key that differs.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct KeyChange {
    pub(super) name: String,
    pub(super) change: Change,
    /// Of a changed key: of `value`, `layer`, `source`, `version`, `type`, `secrecy`, `required`,
    /// `description`, `rotate_every`, and of two revisions `candidates`.
    pub(super) differs: Vec<&'static str>,
    /// Whether the values are equal; null where there is only one.
    #[schema(required = true)]
    pub(super) value: Option<Equality>,
    /// Null where it was added.
    #[schema(required = true)]
    pub(super) from: Option<ComparedKey>,
    /// Null where it was removed.
    #[schema(required = true)]
    pub(super) to: Option<ComparedKey>,
}

/// What became of a key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::admin) enum Change {
    /// The other has it only.
    Added,
    /// The other has it no more.
    Removed,
    /// Both have it, otherwise.
    Changed,
}

impl Side {
    pub(super) fn of(plan: &Plan<SealedValue>, revision: u64) -> Self {
        Self {
            environment: plan.environment.name.to_string(),
            revision,
            kind: plan.environment.kind.as_str(),
            release: plan.release.as_ref().map(|release| release.number),
            digest: plan.digest.to_string(),
            policies: plan.chain.iter().map(AttachedPolicy::of).collect(),
            missing: plan.missing.iter().map(ToString::to_string).collect(),
        }
    }
}

impl AttachedPolicy {
    fn of(link: &Attached) -> Self {
        let layer = match &link.place {
            Place::Workspace => "workspace",
            Place::Environment(_) => "environment",
            Place::Deployment(_, None) => "deployment",
            Place::Deployment(_, Some(_)) => "deployment-in-environment",
        };
        Self {
            name: link.policy.to_string(),
            digest: link.digest.to_string(),
            layer,
            settings: link.settings.clone(),
        }
    }
}

/// What differs beside the keys.
pub(super) fn about(from: &Side, to: &Side) -> Vec<&'static str> {
    let all = [
        ("type", from.kind != to.kind),
        ("release", from.release != to.release),
        ("policies", from.policies != to.policies),
        ("missing", from.missing != to.missing),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// What differs of a key that both have.
pub(super) fn differs(before: &Told, after: &Told, is_one_environment: bool) -> Vec<&'static str> {
    let (from, to) = (&before.shown, &after.shown);
    let all = [
        ("value", before.equality(after) == Equality::Different),
        ("layer", from.layer != to.layer),
        ("source", from.source != to.source),
        ("version", from.version != to.version),
        ("type", from.kind != to.kind),
        ("secrecy", from.secret != to.secret),
        ("required", from.required != to.required),
        ("description", from.description != to.description),
        ("rotate_every", from.rotate_every != to.rotate_every),
        ("candidates", is_one_environment && !before.has_same_values(after)),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
