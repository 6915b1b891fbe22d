//! Reads from the replica in the instance's own region.
//!
//! A variable with a candidate labelled `role=replica` whose `region` label equals the instance's
//! region is given that candidate; every other one that the policy looks after is given the
//! `role=primary` candidate. Without either the choice so far stands.
//!
//! Setting `variables` (optional): the names to look after, comma-separated. Without it, every
//! variable that has a replica among its candidates.

use bootlace_policy::{
    Candidate, Outcome, PolicyError, Request, Resolution, Settings, Variable, Violation, resolve_policy,
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
    let mut resolution = Resolution::new();
    match request.settings().list("variables") {
        None => {
            let replicated = |variable: &Variable<'_>| variable.candidates().any(is_replica);
            for variable in request.variables().filter(replicated) {
                place(request, variable, &mut resolution);
            }
        }
        Some(names) => {
            for name in names {
                match request.variable(name) {
                    Some(variable) => place(request, variable, &mut resolution),
                    None => resolution.warn(format!("the plan has no variable {name}")),
                }
            }
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

fn place(request: &Request, variable: Variable<'_>, resolution: &mut Resolution) {
    let region = request.instance().region.as_deref();
    let in_region = |candidate: &Candidate<'_>| {
        is_replica(*candidate) && region.is_some() && candidate.label("region") == region
    };
    let mut candidates = variable.candidates();
    let near = candidates.clone().find(in_region);
    let primary = |candidate: &Candidate<'_>| candidate.label("role") == Some("primary");
    if let Some(choice) = near.or_else(|| candidates.find(primary)) {
        resolution.bind(choice);
    }
}

fn is_replica(candidate: Candidate<'_>) -> bool {
    candidate.label("role") == Some("replica")
}

#[cfg(test)]
mod tests;
