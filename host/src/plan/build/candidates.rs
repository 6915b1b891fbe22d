use std::{borrow::Cow, collections::BTreeMap};

use super::super::{
    BoundEndpoint, Candidate, LayerName, PlanError, Planned, Provenance, What,
    layers::{Entry, Setting},
    scoped::Scoped,
    template::References,
};
use crate::{
    id::{Uid, VariableName},
    model::{
        Address, Binding, Configuration, Content, Deployment, Endpoint, Environment, Instance, Template,
        Variable, Version,
        question::{CandidateLabel, Sensitivity},
    },
};

/// Collects what variables may be given.
pub(super) struct Builder<'a, V> {
    configuration: &'a Configuration<V>,
    deployment: &'a Deployment<V>,
    environment: &'a Environment,
    pub(super) variables: Vec<Planned>,
    templates: Vec<(VariableName, Option<&'a Template>)>,
    pub(super) references: References,
    pub(super) candidates: Vec<Candidate<V>>,
    pub(super) sources: Vec<Cow<'a, str>>,
    source_index: BTreeMap<Cow<'a, str>, u32>,
    pub(super) labels: Vec<(&'a str, &'a str)>,
    label_index: BTreeMap<(&'a str, &'a str), u32>,
    pub(super) candidate_labels: Vec<CandidateLabel>,
}

impl<'a, V: Clone> Builder<'a, V> {
    pub(super) fn new(
        configuration: &'a Configuration<V>,
        deployment: &'a Deployment<V>,
        environment: &'a Environment,
    ) -> Self {
        let mut builder = Self {
            configuration,
            deployment,
            environment,
            variables: Vec::new(),
            templates: Vec::new(),
            references: References::of(&[]),
            candidates: Vec::new(),
            sources: Vec::new(),
            source_index: BTreeMap::new(),
            labels: Vec::new(),
            label_index: BTreeMap::new(),
            candidate_labels: Vec::new(),
        };
        builder.source(environment.name.as_str());
        builder
    }

    /// Adds one name: `entries` are its layers, the last of which wins.
    pub(super) fn add(&mut self, entries: &[Entry<'a, V>]) -> Result<(), PlanError> {
        let Some((winner, overridden)) = entries.split_last() else { return Ok(()) };
        if overridden.last().is_some_and(|entry| entry.layer == winner.layer) {
            return Err(PlanError::Ambiguous(winner.name.clone()));
        }
        let first = index(self.candidates.len())?;
        let mut interval = None;
        let (default, inject, description) = match &winner.setting {
            Setting::Variable(variable) => {
                let default = self.add_variable(&winner.name, winner.layer, variable)?;
                interval = variable.interval;
                (default, variable.inject, Cow::Borrowed(variable.description.as_str()))
            }
            Setting::Binding(binding) => {
                let default = self.add_binding(&winner.name, binding)?;
                (default, true, Cow::Borrowed(binding.description.as_str()))
            }
            Setting::Scoped(scoped) => (self.add_scoped(&winner.name, scoped)?, true, scoped.description()),
        };
        let end = index(self.candidates.len())?;
        let secret = self.candidates[first as usize..].iter().any(|c| c.sensitivity == Sensitivity::Secret);
        self.variables.push(Planned {
            name: winner.name.clone(),
            description: description.into_owned(),
            sensitivity: if secret { Sensitivity::Secret } else { Sensitivity::Plain },
            required: false,
            expected: None,
            declared: false,
            inject,
            interval,
            default,
            candidates: first..end,
            provenance: Provenance {
                layer: winner.layer,
                overrode: overridden.iter().rev().map(|entry| entry.layer).collect(),
            },
        });
        self.templates.push((winner.name.clone(), winner.setting.template()));
        Ok(())
    }

    fn add_variable(
        &mut self,
        name: &VariableName,
        layer: LayerName,
        variable: &'a Variable<V>,
    ) -> Result<u32, PlanError> {
        let source = self.source(layer.as_str());
        match &variable.content {
            Content::Template(template) => {
                self.push(source, 0, variable.sensitivity, 0, What::Template(template.clone()))
            }
            Content::Versions { versions, current } => {
                let address = |number| self.address(layer, name, number);
                let all = versions.iter().map(|one| (address(one.number), one)).collect();
                let default = self.add_versions(source, variable.sensitivity, all, *current)?;
                default.ok_or_else(|| PlanError::NoCurrentVersion(name.clone()))
            }
        }
    }

    /// One candidate for each live version; answers the current one.
    fn add_versions(
        &mut self,
        source: u32,
        sensitivity: Sensitivity,
        versions: Vec<(Address, &Version<V>)>,
        current: u64,
    ) -> Result<Option<u32>, PlanError> {
        let mut default = None;
        for (address, Version { number, value }) in versions {
            let what = What::Stored { address, value: value.clone() };
            let at = self.push(source, 0, sensitivity, *number, what)?;
            if *number == current {
                default = Some(at);
            }
        }
        Ok(default)
    }

    /// What the environment gives by itself. Another environment's namespace is that one's, as a
    /// policy is told.
    fn add_scoped(&mut self, name: &VariableName, scoped: &Scoped<'a, V>) -> Result<u32, PlanError> {
        let (workspace, here) = (self.configuration.uid, self.environment);
        let source = self.source(scoped.source(&here.name));
        match scoped {
            Scoped::Text { text, owner, .. } => {
                let owner = self.source(owner.as_str());
                self.push(source, owner, Sensitivity::Plain, 0, What::Text(text.clone()))
            }
            Scoped::Settings { tool, value } => {
                let address = Address::tool_settings(workspace, here.uid, &tool.id);
                let what = What::Stored { address, value: (*value).clone() };
                self.push(source, 0, Sensitivity::Plain, 1, what)
            }
            Scoped::Credential { tool, name: one, credential } => {
                let address = |number| Address::tool_credential(workspace, here.uid, (&tool.id, one), number);
                let all = credential.versions.iter().map(|one| (address(one.number), one)).collect();
                let default = self.add_versions(source, Sensitivity::Secret, all, credential.current)?;
                default.ok_or_else(|| PlanError::NoCurrentVersion(name.clone()))
            }
        }
    }

    /// One candidate for each endpoint; answers the default one.
    fn add_binding(&mut self, name: &VariableName, binding: &'a Binding) -> Result<u32, PlanError> {
        let unusable = || PlanError::UnusableBinding {
            name: name.clone(),
            service: binding.service.clone(),
            owner: binding.owner.clone(),
        };
        let here = &self.environment.name;
        let service = self.configuration.services.get(&binding.service).ok_or_else(unusable)?;
        let instance = service.instances.get(&binding.owner).ok_or_else(unusable)?;
        if binding.owner != *here && !instance.shared_with.contains(here) {
            return Err(unusable());
        }
        let credential = self.credential(binding, instance).ok_or_else(unusable)?;
        let version = credential.as_ref().map_or(0, |(address, _)| address.version);
        let sensitivity = if credential.is_some() { Sensitivity::Secret } else { Sensitivity::Plain };
        let source = self.source(service.id.as_str());
        let owner = self.source(binding.owner.as_str());
        let first = index(self.candidates.len())?;
        for endpoint in &instance.endpoints {
            let bound = BoundEndpoint {
                kind: service.kind,
                endpoint: endpoint.clone(),
                user: instance.user.clone(),
                credential: credential.clone(),
            };
            let at = self.push(source, owner, sensitivity, version, What::Endpoint(Box::new(bound)))?;
            self.label(at, endpoint)?;
        }
        let primary = instance.endpoints.iter().position(|endpoint| endpoint.role == "primary");
        if instance.endpoints.is_empty() {
            return Err(unusable());
        }
        Ok(first + index(primary.unwrap_or(0))?)
    }

    /// None when the current version is missing; `Some(None)` for a service without a password.
    #[allow(clippy::option_option, reason = "missing and none are two things")]
    fn credential(&self, binding: &Binding, instance: &Instance<V>) -> Option<Option<(Address, V)>> {
        if instance.credential.is_empty() {
            return Some(None);
        }
        let version = instance.credential.iter().find(|version| version.number == instance.current)?;
        let owner = self.configuration.environments.get(&binding.owner)?;
        let workspace = self.configuration.uid;
        let address = Address::credential(workspace, owner.uid, &binding.service, version.number);
        Some(Some((address, version.value.clone())))
    }

    /// Secrecy and owner of templates, from what they are made of.
    pub(super) fn follow_templates(&mut self) -> Result<(), PlanError> {
        self.references = References::of(&self.templates);
        if let Some((holder, fault)) = self.references.faults.first() {
            return Err(PlanError::Template(self.variables[*holder].name.clone(), fault.clone()));
        }
        for &holder in &self.references.order {
            let own = self.variables[holder].default as usize;
            for &target in self.references.targets(holder) {
                let target = &self.variables[target];
                let foreign = self.candidates[target.default as usize].owner;
                if target.sensitivity == Sensitivity::Secret {
                    self.candidates[own].sensitivity = Sensitivity::Secret;
                }
                if self.candidates[own].owner == 0 {
                    self.candidates[own].owner = foreign;
                }
            }
            self.variables[holder].sensitivity = self.candidates[own].sensitivity;
        }
        Ok(())
    }

    fn push(
        &mut self,
        source: u32,
        owner: u32,
        sensitivity: Sensitivity,
        version: u64,
        what: What<V>,
    ) -> Result<u32, PlanError> {
        let at = index(self.candidates.len())?;
        let labels = index(self.candidate_labels.len())?;
        let variable = index(self.variables.len())?;
        self.candidates.push(Candidate {
            variable,
            source,
            owner,
            sensitivity,
            version,
            labels: labels..labels,
            what,
        });
        Ok(at)
    }

    /// `role`, `region` and `zone` are always the endpoint's own, whatever its labels say.
    fn label(&mut self, candidate: u32, endpoint: &'a Endpoint) -> Result<(), PlanError> {
        let fixed = [
            ("role", Some(endpoint.role.as_str())),
            ("region", endpoint.region.as_deref()),
            ("zone", endpoint.zone.as_deref()),
        ];
        let free = endpoint.labels.iter().map(|(key, value)| (key.as_str(), Some(value.as_str())));
        let free = free.filter(|(key, _)| !fixed.iter().any(|(own, _)| own == key));
        for (key, value) in fixed.into_iter().chain(free) {
            let Some(value) = value else { continue };
            let next = index(self.labels.len())?;
            let label = *self.label_index.entry((key, value)).or_insert(next);
            if label == next {
                self.labels.push((key, value));
            }
            self.candidate_labels.push(CandidateLabel { candidate, label });
        }
        let end = index(self.candidate_labels.len())?;
        self.candidates[candidate as usize].labels.end = end;
        Ok(())
    }

    fn source(&mut self, text: impl Into<Cow<'a, str>>) -> u32 {
        let text = text.into();
        let next = self.sources.len() as u32;
        let source = *self.source_index.entry(text.clone()).or_insert(next);
        if source == next {
            self.sources.push(text);
        }
        source
    }

    fn address(&self, layer: LayerName, name: &VariableName, version: u64) -> Address {
        let here = self.environment.uid;
        let (environment, deployment) = match layer {
            LayerName::Workspace => (Uid::NONE, Uid::NONE),
            LayerName::Deployment => (Uid::NONE, self.deployment.uid),
            LayerName::Environment => (here, Uid::NONE),
            LayerName::DeploymentInEnvironment => (here, self.deployment.uid),
        };
        Address::variable(self.configuration.uid, (environment, deployment), name, version)
    }
}

impl<'a, V> Setting<'a, V> {
    pub(crate) fn template(&self) -> Option<&'a Template> {
        match self {
            Self::Variable(Variable { content: Content::Template(template), .. }) => Some(template),
            _ => None,
        }
    }
}

/// A question counts in 32 bits.
fn index(at: usize) -> Result<u32, PlanError> {
    u32::try_from(at).map_err(|_| PlanError::TooLarge)
}
