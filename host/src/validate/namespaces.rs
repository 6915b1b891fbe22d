//! Data namespaces: no environment has another's unless it says so, and a preview never has
//! production's.

use std::collections::BTreeMap;

use super::{Findings, Path, Rule};
use crate::{
    id::{EnvironmentName, NamespaceName},
    model::{Configuration, Deployment, EnvironmentType, NamespaceHere, NamespaceKind},
    plan::scoped::{self, NoNamespace},
};

pub(super) fn check<V>(configuration: &Configuration<V>, found: &mut Findings) {
    let mut taken: BTreeMap<NamespaceName, (&EnvironmentName, Path)> = BTreeMap::new();
    for (id, deployment) in &configuration.deployments {
        for (environment, here) in &deployment.environments {
            let path = Path::of("deployments").at(id).at("environments").at(environment).at("namespaces");
            for kind in here.namespaces.keys().filter(|kind| !deployment.namespaces.contains_key(kind)) {
                found.add(path.clone().at(kind), Rule::NoNamespace(*kind));
            }
            for &kind in deployment.namespaces.keys() {
                let path = path.clone().at(kind);
                let place = Place { configuration, deployment, environment, kind };
                let Some(name) = place.own_name(&path, found) else { continue };
                // Deployments may share within an environment: that keeps no environments apart.
                match taken.get(&name) {
                    Some((owner, other)) if *owner != environment => {
                        found.add(path, Rule::NamespaceTaken { name, other: other.clone() });
                    }
                    Some(_) => {}
                    None => drop(taken.insert(name, (environment, path))),
                }
            }
        }
    }
}

struct Place<'a, V> {
    configuration: &'a Configuration<V>,
    deployment: &'a Deployment<V>,
    environment: &'a EnvironmentName,
    kind: NamespaceKind,
}

impl<V> Place<'_, V> {
    /// The name, where the namespace is this environment's own.
    fn own_name(&self, path: &Path, found: &mut Findings) -> Option<NamespaceName> {
        let Self { configuration, deployment, environment, kind } = *self;
        let here = deployment.environments.get(environment)?.namespaces.get(&kind);
        if let Some(NamespaceHere::Of(owner)) = here {
            self.may_share(owner, path, found);
        }
        match scoped::namespace(configuration, deployment, environment, kind) {
            Ok(Some((name, owner))) => (owner == environment).then_some(name),
            Ok(None) => None,
            Err(NoNamespace::Unnamed(error)) => {
                // Of another environment's name, that one is told.
                if !matches!(here, Some(NamespaceHere::Of(_))) {
                    found.add(path.clone(), Rule::NamespaceConvention(environment.clone(), error));
                }
                None
            }
            Err(NoNamespace::NotUsed(owner)) => {
                let rule = match configuration.environments.contains_key(&owner) {
                    true => Rule::EnvironmentNotUsed(deployment.id.clone(), owner),
                    false => Rule::UnknownEnvironment(owner),
                };
                found.add(path.clone(), rule);
                None
            }
            Err(NoNamespace::NotOwned(owner)) => {
                found.add(path.clone(), Rule::NamespaceNotOwned(owner, kind));
                None
            }
        }
    }

    fn may_share(&self, owner: &EnvironmentName, path: &Path, found: &mut Findings) {
        let kind = self.configuration.environments.get(owner).map(|stage| stage.kind);
        if self.environment.is_preview() && kind == Some(EnvironmentType::Production) {
            let (preview, owner) = (self.environment.clone(), owner.clone());
            found.add(path.clone(), Rule::PreviewOfProduction { preview, owner });
        }
    }
}
