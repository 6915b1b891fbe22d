//! Whom a change reaches: the environments that may come out differently, and who may do that to them.

use std::collections::BTreeSet;

use super::{Caller, query::confirmed};
use crate::{
    generation::Served,
    id::EnvironmentName,
    model::{Configuration, Override, Role, SealedValue},
    serve::respond::Problem,
};

/// Environments that a change is about, and others that it comes to.
#[derive(Default)]
pub(super) struct Reached {
    /// Those that the request names.
    pub(super) named: BTreeSet<EnvironmentName>,
    /// Those that have a share in what is changed.
    pub(super) others: BTreeSet<EnvironmentName>,
}

impl Reached {
    /// With the environments of every deployment that says such a thing of one of them.
    pub(super) fn and_where(
        mut self,
        configuration: &Configuration<SealedValue>,
        is_such: impl Fn(&EnvironmentName, &Override<SealedValue>) -> bool,
    ) -> Self {
        let all = configuration.deployments.values().flat_map(|one| &one.environments);
        self.others.extend(all.filter(|(name, here)| is_such(name, here)).map(|(name, _)| name.clone()));
        self
    }

    /// Refuses who may not change them all. An environment that is protected wants an admin, who says its
    /// name once more: `?confirm=`, with a comma between several.
    pub(super) fn may_be_changed(
        &self,
        caller: &Caller,
        served: &Served,
        query: Option<&str>,
    ) -> Result<(), Problem> {
        let protected = self.may_be_reached(caller, served)?;
        let confirmed = confirmed(query)?;
        if protected.iter().all(|name| confirmed.contains(name.as_str())) {
            return Ok(());
        }
        let names: Vec<_> = protected.iter().map(|name| name.as_str()).collect();
        let (listed, are) = (names.join(", "), if names.len() == 1 { "is" } else { "are" });
        let names = names.join(",");
        let detail = format!("{listed} {are} protected; confirm the change with ?confirm={names}");
        Err(Problem::invalid(detail).with("confirm", names))
    }

    /// Refuses who may not change them all, confirmed or not; gives those that are protected.
    pub(super) fn may_be_reached(
        &self,
        caller: &Caller,
        served: &Served,
    ) -> Result<BTreeSet<&EnvironmentName>, Problem> {
        caller.role(Role::Developer)?;
        // What is not seen and what is not there are one to whoever asks.
        if !self.named.iter().all(|name| caller.sees(name)) {
            return Err(Problem::not_found());
        }
        if !self.others.iter().all(|name| caller.sees(name)) {
            let why = match caller.is_limited() {
                true => "this changes other environments, too, and your token is limited to some",
                false => "this changes environments, too, that are their admins' alone; an admin can make it",
            };
            return Err(Problem::forbidden(why));
        }
        let environments = &served.snapshot.configuration.environments;
        let is_protected = |name: &&EnvironmentName| environments.get(*name).is_some_and(|one| one.protected);
        let protected: BTreeSet<_> = self.named.union(&self.others).filter(is_protected).collect();
        if !protected.is_empty() {
            caller.role(Role::Admin)?;
        }
        Ok(protected)
    }
}

/// What is the whole workspace's to name is made by whoever sees all of it.
pub(super) fn may_create(caller: &Caller) -> Result<(), Problem> {
    caller.role(Role::Developer)?;
    if caller.is_limited() {
        return Err(Problem::forbidden("your token is limited to some environments, and makes nothing new"));
    }
    Ok(())
}
