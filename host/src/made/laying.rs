//! What was made by API, laid over what a directory pushed, and what has no place there.

use std::collections::BTreeMap;

use super::{Made, MadeEnvironment, MadeResource, ResourceKey, SealedFor, ValueKey};
use crate::{
    id::EnvironmentName,
    keyring::WrappedDataKey,
    model::{Configuration, DomainHere, Layer, Override, Place, SealedValue},
    plan::{LayerName, layers::Stack},
};

/// What has no place beside what a directory says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Displaced {
    /// Environments; their values are among the others.
    pub environments: Vec<EnvironmentName>,
    /// Values.
    pub values: Vec<ValueKey>,
    /// Anything else.
    pub resources: Vec<ResourceKey>,
}

impl Displaced {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty() && self.values.is_empty() && self.resources.is_empty()
    }
}

impl Made {
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
                made.put_into(configuration);
                if !keys.contains(&made.data_key) {
                    keys.push(made.data_key.clone());
                }
            }
        }
        let is_deployment = |key: &ResourceKey| matches!(key, ResourceKey::Deployment(_));
        let mut lay = |(key, made): (&ResourceKey, &MadeResource), configuration: &mut _| {
            if MadeResource::is_displaced(key, configuration) || !made.put_into(key, configuration) {
                displaced.resources.push(key.clone());
            }
        };
        // A key's order is that in which they refer to each other; between the deployments and the rest
        // stand the environments that say by which deployments they are used.
        self.resources
            .iter()
            .take_while(|(key, _)| is_deployment(key))
            .for_each(|one| lay(one, configuration));
        for made in self.environments.values() {
            made.join(configuration);
        }
        self.resources
            .iter()
            .skip_while(|(key, _)| is_deployment(key))
            .for_each(|one| lay(one, configuration));
        for (key, value) in &self.values {
            let is_same = value.sealed_for == SealedFor::place(configuration, &key.place);
            match layer_of(configuration, &key.place) {
                Some(layer) if is_same && !is_taken(configuration, key) => {
                    let variable = value.variable(self.earlier(key));
                    if let Some(layer) = layer.get_mut(configuration) {
                        layer.variables.insert(key.name.clone(), variable);
                    }
                }
                _ => displaced.values.push(key.clone()),
            }
        }
        displaced
    }
}

impl MadeEnvironment {
    /// Adds it.
    pub fn put_into<V>(&self, configuration: &mut Configuration<V>) {
        let name = &self.environment.name;
        configuration.environments.insert(name.clone(), self.environment.clone());
        configuration.keys.insert(name.clone(), self.keys.clone());
        // As of a directory's, whether it sets anything or not.
        configuration.environment_layers.entry(name.clone()).or_default();
    }

    /// Adds it to the deployments that use it and are still there.
    pub fn join<V: Clone>(&self, configuration: &mut Configuration<V>) {
        let name = &self.environment.name;
        if configuration.environments.get(name) != Some(&self.environment) {
            return;
        }
        for deployment in &self.deployments {
            if let Some(deployment) = configuration.deployments.get_mut(deployment) {
                deployment.environments.entry(name.clone()).or_insert_with(nothing_special);
            }
        }
    }
}

/// What a deployment says of an environment that it just uses.
#[must_use]
pub fn nothing_special<V>() -> Override<V> {
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
    /// The layer; none of an environment where nothing was ever set.
    pub fn get<V>(self, configuration: &Configuration<V>) -> Option<&Layer<V>> {
        match self.0 {
            Place::Workspace => Some(&configuration.base),
            Place::Environment(environment) => configuration.environment_layers.get(environment),
            Place::Deployment(deployment, None) => {
                configuration.deployments.get(deployment).map(|found| &found.base)
            }
            Place::Deployment(deployment, Some(environment)) => {
                let found = configuration.deployments.get(deployment)?;
                found.environments.get(environment).map(|special| &special.layer)
            }
        }
    }

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
    match &key.place {
        Place::Deployment(deployment, Some(environment)) => {
            // Bindings stand there, too, and what an environment gives by itself.
            let deployment = configuration.deployments.get(deployment);
            deployment.is_some_and(|deployment| {
                let stack = Stack::of(configuration, deployment, environment);
                let here = LayerName::DeploymentInEnvironment;
                stack.names().flatten().any(|entry| entry.layer == here && entry.name == key.name)
            })
        }
        place => {
            let layer = layer_of(configuration, place).and_then(|found| found.get(configuration));
            layer.is_some_and(|layer| layer.variables.contains_key(&key.name))
        }
    }
}
