//! The rehearsal of a policy, before it may serve.

use std::sync::Arc;

use super::RehearsalError;
use crate::{
    model::{
        PolicyKind,
        promotion::Question,
        question::{Attribute, Facts},
    },
    policy::{Chain, Judgement, Link, Loaded, PolicyFailure, PromotionChain, Verdict, fixtures, patiently},
};

/// Asks a policy as one of its attachments would: whether its settings are right, and twice the same
/// question, about a subject or a promotion that does not exist. A denial is an answer. What this gives is
/// the fuel of the question; nothing where the limits leave no room for a chain of one.
///
/// # Errors
/// When it refuses the settings, fails, or answers the same question in two ways.
pub fn rehearse(
    loaded: &Arc<Loaded>,
    name: &str,
    settings: &[Attribute],
) -> Result<Option<u64>, RehearsalError> {
    take_settings(loaded, settings)?;
    let engine = loaded.engine();
    let kind = loaded.kind();
    let (loaded, settings, name) = (Arc::clone(loaded), settings.to_vec(), name.to_owned());
    let link = Link { loaded, settings, name, tally: Arc::default() };
    match kind {
        PolicyKind::Resolve => {
            let facts = Facts {
                region: Some("eu-west-1".into()),
                zone: Some("eu-west-1a".into()),
                instance: Some("rehearsal".into()),
                attributes: vec![Attribute::new("rehearsal", "yes")],
            };
            let Ok(chain) = Chain::new(engine, vec![link], fixtures::subject(2, 2)) else { return Ok(None) };
            twice(&chain, &facts).map(|verdict| Some(verdict.fuel()))
        }
        PolicyKind::Promotion => {
            let Ok(chain) = PromotionChain::new(vec![link]) else { return Ok(None) };
            judge_twice(&chain, &fixtures::promotion()).map(|judgement| Some(judgement.fuel()))
        }
    }
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

/// The same of promotion policies.
///
/// # Errors
/// When one of the policies fails, answers in two ways, or at two prices.
pub fn judge_twice(chain: &PromotionChain, question: &Question) -> Result<Judgement, RehearsalError> {
    let judge = || {
        let judgement = chain.judge(question);
        let failed = judgement.policies.iter().zip(0..).find_map(|(report, link)| {
            let kind = report.said.as_ref().err()?.clone();
            let (policy, log) = (report.policy.clone(), report.log.clone());
            Some(RehearsalError::Decide(PolicyFailure { policy, link, kind, log }))
        });
        failed.map_or(Ok(judgement), Err)
    };
    let (first, second) = (judge()?, judge()?);
    if first == second { Ok(first) } else { Err(RehearsalError::Nondeterministic) }
}
