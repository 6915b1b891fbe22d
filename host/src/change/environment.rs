//! Edits of environments.

use std::collections::BTreeSet;

use super::{Draft, Edit, EditError, LISTED, Precondition, deployment};
use crate::{
    entropy::{Entropy, fresh},
    id::{DeploymentId, EnvironmentName, Uid},
    keyring,
    made::{MadeEnvironment, Subject},
    model::{Environment, Place},
    seal::DataKey,
};

pub(super) fn apply(
    draft: &mut Draft<'_>,
    edit: &Edit,
    precondition: Precondition,
    entropy: &mut Entropy<'_>,
) -> Result<(), EditError> {
    match edit {
        Edit::CreateEnvironment { wanted, deployments } => {
            create(draft, wanted, (deployments, false), edit.subject(), entropy)?;
        }
        Edit::PatchEnvironment { name, patch } => {
            let mut made = owned(draft, name, precondition)?;
            let environment = &mut made.environment;
            environment.kind = patch.kind.unwrap_or(environment.kind);
            environment.protected = patch.protected.unwrap_or(environment.protected);
            environment.deprecated = patch.deprecated.unwrap_or(environment.deprecated);
            environment.trigger = patch.trigger.unwrap_or(environment.trigger);
            environment.expires = patch.expires.unwrap_or(environment.expires);
            if let Some(labels) = &patch.labels {
                environment.labels.clone_from(labels);
            }
            if let Some(next) = &patch.promotes_to {
                environment.promotes_to.clone_from(next);
            }
            made.admins_only = patch.admins_only.unwrap_or(made.admins_only);
            made.changed = draft.stamp.clone();
            made.put_into(&mut draft.configuration);
            draft.made.environments.insert(name.clone(), made);
            draft.mark(Subject::Environment(name.clone()));
            draft.touch(&Place::Environment(name.clone()));
        }
        Edit::DeleteEnvironment { name, expired } => {
            let gone = owned(draft, name, precondition)?;
            if *expired {
                end_chains(draft, name);
            }
            let by = used_by(draft, name);
            if !by.is_empty() {
                let reason = format!("environment {name} is in use: {}", by.join(", "));
                return Err(EditError::Invalid(reason));
            }
            draft.touch(&Place::Environment(name.clone()));
            draft.configuration.environments.remove(name);
            draft.configuration.environment_layers.remove(name);
            draft.configuration.keys.remove(name);
            let deployments = &mut draft.configuration.deployments;
            let using = deployments.iter().filter(|(_, one)| one.environments.contains_key(name));
            let using: Vec<_> = using.map(|(id, _)| id.clone()).collect();
            for deployment in using {
                deployments.get_mut(&deployment).map(|one| one.environments.remove(name));
            }
            draft.keys.retain(|key| key.environment != gone.environment.uid);
            draft.made.environments.remove(name);
            draft.mark(Subject::Environment(name.clone()));
            // Nobody can open them any more: the key is gone.
            deployment::forget(draft, |place| match place {
                Place::Environment(other) | Place::Deployment(_, Some(other)) => other == name,
                _ => false,
            });
            deployment::without_environment(draft, name);
        }
        _ => {}
    }
    Ok(())
}

/// Makes an environment that gives nothing yet, and the key that its values are sealed under.
pub(super) fn create(
    draft: &mut Draft<'_>,
    wanted: &Environment,
    (deployments, admins_only): (&BTreeSet<DeploymentId>, bool),
    what: String,
    entropy: &mut Entropy<'_>,
) -> Result<(Uid, DataKey), EditError> {
    let name = &wanted.name;
    if let Some(there) = draft.made.environments.get(name) {
        return Err(EditError::Changed { what, current: Some(there.changed.revision) });
    }
    if draft.configuration.environments.contains_key(name) {
        return Err(EditError::Owned(what));
    }
    let unknown = deployments.iter().find(|id| !draft.configuration.deployments.contains_key(*id));
    if let Some(unknown) = unknown {
        return Err(EditError::Invalid(format!("there is no deployment {unknown}")));
    }
    // Another environment of the same name, once, had another id: it sealed what this cannot open.
    let (workspace, uid) = (draft.configuration.uid, Uid(fresh(entropy)));
    let (opened, data_key) = keyring::new_data_key(draft.root, workspace, uid, 1, entropy);
    let made = MadeEnvironment {
        environment: Environment { uid, ..wanted.clone() },
        deployments: deployments.clone(),
        keys: keyring::new_environment_keys(draft.root, workspace, uid, entropy),
        data_key: data_key.clone(),
        admins_only,
        changed: draft.stamp.clone(),
    };
    made.put_into(&mut draft.configuration);
    made.join(&mut draft.configuration);
    draft.keys.push(data_key);
    draft.made.environments.insert(name.clone(), made);
    draft.mark(Subject::Environment(name.clone()));
    draft.touch(&Place::Environment(name.clone()));
    Ok((uid, opened))
}

/// What was made by API and promotes to an environment promotes to none.
fn end_chains(draft: &mut Draft<'_>, name: &EnvironmentName) {
    let made = draft.made.environments.values_mut();
    let sources = made.filter(|made| made.environment.promotes_to.as_ref() == Some(name));
    let sources = sources.map(|made| {
        made.environment.promotes_to = None;
        made.changed = draft.stamp.clone();
        made.clone()
    });
    for made in sources.collect::<Vec<_>>() {
        made.put_into(&mut draft.configuration);
        draft.mark(Subject::Environment(made.environment.name.clone()));
        draft.touch(&Place::Environment(made.environment.name));
    }
}

/// What counts on an environment, in words: those that promote to it, those that have something of its
/// services or namespaces, and deployments that would be left without any.
fn used_by(draft: &Draft<'_>, name: &EnvironmentName) -> Vec<String> {
    let configuration = &draft.configuration;
    let sources = configuration.environments.values();
    let sources = sources.filter(|one| one.promotes_to.as_ref() == Some(name));
    let services = configuration.services.values().filter(|one| one.instances.contains_key(name));
    let tools = configuration.tools.values().filter(|one| one.profiles.contains_key(name));
    let mut by: Vec<_> = (sources.map(|one| format!("{} promotes to it", one.name)))
        .chain(services.map(|one| format!("service {} has an instance there", one.id)))
        .chain(tools.map(|one| format!("tool {} has a profile there", one.id)))
        .collect();
    let is_active = |other: &EnvironmentName| {
        other != name && configuration.environments.get(other).is_some_and(|one| !one.deprecated)
    };
    for (id, one) in &configuration.deployments {
        if one.environments.contains_key(name) && !one.environments.keys().any(is_active) {
            by.push(format!("{id} would have no active environment without it"));
        }
        for (other, here) in one.environments.iter().filter(|(other, _)| *other != name) {
            let borrowed = here.bindings.iter().filter(|(_, binding)| binding.owner == *name);
            by.extend(
                borrowed.map(|(variable, _)| format!("{id} in {other} binds its instance as {variable}")),
            );
        }
    }
    by.truncate(LISTED);
    by
}

fn owned(
    draft: &Draft<'_>,
    name: &EnvironmentName,
    precondition: Precondition,
) -> Result<MadeEnvironment, EditError> {
    match draft.made.environments.get(name) {
        Some(made) => {
            precondition.check(Some(made.changed.revision), || format!("environment {name}"))?;
            Ok(made.clone())
        }
        None if draft.configuration.environments.contains_key(name) => {
            Err(EditError::Owned(format!("environment {name}")))
        }
        None => Err(EditError::Unknown),
    }
}
