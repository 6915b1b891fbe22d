//! What was made by API, beside what a directory owns: records of the ledger, each changed by itself.
//! What is served is the directory's configuration with these laid over it.
//!
//! The two never disagree. A change by API to what a directory owns is refused; a directory that names
//! what was made by API owns it from then on, and what it leaves out stays as long as there is a place
//! for it: a value of a deployment that was pruned goes with the deployment.

mod laying;
mod policy;
mod resource;
mod rotation;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{DeploymentId, EnvironmentName, Revision, Uid, UnixSeconds, ValueId, VariableName, WorkspaceId},
    keyring::WrappedDataKey,
    model::{
        Configuration, Content, Environment, EnvironmentKeys, Place, SealedValue, Template, Variable,
        Version, question::Sensitivity,
    },
    persistent::Map,
    state::Alteration,
};
pub use laying::{Displaced, Found, is_taken, layer_of, nothing_special};
pub use policy::{MadePolicy, POLICY_VERSIONS, PolicyVersion};
pub use resource::{MadeResource, Resource, ResourceKey};
pub use wire::MadeError;

/// How many earlier versions of a value are kept, beside the one that is set.
pub const PAST_VERSIONS: usize = 15;
/// How many versions of a value are live at once, the newest among them.
pub const LIVE_VERSIONS: usize = 4;
/// How many values of a workspace that are not set any more keep their versions. Beyond that the next
/// one that is unset loses its own.
pub const PAST_NAMES: usize = 1_000;

/// A value's place and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueKey {
    /// The layer: a workspace's, a deployment's, an environment's, or a deployment's in one.
    pub place: Place,
    /// The name.
    pub name: VariableName,
}

/// Who changed something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The workspace's revision that it made; also the record's entity tag.
    pub revision: Revision,
    /// When.
    pub at: UnixSeconds,
    /// On whose behalf.
    pub principal: String,
}

/// One version of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeVersion {
    /// Counted from 1, and on after the value was unset, as long as its versions are kept.
    pub number: u64,
    /// Whether it is ever shown again.
    pub sensitivity: Sensitivity,
    /// What it holds.
    pub content: MadeContent,
    /// Who set it.
    pub set: Stamp,
}

/// What a version holds.
#[derive(Debug, Clone, PartialEq)]
pub enum MadeContent {
    /// A value.
    Sealed(SealedValue),
    /// A text made of other variables' values.
    Template(Template),
    /// Nothing any more: it was revoked and is served no more. Never of the version that is set.
    Revoked(Stamp),
}

/// The random ids of a value's place, [`Uid::NONE`] where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedFor {
    /// The environment's.
    pub environment: Uid,
    /// The deployment's.
    pub deployment: Uid,
}

impl SealedFor {
    /// The ids of `place`.
    #[must_use]
    pub fn place<V>(configuration: &Configuration<V>, place: &Place) -> Self {
        let environment = |name: &EnvironmentName| {
            configuration.environments.get(name).map_or(Uid::NONE, |found| found.uid)
        };
        match place {
            Place::Workspace => Self { environment: Uid::NONE, deployment: Uid::NONE },
            Place::Environment(name) => Self { environment: environment(name), deployment: Uid::NONE },
            Place::Deployment(id, name) => Self {
                environment: name.as_ref().map_or(Uid::NONE, environment),
                deployment: configuration.deployments.get(id).map_or(Uid::NONE, |found| found.uid),
            },
        }
    }
}

/// A value that is set.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeValue {
    /// What it is sealed for: another environment or deployment of the same name cannot open it.
    pub sealed_for: SealedFor,
    /// For a person.
    pub description: String,
    /// Whether it is injected; what is not serves templates only.
    pub inject: bool,
    /// The newest version, which is served where no policy chooses another live one.
    pub current: MadeVersion,
    /// The earlier versions that are live beside it until they are revoked: a policy may choose them.
    /// The others are history.
    pub live: BTreeSet<u64>,
    /// After how many days a secret is to be rotated, for whoever is to be reminded.
    pub rotate_every_days: Option<u32>,
    /// The last change, of the value or the description.
    pub changed: Stamp,
}

/// An environment, with the keys that its values are sealed under.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeEnvironment {
    /// What it is.
    pub environment: Environment,
    /// The deployments that use it, whoever owns them.
    pub deployments: BTreeSet<DeploymentId>,
    /// What seals to it from outside.
    pub keys: EnvironmentKeys,
    /// What a host seals its values under.
    pub data_key: WrappedDataKey,
    /// Whether only admins see it, and those whose token names it.
    pub admins_only: bool,
    /// The last change.
    pub changed: Stamp,
}

/// Everything that was made by API in one workspace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    /// The last revision that a change by API made; 0 when there was none.
    pub revision: Revision,
    /// When that was.
    pub changed: UnixSeconds,
    /// The environments.
    pub environments: BTreeMap<EnvironmentName, MadeEnvironment>,
    /// Everything else but values.
    pub resources: BTreeMap<ResourceKey, MadeResource>,
    /// The values that are set.
    pub values: Map<ValueKey, MadeValue>,
    /// Earlier versions of values that are set, oldest first.
    pub past: Map<ValueKey, Vec<MadeVersion>>,
    /// The versions of values that are not set any more, oldest first.
    pub buried: Map<ValueKey, Vec<MadeVersion>>,
}

/// Something that was made by API and has records of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An environment.
    Environment(EnvironmentName),
    /// A value with its versions.
    Value(ValueKey),
    /// Anything else.
    Resource(ResourceKey),
}

impl Made {
    /// The part of a ledger's records that is about `workspace`.
    ///
    /// # Errors
    /// When a record is none.
    pub fn from_records(
        workspace: &WorkspaceId,
        uid: Uid,
        records: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, MadeError> {
        wire::read(workspace, uid, records)
    }

    /// Whether nothing was made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.environments.is_empty() && self.resources.is_empty()
    }

    /// The same without `displaced`, their versions included.
    #[must_use]
    pub fn without(&self, displaced: &Displaced) -> Self {
        let mut left = self.clone();
        left.environments.retain(|name, _| !displaced.environments.contains(name));
        for key in &displaced.values {
            left.forget(key);
        }
        left.resources.retain(|key, _| !displaced.resources.contains(key));
        left
    }

    /// The number of the version that is set next.
    #[must_use]
    pub fn next_version(&self, key: &ValueKey) -> u64 {
        let past = self.earlier(key).last().map(|version| version.number);
        let current = self.values.get(key).map(|value| value.current.number);
        current.max(past).map_or(1, |newest| newest + 1)
    }

    /// Replaces a value; the one before it becomes history.
    pub fn set(&mut self, key: ValueKey, value: MadeValue) {
        if let Some(versions) = self.buried.get(&key).cloned() {
            self.buried.remove(&key);
            self.past.insert(key.clone(), versions);
        }
        let before = self.values.get(&key).map(|before| before.current.clone());
        if let Some(before) = before.filter(|before| before.number != value.current.number) {
            let versions = with(self.past.get(&key), before, &value.live);
            self.past.insert(key.clone(), versions);
        }
        self.values.insert(key, value);
    }

    /// Removes a value; it becomes history, as far as there is room.
    pub fn unset(&mut self, key: &ValueKey) -> Option<MadeValue> {
        let before = self.values.get(key)?.clone();
        if self.buried.len() < PAST_NAMES {
            self.buried
                .insert(key.clone(), with(self.past.get(key), before.current.clone(), &BTreeSet::new()));
        }
        self.values.remove(key);
        self.past.remove(key);
        Some(before)
    }

    /// The stored value of a version; none where it holds none, or there is no such version.
    #[must_use]
    pub fn stored_version(&self, key: &ValueKey, number: u64) -> Option<&SealedValue> {
        let current = self.values.get(key).map(|value| &value.current);
        let found = self.earlier(key).iter().chain(current).find(|version| version.number == number)?;
        found.stored()
    }

    /// Every stored value, whichever version it is.
    #[must_use]
    pub fn stored(&self) -> BTreeSet<ValueId> {
        let past = self.past.values().chain(self.buried.values()).flatten();
        let all = self.values.values().map(|value| &value.current).chain(past);
        all.filter_map(|version| version.stored().map(|value| value.id)).collect()
    }

    /// Drops what an earlier version held; whether there is such a version. One that was revoked before
    /// stays as it is.
    pub fn revoke(&mut self, key: &ValueKey, number: u64, revoked: &Stamp) -> bool {
        let mut versions = self.earlier(key).to_vec();
        let Some(version) = versions.iter_mut().find(|version| version.number == number) else {
            return false;
        };
        if !matches!(version.content, MadeContent::Revoked(_)) {
            version.content = MadeContent::Revoked(revoked.clone());
        }
        let held = if self.past.get(key).is_some() { &mut self.past } else { &mut self.buried };
        held.insert(key.clone(), versions);
        if let Some(value) = self.values.get(key) {
            let mut value = MadeValue { changed: revoked.clone(), ..value.clone() };
            value.live.remove(&number);
            self.values.insert(key.clone(), value);
        }
        true
    }

    /// A value that is set, as a layer holds it: with its live versions.
    #[must_use]
    pub fn variable(&self, key: &ValueKey) -> Option<Variable<SealedValue>> {
        self.values.get(key).map(|value| value.variable(self.earlier(key)))
    }

    /// The versions before the one that is set, oldest first; all there were of a value that is not set.
    #[must_use]
    pub fn earlier(&self, key: &ValueKey) -> &[MadeVersion] {
        self.past.get(key).or_else(|| self.buried.get(key)).map_or(&[], Vec::as_slice)
    }

    /// Removes a value with everything it ever was.
    pub fn forget(&mut self, key: &ValueKey) {
        self.values.remove(key);
        self.past.remove(key);
        self.buried.remove(key);
    }

    /// The records that make this of `old`.
    #[must_use]
    pub fn since(&self, old: &Self, workspace: &WorkspaceId) -> Vec<Alteration> {
        wire::since(self, old, workspace)
    }

    /// The same where `subjects` are all that differs, with the revision: however much else there is.
    #[must_use]
    pub fn changed_since(
        &self,
        old: &Self,
        workspace: &WorkspaceId,
        subjects: &BTreeSet<Subject>,
    ) -> Vec<Alteration> {
        wire::changed_since(self, old, workspace, subjects)
    }
}

/// The last [`PAST_VERSIONS`] of these, and whatever is live.
fn with(past: Option<&Vec<MadeVersion>>, version: MadeVersion, live: &BTreeSet<u64>) -> Vec<MadeVersion> {
    let mut versions = past.cloned().unwrap_or_default();
    versions.push(version);
    let mut surplus = versions.len().saturating_sub(PAST_VERSIONS);
    versions.retain(|one| {
        let goes = surplus > 0 && !live.contains(&one.number);
        surplus -= usize::from(goes);
        !goes
    });
    versions
}

impl MadeValue {
    /// As a layer holds it; `earlier` are the versions before it.
    fn variable(&self, earlier: &[MadeVersion]) -> Variable<SealedValue> {
        let live = || earlier.iter().filter(|one| self.live.contains(&one.number));
        let content = match &self.current.content {
            MadeContent::Template(template) => Content::Template(template.clone()),
            MadeContent::Sealed(_) => {
                let stored =
                    |one: &MadeVersion| Some(Version { number: one.number, value: one.stored()?.clone() });
                let versions = live().chain([&self.current]).filter_map(stored).collect();
                Content::Versions { current: self.current.number, versions }
            }
            // Not of a version that is set; a layer with this is refused, as one that has no version.
            MadeContent::Revoked(_) => {
                Content::Versions { versions: Vec::new(), current: self.current.number }
            }
        };
        Variable {
            description: self.description.clone(),
            // What was a secret is one as long as anybody may be given it.
            sensitivity: live().fold(self.current.sensitivity, |all, one| all.max(one.sensitivity)),
            inject: self.inject,
            interval: self.interval(),
            content,
        }
    }
}

impl MadeVersion {
    /// Its value; none where it holds none.
    #[must_use]
    pub fn stored(&self) -> Option<&SealedValue> {
        if let MadeContent::Sealed(value) = &self.content { Some(value) } else { None }
    }
}

impl std::fmt::Display for ValueKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.name;
        match &self.place {
            Place::Workspace => write!(f, "{name}"),
            Place::Environment(environment) => write!(f, "{name} in {environment}"),
            Place::Deployment(deployment, None) => write!(f, "{name} of {deployment}"),
            Place::Deployment(deployment, Some(environment)) => {
                write!(f, "{name} of {deployment} in {environment}")
            }
        }
    }
}
