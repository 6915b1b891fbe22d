//! Edits of data services and tools: what holds credentials. A credential cannot be sent back by whoever
//! changes something else, because nobody is shown it; what a change does not say therefore stays.

use std::collections::{BTreeMap, BTreeSet};

use super::{Draft, EditError, rotation};
use crate::{
    entropy::Entropy,
    id::{CredentialName, EnvironmentName, ServiceId, ToolName, Uid},
    made::{Resource, ResourceKey},
    model::{
        Address, AddressKind, Credential, Endpoint, Instance, Profile, SealedValue, Service, ServiceKind,
        Tool, Version,
    },
    secret::Secret,
};

/// What becomes of something that is kept sealed.
#[derive(Default)]
pub enum SealedChange {
    /// It stays as it is.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It is this from now on.
    Set(Secret),
}

/// What is to change about a service.
pub struct ServiceChange {
    /// Its name.
    pub id: ServiceId,
    /// What it is: needed for a new one, and then it stays.
    pub kind: Option<ServiceKind>,
    /// Its instances, by the environment that owns each; none where there is to be no instance.
    pub instances: BTreeMap<EnvironmentName, Option<InstanceChange>>,
}

/// What is to change about a service in one environment.
#[derive(Default)]
pub struct InstanceChange {
    /// Where it listens.
    pub endpoints: Option<Vec<Endpoint>>,
    /// Who connects.
    pub user: Option<String>,
    /// The password.
    pub credential: SealedChange,
    /// After how many days the password is to be rotated; none for never.
    pub rotate_every: Option<Option<u32>>,
    /// Other environments that may bind it.
    pub shared_with: Option<BTreeSet<EnvironmentName>>,
}

impl ServiceChange {
    /// Whether what opens one of its instances is another from then on, or nothing.
    #[must_use]
    pub fn has_another_credential(&self) -> bool {
        let keeps = |change: &Option<InstanceChange>| {
            change.as_ref().is_some_and(|change| matches!(change.credential, SealedChange::Keep))
        };
        !self.instances.values().all(keeps)
    }
}

/// What is to change about a tool.
pub struct ToolChange {
    /// Its name.
    pub id: ToolName,
    /// For a person.
    pub description: Option<String>,
    /// Its profiles, by the environment that each is for; none where there is to be no profile.
    pub profiles: BTreeMap<EnvironmentName, Option<ProfileChange>>,
}

/// What is to change about a tool in one environment.
#[derive(Default)]
pub struct ProfileChange {
    /// One JSON text.
    pub settings: SealedChange,
    /// What opens it.
    pub credentials: BTreeMap<CredentialName, SealedChange>,
}

/// A resource, and the environments that its values are sealed for.
type Made = (Resource, BTreeMap<EnvironmentName, Uid>);

pub(super) fn service(
    draft: &Draft<'_>,
    change: &ServiceChange,
    entropy: &mut Entropy<'_>,
) -> Result<Made, EditError> {
    let id = &change.id;
    let before = draft.configuration.services.get(id);
    let kind = change.kind.or(before.map(|before| before.kind));
    let kind = kind.ok_or_else(|| EditError::Invalid(format!("service {id} is new; say its kind")))?;
    let mut instances = before.map(|before| before.instances.clone()).unwrap_or_default();
    for (owner, change) in &change.instances {
        let before = instances.remove(owner);
        if let Some(change) = change {
            instances.insert(owner.clone(), instance(draft, (id, owner), before, change, entropy)?);
        }
    }
    let sealed_for = draft.uids(instances.keys());
    Ok((Resource::Service(Service { id: id.clone(), kind, instances }), sealed_for))
}

fn instance(
    draft: &Draft<'_>,
    (id, owner): (&ServiceId, &EnvironmentName),
    before: Option<Instance<SealedValue>>,
    change: &InstanceChange,
    entropy: &mut Entropy<'_>,
) -> Result<Instance<SealedValue>, EditError> {
    let (shared_with, credential) = (BTreeSet::new(), Vec::new());
    let new = Instance {
        endpoints: Vec::new(),
        user: String::new(),
        credential,
        current: 0,
        set: None,
        rotate_every: None,
        shared_with,
    };
    let mut instance = before.unwrap_or(new);
    let environment = draft.uid(owner)?;
    match &change.credential {
        SealedChange::Keep => {}
        // The number stays, for the next one to count on.
        SealedChange::Remove => {
            instance.credential.clear();
            (instance.set, instance.rotate_every) = (None, None);
        }
        SealedChange::Set(value) => {
            let number = instance.current + 1;
            let address = Address {
                kind: AddressKind::Credential,
                workspace: draft.configuration.uid,
                environment,
                deployment: Uid::NONE,
                version: number,
                name: id.to_arc(),
            };
            let what = format!("credential of {id} in {owner}");
            let value = draft.sealed(&what, &address, value, entropy)?;
            (instance.credential, instance.current) = (vec![Version { number, value }], number);
            instance.set = Some(draft.stamp.at);
        }
    }
    if let Some(days) = change.rotate_every {
        let what = format!("credential of {id} in {owner}");
        instance.rotate_every = rotation::days(&what, days)?;
        if instance.rotate_every.is_some() && instance.credential.is_empty() {
            return Err(EditError::Invalid(format!("{what}: there is none, and nothing to rotate")));
        }
        // Of one from before this was kept, nobody knows: it counts from now.
        instance.set = instance.set.or((!instance.credential.is_empty()).then_some(draft.stamp.at));
    }
    Ok(Instance {
        endpoints: change.endpoints.clone().unwrap_or(instance.endpoints),
        user: change.user.clone().unwrap_or(instance.user),
        shared_with: change.shared_with.clone().unwrap_or(instance.shared_with),
        ..instance
    })
}

pub(super) fn tool(
    draft: &Draft<'_>,
    change: &ToolChange,
    entropy: &mut Entropy<'_>,
) -> Result<Made, EditError> {
    let id = &change.id;
    let before = draft.configuration.tools.get(id);
    let mut profiles = before.map(|before| before.profiles.clone()).unwrap_or_default();
    for (owner, change) in &change.profiles {
        let before = profiles.remove(owner);
        if let Some(change) = change {
            profiles.insert(owner.clone(), profile(draft, (id, owner), before, change, entropy)?);
        }
    }
    let description = change.description.as_ref().or(before.map(|before| &before.description));
    let description = description.cloned().unwrap_or_default();
    let sealed_for = draft.uids(profiles.keys());
    Ok((Resource::Tool(Tool { id: id.clone(), description, profiles }), sealed_for))
}

fn profile(
    draft: &Draft<'_>,
    (id, owner): (&ToolName, &EnvironmentName),
    before: Option<Profile<SealedValue>>,
    change: &ProfileChange,
    entropy: &mut Entropy<'_>,
) -> Result<Profile<SealedValue>, EditError> {
    let new = Profile { settings: None, credentials: BTreeMap::new() };
    let mut profile = before.unwrap_or(new);
    let (workspace, environment) = (draft.configuration.uid, draft.uid(owner)?);
    match &change.settings {
        SealedChange::Keep => {}
        SealedChange::Remove => profile.settings = None,
        SealedChange::Set(value) => {
            let (address, what) =
                (Address::tool_settings(workspace, environment, id), format!("settings of {id} in {owner}"));
            profile.settings = Some(draft.sealed(&what, &address, value, entropy)?);
        }
    }
    for (name, change) in &change.credentials {
        match change {
            SealedChange::Keep => {}
            SealedChange::Remove => drop(profile.credentials.remove(name)),
            SealedChange::Set(value) => {
                let number = profile.credentials.get(name).map_or(1, |before| before.current + 1);
                let address = Address::tool_credential(workspace, environment, (id, name), number);
                let what = format!("credential {name} of {id} in {owner}");
                let value = draft.sealed(&what, &address, value, entropy)?;
                let credential = Credential { versions: vec![Version { number, value }], current: number };
                profile.credentials.insert(name.clone(), credential);
            }
        }
    }
    Ok(profile)
}

/// Where a service is bound or a tool is called, as a reason not to delete it.
pub(super) fn uses(draft: &Draft<'_>, key: &ResourceKey) -> Vec<String> {
    let mut uses = Vec::new();
    for (id, one) in &draft.configuration.deployments {
        for (environment, here) in &one.environments {
            match key {
                ResourceKey::Service(service) => {
                    let bound = here.bindings.iter().filter(|(_, binding)| binding.service == *service);
                    uses.extend(bound.map(|(name, _)| format!("{name} of {id} in {environment}")));
                }
                ResourceKey::Tool(tool) if here.tools.contains_key(tool) => {
                    uses.push(format!("{id} in {environment}"));
                }
                _ => {}
            }
        }
    }
    uses
}
