use super::{
    requirement::Requirement,
    scoped::{self, Scoped},
};
use crate::{
    id::{EnvironmentName, VariableName},
    model::{Binding, Configuration, Deployment, Layer, Place, Variable},
};

/// The four layers; the later wins. What an environment gives by itself, such as a domain, stands
/// where bindings do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LayerName {
    /// Every deployment in every environment.
    Workspace,
    /// One deployment in every environment.
    Deployment,
    /// Every deployment in one environment.
    Environment,
    /// One deployment in one environment; bindings stand here.
    DeploymentInEnvironment,
}

impl LayerName {
    /// Which one stands at `place`.
    #[must_use]
    pub fn of(place: &Place) -> Self {
        match place {
            Place::Workspace => Self::Workspace,
            Place::Deployment(_, None) => Self::Deployment,
            Place::Environment(_) => Self::Environment,
            Place::Deployment(_, Some(_)) => Self::DeploymentInEnvironment,
        }
    }

    /// As written in answers and shown to policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Deployment => "deployment",
            Self::Environment => "environment",
            Self::DeploymentInEnvironment => "deployment-in-environment",
        }
    }
}

impl std::fmt::Display for LayerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one layer sets under one name.
pub(crate) struct Entry<'a, V> {
    pub(crate) name: VariableName,
    pub(crate) layer: LayerName,
    pub(crate) setting: Setting<'a, V>,
}

/// A variable, a service bound under its name, or what the environment gives by that name.
pub(crate) enum Setting<'a, V> {
    Variable(&'a Variable<V>),
    Binding(&'a Binding),
    Scoped(Scoped<'a, V>),
}

/// All entries of one (deployment, environment), by name, and for each name by layer.
pub(crate) struct Stack<'a, V> {
    entries: Vec<Entry<'a, V>>,
    /// In name order, those of one name in the layers' order.
    required: Vec<Requirement<'a>>,
}

impl<'a, V> Stack<'a, V> {
    pub(crate) fn of(
        configuration: &'a Configuration<V>,
        deployment: &'a Deployment<V>,
        environment: &'a EnvironmentName,
    ) -> Self {
        let here = deployment.environments.get(environment);
        let mut stack = Self { entries: Vec::new(), required: Vec::new() };
        stack.add(LayerName::Workspace, &configuration.base);
        stack.add(LayerName::Deployment, &deployment.base);
        if let Some(layer) = configuration.environment_layers.get(environment) {
            stack.add(LayerName::Environment, layer);
        }
        if let Some(here) = here {
            stack.add(LayerName::DeploymentInEnvironment, &here.layer);
            stack.entries.extend(here.bindings.iter().map(|(name, binding)| Entry {
                name: name.clone(),
                layer: LayerName::DeploymentInEnvironment,
                setting: Setting::Binding(binding),
            }));
            let scoped = scoped::entries(configuration, deployment, environment, here);
            stack.entries.extend(scoped.into_iter().map(|(name, scoped)| Entry {
                name,
                layer: LayerName::DeploymentInEnvironment,
                setting: Setting::Scoped(scoped),
            }));
        }
        // Stable, and the runs are sorted already: a merge.
        stack.entries.sort_by(|one, next| one.name.cmp(&next.name));
        stack.required.sort_by_key(|requirement| requirement.name);
        stack
    }

    fn add(&mut self, name: LayerName, layer: &'a Layer<V>) {
        let setting = |(key, variable): (&VariableName, _)| Entry {
            name: key.clone(),
            layer: name,
            setting: Setting::Variable(variable),
        };
        self.entries.extend(layer.variables.iter().map(setting));
        let requirement = |(key, expected): (&'a VariableName, &'a Option<_>)| Requirement {
            name: key,
            layer: name,
            expected: expected.as_ref(),
        };
        self.required.extend(layer.required.iter().map(requirement));
    }

    /// For each required name what the layers ask of it. Never empty.
    pub(crate) fn required(&self) -> impl Iterator<Item = &[Requirement<'a>]> {
        self.required.chunk_by(|one, next| one.name == next.name)
    }

    /// For each name its entries; the last one wins. Never empty.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[Entry<'a, V>]> {
        self.entries.chunk_by(|one, next| one.name == next.name)
    }
}
