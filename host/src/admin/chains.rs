//! Who may say what promotes where. A release comes to an environment from those before it in its chain, and
//! what a promotion is judged by is read there: whoever makes what promotes into a protected environment makes
//! its evidence, and whoever takes that out makes it the first of its chain.

use std::collections::BTreeSet;

use super::Caller;
use crate::{
    generation::Served,
    id::EnvironmentName,
    model::{Deployment, Role, SealedValue, Trigger},
    serve::respond::Problem,
};

/// Refuses who may not change what promotes to `targets`: what is protected or wants approval is an admin's, and
/// so is what the caller does not see.
pub(super) fn may_lead_to<'a>(
    caller: &Caller,
    served: &Served,
    targets: impl IntoIterator<Item = &'a EnvironmentName>,
) -> Result<(), Problem> {
    let environments = &served.snapshot.configuration.environments;
    let mut found = targets.into_iter().filter_map(|name| environments.get(name));
    let is_guarded =
        found.any(|one| one.protected || one.trigger() == Trigger::Approval || !caller.sees(&one.name));
    if is_guarded && caller.role(Role::Admin).is_err() {
        return Err(Problem::forbidden(
            "what promotes to an environment that is protected or wants approval is an admin's to change; ask an admin of the workspace",
        ));
    }
    Ok(())
}

/// The same, where an environment is `promotes_to` something else than before.
pub(super) fn may_promote_to(
    caller: &Caller,
    served: &Served,
    before: Option<&EnvironmentName>,
    after: Option<&EnvironmentName>,
) -> Result<(), Problem> {
    let differs = before != after;
    may_lead_to(caller, served, before.into_iter().chain(after).filter(|_| differs))
}

/// The same, where a deployment uses other environments than before: those that come or go and promote to one
/// that it uses.
pub(super) fn may_be_chained(
    caller: &Caller,
    served: &Served,
    before: &Deployment<SealedValue>,
    next: &Deployment<SealedValue>,
) -> Result<(), Problem> {
    let uses = |one: &Deployment<SealedValue>| one.environments.keys().cloned().collect::<BTreeSet<_>>();
    let (before, next) = (uses(before), uses(next));
    let environments = &served.snapshot.configuration.environments;
    let targets =
        before.symmetric_difference(&next).filter_map(|name| environments.get(name)?.promotes_to.as_ref());
    may_lead_to(caller, served, targets.filter(|name| before.contains(*name) || next.contains(*name)))
}
