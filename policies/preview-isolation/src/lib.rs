//! Keeps other environments' services out of previews.
//!
//! A preview runs code that nobody has reviewed. In an environment whose name starts with
//! `preview/`, nothing that another environment owns is ever given to an instance, even where its
//! owner shares it: the newest candidate of the preview's own is taken instead. Without one, an
//! optional variable is omitted, and a required one ends the boot with the owner's name.
//!
//! Everywhere else nothing changes. There are no settings.

use bootlace_policy::{Outcome, PolicyError, Request, Resolution, Violation, resolve_policy};

resolve_policy!(
    name: "preview-isolation",
    version: "0.1.0",
    vary: [],
    decide: decide,
);

/// Replaces, omits or refuses what another environment owns.
pub fn decide(request: &Request) -> Result<Outcome, PolicyError> {
    let mut resolution = Resolution::new();
    let mut violations: Vec<Violation> = Vec::new();
    let environment = request.environment().name.as_str();
    if !environment.starts_with("preview/") {
        return Ok(resolution.into());
    }
    for variable in request.variables() {
        let Some(chosen) = variable.chosen() else {
            continue;
        };
        if chosen.owner() == environment {
            continue;
        }
        let own = variable
            .candidates()
            .filter(|candidate| candidate.owner() == environment)
            .max_by_key(|candidate| candidate.version());
        let name = variable.name();
        let owner = chosen.owner();
        match own {
            Some(own) => resolution.bind(own),
            None if variable.is_required() => {
                let message = format!("{name} belongs to {owner}, and {environment} has none of its own");
                violations.push(variable.violation("foreign-owner", message));
            }
            None => {
                resolution.omit(variable);
                resolution.warn(format!("{name} is omitted: it belongs to {owner}"));
            }
        }
    }
    if violations.is_empty() { Ok(resolution.into()) } else { Ok(Outcome::Denied(violations)) }
}

#[cfg(test)]
mod tests;
