//! What was made by API, beside what a directory owns: records of the ledger, each changed by itself.
//! What is served is the directory's configuration with these laid over it.
//!
//! The two never disagree. A change by API to what a directory owns is refused; a directory that names
//! what was made by API owns it from then on, and what it leaves out stays as long as there is a place
//! for it: a value of a deployment that was pruned goes with the deployment.

mod wire;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{DeploymentId, EnvironmentName, Revision, Uid, UnixSeconds, VariableName, WorkspaceId},
    keyring::WrappedDataKey,
    model::{
        Configuration, Content, DomainHere, Environment, EnvironmentKeys, Layer, Override, Place,
        SealedValue, Variable, Version, question::Sensitivity,
    },
    plan::{LayerName, layers::Stack},
    state::Alteration,
};
pub use wire::MadeError;

/// How many earlier versions of a value are kept, beside the one that is set.
pub const PAST_VERSIONS: usize = 15;
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
    /// The value.
    pub value: SealedValue,
    /// Who set it.
    pub set: Stamp,
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
    /// The version that is served. Older ones are history: a policy cannot choose them.
    pub current: MadeVersion,
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
    /// The values that are set.
    pub values: BTreeMap<ValueKey, MadeValue>,
    /// Earlier versions, oldest first, also of values that are not set any more.
    pub past: BTreeMap<ValueKey, Vec<MadeVersion>>,
}

impl Made {
    /// The part of a ledger's records that is about `workspace`.
    ///
    /// # Errors
    /// When a record is none.
    pub fn from_records(
        workspace: &WorkspaceId,
        records: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, MadeError> {
        wire::read(workspace, records)
    }

    /// Whether nothing was made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.environments.is_empty()
    }

    /// Lays the values over `configuration`, which has none of them. Gives those that have no place
    /// there: the layer is gone, another one stands in its place, or it has the name already.
    pub fn lay_over(
        &self,
        configuration: &mut Configuration<SealedValue>,
        keys: &mut Vec<WrappedDataKey>,
    ) -> Displaced {
        let mut displaced = Displaced::default();
        for (name, made) in &self.environments {
            if configuration.environments.contains_key(name) {
                displaced.environments.push(name.clone());
            } else {
                made.lay_over(configuration);
                if !keys.contains(&made.data_key) {
                    keys.push(made.data_key.clone());
                }
            }
        }
        for (key, value) in &self.values {
            let is_same = value.sealed_for == SealedFor::place(configuration, &key.place);
            match layer_of(configuration, &key.place) {
                Some(layer) if is_same && !is_taken(configuration, key) => {
                    let variable = value.variable();
                    if let Some(layer) = layer.get_mut(configuration) {
                        layer.variables.insert(key.name.clone(), variable);
                    }
                }
                _ => displaced.values.push(key.clone()),
            }
        }
        displaced
    }

    /// The same without `displaced`, their versions included.
    #[must_use]
    pub fn without(&self, displaced: &Displaced) -> Self {
        let mut left = self.clone();
        left.environments.retain(|name, _| !displaced.environments.contains(name));
        for key in &displaced.values {
            left.values.remove(key);
            left.past.remove(key);
        }
        left
    }

    /// The number of the version that is set next.
    #[must_use]
    pub fn next_version(&self, key: &ValueKey) -> u64 {
        let past = self.past.get(key).and_then(|past| past.last()).map(|version| version.number);
        let current = self.values.get(key).map(|value| value.current.number);
        current.max(past).map_or(1, |newest| newest + 1)
    }

    /// Replaces a value; the one before it becomes history.
    pub fn set(&mut self, key: ValueKey, value: MadeValue) {
        let newer = value.current.number;
        if let Some(before) = self.values.insert(key.clone(), value)
            && before.current.number != newer
        {
            self.bury(key, before.current);
        }
    }

    /// Removes a value; it becomes history, as far as there is room.
    pub fn unset(&mut self, key: &ValueKey) -> Option<MadeValue> {
        let before = self.values.remove(key)?;
        let buried = self.past.keys().filter(|key| !self.values.contains_key(*key)).count();
        if buried < PAST_NAMES {
            self.bury(key.clone(), before.current.clone());
        } else {
            self.past.remove(key);
        }
        Some(before)
    }

    fn bury(&mut self, key: ValueKey, version: MadeVersion) {
        let past = self.past.entry(key).or_default();
        past.push(version);
        let surplus = past.len().saturating_sub(PAST_VERSIONS);
        past.drain(..surplus);
    }

    /// The records that make this of `old`.
    #[must_use]
    pub fn since(&self, old: &Self, workspace: &WorkspaceId) -> Vec<Alteration> {
        wire::since(self, old, workspace)
    }
}

impl MadeValue {
    /// As a layer holds it.
    #[must_use]
    pub fn variable(&self) -> Variable<SealedValue> {
        let version = Version { number: self.current.number, value: self.current.value.clone() };
        Variable {
            description: self.description.clone(),
            sensitivity: self.current.sensitivity,
            inject: true,
            content: Content::Versions { current: version.number, versions: vec![version] },
        }
    }
}

/// What has no place beside what a directory says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Displaced {
    /// Environments; their values are among the others.
    pub environments: Vec<EnvironmentName>,
    /// Values.
    pub values: Vec<ValueKey>,
}

impl Displaced {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty() && self.values.is_empty()
    }
}

impl MadeEnvironment {
    /// Adds it, to the deployments that are still there, too.
    pub fn lay_over<V: Clone>(&self, configuration: &mut Configuration<V>) {
        let name = &self.environment.name;
        configuration.environments.insert(name.clone(), self.environment.clone());
        configuration.keys.insert(name.clone(), self.keys.clone());
        for deployment in &self.deployments {
            if let Some(deployment) = configuration.deployments.get_mut(deployment) {
                deployment.environments.entry(name.clone()).or_insert_with(nothing_special);
            }
        }
    }
}

fn nothing_special<V>() -> Override<V> {
    Override {
        layer: Layer::default(),
        bindings: BTreeMap::new(),
        domain: DomainHere::default(),
        namespaces: BTreeMap::new(),
        tools: BTreeMap::new(),
    }
}

/// A layer that is there.
#[derive(Clone, Copy)]
pub struct Found<'a>(&'a Place);

/// The layer of `place`, if `configuration` has such a place.
#[must_use]
pub fn layer_of<'a, V>(configuration: &Configuration<V>, place: &'a Place) -> Option<Found<'a>> {
    let is_there = match place {
        Place::Workspace => true,
        Place::Environment(environment) => configuration.environments.contains_key(environment),
        Place::Deployment(deployment, environment) => {
            let deployment = configuration.deployments.get(deployment)?;
            environment.as_ref().is_none_or(|name| deployment.environments.contains_key(name))
        }
    };
    is_there.then_some(Found(place))
}

impl Found<'_> {
    /// The layer, to be changed; an environment's is made when it is the first that has one.
    pub fn get_mut<V: Clone>(self, configuration: &mut Configuration<V>) -> Option<&mut Layer<V>> {
        match self.0 {
            Place::Workspace => Some(&mut configuration.base),
            Place::Environment(environment) => {
                Some(configuration.environment_layers.entry(environment.clone()).or_default())
            }
            Place::Deployment(deployment, None) => {
                configuration.deployments.get_mut(deployment).map(|found| &mut found.base)
            }
            Place::Deployment(deployment, Some(environment)) => {
                let found = configuration.deployments.get_mut(deployment)?;
                found.environments.get_mut(environment).map(|special| &mut special.layer)
            }
        }
    }
}

/// Whether the layer has that name already.
#[must_use]
pub fn is_taken<V>(configuration: &Configuration<V>, key: &ValueKey) -> bool {
    let holds = |layer: &Layer<V>| layer.variables.contains_key(&key.name);
    match &key.place {
        Place::Workspace => holds(&configuration.base),
        Place::Environment(environment) => {
            configuration.environment_layers.get(environment).is_some_and(holds)
        }
        Place::Deployment(deployment, None) => {
            configuration.deployments.get(deployment).is_some_and(|found| holds(&found.base))
        }
        Place::Deployment(deployment, Some(environment)) => {
            // Bindings stand there, too, and what an environment gives by itself.
            let deployment = configuration.deployments.get(deployment);
            deployment.is_some_and(|deployment| {
                let stack = Stack::of(configuration, deployment, environment);
                let here = LayerName::DeploymentInEnvironment;
                stack.names().flatten().any(|entry| entry.layer == here && entry.name == key.name)
            })
        }
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
