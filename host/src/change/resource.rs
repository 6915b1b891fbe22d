//! Edits of everything but values and environments. What is particular to a kind is in its own file; who
//! owns it, whether it is as the change expects and what it touches is the same for all.

use std::collections::BTreeMap;

use super::{Draft, EditError, Precondition};
use crate::{
    entropy::{Entropy, fresh},
    id::{DeploymentId, EnvironmentName, ServiceId, ToolName, Uid, VariableName},
    made::{MadeResource, Resource, ResourceKey, Subject},
    model::{Attachment, Binding, Deployment, Place, Policy, SealedValue},
};

/// One edit of a resource.
pub enum ResourceEdit {
    /// A deployment comes to be, or is another from now on, under the same id. Its variables, bindings
    /// and releases are not asked for here and stay.
    PutDeployment(Deployment<SealedValue>),
    /// A service is bound under a variable's name.
    PutBinding {
        /// To which deployment.
        deployment: DeploymentId,
        /// In which environment.
        environment: EnvironmentName,
        /// Under which name.
        name: VariableName,
        /// What.
        binding: Binding,
    },
    /// A policy comes to be, or has another component.
    PutPolicy(Policy),
    /// A policy is attached, or has other settings there.
    PutAttachment(Attachment),
    /// It goes.
    Delete(ResourceKey),
}

impl ResourceEdit {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        match self {
            Self::PutDeployment(one) => ResourceKey::Deployment(one.id.clone()),
            Self::PutBinding { deployment, environment, name, .. } => {
                ResourceKey::Binding(deployment.clone(), environment.clone(), name.clone())
            }
            Self::PutPolicy(one) => ResourceKey::Policy(one.name.clone()),
            Self::PutAttachment(one) => ResourceKey::Attachment(one.policy.clone(), one.place.clone()),
            Self::Delete(key) => key.clone(),
        }
    }

    /// What it does, in a word for the audit log.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        if matches!(self, Self::Delete(_)) { "deleted" } else { "set" }
    }
}

pub(super) fn apply(
    draft: &mut Draft<'_>,
    edit: &ResourceEdit,
    precondition: Precondition,
    entropy: &mut Entropy<'_>,
) -> Result<(), EditError> {
    let key = edit.key();
    writable(draft, &key, precondition)?;
    let none = BTreeMap::new();
    match edit {
        ResourceEdit::PutDeployment(wanted) => {
            let before = draft.configuration.deployments.get(&wanted.id);
            let uid = before.map_or_else(|| Uid(fresh(entropy)), |before| before.uid);
            let wanted = Deployment { uid, ..wanted.clone() };
            put(draft, key, Resource::Deployment(wanted), none)
        }
        ResourceEdit::PutBinding { binding, .. } => put(draft, key, Resource::Binding(binding.clone()), none),
        ResourceEdit::PutPolicy(policy) => put(draft, key, Resource::Policy(policy.clone()), none),
        ResourceEdit::PutAttachment(one) => put(draft, key, Resource::Attachment(one.clone()), none),
        ResourceEdit::Delete(_) => delete(draft, key),
    }
}

/// Refuses what a directory owns, and what is not as the change expects it.
fn writable(draft: &Draft<'_>, key: &ResourceKey, precondition: Precondition) -> Result<(), EditError> {
    let current = draft.made.resources.get(key).map(|made| made.changed.revision);
    if current.is_none() && key.is_in(&draft.configuration) {
        return Err(EditError::Owned(key.to_string()));
    }
    precondition.check(current, || key.to_string())
}

/// Puts a resource in its place. `sealed_for` are the environments that its values are sealed for.
fn put(
    draft: &mut Draft<'_>,
    key: ResourceKey,
    resource: Resource,
    sealed_for: BTreeMap<EnvironmentName, Uid>,
) -> Result<(), EditError> {
    touch(draft, &key);
    let made = MadeResource { resource, sealed_for, changed: draft.stamp.clone() };
    if !made.put_into(&key, &mut draft.configuration) {
        return Err(EditError::Unknown);
    }
    draft.made.resources.insert(key.clone(), made);
    touch(draft, &key);
    draft.mark(Subject::Resource(key));
    Ok(())
}

fn delete(draft: &mut Draft<'_>, key: ResourceKey) -> Result<(), EditError> {
    draft.made.resources.remove(&key).ok_or(EditError::Unknown)?;
    touch(draft, &key);
    key.take_out(&mut draft.configuration);
    draft.mark(Subject::Resource(key));
    Ok(())
}

/// The pairs that a resource has a say in. Called before and after, since either may be more.
fn touch(draft: &mut Draft<'_>, key: &ResourceKey) {
    match key {
        ResourceKey::Deployment(id) => draft.touch(&Place::Deployment(id.clone(), None)),
        ResourceKey::Service(id) => draft.touch_where(|here| bound_to(here, id)),
        ResourceKey::Tool(id) => draft.touch_where(|here| calls(here, id)),
        ResourceKey::Binding(id, environment, _) => {
            draft.touch(&Place::Deployment(id.clone(), Some(environment.clone())));
        }
        // Which pairs have it among theirs is for their chains to say.
        ResourceKey::Policy(_) => draft.touch(&Place::Workspace),
        ResourceKey::Attachment(_, place) => draft.touch(place),
    }
}

fn bound_to(here: &crate::model::Override<SealedValue>, service: &ServiceId) -> bool {
    here.bindings.values().any(|binding| binding.service == *service)
}

fn calls(here: &crate::model::Override<SealedValue>, tool: &ToolName) -> bool {
    here.tools.contains_key(tool)
}
