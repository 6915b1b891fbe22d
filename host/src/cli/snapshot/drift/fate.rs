//! What becomes of what was made by API when a directory is pushed. By name: a deployment or an environment
//! that was made again under its name is another, and what was made for the old one goes with it.

use serde::Serialize;

use super::Entry;
use crate::{
    cli::snapshot::changes::Change,
    made::{ResourceKey, ValueKey, is_taken},
    manifest::PlanManifest,
    model::{Configuration, InputValue, Place},
};

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// The directory does not name it.
    Stays,
    /// The directory names it, and owns it from then on.
    TakenOver,
    /// The directory has no place for it.
    Displaced,
}

impl Fate {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Stays => "stays",
            Self::TakenOver => "is taken over",
            Self::Displaced => "goes",
        }
    }
}

/// A directory, and all that was made by API.
pub(super) struct Judge<'a> {
    said: &'a Configuration<InputValue>,
    made: &'a [Entry],
}

impl<'a> Judge<'a> {
    pub(super) fn new(said: &'a Configuration<InputValue>, made: &'a [Entry]) -> Self {
        Self { said, made }
    }

    pub(super) fn fate(&self, entry: &Entry) -> Fate {
        let Some(place) = place(entry) else { return Fate::Displaced };
        let is_named = match entry.kind.as_str() {
            "environment" => self.said.environments.contains_key(entry.name.as_str()),
            "value" => entry
                .name
                .parse()
                .is_ok_and(|name| is_taken(self.said, &ValueKey { place: place.clone(), name })),
            _ => resource(entry, &place).is_some_and(|key| key.is_in(self.said)),
        };
        match (is_named, entry.kind.as_str()) {
            (true, _) => Fate::TakenOver,
            (false, "environment" | "deployment") => Fate::Stays,
            (false, _) if self.has(entry.deployment.as_deref(), entry.environment.as_deref()) => Fate::Stays,
            (false, _) => Fate::Displaced,
        }
    }

    /// Whether there is such a place after a push: the directory's, or one that was made by API.
    fn has(&self, deployment: Option<&str>, environment: Option<&str>) -> bool {
        let made = |kind: &str, name: &str| self.made.iter().find(|one| one.kind == kind && one.name == name);
        let environment_is =
            |name: &str| made("environment", name).is_some() || self.said.environments.contains_key(name);
        let of_directory = deployment.and_then(|id| self.said.deployments.get(id));
        match (deployment, environment) {
            (None, None) => true,
            (None, Some(name)) => environment_is(name),
            (Some(id), None) => of_directory.is_some() || made("deployment", id).is_some(),
            (Some(id), Some(name)) => {
                let here = of_directory.is_some_and(|one| one.environments.contains_key(name));
                let by_environment =
                    made("environment", name).is_some_and(|one| one.with.iter().any(|with| with == id));
                let by_deployment =
                    made("deployment", id).is_some_and(|one| one.with.iter().any(|with| with == name));
                let is_deployment = of_directory.is_some() || made("deployment", id).is_some();
                here || is_deployment && environment_is(name) && (by_environment || by_deployment)
            }
        }
    }

    /// Whether what differs is what was made by API, which is told already.
    pub(super) fn explains(&self, change: &Change, served: &[PlanManifest]) -> bool {
        let is_kind = |kinds: &[&str]| self.made.iter().any(|one| kinds.contains(&one.kind.as_str()));
        let made = |kind: &str, name: &str| self.made.iter().any(|one| one.kind == kind && one.name == name);
        if made("environment", &change.environment) || made("deployment", &change.deployment) {
            return true;
        }
        let Some(key) = &change.key else {
            return change.about == Some("policies") && is_kind(&["policy", "attachment"]);
        };
        let plan = served
            .iter()
            .find(|one| one.deployment == change.deployment && one.environment == change.environment);
        let Some(found) = plan.and_then(|plan| plan.keys.iter().find(|one| one.name == *key)) else {
            return false;
        };
        self.made.iter().any(|one| {
            let is_here = one.deployment.as_ref().is_none_or(|id| *id == change.deployment)
                && one.environment.as_ref().is_none_or(|name| *name == change.environment);
            let is_value = one.kind == "value" || one.kind == "binding";
            is_value && one.name == *key && is_here && layer(one) == found.layer
        })
    }

    /// The environments and deployments that a push takes away.
    pub(super) fn pruned(&self, environments: &[String], deployments: &[String]) -> Vec<String> {
        let gone = |kind: &str, names: &[String], is_said: &dyn Fn(&str) -> bool| -> Vec<String> {
            let made = |name: &str| self.made.iter().any(|one| one.kind == kind && one.name == name);
            let gone = names.iter().filter(|name| !made(name) && !is_said(name));
            gone.map(|name| format!("{kind} {name}")).collect()
        };
        let environment = |name: &str| self.said.environments.contains_key(name);
        let deployment = |name: &str| self.said.deployments.contains_key(name);
        let mut all = gone("environment", environments, &environment);
        all.extend(gone("deployment", deployments, &deployment));
        all
    }
}

/// The layer that an entry stands in, as plans name it.
fn layer(entry: &Entry) -> &'static str {
    match (&entry.deployment, &entry.environment) {
        (None, None) => "workspace",
        (Some(_), None) => "deployment",
        (None, Some(_)) => "environment",
        (Some(_), Some(_)) => "deployment-in-environment",
    }
}

fn place(entry: &Entry) -> Option<Place> {
    let environment = entry.environment.as_ref().map(|name| name.parse()).transpose().ok()?;
    Some(match (&entry.deployment, environment) {
        (None, None) => Place::Workspace,
        (None, Some(name)) => Place::Environment(name),
        (Some(id), name) => Place::Deployment(id.parse().ok()?, name),
    })
}

fn resource(entry: &Entry, place: &Place) -> Option<ResourceKey> {
    let name = &entry.name;
    Some(match entry.kind.as_str() {
        "deployment" => ResourceKey::Deployment(name.parse().ok()?),
        "service" => ResourceKey::Service(name.parse().ok()?),
        "tool" => ResourceKey::Tool(name.parse().ok()?),
        "release" => match place {
            Place::Deployment(id, None) => ResourceKey::Release(id.clone(), name.parse().ok()?),
            _ => return None,
        },
        "policy" => ResourceKey::Policy(name.parse().ok()?),
        "attachment" => ResourceKey::Attachment(name.parse().ok()?, place.clone()),
        "requirement" => {
            ResourceKey::Requirement(ValueKey { place: place.clone(), name: name.parse().ok()? })
        }
        "binding" => match place {
            Place::Deployment(id, Some(environment)) => {
                ResourceKey::Binding(id.clone(), environment.clone(), name.parse().ok()?)
            }
            _ => return None,
        },
        _ => return None,
    })
}
