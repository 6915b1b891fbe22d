//! What a change is about, as lists: so that the audit log is searched by them, and whoever sees some
//! environments only is shown what is about those alone.

use std::collections::BTreeSet;

use super::{Edit, ResourceEdit};
use crate::{
    id::{DeploymentId, EnvironmentName, VariableName},
    made::ResourceKey,
    model::{Configuration, Place, SealedValue},
};

/// The most of a kind that is listed. A change that is about more is shown to those alone who see all.
const MAX_LISTED: usize = 1_000;

/// The names that a change is about.
#[derive(Debug, Default)]
pub struct About {
    /// Variables.
    pub keys: BTreeSet<VariableName>,
    /// Every environment where something may be otherwise.
    pub environments: BTreeSet<EnvironmentName>,
    /// The deployments that are named.
    pub deployments: BTreeSet<DeploymentId>,
}

impl About {
    /// What `edits` of `configuration` are about; without one, of what they name themselves.
    #[must_use]
    pub fn of(edits: &[Edit], configuration: Option<&Configuration<SealedValue>>) -> Self {
        let about = Self::all_of(edits, configuration);
        let is_too_long = about.environments.len() > MAX_LISTED || about.deployments.len() > MAX_LISTED;
        if is_too_long { Self { keys: about.keys, ..Self::default() } } else { about }
    }

    /// The same, however many.
    pub(super) fn all_of(edits: &[Edit], configuration: Option<&Configuration<SealedValue>>) -> Self {
        let mut about = Self::default();
        for edit in edits {
            about.edit(edit, configuration);
        }
        about
    }

    fn edit(&mut self, edit: &Edit, configuration: Option<&Configuration<SealedValue>>) {
        match edit {
            Edit::SetValue { key, .. }
            | Edit::UnsetValue { key }
            | Edit::RevokeVersion { key, .. }
            | Edit::RotateEvery { key, .. } => {
                self.keys.insert(key.name.clone());
                self.place(&key.place, configuration);
            }
            Edit::CreateEnvironment { wanted, deployments } => {
                self.environments.insert(wanted.name.clone());
                self.environments.extend(wanted.promotes_to.clone());
                self.deployments.extend(deployments.iter().cloned());
            }
            Edit::CloneEnvironment { source, wanted, .. } => {
                self.environments.extend([source.clone(), wanted.name.clone()]);
            }
            Edit::PatchEnvironment { name, patch } => {
                self.environments.insert(name.clone());
                if let Some(next) = &patch.promotes_to {
                    self.environments.extend(next.clone());
                    self.chain(name, configuration);
                }
            }
            Edit::DeleteEnvironment { name, .. } => {
                self.environments.insert(name.clone());
                self.chain(name, configuration);
            }
            Edit::Resource(edit) => self.resource(edit, configuration),
            Edit::Activate { deployment, environment, .. } => {
                self.place(&Place::Deployment(deployment.clone(), Some(environment.clone())), configuration);
            }
            Edit::Expect(_) | Edit::ExpectActive { .. } => {}
        }
    }

    /// What an environment promotes to has another source without it.
    fn chain(&mut self, name: &EnvironmentName, configuration: Option<&Configuration<SealedValue>>) {
        let found = configuration.and_then(|one| one.environments.get(name));
        self.environments.extend(found.and_then(|found| found.promotes_to.clone()));
    }

    fn resource(&mut self, edit: &ResourceEdit, configuration: Option<&Configuration<SealedValue>>) {
        if let ResourceEdit::PutDeployment(wanted) = edit {
            self.environments.extend(wanted.environments.keys().cloned());
        }
        match edit.key() {
            ResourceKey::Deployment(id) | ResourceKey::Release(id, _) => {
                self.place(&Place::Deployment(id, None), configuration)
            }
            ResourceKey::Binding(id, environment, name) => {
                self.keys.insert(name);
                self.place(&Place::Deployment(id, Some(environment)), configuration);
            }
            ResourceKey::Attachment(_, place) => self.place(&place, configuration),
            ResourceKey::Requirement(key) => {
                self.keys.insert(key.name);
                self.place(&key.place, configuration);
            }
            // Whoever is bound to it, calls it or is asked about by it, anywhere.
            ResourceKey::Service(_) | ResourceKey::Tool(_) | ResourceKey::Policy(_) => {
                self.place(&Place::Workspace, configuration);
            }
        }
    }

    /// A base is about every environment that has it among its layers.
    fn place(&mut self, place: &Place, configuration: Option<&Configuration<SealedValue>>) {
        match place {
            Place::Workspace => {
                let all = configuration.into_iter().flat_map(|one| one.environments.keys());
                self.environments.extend(all.cloned());
            }
            Place::Environment(name) => drop(self.environments.insert(name.clone())),
            Place::Deployment(id, Some(name)) => {
                self.deployments.insert(id.clone());
                self.environments.insert(name.clone());
            }
            Place::Deployment(id, None) => {
                let uses = configuration.and_then(|one| one.deployments.get(id));
                self.environments.extend(uses.into_iter().flat_map(|one| one.environments.keys().cloned()));
                self.deployments.insert(id.clone());
            }
        }
    }
}
