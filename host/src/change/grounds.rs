//! What it rests on that somebody may make a change: the environments that it reaches, each with what says
//! who may change it.

use std::collections::BTreeMap;

use super::{About, Edit};
use crate::{
    id::{EnvironmentName, Uid},
    made::Made,
    model::{Configuration, SealedValue},
};

/// What says who may change an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    uid: Uid,
    protected: bool,
    admins_only: bool,
}

impl Standing {
    /// Whether whoever may change anything may change it.
    #[must_use]
    pub fn is_open(self) -> bool {
        !self.protected && !self.admins_only
    }
}

/// The environments of `configuration` that `edits` reach.
#[must_use]
pub fn reached(
    edits: &[Edit],
    configuration: &Configuration<SealedValue>,
    made: &Made,
) -> BTreeMap<EnvironmentName, Standing> {
    let about = About::all_of(edits, Some(configuration));
    let there = about.environments.into_iter().filter_map(|name| {
        let found = configuration.environments.get(&name)?;
        let admins_only = made.environments.get(&name).is_some_and(|made| made.admins_only);
        Some((name, Standing { uid: found.uid, protected: found.protected, admins_only }))
    });
    there.collect()
}
