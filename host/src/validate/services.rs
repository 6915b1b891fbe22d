//! Data services: their instances, endpoints and who may bind them.

use super::{Findings, Inspect, Path, Rule, limits, structure, values};
use crate::{
    model::{Configuration, Endpoint, Instance, ServiceKind},
    render,
};

pub(super) fn check<V: Inspect>(configuration: &Configuration<V>, found: &mut Findings) {
    for (id, service) in &configuration.services {
        let path = Path::of("services").at(id);
        if *id != service.id {
            found.add(path.clone(), Rule::Misnamed);
        }
        for (owner, instance) in &service.instances {
            let path = path.clone().at("instances").at(owner);
            if !configuration.environments.contains_key(owner) {
                found.add(path.clone(), Rule::UnknownEnvironment(owner.clone()));
            }
            // A guest may come later: environments are made by API, too, and cloned.
            one_instance(service.kind, instance, &path, found);
        }
    }
    for (id, deployment) in &configuration.deployments {
        for (environment, here) in &deployment.environments {
            for (name, binding) in &here.bindings {
                let path = || {
                    let path = Path::of("deployments").at(id).at("environments").at(environment);
                    path.at("bindings").at(name)
                };
                let Some(service) = configuration.services.get(&binding.service) else {
                    found.add(path(), Rule::UnknownService(binding.service.clone()));
                    continue;
                };
                let (service_id, owner) = (binding.service.clone(), binding.owner.clone());
                if !configuration.environments.contains_key(&owner) {
                    found.add(path(), Rule::UnknownEnvironment(owner));
                    continue;
                }
                let Some(instance) = service.instances.get(&owner) else {
                    found.add(path(), Rule::NoInstance(service_id, owner));
                    continue;
                };
                if owner != *environment && !instance.shared_with.contains(environment) {
                    let environment = environment.clone();
                    found.add(path(), Rule::NotShared { service: service_id, owner, environment });
                }
            }
        }
    }
}

fn one_instance<V: Inspect>(kind: ServiceKind, instance: &Instance<V>, path: &Path, found: &mut Findings) {
    if !instance.credential.is_empty() {
        values::versions(&instance.credential, instance.current, &path.clone().at("credential"), found);
    }
    text("a user", &instance.user, path, found);
    if instance.endpoints.is_empty() {
        found.add(path.clone(), Rule::NoEndpoints);
    }
    found.at_most(|| path.clone(), "endpoints", instance.endpoints.len(), limits::ENDPOINTS);
    for (at, endpoint) in instance.endpoints.iter().enumerate() {
        one_endpoint(kind, endpoint, &path.clone().at("endpoints").at(at), found);
    }
}

fn one_endpoint(kind: ServiceKind, endpoint: &Endpoint, path: &Path, found: &mut Findings) {
    if !is_host(kind, &endpoint.host) {
        found.add(path.clone(), Rule::BadHost);
    }
    if endpoint.port == 0 {
        found.add(path.clone(), Rule::BadPort);
    }
    let scheme = endpoint.options.get(render::SCHEME_OPTION);
    if kind == ServiceKind::Generic && !scheme.is_some_and(|scheme| render::is_scheme(scheme)) {
        found.add(path.clone(), Rule::NoScheme);
    }
    if kind == ServiceKind::Postgres && endpoint.options.contains_key("sslmode") {
        found.add(path.clone(), Rule::SslmodeOption);
    }
    let most = ("options", limits::OPTIONS);
    structure::pairs(&endpoint.options, path, found, most, ("an option", limits::TEXT_BYTES));
    structure::labels(&endpoint.labels, path, found);
    for (what, value) in
        [("a host", &endpoint.host), ("a database", &endpoint.database), ("a role", &endpoint.role)]
    {
        text(what, value, path, found);
    }
    for value in endpoint.region.iter().chain(&endpoint.zone) {
        text("a region or zone", value, path, found);
    }
}

/// A name, an address without brackets or port, or a socket's directory where libpq reads one.
fn is_host(kind: ServiceKind, host: &str) -> bool {
    if host.starts_with('/') {
        return kind == ServiceKind::Postgres && !host.contains('\0');
    }
    let address = host.split('%').next().unwrap_or_default();
    if address.parse::<std::net::Ipv6Addr>().is_ok() {
        return true;
    }
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn text(what: &'static str, text: &str, path: &Path, found: &mut Findings) {
    if text.len() > limits::TEXT_BYTES {
        found.add(path.clone(), Rule::TooLong { what, count: text.len(), limit: limits::TEXT_BYTES });
    }
}
