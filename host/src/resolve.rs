//! What becomes of every variable: the plan's choices, what the policies changed, and what follows
//! from both. Pure: no value is known here, only where each one will come from.

use crate::{
    id::VariableName,
    model::{
        Piece,
        question::{Assignment, Decision, Fragment, Resolution},
    },
    plan::{Plan, What},
};

/// What one variable gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A candidate's value.
    Candidate(u32),
    /// A policy's text over plain candidates.
    Template(Vec<Fragment>),
    /// Nothing: no layer sets it, or it was left out.
    Omitted,
}

/// The choice for every variable of a plan, complete: nothing required is missing.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled {
    /// In the plan's variable order.
    pub choices: Vec<Choice>,
    /// What the person who boots should know.
    pub warnings: Vec<String>,
}

/// Required variables that would be missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("required and not set: {0:?}")]
pub struct MissingRequired(pub Vec<VariableName>);

/// Settles every variable of `plan`. The indexes in `resolution` have been checked by whoever ran
/// the policies.
///
/// # Errors
/// When a required variable gets nothing.
pub fn settle<V>(plan: &Plan<V>, resolution: &Resolution) -> Result<Settled, MissingRequired> {
    let mut choices: Vec<_> =
        plan.variables.iter().map(|variable| Choice::Candidate(variable.default)).collect();
    for Assignment { variable, decision, .. } in &resolution.assignments {
        choices[*variable as usize] = match decision {
            Decision::Bind(candidate) => Choice::Candidate(*candidate),
            Decision::Template(fragments) => Choice::Template(fragments.clone()),
            Decision::Omit => Choice::Omitted,
        };
    }
    let mut warnings = resolution.warnings.clone();
    omit_what_refers_to_omitted(plan, &mut choices, &mut warnings);

    let variables = plan.variables.iter().zip(&choices);
    let missing = variables.filter(|(variable, choice)| variable.required && **choice == Choice::Omitted);
    let unset = plan.missing.iter().cloned();
    let missing: Vec<_> = unset.chain(missing.map(|(variable, _)| variable.name.clone())).collect();
    if missing.is_empty() { Ok(Settled { choices, warnings }) } else { Err(MissingRequired(missing)) }
}

/// A template over a variable that a policy left out is left out too: what a policy withheld must
/// not come back inside another variable's text. Repeated until nothing changes, since templates
/// may refer to templates; validation has refused cycles.
fn omit_what_refers_to_omitted<V>(plan: &Plan<V>, choices: &mut [Choice], warnings: &mut Vec<String>) {
    loop {
        let broken = (0..choices.len()).find_map(|index| {
            let gone = refers_to_omitted(plan, choices, index)?;
            Some((index, gone))
        });
        let Some((index, gone)) = broken else { return };
        choices[index] = Choice::Omitted;
        let name = &plan.variables[index].name;
        warnings.push(format!("{name} is left out, since it is made of {gone}, which has no value here"));
    }
}

fn refers_to_omitted<'p, V>(plan: &'p Plan<V>, choices: &[Choice], index: usize) -> Option<&'p VariableName> {
    let Choice::Candidate(candidate) = choices[index] else { return None };
    let What::Template(template) = &plan.candidates[candidate as usize].what else { return None };
    template.0.iter().find_map(|piece| {
        let Piece::Reference { name, .. } = piece else { return None };
        let referred = plan.index_of(name.as_str());
        let omitted = referred.is_none_or(|referred| choices[referred] == Choice::Omitted);
        omitted.then_some(name)
    })
}
