//! What the policies of a chain have chosen so far.

use std::borrow::Cow;

use super::{answer::Resolved, tables::OMITTED};
use crate::model::question::{Assignment, Decision, Resolution, Subject};

/// The assignments so far, in variable order, at most one for each.
#[derive(Default)]
pub(super) struct Choices(Resolution);

impl Choices {
    /// Takes what the policy at `place` decided. It replaces what narrower policies decided; where
    /// it comes back to the plan's choice, nothing is left of them.
    pub(super) fn take(&mut self, subject: &Subject, place: u32, resolved: Resolved) {
        let assignments = &mut self.0.assignments;
        for (variable, decision) in resolved.assignments {
            let found = assignments.binary_search_by_key(&variable, |assignment| assignment.variable);
            let differs = !is_plans_choice(subject, variable, &decision);
            let assignment = Assignment { variable, decision, decided_by: place };
            match found {
                Ok(at) if differs => {
                    if let Some(earlier) = assignments.get_mut(at)
                        && earlier.decision != assignment.decision
                    {
                        *earlier = assignment;
                    }
                }
                Ok(at) => drop(assignments.remove(at)),
                Err(at) if differs => assignments.insert(at, assignment),
                Err(_) => {}
            }
        }
        self.0.warnings.extend(resolved.warnings);
        self.0.annotations.extend(resolved.annotations);
    }

    /// The choice for every variable as the next policy sees it: the plan's or that of the policies
    /// before; none where they omitted it or made a text of their own.
    pub(super) fn over<'a>(&self, planned: &'a [u32]) -> Cow<'a, [u32]> {
        let mut chosen = Cow::Borrowed(planned);
        for assignment in &self.0.assignments {
            let place = usize::try_from(assignment.variable).ok();
            if let Some(choice) = place.and_then(|place| chosen.to_mut().get_mut(place)) {
                *choice = match assignment.decision {
                    Decision::Bind(candidate) => candidate,
                    Decision::Template(_) | Decision::Omit => OMITTED,
                };
            }
        }
        chosen
    }

    pub(super) fn into_resolution(self) -> Resolution {
        self.0
    }
}

fn is_plans_choice(subject: &Subject, variable: u32, decision: &Decision) -> bool {
    let planned = usize::try_from(variable).ok().and_then(|at| subject.variables.get(at));
    match (decision, planned) {
        (Decision::Bind(candidate), Some(planned)) => planned.chosen == Some(*candidate),
        _ => false,
    }
}
