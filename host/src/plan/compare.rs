//! Two plans of one pair, name by name: what a boot would be given otherwise, told without a value.

use std::collections::BTreeMap;

use super::{Identified, Plan, Planned, content_id};
use crate::{
    canonical::Canonical,
    id::{Digest, VariableName},
};

/// How two plans differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanDifference {
    /// The variables that only one has, or that are not the same in both.
    pub names: Vec<VariableName>,
    /// Whether the policies differ, their settings or their order.
    pub policies: bool,
}

impl PlanDifference {
    /// How `other` differs from `one`.
    #[must_use]
    pub fn between<V: Identified>(one: &Plan<V>, other: &Plan<V>) -> Self {
        let (before, after) = (variables(one), variables(other));
        let all = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        let mut names: Vec<_> = all.filter(|name| before.get(*name) != after.get(*name)).collect();
        names.sort();
        Self {
            names: names.into_iter().map(|name| (*name).clone()).collect(),
            policies: one.chain != other.chain,
        }
    }

    /// Whether they do not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.policies
    }
}

fn variables<V: Identified>(plan: &Plan<V>) -> BTreeMap<&VariableName, Digest> {
    plan.variables.iter().map(|variable| (&variable.name, digest(plan, variable))).collect()
}

/// Covers what a policy may choose from and what a boot may be given. Where in its plan a variable stands is
/// no part of it.
fn digest<V: Identified>(plan: &Plan<V>, variable: &Planned) -> Digest {
    let (start, end) = (variable.candidates.start as usize, variable.candidates.end as usize);
    let candidates = plan.candidates.get(start..end).unwrap_or_default();
    Canonical::new("bootlace compared variable 1")
        .number(variable.sensitivity as u64)
        .number(variable.required.into())
        .number(variable.inject.into())
        .number(u64::from(variable.default).saturating_sub(start as u64))
        .text(variable.provenance.layer.as_str())
        .text(&variable.expected.as_ref().map(ToString::to_string).unwrap_or_default())
        .each(candidates.iter(), |hash, candidate| {
            hash.number(candidate.version).bytes(&content_id(&candidate.what).0)
        })
        .finish()
}
