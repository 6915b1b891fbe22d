//! Back to the release that ran before, in one environment: what to go back to, and the one change that does
//! it. Values stay as they are.

use super::{Activated, Author, ChangeError, Changed, Host};
use crate::{
    change::{Edit, Precondition},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    state::{Activation, Why},
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

impl Host {
    /// Activates what ran before in an environment, or what the activation of that number ran; refused if
    /// something else was activated meanwhile.
    ///
    /// # Errors
    /// See [`ChangeError`]; when there is nothing to go back to.
    pub fn rollback_release(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (deployment, environment): (&DeploymentId, &EnvironmentName),
        target: Option<u64>,
    ) -> Result<RolledBack, ChangeError> {
        let all = self.activations(workspace, deployment)?;
        let here = all.into_iter().filter(|one| one.environment == *environment);
        let mut here: Vec<_> = here.map(|Activated { activation, .. }| activation).collect();
        let nothing = |reason: String| ChangeError::NotNow { reason, current: None };
        let from =
            here.pop().ok_or_else(|| nothing(format!("no release of {deployment} runs in {environment}")))?;
        let to = match target {
            None => before(&here, &from).ok_or_else(|| {
                nothing(format!("no other release of {deployment} ran in {environment} before {}", from.release))
            })?,
            Some(number) if number == from.number => {
                return Err(nothing(format!("activation {number} is what runs in {environment}")));
            }
            Some(number) => here.iter().find(|one| one.number == number).ok_or_else(|| {
                nothing(format!(
                    "no activation {number} of {deployment} in {environment} is kept; `activations` lists those that are"
                ))
            })?,
        };
        let (deployment, environment) = (deployment.clone(), environment.clone());
        let edits = [
            Edit::ExpectActive {
                deployment: deployment.clone(),
                environment: environment.clone(),
                number: from.number,
            },
            Edit::Activate { deployment, environment, release: to.release, why: Why::Rollback },
        ];
        let changed = self.change(author, workspace, &edits, Precondition::Any)?;
        Ok(RolledBack { to: to.clone(), from, changed })
    }
}

/// What ran before `from`: what was rolled back from does not count, so that a second rollback goes on
/// behind the first, and not forth again.
fn before<'a>(past: &'a [Activation], from: &'a Activation) -> Option<&'a Activation> {
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
        before(past, last).map(|found| (found.release, found.number))
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
