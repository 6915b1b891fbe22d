//! What is shown of a policy.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::{
        attachments::AttachmentEntry,
        values::{Owned, ValueChange},
    },
    generation::Served,
    id::Digest,
    made::{MadePolicy, ResourceKey, Stamp},
    model::Policy,
    policy::Tallied,
};

/// The policies that the token sees.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Policies {
    pub(super) policies: Vec<PolicyEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A policy.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct PolicyEntry {
    name: String,
    /// When it is asked: at boot, or when a release wants to move.
    #[schema(pattern = "^(resolve|promotion)$")]
    kind: Option<&'static str>,
    /// The component's.
    digest: String,
    bytes: usize,
    /// What happens when it keeps failing: its boots are refused, or the version before it is put back.
    #[schema(pattern = "^(refuse|previous)$")]
    fallback: &'static str,
    /// Its name, in its author's words.
    title: Option<String>,
    /// Its version, in its author's words.
    version: Option<String>,
    /// The facts that its answers depend on.
    vary: Vec<&'static str>,
    /// Where it is attached, as far as the token sees.
    attachments: Vec<AttachmentEntry>,
    #[serde(flatten)]
    owned: Owned,
}

/// A policy, with what it was before.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct PolicyDetails {
    #[serde(flatten)]
    policy: PolicyEntry,
    /// The newest first; of a directory's policy only what is served, its pushes have the others.
    versions: Vec<PolicyVersionEntry>,
    /// Null for a token that is limited to environments: it is about the others, too.
    #[schema(required = true)]
    asked: Option<PolicyUse>,
}

/// How often a policy was asked, since it was attached or the host started: by boots, explanations and
/// the dry run of each change. What is answered from memory is not asked.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct PolicyUse {
    asked: u64,
    denied: u64,
    failed: u64,
    /// In wasmtime's units; up to an eighth too much. Null where it was not asked.
    median_fuel: Option<u64>,
    most_fuel: Option<u64>,
}

/// A component that a policy has or had.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct PolicyVersionEntry {
    digest: String,
    /// Whether it is the one that is served.
    current: bool,
    /// Whether it was taken back because it kept failing.
    failed: bool,
    /// Null where a directory owns it.
    set: Option<ValueChange>,
}

impl PolicyEntry {
    pub(super) fn new(served: &Served, policy: &Policy, attachments: Vec<AttachmentEntry>) -> Self {
        let record = served.made.resources.get(&ResourceKey::Policy(policy.name.clone()));
        let loaded = served.policies.get(&policy.name);
        let described = loaded.map(|loaded| loaded.descriptor());
        Self {
            name: policy.name.to_string(),
            kind: loaded.map(|loaded| loaded.kind().as_str()),
            digest: policy.digest.to_string(),
            bytes: policy.component.len(),
            fallback: policy.fallback.as_str(),
            title: described.map(|described| described.name.clone()),
            version: described.map(|described| described.version.clone()),
            vary: described.map(|described| described.vary.names()).unwrap_or_default(),
            attachments,
            owned: Owned::since(record.map(|made| &made.changed)),
        }
    }
}

impl PolicyDetails {
    pub(super) fn new(
        served: &Served,
        policy: &Policy,
        attachments: Vec<AttachmentEntry>,
        asked: Option<Tallied>,
    ) -> Self {
        let versions = match served.made.policy(&policy.name) {
            None => vec![PolicyVersionEntry::new(policy.digest, None, true, false)],
            Some(MadePolicy { set, earlier, .. }) => {
                let current = PolicyVersionEntry::new(policy.digest, Some(set), true, false);
                let earlier = earlier.iter().rev();
                let earlier =
                    earlier.map(|one| PolicyVersionEntry::new(one.digest, Some(&one.set), false, one.failed));
                std::iter::once(current).chain(earlier).collect()
            }
        };
        let asked = asked.map(|tallied| PolicyUse {
            asked: tallied.asked,
            denied: tallied.denied,
            failed: tallied.failed,
            median_fuel: (tallied.asked > 0).then_some(tallied.median_fuel),
            most_fuel: (tallied.asked > 0).then_some(tallied.most_fuel),
        });
        Self { policy: PolicyEntry::new(served, policy, attachments), versions, asked }
    }
}

impl PolicyVersionEntry {
    fn new(digest: Digest, set: Option<&Stamp>, current: bool, failed: bool) -> Self {
        Self { digest: digest.to_string(), current, failed, set: set.map(ValueChange::of) }
    }
}
