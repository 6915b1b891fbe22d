//! One walk over every value of a configuration, with the address of each: what changes how
//! values are held (sealing, opening, sealing again) is written on top of this and nowhere else
//! knows where values hide.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Address, Configuration, Content, Credential, Deployment, Instance, Layer, Override, Profile, Service,
    Tool, Variable, Version,
};
use crate::id::{EnvironmentName, Uid};

/// Turns a value at an address into another form.
type Turn<'f, V, W, E> = dyn FnMut(&Address, &V) -> Result<W, E> + 'f;

impl<V> Configuration<V> {
    /// The same configuration with every value turned by `turn`. Every value is tried, so that
    /// all errors are found at once.
    ///
    /// # Errors
    /// Every error that `turn` returned.
    pub fn try_map<W, E>(
        &self,
        mut turn: impl FnMut(&Address, &V) -> Result<W, E>,
    ) -> Result<Configuration<W>, Vec<E>> {
        let mut walk = Walk { workspace: self.uid, turn: &mut turn, errors: Vec::new() };
        let uid = |name: &EnvironmentName| self.environments.get(name).map_or(Uid::NONE, |found| found.uid);
        let mapped = Configuration {
            workspace: self.workspace.clone(),
            uid: self.uid,
            base: walk.layer(&self.base, Uid::NONE, Uid::NONE),
            environments: self.environments.clone(),
            environment_layers: (self.environment_layers.iter())
                .map(|(name, layer)| (name.clone(), walk.layer(layer, uid(name), Uid::NONE)))
                .collect(),
            deployments: (self.deployments.iter())
                .map(|(id, deployment)| (id.clone(), walk.deployment(deployment, &uid)))
                .collect(),
            services: (self.services.iter())
                .map(|(id, service)| (id.clone(), walk.service(service, &uid)))
                .collect(),
            tools: self.tools.iter().map(|(id, tool)| (id.clone(), walk.tool(tool, &uid))).collect(),
            policies: self.policies.clone(),
            attachments: self.attachments.clone(),
            keys: self.keys.clone(),
        };
        if walk.errors.is_empty() { Ok(mapped) } else { Err(walk.errors) }
    }
}

struct Walk<'f, V, W, E> {
    workspace: Uid,
    turn: &'f mut Turn<'f, V, W, E>,
    errors: Vec<E>,
}

impl<V, W, E> Walk<'_, V, W, E> {
    fn deployment(
        &mut self,
        deployment: &Deployment<V>,
        uid: &dyn Fn(&EnvironmentName) -> Uid,
    ) -> Deployment<W> {
        let environments = deployment.environments.iter().map(|(name, special)| {
            let layer = self.layer(&special.layer, uid(name), deployment.uid);
            let special = Override {
                layer,
                bindings: special.bindings.clone(),
                domain: special.domain.clone(),
                namespaces: special.namespaces.clone(),
                tools: special.tools.clone(),
            };
            (name.clone(), special)
        });
        Deployment {
            environments: environments.collect(),
            id: deployment.id.clone(),
            uid: deployment.uid,
            base: self.layer(&deployment.base, Uid::NONE, deployment.uid),
            domain: deployment.domain.clone(),
            namespaces: deployment.namespaces.clone(),
            releases: deployment.releases.clone(),
        }
    }

    fn service(&mut self, service: &Service<V>, uid: &dyn Fn(&EnvironmentName) -> Uid) -> Service<W> {
        let instances: BTreeMap<_, _> = (service.instances.iter())
            .map(|(owner, instance)| {
                let address = Address::credential(self.workspace, uid(owner), &service.id, 0);
                let credential = self.versions(&address, &instance.credential);
                let instance = Instance {
                    credential,
                    endpoints: instance.endpoints.clone(),
                    user: instance.user.clone(),
                    set: instance.set,
                    rotate_every: instance.rotate_every,
                    current: instance.current,
                    shared_with: instance.shared_with.clone(),
                };
                (owner.clone(), instance)
            })
            .collect();
        Service { id: service.id.clone(), kind: service.kind, instances }
    }

    fn tool(&mut self, tool: &Tool<V>, uid: &dyn Fn(&EnvironmentName) -> Uid) -> Tool<W> {
        let profiles = tool.profiles.iter().map(|(owner, profile)| {
            let (workspace, environment) = (self.workspace, uid(owner));
            let address = Address::tool_settings(workspace, environment, &tool.id);
            let settings = profile.settings.as_ref().and_then(|value| self.turned(&address, value));
            let credentials = profile.credentials.iter().map(|(name, credential)| {
                let address = Address::tool_credential(workspace, environment, (&tool.id, name), 0);
                let versions = self.versions(&address, &credential.versions);
                (name.clone(), Credential { versions, current: credential.current })
            });
            (owner.clone(), Profile { credentials: credentials.collect(), settings })
        });
        Tool { profiles: profiles.collect(), id: tool.id.clone(), description: tool.description.clone() }
    }

    fn layer(&mut self, layer: &Layer<V>, environment: Uid, deployment: Uid) -> Layer<W> {
        let variables = layer.variables.iter().map(|(name, variable)| {
            let address = Address::variable(self.workspace, (environment, deployment), name, 0);
            (name.clone(), self.variable(&address, variable))
        });
        Layer { variables: variables.collect(), required: layer.required.clone() }
    }

    fn variable(&mut self, address: &Address, variable: &Variable<V>) -> Variable<W> {
        let content = match &variable.content {
            Content::Template(template) => Content::Template(template.clone()),
            Content::Versions { versions, current } => {
                Content::Versions { versions: self.versions(address, versions), current: *current }
            }
        };
        Variable {
            description: variable.description.clone(),
            sensitivity: variable.sensitivity,
            inject: variable.inject,
            interval: variable.interval,
            content,
        }
    }

    /// A version that does not turn is left out, and its error kept: the whole is then refused.
    fn versions(&mut self, address: &Address, versions: &[Version<V>]) -> Vec<Version<W>> {
        let turned = versions.iter().filter_map(|version| {
            let address = Address { version: version.number, name: Arc::clone(&address.name), ..*address };
            let value = self.turned(&address, &version.value)?;
            Some(Version { number: version.number, value })
        });
        turned.collect()
    }

    fn turned(&mut self, address: &Address, value: &V) -> Option<W> {
        (self.turn)(address, value).map_err(|error| self.errors.push(error)).ok()
    }
}
