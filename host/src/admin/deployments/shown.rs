//! What an environment gives a deployment beside variables, and under which names.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    id::EnvironmentName,
    model::{Configuration, Deployment, SealedValue},
    plan::scoped::{self, Scoped},
};

/// Something that is injected.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Injected {
    /// The variable.
    name: String,
    /// Where it comes from, such as `service orders-db of production`.
    source: String,
    is_secret: bool,
    /// A domain's or a namespace's name; null for what is kept sealed.
    value: Option<String>,
}

/// Everything that `environment` gives.
pub(super) fn all(
    configuration: &Configuration<SealedValue>,
    deployment: &Deployment<SealedValue>,
    environment: &EnvironmentName,
) -> Vec<Injected> {
    let mut injected = bindings(configuration, deployment, environment);
    injected.extend(scoped(configuration, deployment, environment, |_| true));
    injected
}

fn bindings(
    configuration: &Configuration<SealedValue>,
    deployment: &Deployment<SealedValue>,
    environment: &EnvironmentName,
) -> Vec<Injected> {
    let here = deployment.environments.get(environment);
    let bindings = here.into_iter().flat_map(|here| &here.bindings);
    let bindings = bindings.map(|(name, binding)| {
        let service = configuration.services.get(&binding.service);
        let instance = service.and_then(|service| service.instances.get(&binding.owner));
        Injected {
            name: name.to_string(),
            source: format!("service {} of {}", binding.service, binding.owner),
            is_secret: instance.is_some_and(|instance| !instance.credential.is_empty()),
            value: None,
        }
    });
    bindings.collect()
}

/// What it gives by itself, of such a kind: `domain`, `namespaces` or `tools`.
pub(super) fn scoped(
    configuration: &Configuration<SealedValue>,
    deployment: &Deployment<SealedValue>,
    environment: &EnvironmentName,
    is_such: impl Fn(&str) -> bool,
) -> Vec<Injected> {
    let Some((environment, here)) = deployment.environments.get_key_value(environment) else {
        return Vec::new();
    };
    let entries = scoped::entries(configuration, deployment, environment, here).into_iter();
    let entries = entries.filter(|(_, scoped)| is_such(scoped.place().0));
    let injected = entries.map(|(name, scoped)| Injected {
        name: name.to_string(),
        source: scoped.source(environment),
        is_secret: matches!(scoped, Scoped::Credential { .. }),
        value: match scoped {
            Scoped::Text { text, .. } => Some(text),
            Scoped::Settings { .. } | Scoped::Credential { .. } => None,
        },
    });
    injected.collect()
}
