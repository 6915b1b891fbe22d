//! What refers to what: environments, chains, attachments, releases, ids.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Path, Rule, limits};
use crate::{
    id::{EnvironmentName, Uid},
    model::{Attachment, Configuration, Content, Deployment, Environment, Place, Release},
};

pub(super) fn check<V>(configuration: &Configuration<V>, found: &mut Findings) {
    counts(configuration, found);
    ids(configuration, found);
    for (name, environment) in &configuration.environments {
        one_environment(configuration, name, environment, found);
    }
    cycles(&configuration.environments, found);
    for name in configuration.environment_layers.keys() {
        known(configuration, name, Path::of("environments").at(name), found);
    }
    for name in configuration.keys.keys() {
        known(configuration, name, Path::of("keys").at(name), found);
    }
    keyless(configuration, found);
    for (id, deployment) in &configuration.deployments {
        let path = Path::of("deployments").at(id);
        if *id != deployment.id {
            found.add(path.clone(), Rule::Misnamed);
        }
        one_deployment(configuration, deployment, &path, found);
    }
    for (at, attachment) in configuration.attachments.iter().enumerate() {
        one_attachment(configuration, attachment, &Path::of("attachments").at(at), found);
    }
    for (name, policy) in &configuration.policies {
        let path = || Path::of("policies").at(name);
        if *name != policy.name {
            found.add(path(), Rule::Misnamed);
        }
        found.at_most(path, "bytes of component", policy.component.len(), limits::COMPONENT_BYTES);
    }
}

/// A host keeps an environment's values under keys that come with it, plain ones too: without any
/// they would be kept as names only, and every boot refused.
fn keyless<V>(configuration: &Configuration<V>, found: &mut Findings) {
    for name in configuration.environments.keys().filter(|name| !configuration.keys.contains_key(*name)) {
        let layers = configuration.environment_layers.get(name).into_iter().chain(
            configuration.deployments.values().filter_map(|one| Some(&one.environments.get(name)?.layer)),
        );
        let mut variables = layers.flat_map(|layer| layer.variables.values());
        let mut instances = configuration.services.values().filter_map(|service| service.instances.get(name));
        let profiles = configuration.tools.values().filter_map(|tool| tool.profiles.get(name));
        let mut profiles = profiles.filter(|one| one.settings.is_some() || !one.credentials.is_empty());
        if variables.any(|variable| matches!(variable.content, Content::Versions { .. }))
            || instances.any(|instance| !instance.credential.is_empty())
            || profiles.next().is_some()
        {
            found.add(Path::of("environments").at(name), Rule::NoKey(name.clone()));
        }
    }
}

/// Labels are bounded wherever they are.
pub(super) fn labels(labels: &BTreeMap<String, String>, path: &Path, found: &mut Findings) {
    pairs(labels, path, found, ("labels", limits::LABELS), ("a label", limits::LABEL_BYTES));
}

pub(super) fn pairs(
    pairs: &BTreeMap<String, String>,
    path: &Path,
    found: &mut Findings,
    (many, most): (&'static str, usize),
    (one, longest): (&'static str, usize),
) {
    found.at_most(|| path.clone(), many, pairs.len(), most);
    for count in pairs.iter().map(|(key, value)| key.len() + value.len()).filter(|count| *count > longest) {
        found.add(path.clone(), Rule::TooLong { what: one, count, limit: longest });
    }
}

fn counts<V>(configuration: &Configuration<V>, found: &mut Findings) {
    let root = || Path::of("workspace");
    found.at_most(root, "environments", configuration.environments.len(), limits::ENVIRONMENTS);
    found.at_most(root, "deployments", configuration.deployments.len(), limits::DEPLOYMENTS);
    found.at_most(root, "services", configuration.services.len(), limits::SERVICES);
    found.at_most(root, "tools", configuration.tools.len(), limits::TOOLS);
    found.at_most(root, "policies", configuration.policies.len(), limits::POLICIES);
    found.at_most(root, "attachments", configuration.attachments.len(), limits::ATTACHMENTS);
}

/// A seal is bound to ids: two things with one id could open each other's values.
fn ids<V>(configuration: &Configuration<V>, found: &mut Findings) {
    if configuration.uid == Uid::NONE {
        found.add(Path::of("workspace"), Rule::ZeroId);
    }
    let environments = configuration.environments.iter().map(|(name, e)| (name.to_string(), e.uid));
    unique("environments", environments, found);
    let deployments = configuration.deployments.iter().map(|(id, d)| (id.to_string(), d.uid));
    unique("deployments", deployments, found);
}

fn unique(kind: &str, ids: impl Iterator<Item = (String, Uid)>, found: &mut Findings) {
    let mut seen: BTreeMap<Uid, String> = BTreeMap::new();
    for (name, uid) in ids {
        let path = Path::of(kind).at(&name);
        if uid == Uid::NONE {
            found.add(path, Rule::ZeroId);
        } else if let Some(other) = seen.get(&uid) {
            found.add(path, Rule::SharedId(other.clone()));
        } else {
            seen.insert(uid, name);
        }
    }
}

fn known<V>(configuration: &Configuration<V>, name: &EnvironmentName, path: Path, found: &mut Findings) {
    if !configuration.environments.contains_key(name) {
        found.add(path, Rule::UnknownEnvironment(name.clone()));
    }
}

fn one_environment<V>(
    configuration: &Configuration<V>,
    name: &EnvironmentName,
    environment: &Environment,
    found: &mut Findings,
) {
    let path = Path::of("environments").at(name);
    if *name != environment.name {
        found.add(path.clone(), Rule::Misnamed);
    }
    if let Some(next) = &environment.promotes_to {
        known(configuration, next, path.clone().at("promotes-to"), found);
    }
    labels(&environment.labels, &path, found);
}

/// Each circle is reported once, at the first of its names.
fn cycles(environments: &BTreeMap<EnvironmentName, Environment>, found: &mut Findings) {
    let next = |name: &EnvironmentName| environments.get(name)?.promotes_to.as_ref();
    let mut done: BTreeSet<&EnvironmentName> = BTreeSet::new();
    for start in environments.keys() {
        let mut way: Vec<&EnvironmentName> = Vec::new();
        let mut at = Some(start);
        while let Some(name) = at.filter(|name| !done.contains(name)) {
            if let Some(from) = way.iter().position(|seen| *seen == name) {
                let mut circle = way[from..].to_vec();
                let first = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(at, _)| at);
                circle.rotate_left(first);
                circle.push(circle[0]);
                let path = Path::of("environments").at(circle[0]).at("promotes-to");
                let circle = circle.into_iter().map(ToString::to_string).collect();
                found.add(path, Rule::PromotionCycle(circle));
                break;
            }
            way.push(name);
            at = next(name);
        }
        done.extend(way);
    }
}

fn one_deployment<V>(
    configuration: &Configuration<V>,
    deployment: &Deployment<V>,
    path: &Path,
    found: &mut Findings,
) {
    let used = |name: &EnvironmentName| configuration.environments.get(name);
    for name in deployment.environments.keys() {
        known(configuration, name, path.clone().at("environments").at(name), found);
    }
    if !deployment.environments.keys().filter_map(used).any(|environment| !environment.deprecated) {
        found.add(path.clone(), Rule::NoActiveEnvironment);
    }
    found.at_most(|| path.clone(), "releases", deployment.releases.len(), limits::RELEASES);
    for (number, release) in &deployment.releases {
        one_release(*number, release, &path.clone().at("releases").at(number), found);
    }
}

fn one_release(number: u64, release: &Release, path: &Path, found: &mut Findings) {
    if number == 0 || number > limits::RELEASE_NUMBER || number != release.number {
        found.add(path.clone(), Rule::ReleaseNumber);
    }
    labels(&release.labels, path, found);
    found.at_most(|| path.clone(), "keys", release.keys.len(), limits::KEYS_PER_RELEASE);
    found.at_most(|| path.clone(), "bytes of digest", release.digest.len(), limits::TEXT_BYTES);
}

fn one_attachment<V>(
    configuration: &Configuration<V>,
    attachment: &Attachment,
    path: &Path,
    found: &mut Findings,
) {
    if !configuration.policies.contains_key(&attachment.policy) {
        found.add(path.clone(), Rule::UnknownPolicy(attachment.policy.clone()));
    }
    let most = ("settings", limits::SETTINGS);
    pairs(&attachment.settings, path, found, most, ("a setting", limits::SETTING_BYTES));
    match &attachment.place {
        Place::Workspace => {}
        Place::Environment(name) => known(configuration, name, path.clone(), found),
        Place::Deployment(id, environment) => match (configuration.deployments.get(id), environment) {
            (None, _) => found.add(path.clone(), Rule::UnknownDeployment(id.clone())),
            (Some(deployment), Some(name)) if !deployment.environments.contains_key(name) => {
                found.add(path.clone(), Rule::EnvironmentNotUsed(id.clone(), name.clone()));
            }
            (Some(_), _) => {}
        },
    }
}
