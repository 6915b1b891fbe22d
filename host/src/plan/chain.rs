use std::collections::BTreeMap;

use crate::{
    id::{DeploymentId, Digest, EnvironmentName, PolicyName},
    model::{Attachment, Configuration, Place},
};

/// A policy attached to a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its name.
    pub policy: PolicyName,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Where it is attached.
    pub place: Place,
    /// What it is told.
    pub settings: BTreeMap<String, String>,
}

/// A configuration's attachments by place, so that many plans can be made without searching all
/// of them for each.
#[derive(Debug)]
pub struct Chains<'a>(BTreeMap<&'a Place, Vec<&'a Attachment>>);

impl<'a> Chains<'a> {
    /// Indexes the attachments.
    #[must_use]
    pub fn of<V>(configuration: &'a Configuration<V>) -> Self {
        let mut places: BTreeMap<&Place, Vec<&Attachment>> = BTreeMap::new();
        for attachment in &configuration.attachments {
            places.entry(&attachment.place).or_default().push(attachment);
        }
        Self(places)
    }

    /// What is attached to `deployment` in `environment`, in running order: the narrower first,
    /// the broader has the last word; within one place, the order of the configuration.
    #[must_use]
    pub fn at(&self, deployment: &DeploymentId, environment: &EnvironmentName) -> Vec<&'a Attachment> {
        let places = [
            Place::Deployment(deployment.clone(), Some(environment.clone())),
            Place::Deployment(deployment.clone(), None),
            Place::Environment(environment.clone()),
            Place::Workspace,
        ];
        places.iter().filter_map(|place| self.0.get(place)).flatten().copied().collect()
    }
}

/// Everything that is attached to where releases move to `environment`: to the environment itself, then to
/// the workspace; in one place, in the order of the configuration. Among them are the promotion policies
/// of the environment, in the order in which they are asked, and no promotion policy is elsewhere; which
/// of them are promotion policies, their components know.
pub fn promotion_policies<'a, V>(
    configuration: &'a Configuration<V>,
    environment: &EnvironmentName,
) -> impl Iterator<Item = &'a Attachment> {
    let at = |place: Place| configuration.attachments.iter().filter(move |one| one.place == place);
    at(Place::Environment(environment.clone())).chain(at(Place::Workspace))
}
