//! The rehearsal of a policy, before it may serve.

use std::sync::Arc;

use super::RehearsalError;
use crate::{
    model::{
        PolicyKind,
        question::{Attribute, Facts},
    },
    policy::{Chain, Link, Loaded, PolicyFailure, Verdict, fixtures, patiently},
};

/// Asks a policy as one of its attachments would: whether its settings are right, and, if it is a
/// resolve policy, twice the same question about a subject that does not exist. A denial is an
/// answer. None for a promotion policy.
///
/// # Errors
/// When it refuses the settings, fails, or answers the same question in two ways.
pub fn rehearse(
    loaded: &Arc<Loaded>,
    name: &str,
    settings: &[Attribute],
) -> Result<Option<Verdict>, RehearsalError> {
    take_settings(loaded, settings)?;
    if loaded.kind() != PolicyKind::Resolve {
        return Ok(None);
    }
    let engine = loaded.engine();
    let (loaded, settings, name) = (Arc::clone(loaded), settings.to_vec(), name.to_owned());
    let link = Link { loaded, settings, name, tally: Arc::default() };
    let facts = Facts {
        region: Some("eu-west-1".into()),
        zone: Some("eu-west-1a".into()),
        instance: Some("rehearsal".into()),
        attributes: vec![Attribute::new("rehearsal", "yes")],
    };
    let Ok(chain) = Chain::new(engine, vec![link], fixtures::subject(2, 2)) else {
        // One resolve policy is a chain under any limits but a chain of none.
        return Ok(None);
    };
    twice(&chain, &facts).map(Some)
}

/// Asks a policy whether these settings are right.
///
/// # Errors
/// When it does not answer, or says what is wrong with them.
pub fn take_settings(loaded: &Loaded, settings: &[Attribute]) -> Result<(), RehearsalError> {
    match patiently(PolicyFailure::is_deterministic, || loaded.validate_settings(settings)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(violations)) => Err(RehearsalError::RefusedSettings(violations)),
        Err(failure) => Err(RehearsalError::Settings(failure)),
    }
}

/// Puts the same question twice; what a busy machine was in the way of, again.
///
/// # Errors
/// When the policies fail, answer in two ways, or at two prices.
pub fn twice(chain: &Chain, facts: &Facts) -> Result<Verdict, RehearsalError> {
    let decide = || patiently(PolicyFailure::is_deterministic, || chain.decide(facts));
    let first = decide().map_err(RehearsalError::Decide)?;
    let second = decide().map_err(RehearsalError::Decide)?;
    if first == second { Ok(first) } else { Err(RehearsalError::Nondeterministic) }
}
