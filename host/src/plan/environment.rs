//! The digest of an environment, over the digests of its plans: as a tree of 256 branches, so that one
//! plan that changed costs its branch and not all of them. The shape depends on the content alone.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    canonical::{Canonical, sha256},
    id::{DeploymentId, Digest, EnvironmentName, Uid},
};

/// The digests of the plans of one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvironmentPlans(BTreeMap<u8, Arc<Branch>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Branch {
    digest: Digest,
    plans: BTreeMap<DeploymentId, Digest>,
}

impl EnvironmentPlans {
    /// Takes in what the plans of some deployments are from now on; none for those that are gone.
    pub fn update(&mut self, plans: impl IntoIterator<Item = (DeploymentId, Option<Digest>)>) {
        let mut by_branch: BTreeMap<u8, Vec<_>> = BTreeMap::new();
        for (deployment, digest) in plans {
            by_branch.entry(branch_of(&deployment)).or_default().push((deployment, digest));
        }
        for (branch, changes) in by_branch {
            let before = self.0.remove(&branch);
            let mut plans = before.map_or_else(BTreeMap::new, |before| before.plans.clone());
            for (deployment, digest) in changes {
                match digest {
                    Some(digest) => drop(plans.insert(deployment, digest)),
                    None => drop(plans.remove(&deployment)),
                }
            }
            if !plans.is_empty() {
                self.0.insert(branch, Arc::new(Branch { digest: digest_of(&plans), plans }));
            }
        }
    }

    /// The environment's digest.
    #[must_use]
    pub fn digest(&self, name: &EnvironmentName, uid: Uid) -> Digest {
        Canonical::new("bootlace environment 2")
            .text(name.as_str())
            .bytes(&uid.0)
            .each(self.0.iter(), |hash, (number, branch)| {
                hash.number((*number).into()).bytes(&branch.digest.0)
            })
            .finish()
    }
}

fn branch_of(deployment: &DeploymentId) -> u8 {
    sha256(deployment.as_str().as_bytes()).0[0]
}

fn digest_of(plans: &BTreeMap<DeploymentId, Digest>) -> Digest {
    Canonical::new("bootlace plans 1")
        .each(plans.iter(), |hash, (deployment, plan)| hash.text(deployment.as_str()).bytes(&plan.0))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(number: u16, content: u8) -> (DeploymentId, Option<Digest>) {
        (format!("app-{number}").parse().unwrap(), Some(Digest([content; 32])))
    }

    fn digest(plans: &EnvironmentPlans) -> Digest {
        plans.digest(&"production".parse().unwrap(), Uid([1; 16]))
    }

    #[test]
    fn the_digest_depends_on_the_plans_and_not_on_how_they_came() {
        let (mut at_once, mut one_by_one) = (EnvironmentPlans::default(), EnvironmentPlans::default());
        at_once.update((0..600).map(|number| plan(number, 1)));
        for number in (0..600).rev() {
            one_by_one.update([plan(number, 2)]);
            one_by_one.update([plan(number, 1)]);
        }
        assert_eq!(at_once, one_by_one);
        let whole = digest(&at_once);
        at_once.update([plan(77, 2)]);
        assert_ne!(digest(&at_once), whole);
        at_once.update([plan(77, 1), plan(600, 1)]);
        assert_ne!(digest(&at_once), whole);
        at_once.update([(plan(600, 1).0, None)]);
        assert_eq!(digest(&at_once), whole);
    }

    #[test]
    fn two_plans_cannot_change_places() {
        let of = |one, other| {
            let mut plans = EnvironmentPlans::default();
            plans.update([plan(1, one), plan(2, other)]);
            digest(&plans)
        };
        assert_ne!(of(1, 2), of(2, 1));
    }
}
