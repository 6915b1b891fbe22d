//! A configuration that is being changed, edit by edit.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edit, EditError, Pair, Precondition, Wanted, clone, environment, resource, revoke, rotation};
use crate::{
    entropy::{Entropy, fresh},
    id::{DeploymentId, EnvironmentName, Uid, ValueId},
    keyring::{Keyring, RootKey, WrappedDataKey},
    lease::Holders,
    made::{
        Found, Made, MadeContent, MadeValue, MadeVersion, ResourceKey, SealedFor, Stamp, Subject, ValueKey,
        is_taken, layer_of,
    },
    model::{Address, Configuration, Deployment, Override, Place, SealedValue, question::Sensitivity},
    seal,
    secret::Secret,
};

/// A configuration that is being changed.
pub struct Draft<'a> {
    /// The next configuration.
    pub configuration: Configuration<SealedValue>,
    /// What of it was made by API.
    pub made: Made,
    /// The pairs that may differ.
    pub touched: BTreeSet<Pair>,
    /// Those where another release runs from now on.
    pub activated: BTreeSet<Pair>,
    /// Whose records may differ.
    pub subjects: BTreeSet<Subject>,
    /// How much of the configuration is to be looked at again.
    pub reach: Reach,
    /// The data keys, wrapped.
    pub keys: Vec<WrappedDataKey>,
    /// Wraps the keys of a new environment.
    pub(super) root: &'a RootKey,
    pub(super) keyring: &'a Keyring,
    pub(super) stamp: Stamp,
    /// Who holds the versions that may be revoked here.
    pub(super) holders: BTreeMap<ValueId, Holders>,
    /// How many boots without a lease a revocation was made in spite of.
    pub unproven: u64,
    /// What a clone took over, by name.
    pub cloned: Vec<String>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// How far a change reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Values alone: no rule is about more than one deployment, and other policies are not asked.
    Values,
    /// What rules compare over all deployments, such as domains.
    Whole,
    /// Policies, too: which there are, and where they are attached.
    Policies,
}

impl<'a> Draft<'a> {
    /// Begins with what is served; `stamp` is of the change.
    #[must_use]
    pub fn new(
        configuration: Configuration<SealedValue>,
        made: Made,
        (keys, keyring): (Vec<WrappedDataKey>, &'a Keyring),
        root: &'a RootKey,
        stamp: Stamp,
    ) -> Self {
        let made = Made { revision: stamp.revision, changed: stamp.at, ..made };
        let (touched, subjects, reach) = (BTreeSet::new(), BTreeSet::new(), Reach::Values);
        let (cloned, warnings) = (Vec::new(), Vec::new());
        let activated = BTreeSet::new();
        let (holders, unproven) = (BTreeMap::new(), 0);
        Self {
            configuration,
            made,
            touched,
            activated,
            subjects,
            reach,
            keys,
            root,
            keyring,
            stamp,
            holders,
            unproven,
            cloned,
            warnings,
        }
    }

    /// With who holds the versions that are to be revoked, and goes on to be all of them until the change
    /// is made or refused.
    #[must_use]
    pub fn held_by(self, holders: BTreeMap<ValueId, Holders>) -> Self {
        Self { holders, ..self }
    }

    /// Makes one edit.
    ///
    /// # Errors
    /// When it does not fit; the draft is of no use then.
    pub fn apply(
        &mut self,
        edit: &Edit,
        precondition: Precondition,
        entropy: &mut Entropy<'_>,
    ) -> Result<(), EditError> {
        match edit {
            Edit::SetValue { key, wanted, sensitivity, description, keep } => {
                self.writable(key, precondition)?;
                let live = rotation::beside(&self.made, key, wanted, *keep)?;
                let next = self.value(key, wanted, *sensitivity, description.as_deref(), entropy)?;
                self.made.set(key.clone(), MadeValue { live, ..next });
                self.serve_value(key);
                self.mark(Subject::Value(key.clone()));
                self.touch(&key.place);
            }
            Edit::UnsetValue { key } => {
                let layer = self.writable(key, precondition)?;
                self.made.unset(key).ok_or(EditError::Unknown)?;
                if let Some(layer) = layer.get_mut(&mut self.configuration) {
                    layer.variables.remove(&key.name);
                }
                self.mark(Subject::Value(key.clone()));
                self.touch(&key.place);
            }
            Edit::RevokeVersion { key, version, accept_unproven } => {
                revoke::apply(self, key, (*version, *accept_unproven), precondition)?;
            }
            Edit::RotateEvery { key, days } => rotation::every(self, key, *days, precondition)?,
            Edit::CreateEnvironment { .. }
            | Edit::PatchEnvironment { .. }
            | Edit::DeleteEnvironment { .. } => {
                environment::apply(self, edit, precondition, entropy)?;
            }
            Edit::CloneEnvironment { source, wanted, deployments, permissions } => {
                let clone = clone::Clone { source, wanted, deployments: deployments.as_ref() };
                clone.apply(self, *permissions, precondition, entropy)?;
            }
            Edit::Resource(edit) => resource::apply(self, edit, precondition, entropy)?,
            Edit::Activate { deployment, environment, release, .. } => {
                self.activate(deployment, environment, *release)?;
            }
            Edit::Expect(expected) => expected.check(self)?,
            // What is active is state: it is compared where the state is at hand.
            Edit::ExpectActive { .. } => {}
        }
        Ok(())
    }

    /// What is active is state, and no part of a configuration: it says what may be, and what is planned anew.
    pub(super) fn activate(
        &mut self,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
        release: u64,
    ) -> Result<(), EditError> {
        let one = self.configuration.deployments.get(deployment).ok_or(EditError::Unknown)?;
        if !one.environments.contains_key(environment) {
            return Err(EditError::Invalid(format!("{deployment} does not use {environment}")));
        }
        if !one.releases.contains_key(&release) {
            return Err(EditError::Invalid(format!("{deployment} has no release {release}")));
        }
        self.touch(&Place::Deployment(deployment.clone(), Some(environment.clone())));
        self.activated.insert((deployment.clone(), environment.clone()));
        Ok(())
    }

    /// The layer that a value is to be changed in, if it may be.
    pub(super) fn writable<'k>(
        &self,
        key: &'k ValueKey,
        precondition: Precondition,
    ) -> Result<Found<'k>, EditError> {
        let layer = layer_of(&self.configuration, &key.place).ok_or(EditError::Unknown)?;
        let current = self.made.values.get(key).map(|value| value.changed.revision);
        if current.is_none() && is_taken(&self.configuration, key) {
            return Err(match self.is_given_by_api(key) {
                true => EditError::Invalid(format!(
                    "{key} is given by a binding, a domain, a namespace or a tool; take that out first, or call it something else"
                )),
                false => EditError::Owned(key.to_string()),
            });
        }
        precondition.check(current, || key.to_string())?;
        Ok(layer)
    }

    /// Whether what has a value's name already, and is no value, was made by API.
    pub(super) fn is_given_by_api(&self, key: &ValueKey) -> bool {
        let Place::Deployment(id, Some(environment)) = &key.place else { return false };
        let binding = ResourceKey::Binding(id.clone(), environment.clone(), key.name.clone());
        let resources = &self.made.resources;
        resources.contains_key(&binding) || resources.contains_key(&ResourceKey::Deployment(id.clone()))
    }

    /// A new version, sealed for its place. A template that takes a secret's place is one, too, so that what
    /// comes after it does not become plain unsaid.
    pub(super) fn value(
        &self,
        key: &ValueKey,
        wanted: &Wanted,
        sensitivity: Option<Sensitivity>,
        description: Option<&str>,
        entropy: &mut Entropy<'_>,
    ) -> Result<MadeValue, EditError> {
        let before = self.made.values.get(key);
        let sensitivity = sensitivity.or(before.map(|before| before.current.sensitivity));
        let description = description.or(before.map(|before| before.description.as_str()));
        let number = self.made.next_version(key);
        let current = MadeVersion {
            number,
            sensitivity: sensitivity.unwrap_or(Sensitivity::Plain),
            content: match wanted {
                Wanted::Template(template) => MadeContent::Template(template.clone()),
                Wanted::Value(value) => {
                    let (what, address) = (key.to_string(), self.address(key, number));
                    MadeContent::Sealed(self.sealed(&what, &address, value, entropy)?)
                }
            },
            set: self.stamp.clone(),
        };
        Ok(MadeValue {
            sealed_for: SealedFor::place(&self.configuration, &key.place),
            description: description.unwrap_or_default().to_owned(),
            inject: before.is_none_or(|before| before.inject),
            current,
            live: BTreeSet::new(),
            rotate_every_days: before.and_then(|before| before.rotate_every_days),
            changed: self.stamp.clone(),
        })
    }

    /// Lays a value that was changed over what was there.
    pub(super) fn serve_value(&mut self, key: &ValueKey) {
        let layer = layer_of(&self.configuration, &key.place);
        let layer = layer.and_then(|layer| layer.get_mut(&mut self.configuration));
        if let (Some(layer), Some(variable)) = (layer, self.made.variable(key)) {
            layer.variables.insert(key.name.clone(), variable);
        }
    }

    /// A value, sealed for its address; `what` is what an error calls it.
    pub(super) fn sealed(
        &self,
        what: &str,
        address: &Address,
        value: &Secret,
        entropy: &mut Entropy<'_>,
    ) -> Result<SealedValue, EditError> {
        let invalid = |reason: &dyn std::fmt::Display| EditError::Invalid(format!("{what}: {reason}"));
        if value.expose().contains(&0) || std::str::from_utf8(value.expose()).is_err() {
            return Err(invalid(&"a value is UTF-8 text without NUL bytes"));
        }
        let data_key = self.keyring.current(address.environment).map_err(|error| invalid(&error))?;
        let sealed = seal::seal(data_key, address, ValueId(fresh(entropy)), value.expose(), &fresh(entropy));
        sealed.map_err(|error| invalid(&error))
    }

    /// An environment's random id.
    pub(super) fn uid(&self, name: &EnvironmentName) -> Result<Uid, EditError> {
        let found = self.configuration.environments.get(name);
        found
            .map(|found| found.uid)
            .ok_or_else(|| EditError::Invalid(format!("there is no environment {name}")))
    }

    /// Those of environments that are there.
    pub(super) fn uids<'n>(
        &self,
        names: impl Iterator<Item = &'n EnvironmentName>,
    ) -> BTreeMap<EnvironmentName, Uid> {
        names.filter_map(|name| Some((name.clone(), self.uid(name).ok()?))).collect()
    }

    pub(super) fn address(&self, key: &ValueKey, version: u64) -> Address {
        let SealedFor { environment, deployment } = SealedFor::place(&self.configuration, &key.place);
        Address::variable(self.configuration.uid, (environment, deployment), &key.name, version)
    }

    /// Notes whose records differ, and how far that reaches.
    pub(super) fn mark(&mut self, subject: Subject) {
        let reach = match &subject {
            Subject::Value(_) => Reach::Values,
            Subject::Environment(_) => Reach::Whole,
            Subject::Resource(ResourceKey::Policy(_) | ResourceKey::Attachment(..)) => Reach::Policies,
            Subject::Resource(_) => Reach::Whole,
        };
        self.reach = self.reach.max(reach);
        self.subjects.insert(subject);
    }

    /// Notes the pairs that have `place` among their layers.
    pub(super) fn touch(&mut self, place: &Place) {
        let Configuration { deployments, .. } = &self.configuration;
        let uses = |one: &Deployment<SealedValue>, only: Option<&EnvironmentName>| -> Vec<Pair> {
            let names = one.environments.keys().filter(|name| only.is_none_or(|only| only == *name));
            names.map(|name| (one.id.clone(), name.clone())).collect()
        };
        match place {
            Place::Workspace => self.touched.extend(deployments.values().flat_map(|one| uses(one, None))),
            Place::Environment(only) => {
                self.touched.extend(deployments.values().flat_map(|one| uses(one, Some(only))));
            }
            Place::Deployment(id, only) => {
                self.touched.extend(deployments.get(id).into_iter().flat_map(|one| uses(one, only.as_ref())));
            }
        }
    }

    /// Notes the pairs whose own settings are such.
    pub(super) fn touch_where(&mut self, is_such: impl Fn(&Override<SealedValue>) -> bool) {
        for (id, one) in &self.configuration.deployments {
            let such = one.environments.iter().filter(|(_, here)| is_such(here));
            self.touched.extend(such.map(|(name, _)| (id.clone(), name.clone())));
        }
    }

    /// The part of the configuration that the rules have to hold of again: of values alone, the
    /// deployments that have them and what these refer to. Everything else was looked at before.
    #[must_use]
    pub fn part(&self) -> Configuration<SealedValue> {
        if self.reach > Reach::Values {
            return self.configuration.clone();
        }
        let whole = &self.configuration;
        let mut part = Configuration {
            base: whole.base.clone(),
            environments: whole.environments.clone(),
            environment_layers: whole.environment_layers.clone(),
            policies: whole.policies.clone(),
            keys: whole.keys.clone(),
            tools: whole.tools.clone(),
            ..Configuration::new(whole.workspace.clone(), whole.uid)
        };
        let touched: BTreeSet<_> = self.touched.iter().map(|(deployment, _)| deployment).collect();
        for id in touched {
            let Some(one) = whole.deployments.get(id) else { continue };
            let bindings = one.environments.values().flat_map(|here| here.bindings.values());
            for service in bindings.filter_map(|binding| whole.services.get(&binding.service)) {
                part.services.insert(service.id.clone(), service.clone());
            }
            part.deployments.insert(id.clone(), one.clone());
        }
        part.attachments =
            whole.attachments.iter().filter(|one| layer_of(&part, &one.place).is_some()).cloned().collect();
        part
    }
}
