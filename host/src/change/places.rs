//! Where a policy runs. Who may change it follows from that, and is decided before its component is
//! compiled; so the change itself looks whether it is still so.

use std::collections::BTreeMap;

use super::{Draft, EditError};
use crate::{
    id::EnvironmentName,
    made::ResourceKey,
    model::{Configuration, Place},
};

/// Whether what is attached to `place` runs in `environment`, or would, if something booted there.
#[must_use]
pub fn runs_in<V>(configuration: &Configuration<V>, place: &Place, environment: &EnvironmentName) -> bool {
    match place {
        Place::Workspace => true,
        Place::Environment(only) | Place::Deployment(_, Some(only)) => only == environment,
        Place::Deployment(id, None) => {
            let deployment = configuration.deployments.get(id);
            deployment.is_some_and(|one| one.environments.contains_key(environment))
        }
    }
}

/// The environments that a policy or an attachment runs in, or would, and whether each is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsIn {
    /// The policy or the attachment.
    pub of: ResourceKey,
    /// The environments.
    pub environments: BTreeMap<EnvironmentName, bool>,
}

impl RunsIn {
    /// What `configuration` says: an attachment's own place, whether it is there already or not; of a
    /// policy every place that it is attached to. A place counts with all that may boot there some day.
    #[must_use]
    pub fn find<V>(configuration: &Configuration<V>, of: ResourceKey) -> Self {
        let mut environments = BTreeMap::new();
        let mut add = |place: &Place| {
            let all = configuration.environments.values();
            let found = all.filter(|one| runs_in(configuration, place, &one.name));
            environments.extend(found.map(|one| (one.name.clone(), one.protected)));
        };
        match &of {
            ResourceKey::Attachment(_, place) => add(place),
            ResourceKey::Policy(name) => {
                let attached = configuration.attachments.iter().filter(|one| one.policy == *name);
                attached.for_each(|one| add(&one.place));
            }
            _ => {}
        }
        Self { of, environments }
    }

    pub(super) fn check(&self, draft: &Draft<'_>) -> Result<(), EditError> {
        if *self == Self::find(&draft.configuration, self.of.clone()) {
            return Ok(());
        }
        let current = draft.made.resources.get(&self.of).map(|made| made.changed.revision);
        Err(EditError::Changed { what: format!("where {} runs", self.of), current })
    }
}
