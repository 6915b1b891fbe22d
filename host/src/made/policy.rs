//! A policy that was made by API: its component with those before it. The records name components by
//! digest; the bytes are blobs, and come to what was read from the records by [`Made::supply`].

use std::{collections::BTreeSet, sync::Arc};

use super::{Made, Resource, ResourceKey, Stamp};
use crate::{
    id::{Digest, PolicyName, UnixSeconds},
    model::Policy,
};

/// How many earlier components of a policy are kept.
pub const POLICY_VERSIONS: usize = 10;

/// A policy, with what it was before.
#[derive(Debug, Clone, PartialEq)]
pub struct MadePolicy {
    /// What is served.
    pub policy: Policy,
    /// Who set this component.
    pub set: Stamp,
    /// The components before it, oldest first.
    pub earlier: Vec<PolicyVersion>,
}

/// A component that was replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyVersion {
    /// Its digest.
    pub digest: Digest,
    /// Who set it.
    pub set: Stamp,
    /// Whether it was taken back because it kept failing. It is not gone back to.
    pub failed: bool,
}

impl MadePolicy {
    /// What `policy` is the first version of.
    #[must_use]
    pub fn first(policy: Policy, set: Stamp) -> Self {
        Self { policy, set, earlier: Vec::new() }
    }

    /// The same, with `policy` in the place of what is served; the last [`POLICY_VERSIONS`] before it
    /// are kept. `failed` says whether it gives way because it kept failing.
    #[must_use]
    pub fn followed_by(&self, policy: Policy, set: Stamp, failed: bool) -> Self {
        if policy.digest == self.policy.digest {
            return Self { policy, ..self.clone() };
        }
        let mut earlier = self.earlier.clone();
        earlier.push(PolicyVersion { digest: self.policy.digest, set: self.set.clone(), failed });
        let surplus = earlier.len().saturating_sub(POLICY_VERSIONS);
        earlier.drain(..surplus);
        Self { policy, set, earlier }
    }

    /// When the component that is served first came, as far back as versions are kept.
    #[must_use]
    pub fn since(&self) -> UnixSeconds {
        let before = self.earlier.iter().find(|version| version.digest == self.policy.digest);
        before.map_or(self.set.at, |version| version.set.at)
    }

    /// The newest component to go back to.
    #[must_use]
    pub fn previous(&self) -> Option<Digest> {
        let failed: BTreeSet<_> =
            self.earlier.iter().filter(|one| one.failed).map(|one| one.digest).collect();
        let mut others = self.earlier.iter().rev().map(|version| version.digest);
        others.find(|digest| *digest != self.policy.digest && !failed.contains(digest))
    }
}

impl Made {
    /// Every component that the records name: blobs that have to stay.
    pub fn components(&self) -> impl Iterator<Item = Digest> {
        self.policies().flat_map(|made| {
            std::iter::once(made.policy.digest).chain(made.earlier.iter().map(|version| version.digest))
        })
    }

    /// Gives the policies their components; one that there is none for stays without.
    pub fn supply(&mut self, mut component: impl FnMut(Digest) -> Option<Arc<[u8]>>) {
        for made in self.resources.values_mut() {
            let Resource::Policy(MadePolicy { policy, .. }) = &mut made.resource else { continue };
            if let Some(bytes) = component(policy.digest) {
                policy.component = bytes;
            }
        }
    }

    /// A policy without its component: what there is of it cannot be served.
    #[must_use]
    pub fn incomplete(&self) -> Option<&PolicyName> {
        // What has no bytes at all was never a component.
        self.policies().find(|made| made.policy.component.is_empty()).map(|made| &made.policy.name)
    }

    /// A policy that was made by API.
    #[must_use]
    pub fn policy(&self, name: &PolicyName) -> Option<&MadePolicy> {
        match &self.resources.get(&ResourceKey::Policy(name.clone()))?.resource {
            Resource::Policy(made) => Some(made),
            _ => None,
        }
    }

    fn policies(&self) -> impl Iterator<Item = &MadePolicy> {
        self.resources.values().filter_map(|made| match &made.resource {
            Resource::Policy(made) => Some(made),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Revision, model::Fallback};

    fn policy(byte: u8) -> Policy {
        let (name, digest) = ("near-zone".parse().unwrap(), Digest([byte; 32]));
        Policy { name, digest, component: [byte].into(), fallback: Fallback::Previous }
    }

    fn set(at: i64) -> Stamp {
        Stamp { revision: Revision(1), at: UnixSeconds(at), principal: "ada".into() }
    }

    #[test]
    fn it_goes_back_to_the_newest_that_did_not_fail() {
        let one = MadePolicy::first(policy(1), set(1));
        assert_eq!(one.previous(), None);
        let three = one.followed_by(policy(2), set(2), false).followed_by(policy(3), set(3), false);
        assert_eq!(three.previous(), Some(Digest([2; 32])));
        let back = three.followed_by(policy(2), set(4), true);
        assert_eq!((back.previous(), back.since()), (Some(Digest([1; 32])), UnixSeconds(2)));
        let further = back.followed_by(policy(1), set(5), true);
        assert_eq!(further.previous(), None, "never to what failed");
    }

    #[test]
    fn another_fallback_is_no_other_version_and_the_versions_are_bounded() {
        let one = MadePolicy::first(policy(1), set(1));
        let same = one.followed_by(Policy { fallback: Fallback::Refuse, ..policy(1) }, set(2), false);
        assert_eq!((same.earlier.len(), same.set.at), (0, UnixSeconds(1)));
        let many = (2..=99).fold(one, |made, byte| made.followed_by(policy(byte), set(2), false));
        assert_eq!(many.earlier.len(), POLICY_VERSIONS);
        assert_eq!(many.previous(), Some(Digest([98; 32])));
    }
}
