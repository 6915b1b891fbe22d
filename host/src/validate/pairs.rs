//! What only shows once the layers of one (deployment, environment) lie on each other.

use super::{Findings, Inspect, Path, Rule, limits, types};
use crate::{
    id::{DeploymentId, EnvironmentName},
    model::{Configuration, Content, question::Sensitivity},
    plan::{
        Chains, LayerName,
        layers::{Entry, Setting, Stack},
        scoped::Scoped,
        template::References,
    },
};

pub(super) fn check<V: Inspect>(configuration: &Configuration<V>, found: &mut Findings) {
    let chains = Chains::of(configuration);
    for (id, deployment) in &configuration.deployments {
        for environment in deployment.environments.keys() {
            let pair = Pair { deployment: id, environment };
            let stack = Stack::of(configuration, deployment, environment);
            pair.names(&stack, found);
            pair.secrecy(&stack, found);
            pair.requirements(&stack, found);
            types::check(configuration, &pair, &stack, found);
            pair.templates(&stack, found);
            let attached = chains.at(id, environment).len();
            let limit = limits::POLICIES_PER_BOOT;
            found.at_most(|| pair.path(), "policies attached to one boot", attached, limit);
        }
    }
}

/// A deployment in one of its environments.
pub(super) struct Pair<'a> {
    pub(super) deployment: &'a DeploymentId,
    pub(super) environment: &'a EnvironmentName,
}

impl Pair<'_> {
    /// One layer sets a name once. A variable beside a binding is found where the layer is looked at
    /// by itself; what an environment gives by itself shows here.
    fn names<V>(&self, stack: &Stack<'_, V>, found: &mut Findings) {
        for [one, next] in stack.names().flat_map(<[_]>::array_windows) {
            let is_scoped = |entry: &Entry<'_, V>| matches!(entry.setting, Setting::Scoped(_));
            if one.layer == next.layer && (is_scoped(one) || is_scoped(next)) {
                let rule = Rule::SetTwice { name: one.name.clone(), other: self.variable(one) };
                found.add(self.variable(next), rule);
            }
        }
    }

    /// Templates and bindings are as secret as what they are made of; only what is declared can
    /// disagree.
    fn secrecy<V>(&self, stack: &Stack<'_, V>, found: &mut Findings) {
        for entries in stack.names() {
            let declared = entries.iter().filter_map(|entry| Some((entry, declared(entry)?)));
            let declared: Vec<_> = declared.collect();
            for [(first, before), (entry, now)] in declared.array_windows() {
                if before != now {
                    let rule = Rule::SecrecyDiffers {
                        here: word(*now),
                        there: word(*before),
                        layer: first.layer,
                        environment: self.environment.clone(),
                    };
                    found.add(self.variable(entry), rule);
                }
            }
        }
    }

    fn requirements<V>(&self, stack: &Stack<'_, V>, found: &mut Findings) {
        let winners: Vec<&Entry<'_, V>> = stack.names().filter_map(<[_]>::last).collect();
        for name in stack.required().map(|layers| layers[0].name) {
            match winners.binary_search_by(|entry| entry.name.cmp(name)) {
                Err(_) => {
                    let environment = self.environment.clone();
                    let rule = Rule::MissingRequired { key: name.clone(), environment };
                    found.add(self.path(), rule);
                }
                Ok(at) => {
                    if let Setting::Variable(variable) = &winners[at].setting
                        && !variable.inject
                    {
                        let rule = Rule::RequiredNotInjected(self.environment.clone());
                        found.add(self.variable(winners[at]), rule);
                    }
                }
            }
        }
    }

    fn templates<V>(&self, stack: &Stack<'_, V>, found: &mut Findings) {
        let winners: Vec<&Entry<'_, V>> = stack.names().filter_map(<[_]>::last).collect();
        let templates: Vec<_> =
            winners.iter().map(|entry| (entry.name.clone(), entry.setting.template())).collect();
        if templates.iter().all(|(_, template)| template.is_none()) {
            return;
        }
        for (holder, fault) in References::of(&templates).faults {
            let rule = Rule::Template {
                fault: fault.to_string(),
                deployment: self.deployment.clone(),
                environment: self.environment.clone(),
            };
            found.add(self.variable(winners[holder]), rule);
        }
    }

    pub(super) fn path(&self) -> Path {
        Path::of("deployments").at(self.deployment).at("environments").at(self.environment)
    }

    pub(super) fn variable<V>(&self, entry: &Entry<'_, V>) -> Path {
        let layer = self.layer(entry.layer);
        match &entry.setting {
            Setting::Variable(_) => layer.at("variables").at(&entry.name),
            Setting::Binding(_) => layer.at("bindings").at(&entry.name),
            Setting::Scoped(scoped) => {
                let (kind, which) = scoped.place();
                let place = layer.at(kind);
                which.map_or(place.clone(), |which| place.at(which))
            }
        }
    }

    pub(super) fn layer(&self, layer: LayerName) -> Path {
        match layer {
            LayerName::Workspace => Path::of("base"),
            LayerName::Deployment => Path::of("deployments").at(self.deployment),
            LayerName::Environment => Path::of("environments").at(self.environment),
            LayerName::DeploymentInEnvironment => self.path(),
        }
    }
}

fn declared<V>(entry: &Entry<'_, V>) -> Option<Sensitivity> {
    match &entry.setting {
        Setting::Variable(variable) if matches!(variable.content, Content::Versions { .. }) => {
            Some(variable.sensitivity)
        }
        Setting::Scoped(Scoped::Credential { .. }) => Some(Sensitivity::Secret),
        _ => None,
    }
}

fn word(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Plain => "plain",
        Sensitivity::Secret => "secret",
    }
}
