//! Tools: their profiles, and who calls them by which.

use super::{Findings, Form, Inspect, Path, Rule, limits, values};
use crate::{
    id::EnvironmentName,
    model::{Configuration, Deployment, Profile},
};

pub(super) fn check<V: Inspect>(configuration: &Configuration<V>, found: &mut Findings) {
    for (id, tool) in &configuration.tools {
        let path = Path::of("tools").at(id);
        if *id != tool.id {
            found.add(path.clone(), Rule::Misnamed);
        }
        values::description(&tool.description, &path, found);
        for (owner, profile) in &tool.profiles {
            let path = path.clone().at("profiles").at(owner);
            if !configuration.environments.contains_key(owner) {
                found.add(path.clone(), Rule::UnknownEnvironment(owner.clone()));
            }
            one_profile(profile, &path, found);
        }
    }
    for (id, deployment) in &configuration.deployments {
        for environment in deployment.environments.keys() {
            let path = Path::of("deployments").at(id).at("environments").at(environment).at("tools");
            uses(configuration, deployment, environment, &path, found);
        }
    }
}

fn one_profile<V: Inspect>(profile: &Profile<V>, path: &Path, found: &mut Findings) {
    if profile.settings.is_none() && profile.credentials.is_empty() {
        found.add(path.clone(), Rule::EmptyProfile);
    }
    if let Some(settings) = &profile.settings {
        let path = path.clone().at("settings");
        match settings.form() {
            Form::Plain(count) if count > limits::VALUE_BYTES => {
                found.add(path, Rule::TooLong { what: "settings", count, limit: limits::VALUE_BYTES });
            }
            Form::SealedText(_) => found.add(path, Rule::SealedPlain),
            _ => {}
        }
    }
    found.at_most(|| path.clone(), "credentials", profile.credentials.len(), limits::TOOL_CREDENTIALS);
    for (name, credential) in &profile.credentials {
        let path = path.clone().at("credentials").at(name);
        values::versions(&credential.versions, credential.current, &path, found);
        if credential.versions.iter().any(|version| matches!(version.value.form(), Form::Plain(_))) {
            found.add(path, Rule::PlainSecret);
        }
    }
}

fn uses<V>(
    configuration: &Configuration<V>,
    deployment: &Deployment<V>,
    environment: &EnvironmentName,
    path: &Path,
    found: &mut Findings,
) {
    let Some(here) = deployment.environments.get(environment) else { return };
    found.at_most(|| path.clone(), "tools", here.tools.len(), limits::TOOLS_PER_PLACE);
    for (id, tool_use) in &here.tools {
        let path = path.clone().at(id);
        let Some(tool) = configuration.tools.get(id) else {
            found.add(path, Rule::UnknownTool(id.clone()));
            continue;
        };
        let Some(profile) = tool.profiles.get(environment) else {
            found.add(path, Rule::NoProfile(id.clone(), environment.clone()));
            continue;
        };
        for renamed in tool_use.credentials.keys().filter(|name| !profile.credentials.contains_key(*name)) {
            found.add(path.clone(), Rule::UnknownCredential(id.clone(), renamed.clone()));
        }
    }
}
