//! The environments of a deployment in the order that its releases go.

use std::collections::{BTreeMap, BTreeSet};

use crate::{id::EnvironmentName, model::Environment};

/// The order: chain after chain, the longest first, then by name; each environment behind what promotes to it, but
/// for where chains meet, which is where the first of them came to it. With each, where its releases go next, of
/// what is here. Chains are without cycles, which a configuration is refused for.
pub(super) fn ordered<'a>(all: &[&'a Environment]) -> Vec<(&'a Environment, Option<&'a EnvironmentName>)> {
    let here: BTreeMap<_, _> = all.iter().map(|one| (&one.name, *one)).collect();
    let next = |one: &'a Environment| one.promotes_to.as_ref().and_then(|next| here.get(next).copied());
    let targets: BTreeSet<_> = here.values().filter_map(|one| Some(&next(one)?.name)).collect();
    let chain = |head: &'a Environment| {
        let mut chain = vec![head];
        // As long as there are environments, whatever they say of each other.
        while let Some(one) = chain.last().and_then(|last| next(last)).filter(|_| chain.len() < here.len()) {
            chain.push(one);
        }
        chain
    };
    let heads = here.values().filter(|one| !targets.contains(&one.name));
    let mut chains: Vec<_> = heads.map(|head| chain(head)).collect();
    chains.sort_by_key(|chain| std::cmp::Reverse(chain.len()));
    let mut known = BTreeSet::new();
    let in_order = chains.into_iter().flatten().filter(|one| known.insert(&one.name));
    in_order.map(|one| (one, next(one).map(|next| &next.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Uid, model::EnvironmentType};

    #[test]
    fn chains_come_one_after_the_other_and_what_they_share_once() {
        let environment = |(name, next): (&str, Option<&str>)| Environment {
            name: name.parse().unwrap(),
            uid: Uid::NONE,
            kind: EnvironmentType::Test,
            protected: false,
            deprecated: false,
            expires: None,
            promotes_to: next.map(|next| next.parse().unwrap()),
            trigger: None,
            labels: BTreeMap::new(),
        };
        let all = [
            ("staging", Some("production")),
            ("alone", None),
            ("production", Some("elsewhere")),
            ("hotfix", Some("production")),
            ("development", Some("staging")),
        ];
        let all = all.map(environment);
        let ordered = ordered(&all.each_ref());
        let told: Vec<_> = ordered
            .iter()
            .map(|(one, next)| (one.name.as_str(), next.map(EnvironmentName::as_str)))
            .collect();
        let expected = [
            ("development", Some("staging")),
            ("staging", Some("production")),
            ("production", None),
            ("hotfix", Some("production")),
            ("alone", None),
        ];
        assert_eq!(told, expected);
    }
}
