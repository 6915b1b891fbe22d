//! Domains: made of names that a resolver takes, and each claimed once.

use std::collections::BTreeMap;

use super::{Findings, Path, Rule};
use crate::{
    id::DomainName,
    model::{Configuration, Deployment, DomainHere},
};

pub(super) fn check<V>(configuration: &Configuration<V>, found: &mut Findings) {
    let mut claimed: BTreeMap<DomainName, Path> = BTreeMap::new();
    for (id, deployment) in &configuration.deployments {
        let path = Path::of("deployments").at(id);
        for (name, path) in domains(configuration, deployment, &path, found) {
            if let Some(other) = claimed.get(&name) {
                found.add(path, Rule::DomainTaken { name, other: other.clone() });
            } else {
                claimed.insert(name, path);
            }
        }
    }
}

/// A deployment's domains, each with where it is said or would be.
fn domains<V>(
    configuration: &Configuration<V>,
    deployment: &Deployment<V>,
    path: &Path,
    found: &mut Findings,
) -> Vec<(DomainName, Path)> {
    let mut domains = Vec::new();
    for (environment, here) in &deployment.environments {
        let path = path.clone().at("environments").at(environment).at("domain");
        let Some(domain) = &deployment.domain else {
            if here.domain != DomainHere::Convention {
                found.add(path, Rule::NoDomain);
            }
            continue;
        };
        // One that is not there has an error of its own.
        let Some(stage) = configuration.environments.get(environment) else { continue };
        match domain.in_environment(stage, &here.domain) {
            Ok(name) => domains.extend(name.map(|name| (name, path))),
            Err(error) => {
                let labels: Vec<&str> = environment.as_str().rsplit('/').collect();
                let name = format!("{}.{}", labels.join("."), domain.apex);
                found.add(path, Rule::DomainConvention { name, environment: environment.clone(), error });
            }
        }
    }
    domains
}
