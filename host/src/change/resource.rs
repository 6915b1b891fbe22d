//! Edits of everything but values and environments. What is particular to a kind is in its own file; who
//! owns it, whether it is as the change expects and what it touches is the same for all.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Draft, EditError, LISTED, Precondition, deployment,
    sealed::{self, ServiceChange, ToolChange},
};
use crate::{
    entropy::Entropy,
    id::{DeploymentId, EnvironmentName, PolicyName, ServiceId, ToolName, Uid, VariableName},
    made::{MadePolicy, MadeResource, Resource, ResourceKey, Subject, ValueKey},
    model::{Attachment, Binding, Deployment, Place, Policy, Release, SealedValue, ValueType},
};

/// One edit of a resource.
pub enum ResourceEdit {
    /// A deployment comes to be, or is another from now on, under the same id. Its variables, bindings
    /// and releases are not asked for here and stay.
    PutDeployment(Deployment<SealedValue>),
    /// A service comes to be, or is another from now on.
    PutService(ServiceChange),
    /// A tool comes to be, or is another from now on.
    PutTool(ToolChange),
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
    /// A release is registered.
    PutRelease {
        /// Of which deployment.
        deployment: DeploymentId,
        /// What it is, for good.
        release: Release,
        /// Those that go, to make room.
        gone: Vec<u64>,
    },
    /// A policy comes to be, or has another component.
    PutPolicy(Policy),
    /// A policy has an earlier component again, because the one that is there keeps failing.
    RestorePolicy(Policy),
    /// A policy is attached, or has other settings there.
    PutAttachment(Attachment),
    /// No instance starts without it from a layer on, and it has a form.
    PutRequirement(ValueKey, Option<ValueType>),
    /// It goes.
    Delete(ResourceKey),
}

impl ResourceEdit {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        match self {
            Self::PutDeployment(one) => ResourceKey::Deployment(one.id.clone()),
            Self::PutService(one) => ResourceKey::Service(one.id.clone()),
            Self::PutTool(one) => ResourceKey::Tool(one.id.clone()),
            Self::PutBinding { deployment, environment, name, .. } => {
                ResourceKey::Binding(deployment.clone(), environment.clone(), name.clone())
            }
            Self::PutRelease { deployment, release, .. } => {
                ResourceKey::Release(deployment.clone(), release.number)
            }
            Self::PutPolicy(one) | Self::RestorePolicy(one) => ResourceKey::Policy(one.name.clone()),
            Self::PutAttachment(one) => ResourceKey::Attachment(one.policy.clone(), one.place.clone()),
            Self::PutRequirement(key, _) => ResourceKey::Requirement(key.clone()),
            Self::Delete(key) => key.clone(),
        }
    }

    /// The component that it brings.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        match self {
            Self::PutPolicy(policy) | Self::RestorePolicy(policy) => Some(policy),
            _ => None,
        }
    }

    /// What it is about, for the audit log: of a policy also which component.
    #[must_use]
    pub fn subject(&self) -> String {
        match self.policy() {
            Some(policy) => format!("{} ({})", self.key(), policy.digest),
            None => self.key().to_string(),
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
            let wanted = deployment::put(draft, wanted, entropy)?;
            put(draft, key, Resource::Deployment(wanted), none)
        }
        ResourceEdit::PutService(change) => {
            let (service, sealed_for) = sealed::service(draft, change, entropy)?;
            put(draft, key, service, sealed_for)
        }
        ResourceEdit::PutTool(change) => {
            let (tool, sealed_for) = sealed::tool(draft, change, entropy)?;
            put(draft, key, tool, sealed_for)
        }
        ResourceEdit::PutBinding { binding, .. } => put(draft, key, Resource::Binding(binding.clone()), none),
        ResourceEdit::PutRelease { deployment, release, gone } => {
            if draft.made.resources.contains_key(&key) {
                let reason = format!("{key} is registered already, and stays as it is");
                return Err(EditError::NotNow { reason, current: None });
            }
            for number in gone {
                delete(draft, ResourceKey::Release(deployment.clone(), *number))?;
            }
            put(draft, key, Resource::Release(release.clone()), none)
        }
        ResourceEdit::PutPolicy(policy) | ResourceEdit::RestorePolicy(policy) => {
            let failed = matches!(edit, ResourceEdit::RestorePolicy(_));
            let (policy, set) = (policy.clone(), draft.stamp.clone());
            let made = match draft.made.policy(&policy.name) {
                Some(before) => before.followed_by(policy, set, failed),
                None => MadePolicy::first(policy, set),
            };
            put(draft, key, Resource::Policy(made), none)
        }
        ResourceEdit::PutAttachment(one) => {
            put(draft, key, Resource::Attachment(one.clone()), none)?;
            order_attachments(draft);
            Ok(())
        }
        ResourceEdit::PutRequirement(of, form) => {
            let environment = match &of.place {
                Place::Environment(name) | Place::Deployment(_, Some(name)) => Some(name),
                Place::Workspace | Place::Deployment(_, None) => None,
            };
            let sealed_for = draft.uids(environment.into_iter());
            put(draft, key, Resource::Requirement(form.clone()), sealed_for)
        }
        ResourceEdit::Delete(_) => {
            if let ResourceKey::Policy(name) = &key {
                unattached(draft, name)?;
            }
            delete(draft, key)
        }
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
    let uses = sealed::uses(draft, &key);
    if !uses.is_empty() {
        let listed: Vec<_> = uses.iter().take(LISTED).map(String::as_str).collect();
        return Err(EditError::Invalid(format!("{key} is in use by {}", listed.join(", "))));
    }
    touch(draft, &key);
    if let ResourceKey::Deployment(id) = &key {
        deployment::delete(draft, id);
    }
    key.take_out(&mut draft.configuration);
    draft.mark(Subject::Resource(key));
    Ok(())
}

/// The order that a restart gives them, too: a directory's as it says, then those made by API by name.
fn order_attachments(draft: &mut Draft<'_>) {
    let keys = draft.made.resources.keys().filter_map(|key| match key {
        ResourceKey::Attachment(policy, place) => Some((policy, place)),
        _ => None,
    });
    let made: BTreeSet<_> = keys.collect();
    let by_name = |one: &Attachment, other: &Attachment| {
        let of_one = made.get(&(&one.policy, &one.place));
        of_one.cmp(&made.get(&(&other.policy, &other.place)))
    };
    draft.configuration.attachments.sort_by(by_name);
}

/// Refuses to delete a policy that is at work somewhere.
fn unattached(draft: &Draft<'_>, name: &PolicyName) -> Result<(), EditError> {
    let attached = draft.configuration.attachments.iter().filter(|one| one.policy == *name);
    let mut places: Vec<_> = attached.map(|one| format!("{} ({})", one.place, one.id())).collect();
    if places.is_empty() {
        return Ok(());
    }
    let more = places.len().saturating_sub(LISTED);
    places.truncate(LISTED);
    let more = if more == 0 { String::new() } else { format!(" and {more} places more") };
    let rule = format!("policy {name} is attached to {}{more}; detach it first", places.join(", "));
    Err(EditError::Invalid(rule))
}

/// The pairs that a resource has a say in. Called before and after, since either may be more.
fn touch(draft: &mut Draft<'_>, key: &ResourceKey) {
    match key {
        ResourceKey::Deployment(id) => draft.touch(&Place::Deployment(id.clone(), None)),
        // It is in a plan from its activation on.
        ResourceKey::Release(..) => {}
        ResourceKey::Service(id) => draft.touch_where(|here| bound_to(here, id)),
        ResourceKey::Tool(id) => draft.touch_where(|here| calls(here, id)),
        ResourceKey::Binding(id, environment, _) => {
            draft.touch(&Place::Deployment(id.clone(), Some(environment.clone())));
        }
        // Which pairs have it among theirs is for their chains to say.
        ResourceKey::Policy(_) => draft.touch(&Place::Workspace),
        ResourceKey::Attachment(_, place) => draft.touch(place),
        ResourceKey::Requirement(key) => draft.touch(&key.place),
    }
}

fn bound_to(here: &crate::model::Override<SealedValue>, service: &ServiceId) -> bool {
    here.bindings.values().any(|binding| binding.service == *service)
}

fn calls(here: &crate::model::Override<SealedValue>, tool: &ToolName) -> bool {
    here.tools.contains_key(tool)
}
