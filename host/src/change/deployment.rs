//! Edits of deployments: what is set in one by itself stays with it, and goes where it does.

use std::collections::BTreeSet;

use super::{Draft, EditError};
use crate::{
    entropy::{Entropy, fresh},
    id::{DeploymentId, EnvironmentName, Uid},
    made::{Made, ResourceKey, Subject},
    model::{Deployment, Layer, Place, SealedValue},
};

/// What a deployment's own record holds from now on. The environments that it leaves are left with
/// everything that was set there.
pub(super) fn put(
    draft: &mut Draft<'_>,
    wanted: &Deployment<SealedValue>,
    entropy: &mut Entropy<'_>,
) -> Result<Deployment<SealedValue>, EditError> {
    let mut wanted = wanted.clone();
    // What is laid over a directory leaves out the environments that are not there; a change names them.
    wanted.environments.keys().try_for_each(|name| draft.uid(name).map(drop))?;
    let before = draft.configuration.deployments.get(&wanted.id);
    wanted.uid = before.map_or_else(|| Uid(fresh(entropy)), |before| before.uid);
    let used = before.into_iter().flat_map(|before| before.environments.keys());
    let left: Vec<_> = used.filter(|name| !wanted.environments.contains_key(*name)).cloned().collect();
    // Releases, variables, what is required in one environment, and bindings are records of their own.
    wanted.releases.clear();
    wanted.base.variables.clear();
    for here in wanted.environments.values_mut() {
        here.layer = Layer::default();
        here.bindings.clear();
    }
    for name in &left {
        forget(draft, |place| *place == Place::Deployment(wanted.id.clone(), Some(name.clone())));
        leave(draft, name, &wanted.id);
    }
    Ok(wanted)
}

/// Takes away everything that was set in a deployment that goes.
pub(super) fn delete(draft: &mut Draft<'_>, id: &DeploymentId) {
    forget(draft, |place| matches!(place, Place::Deployment(of, _) if of == id));
    let is_own = |key: &&ResourceKey| matches!(key, ResourceKey::Release(of, _) if of == id);
    let releases: Vec<_> = draft.made.resources.keys().filter(is_own).cloned().collect();
    for key in releases {
        draft.made.resources.remove(&key);
        draft.mark(Subject::Resource(key));
    }
    let made = draft.made.environments.iter().filter(|(_, made)| made.deployments.contains(id));
    let using: Vec<_> = made.map(|(name, _)| name.clone()).collect();
    using.iter().for_each(|name| leave(draft, name, id));
}

/// An environment that was made by API says by itself which deployments use it.
fn leave(draft: &mut Draft<'_>, name: &EnvironmentName, id: &DeploymentId) {
    let Some(made) = draft.made.environments.get_mut(name) else { return };
    if made.deployments.remove(id) {
        draft.mark(Subject::Environment(name.clone()));
    }
}

/// Lets the records of deployments that were made by API know that an environment is gone: another one of
/// that name is not theirs.
pub(super) fn without_environment(draft: &mut Draft<'_>, name: &EnvironmentName) {
    let mut changed = Vec::new();
    for (key, made) in &mut draft.made.resources {
        if made.leave(name) {
            changed.push(key.clone());
        }
    }
    changed.into_iter().for_each(|key| draft.mark(Subject::Resource(key)));
}

/// Takes away what was set by API in such places, with all that it ever was, and what was bound and
/// attached there.
pub(super) fn forget(draft: &mut Draft<'_>, is_such: impl Fn(&Place) -> bool) {
    let Made { values, past, buried, .. } = &draft.made;
    let keys = values.keys().chain(past.keys()).chain(buried.keys());
    let set: BTreeSet<_> = keys.filter(|key| is_such(&key.place)).cloned().collect();
    for key in set {
        draft.made.forget(&key);
        draft.mark(Subject::Value(key));
    }
    let is_there = |key: &&ResourceKey| match key {
        ResourceKey::Binding(id, environment, _) => {
            is_such(&Place::Deployment(id.clone(), Some(environment.clone())))
        }
        ResourceKey::Attachment(_, place) => is_such(place),
        ResourceKey::Requirement(key) => is_such(&key.place),
        _ => false,
    };
    let there: Vec<_> = draft.made.resources.keys().filter(is_there).cloned().collect();
    for key in there {
        key.take_out(&mut draft.configuration);
        draft.made.resources.remove(&key);
        draft.mark(Subject::Resource(key));
    }
}
