//! The layer that a request is about, and who may look at it and change it.

use std::{collections::BTreeSet, sync::Arc};

use super::shown::Owned;
use crate::{
    admin::{Caller, reach::Reached},
    generation::Served,
    id::{DeploymentId, EnvironmentName, VariableName},
    made::{ValueKey, layer_of},
    model::{Layer, Place, SealedValue},
    plan::LayerName,
    prepared::Prepared,
    serve::respond::Problem,
};

/// A layer that the caller may see.
pub(super) struct At<'a> {
    pub(super) served: &'a Arc<Served>,
    pub(super) place: Place,
}

impl<'a> At<'a> {
    /// The workspace's base, for whoever sees anything that has it among its layers.
    pub(super) fn workspace(caller: &'a Caller, query: Option<&str>) -> Result<Self, Problem> {
        Self { served: caller.served(query)?, place: Place::Workspace }.if_visible(caller)
    }

    /// An environment's own layer.
    pub(super) fn environment(caller: &'a Caller, query: Option<&str>, name: &str) -> Result<Self, Problem> {
        let served = caller.served(query)?;
        let name: EnvironmentName = name.parse().map_err(|_| Problem::not_found())?;
        Self { served, place: Place::Environment(name) }.if_visible(caller)
    }

    /// A deployment's base, or its layer in one environment.
    pub(super) fn deployment(
        caller: &'a Caller,
        query: Option<&str>,
        deployment: &str,
        environment: Option<&str>,
    ) -> Result<Self, Problem> {
        let served = caller.served(query)?;
        let deployment: DeploymentId = deployment.parse().map_err(|_| Problem::not_found())?;
        let environment = environment.map(str::parse::<EnvironmentName>).transpose();
        let environment = environment.map_err(|_| Problem::not_found())?;
        Self { served, place: Place::Deployment(deployment, environment) }.if_visible(caller)
    }

    fn if_visible(self, caller: &Caller) -> Result<Self, Problem> {
        let is_there = layer_of(&self.served.snapshot.configuration, &self.place).is_some();
        // A workspace is there before its first environment is.
        let is_whole = self.place == Place::Workspace && !caller.is_limited();
        let is_seen = is_whole || self.concerned().iter().any(|name| caller.sees(name));
        if is_there && is_seen { Ok(self) } else { Err(Problem::not_found()) }
    }

    /// The environments whose boots have this among their layers, or would.
    fn concerned(&self) -> BTreeSet<EnvironmentName> {
        let configuration = &self.served.snapshot.configuration;
        match &self.place {
            Place::Environment(name) | Place::Deployment(_, Some(name)) => [name.clone()].into(),
            Place::Workspace => configuration.environments.keys().cloned().collect(),
            Place::Deployment(id, None) => {
                let uses = configuration.deployments.get(id);
                uses.into_iter().flat_map(|uses| uses.environments.keys().cloned()).collect()
            }
        }
    }

    /// Who changes a base changes every environment that has it among its layers.
    fn reached(&self) -> Reached {
        let (named, others) = match &self.place {
            Place::Environment(_) | Place::Deployment(_, Some(_)) => (self.concerned(), BTreeSet::new()),
            Place::Workspace | Place::Deployment(_, None) => (BTreeSet::new(), self.concerned()),
        };
        Reached { named, others }
    }

    /// Refuses who may not see plain values here as a whole.
    pub(super) fn may_be_revealed(&self, caller: &Caller) -> Result<(), Problem> {
        self.reached().may_be_reached(caller, self.served).map(drop)
    }

    /// Refuses who may not change this. What comes to every deployment of a protected environment is
    /// confirmed, as whatever else does; a deployment's own values want an admin there, and no more.
    pub(super) fn may_be_changed(&self, caller: &Caller, query: Option<&str>) -> Result<(), Problem> {
        match self.place {
            Place::Deployment(..) => self.may_be_revealed(caller),
            Place::Workspace | Place::Environment(_) => {
                self.reached().may_be_changed(caller, self.served, query)
            }
        }
    }

    /// What was prepared with this among its layers, in the environments that the caller sees.
    pub(super) fn pairs(&self, caller: &Caller) -> Vec<&'a Arc<Prepared>> {
        let served: &'a Served = self.served;
        let of_one =
            |id: &DeploymentId| served.prepared_pairs().get(id).into_iter().flat_map(|one| one.values());
        let pairs: Vec<_> = match &self.place {
            Place::Deployment(id, _) => of_one(id).collect(),
            Place::Workspace | Place::Environment(_) => served.pairs().collect(),
        };
        let only = match &self.place {
            Place::Environment(name) | Place::Deployment(_, Some(name)) => Some(name),
            Place::Workspace | Place::Deployment(_, None) => None,
        };
        let is_such = |name: &EnvironmentName| only.is_none_or(|only| only == name) && caller.sees(name);
        pairs.into_iter().filter(|one| is_such(&one.plan.environment.name)).collect()
    }

    /// The layer as it stands; none of an environment where nothing was ever set.
    pub(super) fn layer(&self) -> Option<&'a Layer<SealedValue>> {
        let configuration = &self.served.snapshot.configuration;
        layer_of(configuration, &self.place)?.get(configuration)
    }

    pub(super) fn layer_name(&self) -> LayerName {
        LayerName::of(&self.place)
    }

    pub(super) fn key(&self, name: &VariableName) -> ValueKey {
        ValueKey { place: self.place.clone(), name: name.clone() }
    }

    pub(super) fn owned(&self, key: &ValueKey) -> Owned {
        Owned::of(&self.served.made, key)
    }
}
