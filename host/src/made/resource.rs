//! What was made by API beside values and environments: each is one record, and is its maker's whole.

use std::{collections::BTreeMap, fmt};

use super::{MadePolicy, Stamp, ValueKey, is_taken, layer_of};
use crate::{
    id::{DeploymentId, EnvironmentName, PolicyName, ServiceId, ToolName, Uid, VariableName},
    model::{
        Attachment, Binding, Configuration, Deployment, Place, Release, SealedValue, Service, Tool, ValueType,
    },
};

/// Names something that was made by API. Those that others refer to come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKey {
    /// A deployment.
    Deployment(DeploymentId),
    /// A data service.
    Service(ServiceId),
    /// A tool.
    Tool(ToolName),
    /// A deployment's release, by its number.
    Release(DeploymentId, u64),
    /// A service bound to a deployment in an environment under a variable's name.
    Binding(DeploymentId, EnvironmentName, VariableName),
    /// A policy.
    Policy(PolicyName),
    /// A policy at work in a place.
    Attachment(PolicyName, Place),
    /// What no instance starts without, from a layer on. A deployment's base has its own in its record.
    Requirement(ValueKey),
}

/// What a [`ResourceKey`] names.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// The environments it uses, its domain, namespaces and tools there, and what it requires. Its
    /// variables and bindings are records of their own.
    Deployment(Deployment<SealedValue>),
    /// With its instances.
    Service(Service<SealedValue>),
    /// With its profiles.
    Tool(Tool<SealedValue>),
    /// A release, which stays as it was registered.
    Release(Release),
    /// What is bound.
    Binding(Binding),
    /// With its component, and what it was before.
    Policy(MadePolicy),
    /// With its settings.
    Attachment(Attachment),
    /// The form that is asked for; none for any text.
    Requirement(Option<ValueType>),
}

/// A resource, and who changed it.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeResource {
    /// What it is.
    pub resource: Resource,
    /// The ids of the environments that its values are sealed for: another environment of the same name
    /// cannot open them.
    pub sealed_for: BTreeMap<EnvironmentName, Uid>,
    /// The last change.
    pub changed: Stamp,
}

impl ResourceKey {
    /// Whether `configuration` has it.
    #[must_use]
    pub fn is_in<V>(&self, configuration: &Configuration<V>) -> bool {
        match self {
            Self::Deployment(id) => configuration.deployments.contains_key(id),
            Self::Service(id) => configuration.services.contains_key(id),
            Self::Tool(id) => configuration.tools.contains_key(id),
            Self::Release(id, number) => {
                configuration.deployments.get(id).is_some_and(|one| one.releases.contains_key(number))
            }
            Self::Binding(id, environment, name) => {
                let here =
                    configuration.deployments.get(id).and_then(|one| one.environments.get(environment));
                here.is_some_and(|here| here.bindings.contains_key(name))
            }
            Self::Policy(name) => configuration.policies.contains_key(name),
            Self::Attachment(policy, place) => {
                configuration.attachments.iter().any(|one| one.policy == *policy && one.place == *place)
            }
            Self::Requirement(key) => {
                let layer = layer_of(configuration, &key.place).and_then(|found| found.get(configuration));
                layer.is_some_and(|layer| layer.required.contains_key(&key.name))
            }
        }
    }

    /// Takes it out of `configuration`.
    pub fn take_out(&self, configuration: &mut Configuration<SealedValue>) {
        match self {
            Self::Deployment(id) => drop(configuration.deployments.remove(id)),
            Self::Service(id) => drop(configuration.services.remove(id)),
            Self::Tool(id) => drop(configuration.tools.remove(id)),
            Self::Release(id, number) => {
                configuration.deployments.get_mut(id).map(|one| one.releases.remove(number));
            }
            Self::Binding(id, environment, name) => {
                let one = configuration.deployments.get_mut(id);
                let here = one.and_then(|one| one.environments.get_mut(environment));
                here.map(|here| here.bindings.remove(name));
            }
            Self::Policy(name) => drop(configuration.policies.remove(name)),
            Self::Attachment(policy, place) => {
                configuration.attachments.retain(|one| one.policy != *policy || one.place != *place);
            }
            Self::Requirement(key) => {
                let layer = layer_of(configuration, &key.place);
                let layer = layer.and_then(|found| found.get_mut(configuration));
                layer.map(|layer| layer.required.remove(&key.name));
            }
        }
    }
}

impl MadeResource {
    /// Puts it into `configuration`, in the place of what is there under its name; whether there is a
    /// place for it. What it has for environments that are not there, or are others of that name, stays out.
    pub fn put_into(&self, key: &ResourceKey, configuration: &mut Configuration<SealedValue>) -> bool {
        let is_there = |name: &EnvironmentName| {
            let found = configuration.environments.get(name);
            found.is_some_and(|found| self.sealed_for.get(name).is_none_or(|uid| *uid == found.uid))
        };
        match (&self.resource, key) {
            (Resource::Deployment(made), ResourceKey::Deployment(id)) => {
                let mut made = made.clone();
                made.environments.retain(|name, _| is_there(name));
                // What is laid over it stays.
                if let Some(before) = configuration.deployments.get(id) {
                    made.base.variables.clone_from(&before.base.variables);
                    made.releases.clone_from(&before.releases);
                    for (name, here) in &mut made.environments {
                        let Some(before) = before.environments.get(name) else { continue };
                        here.layer.clone_from(&before.layer);
                        here.bindings.clone_from(&before.bindings);
                    }
                }
                configuration.deployments.insert(id.clone(), made);
            }
            (Resource::Service(made), ResourceKey::Service(id)) => {
                let mut made = made.clone();
                made.instances.retain(|name, _| is_there(name));
                configuration.services.insert(id.clone(), made);
            }
            (Resource::Tool(made), ResourceKey::Tool(id)) => {
                let mut made = made.clone();
                made.profiles.retain(|name, _| is_there(name));
                configuration.tools.insert(id.clone(), made);
            }
            (Resource::Release(made), ResourceKey::Release(id, number)) => {
                let Some(one) = configuration.deployments.get_mut(id) else { return false };
                one.releases.insert(*number, made.clone());
            }
            (Resource::Binding(made), ResourceKey::Binding(id, environment, name)) => {
                if !is_there(environment) {
                    return false;
                }
                let one = configuration.deployments.get_mut(id);
                let Some(here) = one.and_then(|one| one.environments.get_mut(environment)) else {
                    return false;
                };
                here.bindings.insert(name.clone(), made.clone());
            }
            (Resource::Policy(made), ResourceKey::Policy(name)) => {
                configuration.policies.insert(name.clone(), made.policy.clone());
            }
            (Resource::Attachment(made), ResourceKey::Attachment(_, place)) => {
                let is_same = environment_of(place).is_none_or(is_there);
                let has_policy = configuration.policies.contains_key(&made.policy);
                if !has_policy || !is_same || layer_of(configuration, place).is_none() {
                    return false;
                }
                let same = |one: &&mut Attachment| one.policy == made.policy && one.place == made.place;
                match configuration.attachments.iter_mut().find(same) {
                    Some(before) => before.clone_from(made),
                    None => configuration.attachments.push(made.clone()),
                }
            }
            (Resource::Requirement(form), ResourceKey::Requirement(key)) => {
                if !environment_of(&key.place).is_none_or(is_there) {
                    return false;
                }
                let layer = layer_of(configuration, &key.place);
                let Some(layer) = layer.and_then(|found| found.get_mut(configuration)) else { return false };
                layer.required.insert(key.name.clone(), form.clone());
            }
            _ => return false,
        }
        true
    }

    /// Takes an environment out of a deployment; whether it was in.
    pub fn leave(&mut self, environment: &EnvironmentName) -> bool {
        match &mut self.resource {
            Resource::Deployment(made) => made.environments.remove(environment).is_some(),
            _ => false,
        }
    }

    /// Whether something else in `configuration` has its place.
    pub(super) fn is_displaced(key: &ResourceKey, configuration: &Configuration<SealedValue>) -> bool {
        match key {
            ResourceKey::Binding(id, environment, name) => {
                let place = Place::Deployment(id.clone(), Some(environment.clone()));
                is_taken(configuration, &ValueKey { place, name: name.clone() })
            }
            _ => key.is_in(configuration),
        }
    }
}

fn environment_of(place: &Place) -> Option<&EnvironmentName> {
    match place {
        Place::Environment(name) | Place::Deployment(_, Some(name)) => Some(name),
        Place::Workspace | Place::Deployment(_, None) => None,
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment(id) => write!(f, "deployment {id}"),
            Self::Service(id) => write!(f, "service {id}"),
            Self::Tool(id) => write!(f, "tool {id}"),
            Self::Release(id, number) => write!(f, "release {number} of {id}"),
            Self::Binding(id, environment, name) => write!(f, "binding {name} of {id} in {environment}"),
            Self::Policy(name) => write!(f, "policy {name}"),
            Self::Requirement(key) => write!(f, "requirement of {key}"),
            Self::Attachment(policy, Place::Workspace) => write!(f, "attachment of {policy}"),
            Self::Attachment(policy, Place::Environment(name)) => {
                write!(f, "attachment of {policy} in {name}")
            }
            Self::Attachment(policy, Place::Deployment(id, None)) => {
                write!(f, "attachment of {policy} to {id}")
            }
            Self::Attachment(policy, Place::Deployment(id, Some(name))) => {
                write!(f, "attachment of {policy} to {id} in {name}")
            }
        }
    }
}
