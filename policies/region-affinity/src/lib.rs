//! Reads from the replica in the instance's own region.
//!
//! A variable with a candidate labelled `role=replica` whose `region` label equals the instance's
//! region is given that candidate; every other one that the policy looks after is given the
//! `role=primary` candidate. Without either the choice so far stands.
//!
//! Setting `variables` (optional): the names to look after, comma-separated. Without it, every
//! variable that has a replica among its candidates.

use bootlace_policy::{
    Candidate, Label, Outcome, PolicyError, Request, Resolution, Settings, Variable, Violation,
    resolve_policy,
};

resolve_policy!(
    name: "region-affinity",
    version: "0.1.0",
    vary: [region],
    settings: ["variables"],
    decide: decide,
    validate: validate,
);

/// Chooses an endpoint for each variable that the settings name.
pub fn decide(request: &Request) -> Result<Outcome, PolicyError> {
    let here = request.instance().region.as_deref().and_then(|region| request.label("region", region));
    let roles = [request.label("role", "primary"), request.label("role", "replica"), here];
    let mut resolution = Resolution::new();
    let Some(names) = request.settings().list("variables") else {
        let replicated = |variable: &Variable<'_>| variable.candidates().any(|one| one.has(roles[1]));
        let variables = request.variables().filter(replicated);
        resolution.extend(variables.filter_map(|variable| nearest(variable, roles)));
        return Ok(resolution.into());
    };
    for name in names {
        match request.variable(name) {
            Some(variable) => resolution.extend(nearest(variable, roles)),
            None => resolution.warn(format!("the plan has no variable {name}")),
        }
    }
    Ok(resolution.into())
}

/// The settings must name something, and nothing twice: a variable is assigned once.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    let Some(names) = settings.list("variables") else {
        return Vec::new();
    };
    let repeats = |name: &&str| names.clone().filter(|other| other == name).count() > 1;
    let mut violations = Vec::new();
    if names.clone().next().is_none() {
        violations.push(Violation::new("empty-setting", "names no variable").about("variables"));
    }
    if let Some(name) = names.clone().find(repeats) {
        let message = format!("names {name} more than once");
        violations.push(Violation::new("repeated-variable", message).about("variables"));
    }
    violations
}

/// The replica of the instance's region, or else the primary.
fn nearest<'a>(
    variable: Variable<'a>,
    [primary, replica, here]: [Option<Label>; 3],
) -> Option<Candidate<'a>> {
    let near = variable.candidates().find(|candidate| candidate.has(replica) && candidate.has(here));
    near.or_else(|| variable.candidates().find(|candidate| candidate.has(primary)))
}

#[cfg(test)]
mod tests;
