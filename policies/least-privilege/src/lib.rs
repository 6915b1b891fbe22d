//! Gives an instance only what its release declares.
//!
//! Every variable that the active release does not list among its keys is omitted, so that a
//! compromised instance holds no secret that its code never asked for. Two exceptions:
//!
//! - A *required* variable is kept. Somebody said that no instance may boot without it; omitting it
//!   would turn a forgotten declaration into a refused boot.
//! - The setting `always` (optional) lists names to keep, comma-separated: for what the platform
//!   reads and no release declares.
//!
//! Without an active release there is nothing to go by, and the boot is denied.

use bootlace_policy::{
    Outcome, PolicyError, Request, Resolution, Settings, Variable, Violation, resolve_policy,
};

resolve_policy!(
    name: "least-privilege",
    version: "0.1.0",
    vary: [],
    settings: ["always"],
    decide: decide,
    validate: validate,
);

/// Omits what the release does not declare.
pub fn decide(request: &Request) -> Result<Outcome, PolicyError> {
    let Some(release) = request.release() else {
        let environment = &request.environment().name;
        let message = format!(
            "{} has no active release in {environment}, so nothing says what it needs",
            request.deployment(),
        );
        return Ok(Violation::new("no-active-release", message).into());
    };
    let always = request.settings().list("always");
    let kept = |variable: Variable<'_>| {
        variable.is_declared()
            || variable.is_required()
            || always.clone().is_some_and(|mut names| names.any(|name| name == variable.name()))
    };
    let mut resolution = Resolution::new();
    let mut omitted = 0;
    for variable in request.variables() {
        if variable.chosen().is_some() && !kept(variable) {
            resolution.omit(variable);
            omitted += 1;
        }
    }
    if omitted > 0 {
        resolution.annotate("omitted", omitted.to_string());
        resolution.annotate("release", release.number.to_string());
    }
    Ok(resolution.into())
}

/// A list that keeps nothing is a mistake.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    let names = settings.list("always");
    if names.is_some_and(|mut names| names.next().is_none()) {
        return vec![Violation::new("empty-setting", "names no variable").about("always")];
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
