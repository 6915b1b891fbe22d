//! The record of a resource: who changed it, what its values are sealed for, and itself as the part of a
//! stored configuration that holds nothing else. A policy's component is a blob beside it.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use super::{Made, MadeResource, ResourceKey, WireStamp, stamp, to_stamp, value::place};
use crate::{
    bundle,
    id::{DeploymentId, Digest, EnvironmentName, PolicyName, Uid, VariableName, WorkspaceId},
    made::{MadePolicy, PolicyVersion, Resource, ValueKey, nothing_special},
    model::{Configuration, Deployment, Fallback, Layer, Override, Place, Policy, SealedValue, ValueType},
};

#[derive(Serialize, Deserialize)]
struct WireResource {
    content: WireContent,
    sealed_for: BTreeMap<String, String>,
    changed: WireStamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireContent {
    /// Of a configuration that holds nothing else.
    Part(String),
    Policy {
        name: String,
        component: String,
        falls_back: bool,
        set: WireStamp,
        earlier: Vec<WireComponent>,
    },
}

/// A component that was replaced; a blob, too.
#[derive(Serialize, Deserialize)]
struct WireComponent {
    component: String,
    set: WireStamp,
    failed: bool,
}

/// What a resource's record is called.
pub(super) fn name(workspace: &WorkspaceId, key: &ResourceKey) -> String {
    let own = match key {
        ResourceKey::Deployment(id) => format!("deployment/{id}"),
        ResourceKey::Service(id) => format!("service/{id}"),
        ResourceKey::Tool(id) => format!("tool/{id}"),
        ResourceKey::Release(id, number) => format!("release/{id}/{number:020}"),
        ResourceKey::Binding(id, environment, name) => format!("binding/{id}/{name}/in/{environment}"),
        ResourceKey::Policy(name) => format!("policy/{name}"),
        ResourceKey::Attachment(policy, at) => format!("attachment/{policy}/{}", place(at)),
        ResourceKey::Requirement(key) => format!("required/{}/{}", place(&key.place), key.name),
    };
    format!("workspace/{workspace}/resource/{own}")
}

pub(super) fn write(
    workspace: &WorkspaceId,
    key: &ResourceKey,
    made: &MadeResource,
) -> serde_json::Result<Vec<u8>> {
    // A part does not say whose it is; the record's name does.
    let mut part = Configuration::new(workspace.clone(), Uid::NONE);
    let content = match (key, &made.resource) {
        (_, Resource::Policy(MadePolicy { policy, set, earlier })) => WireContent::Policy {
            name: policy.name.to_string(),
            component: policy.digest.to_string(),
            falls_back: policy.fallback == Fallback::Previous,
            set: to_stamp(set),
            earlier: earlier.iter().map(to_component).collect(),
        },
        (ResourceKey::Binding(id, environment, name), Resource::Binding(binding)) => {
            part.deployments.insert(id.clone(), bound(id, environment, name, binding.clone()));
            WireContent::Part(BASE64_STANDARD.encode(bundle::write_part(&part)))
        }
        (ResourceKey::Release(id, number), Resource::Release(release)) => {
            let releases = [(*number, release.clone())].into();
            part.deployments.insert(id.clone(), Deployment { releases, ..nothing(id) });
            WireContent::Part(BASE64_STANDARD.encode(bundle::write_part(&part)))
        }
        (ResourceKey::Requirement(key), Resource::Requirement(form)) => {
            require(&mut part, key, form);
            WireContent::Part(BASE64_STANDARD.encode(bundle::write_part(&part)))
        }
        (_, resource) => {
            hold(&mut part, resource);
            WireContent::Part(BASE64_STANDARD.encode(bundle::write_part(&part)))
        }
    };
    let sealed_for = made.sealed_for.iter().map(|(name, uid)| (name.to_string(), uid.to_string()));
    serde_json::to_vec(&WireResource {
        content,
        sealed_for: sealed_for.collect(),
        changed: to_stamp(&made.changed),
    })
}

pub(super) fn read(
    (workspace, uid): (&WorkspaceId, Uid),
    name_of_record: &str,
    content: &[u8],
    made: &mut Made,
) -> Option<()> {
    let wire: WireResource = serde_json::from_slice(content).ok()?;
    let (key, resource) = match wire.content {
        WireContent::Policy { name, component, falls_back, set, earlier } => {
            let (name, digest): (PolicyName, Digest) = (name.parse().ok()?, component.parse().ok()?);
            let fallback = if falls_back { Fallback::Previous } else { Fallback::Refuse };
            let policy = Policy { name: name.clone(), digest, component: [].into(), fallback };
            let earlier = earlier.into_iter().map(component_before).collect::<Option<_>>()?;
            (ResourceKey::Policy(name), Resource::Policy(MadePolicy { policy, set: stamp(set), earlier }))
        }
        WireContent::Part(part) => {
            let part = bundle::read_part(&BASE64_STANDARD.decode(part).ok()?, workspace, uid).ok()?;
            held(part)?
        }
    };
    (name(workspace, &key) == name_of_record).then_some(())?;
    let sealed_for =
        wire.sealed_for.into_iter().map(|(name, uid)| Some((name.parse().ok()?, uid.parse().ok()?)));
    let sealed_for = sealed_for.collect::<Option<_>>()?;
    made.resources.insert(key, MadeResource { resource, sealed_for, changed: stamp(wire.changed) });
    Some(())
}

fn component_before(wire: WireComponent) -> Option<PolicyVersion> {
    let WireComponent { component, set, failed } = wire;
    Some(PolicyVersion { digest: component.parse().ok()?, set: stamp(set), failed })
}

fn to_component(version: &PolicyVersion) -> WireComponent {
    let PolicyVersion { digest, set, failed } = version;
    WireComponent { component: digest.to_string(), set: to_stamp(set), failed: *failed }
}

fn hold(part: &mut Configuration<SealedValue>, resource: &Resource) {
    match resource {
        Resource::Deployment(one) => part.deployments.insert(one.id.clone(), one.clone()),
        Resource::Service(one) => part.services.insert(one.id.clone(), one.clone()),
        Resource::Tool(one) => part.tools.insert(one.id.clone(), one.clone()),
        Resource::Attachment(one) => part.attachments.push(one.clone()),
        Resource::Policy(_) | Resource::Release(_) | Resource::Binding(_) | Resource::Requirement(_) => {}
    }
}

/// Puts a requirement into the layer of its place, of which there is nothing else.
fn require(part: &mut Configuration<SealedValue>, key: &ValueKey, form: &Option<ValueType>) {
    let required = [(key.name.clone(), form.clone())].into();
    let layer = Layer { required, ..Layer::default() };
    match &key.place {
        Place::Workspace => part.base = layer,
        Place::Environment(name) => drop(part.environment_layers.insert(name.clone(), layer)),
        Place::Deployment(id, None) => {
            part.deployments.insert(id.clone(), Deployment { base: layer, ..nothing(id) });
        }
        Place::Deployment(id, Some(name)) => {
            let here = Override { layer, ..nothing_special() };
            let environments = [(name.clone(), here)].into();
            part.deployments.insert(id.clone(), Deployment { environments, ..nothing(id) });
        }
    }
}

/// The requirement that a part holds, where that is all there is of a layer.
fn required(part: &Configuration<SealedValue>) -> Option<(ResourceKey, Resource)> {
    let base = Some((Place::Workspace, &part.base));
    let environment = part.environment_layers.iter().next();
    let environment = environment.map(|(name, layer)| (Place::Environment(name.clone()), layer));
    let special = part.deployments.values().next().and_then(|one| {
        let (name, here) = one.environments.iter().next()?;
        Some((Place::Deployment(one.id.clone(), Some(name.clone())), &here.layer))
    });
    let layers = [base, environment, special].into_iter().flatten();
    let mut found = layers.filter_map(|(place, layer)| {
        let (name, form) = layer.required.iter().next()?;
        let key = ValueKey { place, name: name.clone() };
        Some((ResourceKey::Requirement(key), Resource::Requirement(form.clone())))
    });
    found.next()
}

/// The one thing that a part holds: a binding or a requirement where that is all there is of a deployment.
fn held(mut part: Configuration<SealedValue>) -> Option<(ResourceKey, Resource)> {
    if let Some(found) = required(&part) {
        return Some(found);
    }
    let found = part.deployments.len() + part.services.len() + part.tools.len() + part.attachments.len();
    if found != 1 {
        return None;
    }
    if let Some(one) = part.attachments.pop() {
        return Some((
            ResourceKey::Attachment(one.policy.clone(), one.place.clone()),
            Resource::Attachment(one),
        ));
    }
    if let Some(one) = part.services.values().next() {
        return Some((ResourceKey::Service(one.id.clone()), Resource::Service(one.clone())));
    }
    if let Some(one) = part.tools.values().next() {
        return Some((ResourceKey::Tool(one.id.clone()), Resource::Tool(one.clone())));
    }
    let one = part.deployments.values().next()?;
    let bound = one.environments.iter().find_map(|(environment, here)| {
        let (name, binding) = here.bindings.iter().next()?;
        Some((ResourceKey::Binding(one.id.clone(), environment.clone(), name.clone()), binding.clone()))
    });
    // A deployment's own record holds no releases.
    if let Some((number, release)) = one.releases.iter().next() {
        let key = ResourceKey::Release(one.id.clone(), *number);
        return Some((key, Resource::Release(release.clone())));
    }
    Some(match bound {
        Some((key, binding)) => (key, Resource::Binding(binding)),
        None => (ResourceKey::Deployment(one.id.clone()), Resource::Deployment(one.clone())),
    })
}

fn bound(
    id: &DeploymentId,
    environment: &EnvironmentName,
    name: &VariableName,
    binding: crate::model::Binding,
) -> Deployment<SealedValue> {
    let mut here = nothing_special();
    here.bindings.insert(name.clone(), binding);
    Deployment { environments: [(environment.clone(), here)].into(), ..nothing(id) }
}

/// A deployment that says nothing.
fn nothing(id: &DeploymentId) -> Deployment<SealedValue> {
    Deployment {
        id: id.clone(),
        uid: Uid::NONE,
        base: Layer::default(),
        domain: None,
        namespaces: BTreeMap::new(),
        environments: BTreeMap::new(),
        releases: BTreeMap::new(),
    }
}
