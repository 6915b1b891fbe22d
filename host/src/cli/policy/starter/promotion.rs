//! Lets a release move once a check has passed where it comes from.
//!
//! Setting `check`: the name of the check.

use bootlace_policy::{
    Conclusion, Deferral, Evaluation, PolicyError, PromotionRequest, Settings, Violation, promotion_policy,
};

promotion_policy!(
    name: "@@name@@",
    version: "0.1.0",
    settings: ["check"], // any other setting is refused
    evaluate: evaluate,
    validate: validate,
);

/// Allows what passed, denies what failed, and waits for the rest.
pub fn evaluate(request: &PromotionRequest) -> Result<Evaluation, PolicyError> {
    let name = request.settings().get("check").unwrap_or_default();
    Ok(match request.check(name).map(|check| check.conclusion) {
        Some(Conclusion::Success | Conclusion::Neutral) => Evaluation::allow(),
        Some(Conclusion::Failure) => {
            Evaluation::unless(vec![Violation::new("check-failed", format!("check {name} failed"))])
        }
        Some(Conclusion::Pending) | None => Deferral::new(format!("waiting for check {name}")).into(),
    })
}

/// All that is wrong with the settings.
pub fn validate(settings: Settings<'_>) -> Vec<Violation> {
    let missing = settings.get("check").is_none_or(str::is_empty);
    let violation = || Violation::new("missing-setting", "the check's name is needed").about("check");
    missing.then(violation).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use bootlace_policy::Attribute;
    use bootlace_policy::testing::{check, deferred, denial, promotion};

    use super::*;

    #[test]
    fn only_a_check_that_passed_lets_a_release_move() {
        let mut request = promotion();
        request.settings.push(Attribute::new("check", "e2e"));
        assert_eq!(deferred(evaluate(&request).unwrap()).reason, "waiting for check e2e");
        request.source.checks = vec![check("e2e", Conclusion::Failure)];
        assert_eq!(denial(evaluate(&request).unwrap()), ["check-failed"]);
        request.source.checks = vec![check("e2e", Conclusion::Success)];
        assert_eq!(evaluate(&request).unwrap(), Evaluation::allow());
    }
}
