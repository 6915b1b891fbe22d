//! Which versions of which secrets an outcome hands out, also by way of templates and of bindings' URLs: names
//! and numbers.

use std::collections::BTreeSet;

use crate::{
    lease::{Held, HeldKey},
    made::ValueKey,
    model::{
        AddressKind, Piece, SealedValue,
        question::{Fragment, Sensitivity},
    },
    plan::{Plan, What},
    resolve::Choice,
};

/// The secrets that come with the variables at `given`.
pub(super) fn held(
    plan: &Plan<SealedValue>,
    choices: &[Choice],
    given: impl Iterator<Item = usize>,
) -> Vec<Held> {
    let mut reached = Reached { plan, choices, variables: BTreeSet::new(), candidates: BTreeSet::new() };
    given.for_each(|index| reached.variable(index));
    let mut held: Vec<_> =
        reached.candidates.iter().filter_map(|candidate| version(plan, *candidate)).collect();
    // One credential may be part of several URLs.
    let mut ids = BTreeSet::new();
    held.retain(|one| ids.insert(one.id));
    held
}

/// Every version of a secret that boots with a plan may be given.
pub fn handed_out(plan: &Plan<SealedValue>) -> impl Iterator<Item = Held> {
    (0..plan.candidates.len()).filter_map(|candidate| version(plan, u32::try_from(candidate).ok()?))
}

/// What is reached from variables.
struct Reached<'a> {
    plan: &'a Plan<SealedValue>,
    choices: &'a [Choice],
    variables: BTreeSet<usize>,
    candidates: BTreeSet<u32>,
}

impl Reached<'_> {
    fn variable(&mut self, index: usize) {
        // Each once: templates may name one another many times over.
        if !self.variables.insert(index) {
            return;
        }
        match &self.choices[index] {
            Choice::Omitted => {}
            Choice::Candidate(candidate) => self.candidate(*candidate),
            Choice::Template(fragments) => fragments.iter().for_each(|fragment| match fragment {
                Fragment::Literal(_) => {}
                Fragment::Reference { candidate, .. } => self.candidate(*candidate),
            }),
        }
    }

    fn candidate(&mut self, candidate: u32) {
        let plan = self.plan;
        let What::Template(template) = &plan.candidates[candidate as usize].what else {
            self.candidates.insert(candidate);
            return;
        };
        let names = template.0.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Reference { name, .. } => plan.index_of(name.as_str()),
        });
        names.for_each(|index| self.variable(index));
    }
}

/// A variable's stored secret, or the credential of a bound service. A tool's has no versions that anybody waits
/// for.
fn version(plan: &Plan<SealedValue>, candidate: u32) -> Option<Held> {
    let candidate = &plan.candidates[candidate as usize];
    let (key, id) = match &candidate.what {
        What::Stored { address, value } => {
            if address.kind != AddressKind::Variable || candidate.sensitivity != Sensitivity::Secret {
                return None;
            }
            let variable = &plan.variables[candidate.variable as usize];
            let place = plan.place_of(variable.provenance.layer);
            (HeldKey::Value(ValueKey { place, name: variable.name.clone() }), value.id)
        }
        What::Endpoint(bound) => {
            let (_, value) = bound.credential.as_ref()?;
            let named = |source: u32| plan.sources.get(source as usize);
            let (service, owner) = (named(candidate.source)?.parse(), named(candidate.owner)?.parse());
            (HeldKey::Credential(service.ok()?, owner.ok()?), value.id)
        }
        What::Template(_) | What::Text(_) => return None,
    };
    Some(Held { key, version: candidate.version, id })
}
