//! What runs, where the semantic rules hold of a configuration and of what is active in it.

use super::{ChangeError, Host};
use crate::{
    made::ResourceKey,
    model::Configuration,
    state::{self, Runs, State},
    validate,
};

impl Host {
    /// The active releases, where the semantic rules hold and what is active is still there.
    pub(super) fn validated<V: validate::Inspect>(
        &self,
        configuration: &Configuration<V>,
    ) -> Result<Runs, ChangeError> {
        validated_in(&self.writer.lock().state, configuration)
    }

    /// The same of what a directory says by itself: of what is active, releases that were registered by API are
    /// looked at when they are laid over it.
    pub(super) fn validated_alone<V: validate::Inspect>(
        &self,
        configuration: &Configuration<V>,
    ) -> Result<Runs, ChangeError> {
        let writer = self.writer.lock();
        let (active, made) =
            (writer.state.active_in(configuration), writer.made_in(&configuration.workspace));
        let mut own = active.clone();
        for (id, environments) in &mut own {
            environments.retain(|_, runs| {
                !made.resources.contains_key(&ResourceKey::Release(id.clone(), runs.release))
            });
        }
        holds(configuration, &own)?;
        Ok(active)
    }
}

/// The active releases of `state`, where the semantic rules hold and what is active is still there.
pub(super) fn validated_in<V: validate::Inspect>(
    state: &State,
    configuration: &Configuration<V>,
) -> Result<Runs, ChangeError> {
    let active = state.active_in(configuration);
    holds(configuration, &active)?;
    Ok(active)
}

/// Whether the semantic rules hold, and what is active is there.
fn holds<V: validate::Inspect>(configuration: &Configuration<V>, active: &Runs) -> Result<(), ChangeError> {
    let violations = validate::check(configuration);
    let state = validate::check_active(configuration, &state::releases(active));
    let found: Vec<_> = violations.iter().chain(&state).map(ToString::to_string).collect();
    if found.is_empty() { Ok(()) } else { Err(ChangeError::Invalid(found)) }
}
