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

/// Why a resolution does not settle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// Required variables would be missing.
    #[error("required and not set: {0:?}")]
    Missing(Vec<VariableName>),
    /// A policy's template refers to one of the plan's: the two may refer to each other, and what
    /// the other is made of is not the policy's to pass on.
    #[error("puts {refers_to}, which is itself made of others, into the template of {variable}")]
    TemplateOfTemplate {
        /// The policy's place in the chain.
        decided_by: u32,
        /// What the policy wrote.
        variable: VariableName,
        /// What it referred to.
        refers_to: VariableName,
    },
}

/// Settles every variable of `plan`. The indexes in `resolution` have been checked by whoever ran
/// the policies.
///
/// # Errors
/// When a required variable gets nothing, or a policy's template refers to a template.
pub fn settle<V>(plan: &Plan<V>, resolution: &Resolution) -> Result<Settled, Unsettled> {
    let mut choices: Vec<_> =
        plan.variables.iter().map(|variable| Choice::Candidate(variable.default)).collect();
    for assignment in &resolution.assignments {
        refuse_template_of_template(plan, assignment)?;
        let Assignment { variable, decision, .. } = assignment;
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
    if missing.is_empty() { Ok(Settled { choices, warnings }) } else { Err(Unsettled::Missing(missing)) }
}

fn refuse_template_of_template<V>(plan: &Plan<V>, assignment: &Assignment) -> Result<(), Unsettled> {
    let Decision::Template(fragments) = &assignment.decision else { return Ok(()) };
    let referred = fragments.iter().filter_map(|fragment| match fragment {
        Fragment::Reference { candidate, .. } => Some(&plan.candidates[*candidate as usize]),
        Fragment::Literal(_) => None,
    });
    for candidate in referred {
        if let What::Template(_) = candidate.what {
            return Err(Unsettled::TemplateOfTemplate {
                decided_by: assignment.decided_by,
                variable: plan.variables[assignment.variable as usize].name.clone(),
                refers_to: plan.variables[candidate.variable as usize].name.clone(),
            });
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{InputValue, question::Encoding},
        source,
    };

    /// `GREETING` is a template over `NAME`; `OTHER` is plain; `SECOND` is a template over
    /// `GREETING`.
    fn plan() -> Plan<InputValue> {
        let tree = [
            (
                "workspace.toml",
                "format = 1\nrequired = [\"OTHER\"]\n[workspace]\nname = \"w\"\nid = \"00000000000000000000000000000001\"\n\
                 [variables]\nNAME = \"n\"\nOTHER = \"o\"\nGREETING.template = \"hi ${NAME}\"\nSECOND.template = \"${GREETING}!\"",
            ),
            ("environments/qa.toml", "type = \"test\"\nid = \"00000000000000000000000000000002\""),
            ("deployments/app.toml", "id = \"00000000000000000000000000000003\"\n[environments.qa]"),
        ];
        let tree = tree.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect();
        let directory = source::parse(&tree).unwrap_or_else(|problems| panic!("{problems}"));
        Plan::merge(&directory.configuration, &"app".parse().unwrap(), &"qa".parse().unwrap(), None).unwrap()
    }

    fn decides(plan: &Plan<InputValue>, name: &str, decision: Decision) -> Resolution {
        let variable = plan.index_of(name).unwrap() as u32;
        let assignments = vec![Assignment { variable, decision, decided_by: 0 }];
        Resolution { assignments, ..Resolution::default() }
    }

    fn reference(plan: &Plan<InputValue>, name: &str) -> Decision {
        let candidate = plan.variable(name).unwrap().default;
        Decision::Template(vec![Fragment::Reference { candidate, encoding: Encoding::Raw }])
    }

    #[test]
    fn what_is_made_of_an_omitted_variable_is_left_out_too_and_says_so() {
        let plan = plan();
        let settled = settle(&plan, &decides(&plan, "NAME", Decision::Omit)).unwrap();
        for name in ["NAME", "GREETING", "SECOND"] {
            assert_eq!(settled.choices[plan.index_of(name).unwrap()], Choice::Omitted, "{name}");
        }
        assert_eq!(settled.warnings.len(), 2);
    }

    #[test]
    fn a_required_variable_that_is_left_out_is_named() {
        let plan = plan();
        let missing = settle(&plan, &decides(&plan, "OTHER", Decision::Omit)).unwrap_err();
        assert_eq!(missing, Unsettled::Missing(vec!["OTHER".parse().unwrap()]));
    }

    #[test]
    fn a_policys_template_may_not_refer_to_a_template() {
        let plan = plan();
        // NAME := "${GREETING}" while GREETING = "hi ${NAME}" would go round for ever.
        let circle = settle(&plan, &decides(&plan, "NAME", reference(&plan, "GREETING")));
        assert!(matches!(circle, Err(Unsettled::TemplateOfTemplate { decided_by: 0, .. })), "{circle:?}");
        assert!(settle(&plan, &decides(&plan, "NAME", reference(&plan, "OTHER"))).is_ok());
    }
}
