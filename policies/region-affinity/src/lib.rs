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
    let mut resolution = Resolution::new();
    let roles = Roles::new(request);
    match request.settings().list("variables") {
        None => {
            for variable in request.variables() {
                if variable.candidates().any(|candidate| roles.is_replica(candidate)) {
                    roles.place(variable, &mut resolution);
                }
            }
        }
        Some(names) => {
            for name in names {
                match request.variable(name) {
                    Some(variable) => roles.place(variable, &mut resolution),
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

/// The labels that decide; one that no candidate has is not there.
struct Roles {
    primary: Option<Label>,
    replica: Option<Label>,
    here: Option<Label>,
}

impl Roles {
    fn new(request: &Request) -> Self {
        let region = request.instance().region.as_deref();
        Self {
            primary: request.label("role", "primary"),
            replica: request.label("role", "replica"),
            here: region.and_then(|region| request.label("region", region)),
        }
    }

    fn place(&self, variable: Variable<'_>, resolution: &mut Resolution) {
        let near = |candidate: &Candidate<'_>| self.is_replica(*candidate) && has(*candidate, self.here);
        let primary = |candidate: &Candidate<'_>| has(*candidate, self.primary);
        let mut candidates = variable.candidates();
        if let Some(choice) = candidates.clone().find(near).or_else(|| candidates.find(primary)) {
            resolution.bind(choice);
        }
    }

    fn is_replica(&self, candidate: Candidate<'_>) -> bool {
        has(candidate, self.replica)
    }
}

fn has(candidate: Candidate<'_>, label: Option<Label>) -> bool {
    label.is_some_and(|label| candidate.has(label))
}

#[cfg(test)]
mod tests;
