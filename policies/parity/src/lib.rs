//! Keeps a release from an environment whose keys are not those of where it comes from: a boot there
//! would miss what it had so far. Values are meant to differ, secrets above all.
//!
//! Settings, all optional: `ignore`, names, or prefixes ending in `*`, comma-separated; `extra`, what the
//! target alone has: `allow` (unless set), `warn` or `deny`; `shared-secrets`, a secret that equals another
//! environment's: `deny` (unless set) or `warn`. Keys that are missing or of another type are denied; one
//! that is a secret on one side only gets a warning.

use bootlace_policy::{
    Evaluation, KeyDifference, KeyDifferenceKind, PolicyError, PromotionRequest, Settings, Violation,
    promotion_policy,
};

promotion_policy!(
    name: "parity",
    version: "0.1.0",
    settings: ["ignore", "extra", "shared-secrets"],
    evaluate: evaluate,
    validate: validate,
);

/// Compares the keys of both sides.
pub fn evaluate(request: &PromotionRequest) -> Result<Evaluation, PolicyError> {
    let violations = validate(request.settings());
    if !violations.is_empty() {
        return Err(violations.into());
    }
    let settings = request.settings();
    let (mut denied, mut warnings) = (Vec::new(), Vec::new());
    let differences = request.key_differences.iter();
    for difference in differences.filter(|one| !is_ignored(settings, &one.variable)) {
        let violation = violation(request, difference);
        match (difference.kind, settings.get("extra").unwrap_or("allow")) {
            (KeyDifferenceKind::Missing | KeyDifferenceKind::ValueType, _) => denied.push(violation),
            (KeyDifferenceKind::Extra, "deny") => denied.push(violation),
            (KeyDifferenceKind::Extra, "allow") => {}
            (KeyDifferenceKind::Extra | KeyDifferenceKind::Secrecy, _) => warnings.push(violation.message),
        }
    }
    if request.secret_shared_with_other_environment {
        let target = &request.target.environment.name;
        let message =
            format!("a secret of {target} equals one of another environment; give {target} its own");
        match settings.get("shared-secrets") {
            Some("warn") => warnings.push(message),
            _ => denied.push(Violation::new("shared-secret", message)),
        }
    }
    let mut evaluation = Evaluation::unless(denied);
    evaluation.warnings = warnings;
    Ok(evaluation)
}

/// All that is wrong with the settings.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let choices = [("extra", ["allow", "warn", "deny"].as_slice()), ("shared-secrets", &["deny", "warn"])];
    for (key, known) in choices {
        if settings.get(key).is_some_and(|value| !known.contains(&value)) {
            let message = format!("use {}", known.join(" or "));
            violations.push(Violation::new("invalid-choice", message).about(key));
        }
    }
    for name in settings.list("ignore").into_iter().flatten() {
        // `*` alone would ignore everything, and one in the middle does not mean anything.
        if name == "*" || name[..name.len() - 1].contains('*') {
            let message = format!("{name} is neither a name nor a prefix such as LEGACY_*");
            violations.push(Violation::new("invalid-name", message).about("ignore"));
        }
    }
    violations
}

fn violation(request: &PromotionRequest, difference: &KeyDifference) -> Violation {
    let KeyDifference { variable, kind, required, .. } = difference;
    let (source, target) = (&request.source.environment.name, &request.target.environment.name);
    let needed = if *required { ", where a boot needs it" } else { "" };
    let (code, message) = match kind {
        KeyDifferenceKind::Missing => {
            ("key-missing", format!("{target} lacks {variable}, which {source} has{needed}"))
        }
        KeyDifferenceKind::Extra => ("key-extra", format!("{target} has {variable}, which {source} lacks")),
        KeyDifferenceKind::ValueType => {
            ("key-type", format!("{variable} is of another type in {target} than in {source}"))
        }
        KeyDifferenceKind::Secrecy => {
            ("key-secrecy", format!("{variable} is a secret in only one of {source} and {target}"))
        }
    };
    Violation::new(code, message).about(variable)
}

fn is_ignored(settings: Settings<'_>, variable: &str) -> bool {
    settings.list("ignore").into_iter().flatten().any(|name| match name.strip_suffix('*') {
        Some(prefix) => variable.starts_with(prefix),
        None => variable == name,
    })
}

#[cfg(test)]
mod tests;
