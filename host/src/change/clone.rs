//! An environment made after another: its layer and what it gives to deployments, every value sealed
//! again under the new one's own key. Nothing is shared afterwards, but a service's instance that lists
//! the new one in `shared-with`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Draft, EditError, Precondition, environment};
use crate::{
    entropy::{Entropy, fresh},
    id::{DeploymentId, EnvironmentName, Uid, ValueId, VariableName},
    made::{
        MadeContent, MadeResource, MadeValue, MadeVersion, Resource, ResourceKey, SealedFor, Subject,
        ValueKey,
    },
    model::{
        Address, Attachment, Binding, Configuration, Content, Environment, Layer, Place, SealedValue,
        Variable,
    },
    seal::{self, DataKey},
};

/// The most values, required keys, bindings and attached policies that a clone takes over.
pub(super) const MAX_CLONED: usize = 2_000;

/// A clone that is wanted.
pub(super) struct Clone<'a> {
    pub(super) source: &'a EnvironmentName,
    pub(super) wanted: &'a Environment,
    pub(super) deployments: Option<&'a BTreeSet<DeploymentId>>,
}

/// The ids and the key of the new environment.
struct Target {
    uid: Uid,
    key: DataKey,
}

impl Clone<'_> {
    pub(super) fn apply(
        &self,
        draft: &mut Draft<'_>,
        permissions: bool,
        precondition: Precondition,
        entropy: &mut Entropy<'_>,
    ) -> Result<(), EditError> {
        let Self { source, wanted, .. } = self;
        let found = draft.configuration.environments.get(*source).ok_or(EditError::Unknown)?;
        let from = found.uid;
        let of_source = draft.made.environments.get(*source);
        if let Precondition::ChangedBy(_) = precondition {
            let current = of_source.map(|made| made.changed.revision);
            precondition.check(current, || format!("environment {source}"))?;
        }
        let admins_only = !permissions || of_source.is_some_and(|made| made.admins_only);
        let deployments = self.deployments(&draft.configuration)?;
        let what = format!("environment {}", wanted.name);
        let (uid, key) = environment::create(draft, wanted, (&deployments, admins_only), what, entropy)?;
        let target = Target { uid, key };

        let layers = self.layers(&draft.configuration, &deployments);
        let bindings = self.bindings(draft, &deployments);
        let attachments = self.attachments(draft, &deployments);
        let required = requirements(&layers);
        let many = layers.values().map(|layer| layer.variables.len()).sum::<usize>();
        let many = many + bindings.len() + attachments.len() + required.len();
        if many > MAX_CLONED {
            let rule = format!(
                "a clone takes over at most {MAX_CLONED} values, required keys, bindings and attached policies; these are {many}: choose fewer deployments"
            );
            return Err(EditError::Invalid(rule));
        }
        self.values(draft, (from, &target), layers, entropy)?;
        let resources = bindings.into_iter().chain(attachments).chain(required);
        for (key, resource) in resources {
            let sealed_for = [(wanted.name.clone(), target.uid)].into();
            let made = MadeResource { resource, sealed_for, changed: draft.stamp.clone() };
            if made.put_into(&key, &mut draft.configuration) {
                draft.cloned.push(key.to_string());
                draft.made.resources.insert(key.clone(), made);
                draft.mark(Subject::Resource(key));
            }
        }
        Ok(())
    }

    /// Those that use the source, or the chosen ones of them.
    fn deployments(
        &self,
        configuration: &Configuration<SealedValue>,
    ) -> Result<BTreeSet<DeploymentId>, EditError> {
        let using = configuration.deployments.iter();
        let using = using.filter(|(_, one)| one.environments.contains_key(self.source));
        let using: BTreeSet<_> = using.map(|(id, _)| id.clone()).collect();
        let Some(chosen) = self.deployments else { return Ok(using) };
        match chosen.difference(&using).next() {
            Some(other) => Err(EditError::Invalid(format!(
                "deployment {other} does not use environment {}",
                self.source
            ))),
            None => Ok(chosen.clone()),
        }
    }

    /// What the source's layers set, by the place of it in the clone.
    fn layers(
        &self,
        configuration: &Configuration<SealedValue>,
        deployments: &BTreeSet<DeploymentId>,
    ) -> BTreeMap<Place, Layer<SealedValue>> {
        let name = &self.wanted.name;
        let own = configuration.environment_layers.get(self.source);
        let own = own.map(|layer| (Place::Environment(name.clone()), layer.clone()));
        let special = deployments.iter().filter_map(|id| {
            let here = configuration.deployments.get(id)?.environments.get(self.source)?;
            Some((Place::Deployment(id.clone(), Some(name.clone())), here.layer.clone()))
        });
        own.into_iter().chain(special).collect()
    }

    /// Every value opened where it was and sealed where it is to be; those that do not open are refused
    /// by name.
    fn values(
        &self,
        draft: &mut Draft<'_>,
        ends: (Uid, &Target),
        layers: BTreeMap<Place, Layer<SealedValue>>,
        entropy: &mut Entropy<'_>,
    ) -> Result<(), EditError> {
        let mut unopened = Vec::new();
        for (place, layer) in layers {
            for (name, variable) in layer.variables {
                let key = ValueKey { place: place.clone(), name };
                match taken_over(draft, ends, &key, &variable, entropy) {
                    Some(value) => set(draft, key, value),
                    None => unopened.push(key.name.to_string()),
                }
            }
        }
        if unopened.is_empty() {
            return Ok(());
        }
        let names = unopened.join(", ");
        Err(EditError::Invalid(format!("values of {} do not open on this host: {names}", self.source)))
    }

    /// The bindings whose instance is shared with the clone; the others are left out, and told.
    fn bindings(
        &self,
        draft: &mut Draft<'_>,
        deployments: &BTreeSet<DeploymentId>,
    ) -> Vec<(ResourceKey, Resource)> {
        let (name, configuration) = (&self.wanted.name, &draft.configuration);
        let (mut taken, mut left_out) = (Vec::new(), Vec::new());
        for id in deployments {
            let one = configuration.deployments.get(id);
            let Some(here) = one.and_then(|one| one.environments.get(self.source)) else { continue };
            for (variable, binding) in &here.bindings {
                if is_shared(configuration, binding, name) {
                    let key = ResourceKey::Binding(id.clone(), name.clone(), variable.clone());
                    taken.push((key, Resource::Binding(binding.clone())));
                } else {
                    left_out.push(not_shared(id, variable, binding, name));
                }
            }
            let tools = here.tools.keys();
            left_out.extend(
                tools.map(|tool| format!("tool {tool} of {id} is left out: it has no profile for {name}")),
            );
        }
        draft.warnings.append(&mut left_out);
        taken
    }

    /// The policies that guard the source guard the clone: it has the same secrets.
    fn attachments(
        &self,
        draft: &Draft<'_>,
        deployments: &BTreeSet<DeploymentId>,
    ) -> BTreeMap<ResourceKey, Resource> {
        let name = &self.wanted.name;
        let moved = |place: &Place| match place {
            Place::Environment(at) if at == self.source => Some(Place::Environment(name.clone())),
            Place::Deployment(id, Some(at)) if at == self.source && deployments.contains(id) => {
                Some(Place::Deployment(id.clone(), Some(name.clone())))
            }
            _ => None,
        };
        let attached = draft.configuration.attachments.iter();
        let attached =
            attached.filter_map(|one| Some(Attachment { place: moved(&one.place)?, ..one.clone() }));
        attached
            .map(|one| {
                let key = ResourceKey::Attachment(one.policy.clone(), one.place.clone());
                (key, Resource::Attachment(one))
            })
            .collect()
    }
}

/// What the layers require; so does the clone, whatever becomes of its source.
fn requirements(layers: &BTreeMap<Place, Layer<SealedValue>>) -> Vec<(ResourceKey, Resource)> {
    let all = layers.iter().flat_map(|(place, layer)| layer.required.iter().map(move |one| (place, one)));
    let required = all.map(|(place, (name, form))| {
        let key = ValueKey { place: place.clone(), name: name.clone() };
        (ResourceKey::Requirement(key), Resource::Requirement(form.clone()))
    });
    required.collect()
}

/// The value as the clone has it. Its plaintext is wiped before this returns.
fn taken_over(
    draft: &Draft<'_>,
    (from, target): (Uid, &Target),
    key: &ValueKey,
    variable: &Variable<SealedValue>,
    entropy: &mut Entropy<'_>,
) -> Option<MadeValue> {
    let sealed_for = SealedFor::place(&draft.configuration, &key.place);
    let number = draft.made.next_version(key);
    let content = match &variable.content {
        Content::Template(template) => MadeContent::Template(template.clone()),
        Content::Versions { versions, current } => {
            let before = versions.iter().find(|version| version.number == *current)?;
            let at = |environment, version| {
                let layer = (environment, sealed_for.deployment);
                Address::variable(draft.configuration.uid, layer, &key.name, version)
            };
            let opener = draft.keyring.key_for(from, &before.value).ok()?;
            let opened = seal::open(opener, &at(from, *current), &before.value).ok()?;
            let (address, id) = (at(target.uid, number), ValueId(fresh(entropy)));
            let sealed = seal::seal(&target.key, &address, id, opened.expose(), &fresh(entropy));
            MadeContent::Sealed(sealed.ok()?)
        }
    };
    let (sensitivity, set) = (variable.sensitivity, draft.stamp.clone());
    Some(MadeValue {
        sealed_for,
        description: variable.description.clone(),
        inject: variable.inject,
        current: MadeVersion { number, sensitivity, content, set },
        // A clone begins with what is the default there.
        live: BTreeSet::new(),
        rotate_every_days: None,
        changed: draft.stamp.clone(),
    })
}

fn set(draft: &mut Draft<'_>, key: ValueKey, value: MadeValue) {
    draft.cloned.push(key.name.to_string());
    draft.made.set(key.clone(), value);
    draft.serve_value(&key);
    draft.mark(Subject::Value(key));
}

fn is_shared(configuration: &Configuration<SealedValue>, binding: &Binding, guest: &EnvironmentName) -> bool {
    let service = configuration.services.get(&binding.service);
    let instance = service.and_then(|service| service.instances.get(&binding.owner));
    instance.is_some_and(|instance| instance.shared_with.contains(guest))
}

fn not_shared(
    id: &DeploymentId,
    variable: &VariableName,
    Binding { service, owner, .. }: &Binding,
    guest: &EnvironmentName,
) -> String {
    format!(
        "binding {variable} of {id} is left out: {service} of {owner} does not list {guest} in its shared-with"
    )
}
