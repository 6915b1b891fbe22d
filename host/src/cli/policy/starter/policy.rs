//! Gives a variable the candidate in the instance's own region.
//!
//! Setting `variable`: the name of the variable to look after.

use bootlace_policy::{Outcome, PolicyError, Request, Resolution, resolve_policy};

resolve_policy!(
    name: "@@name@@",
    version: "0.1.0",
    vary: [region],         // every other fact about the instance is withheld
    settings: ["variable"], // any other setting is refused
    decide: decide,
);

/// Binds the variable to its first candidate whose label `region` is the instance's; without one,
/// the choice so far stands.
pub fn decide(request: &Request) -> Result<Outcome, PolicyError> {
    let mut resolution = Resolution::new();
    let region = request.instance().region.as_deref();
    let variable = request.settings().get("variable").and_then(|name| request.variable(name));
    let near = variable.zip(region).and_then(|(variable, region)| {
        variable.candidates().find(|candidate| candidate.label("region") == Some(region))
    });
    if let Some(near) = near {
        resolution.bind(near);
    }
    Ok(resolution.into())
}

#[cfg(test)]
mod tests {
    use bootlace_policy::testing::{Question, resolved};

    use super::*;

    fn chosen(region: &str) -> usize {
        let question = Question::in_environment("production").region(region).setting("variable", "CACHE_URL");
        let question = question.variable("CACHE_URL", |variable| {
            variable.candidate("production").label("region", "eu-west-1");
            variable.candidate("production").label("region", "us-east-1");
        });
        resolved(decide(&question.ask()).unwrap()).assignments.len()
    }

    #[test]
    fn only_a_region_that_has_a_candidate_changes_something() {
        assert_eq!(chosen("us-east-1"), 1);
        assert_eq!(chosen("ap-south-1"), 0);
    }
}
