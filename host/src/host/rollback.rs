//! Back to the release that ran before, in one environment: what to go back to, and the one change that does
//! it. Values stay as they are, or the whole set comes back that ran then: the pair is pinned to it until the
//! next activation.

use super::{Activated, Author, ChangeError, Changed, Host};
use crate::{
    change::{Edit, Pair, Precondition},
    generation::Served,
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    state::{Activation, Pin, Why},
};

/// A rollback that was made.
pub struct RolledBack {
    /// What ran.
    pub from: Activation,
    /// What was gone back to, as it was then.
    pub to: Activation,
    /// What that came to.
    pub changed: Changed,
}

/// What a rollback is to go back to.
#[derive(Debug, Clone, Copy, Default)]
pub struct GoBack {
    /// The number of an activation; none for what ran before.
    pub activation: Option<u64>,
    /// Whether to the whole set that it began with, too.
    pub configuration: bool,
}

impl Host {
    /// Activates what ran before in an environment, or what the activation of that number ran; with
    /// `configuration`, pinned to the set that it began with. Refused if something else was activated meanwhile.
    ///
    /// # Errors
    /// See [`ChangeError`]; when there is nothing to go back to.
    pub fn rollback_release(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (deployment, environment): (&DeploymentId, &EnvironmentName),
        target: GoBack,
    ) -> Result<RolledBack, ChangeError> {
        let all = self.activations(workspace, deployment)?;
        let here = all.into_iter().filter(|one| one.environment == *environment);
        let here: Vec<_> = here.map(|Activated { activation, .. }| activation).collect();
        let (from, before) = here
            .split_last()
            .ok_or_else(|| not_now(format!("no release of {deployment} runs in {environment}")))?;
        let to = match target.activation {
            None => ran_before(before, from).ok_or_else(|| {
                let last = from.release;
                not_now(format!("no other release of {deployment} ran in {environment} before {last}"))
            })?,
            // The set that it began with may be another than today's.
            Some(number) if number == from.number && !(target.configuration && from.pinned.is_none()) => {
                return Err(not_now(format!("activation {number} is what runs in {environment}")));
            }
            Some(number) => here.iter().find(|one| one.number == number).ok_or_else(|| {
                not_now(format!(
                    "no activation {number} of {deployment} in {environment} is kept; the list of its activations \
                     (`bootlace release activations`) has those that are"
                ))
            })?,
        };
        let pair = (deployment.clone(), environment.clone());
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let pin = target.configuration.then(|| self.pin_to(served, &pair, to)).transpose()?;
        // Kept until it is served: what had to be compiled for it is not compiled again.
        let _set = pin.map(|pin| self.set_early(served, &pair, pin.set)).transpose()?;
        let why = Why::Rollback;
        let changed = self.reactivate(author, workspace, pair, from, (to.release, why, pin))?;
        Ok(RolledBack { to: to.clone(), from: from.clone(), changed })
    }

    /// Takes the pin off: from now on the release that runs does so with what the layers make.
    ///
    /// # Errors
    /// See [`ChangeError`]; when nothing is pinned there.
    pub fn unpin(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (deployment, environment): (&DeploymentId, &EnvironmentName),
    ) -> Result<(Activation, Changed), ChangeError> {
        let from = self.activation(workspace, deployment, environment);
        let from = from.filter(|from| from.pinned.is_some());
        let from = from.ok_or_else(|| not_now(format!("{deployment} is not pinned in {environment}")))?;
        let pair = (deployment.clone(), environment.clone());
        let changed = self.reactivate(author, workspace, pair, &from, (from.release, Why::Unpinned, None))?;
        Ok((from, changed))
    }

    /// Activates in place of `from`.
    fn reactivate(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (deployment, environment): Pair,
        from: &Activation,
        (release, why, pin): (u64, Why, Option<Pin>),
    ) -> Result<Changed, ChangeError> {
        let (id, name) = (deployment.clone(), environment.clone());
        let edits = [
            Edit::ExpectActive { deployment: id, environment: name, number: from.number },
            Edit::Activate { deployment, environment, release, why, pin },
        ];
        self.change(author, workspace, &edits, Precondition::Any)
    }

    /// What pins a pair to the set that an activation began with.
    fn pin_to(&self, served: &Served, pair: &Pair, to: &Activation) -> Result<Pin, ChangeError> {
        let configuration = &served.snapshot.configuration;
        let one = configuration.deployments.get(&pair.0).ok_or(ChangeError::Unknown)?;
        let environment = configuration.environments.get(&pair.1).ok_or(ChangeError::Unknown)?;
        let uids = (one.uid, environment.uid);
        if let Some(pin) = to.pinned {
            return Ok(Pin { uids, ..pin });
        }
        let set = match to.set {
            Some(set) => Some(set),
            None => self.writer.lock().root_at(&configuration.workspace, to.revision)?,
        };
        let set = set.ok_or_else(|| {
            let number = to.number;
            not_now(format!(
                "the set of activation {number} is not kept; roll back without the configuration"
            ))
        })?;
        Ok(Pin { activation: to.number, set, uids })
    }
}

fn not_now(reason: String) -> ChangeError {
    ChangeError::NotNow { reason, current: None }
}

/// What ran before `from`: what was rolled back from does not count, so that a second rollback goes on
/// behind the first, and not forth again.
fn ran_before<'a>(past: &'a [Activation], from: &'a Activation) -> Option<&'a Activation> {
    let mut stack: Vec<&Activation> = Vec::new();
    for one in past.iter().chain([from]) {
        if one.why == Why::Rollback
            && let Some(at) = stack.iter().rposition(|earlier| earlier.release == one.release)
        {
            stack.truncate(at);
        }
        stack.push(one);
    }
    stack.into_iter().rev().find(|one| one.release != from.release)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Releases, one with an `r` for what was gone back to; what is before the last of them.
    fn before_the_last(told: &str) -> Option<(u64, u64)> {
        let activations = told.split(' ').zip(1..).map(|(word, number)| Activation {
            number,
            why: if word.ends_with('r') { Why::Rollback } else { Why::Registered },
            ..Activation::begun(word.trim_end_matches('r').parse().unwrap())
        });
        let all: Vec<_> = activations.collect();
        let (last, past) = all.split_last().unwrap();
        ran_before(past, last).map(|found| (found.release, found.number))
    }

    #[test]
    fn a_rollback_goes_on_behind_what_was_rolled_back_from() {
        assert_eq!(before_the_last("16 17 18"), Some((17, 2)));
        assert_eq!(before_the_last("16 17 18 17r"), Some((16, 1)));
        assert_eq!(before_the_last("16 17 18 17r 16r"), None);
        assert_eq!(before_the_last("16 17 18 17r 19"), Some((17, 4)));
        assert_eq!(before_the_last("16 17 18 16r 19"), Some((16, 4)));
        // The same release again is nowhere to go back to, and neither is what is not kept any more.
        assert_eq!(before_the_last("17 18 18"), Some((17, 1)));
        assert_eq!(before_the_last("17"), None);
        assert_eq!(before_the_last("18 17r"), Some((18, 1)));
    }
}
