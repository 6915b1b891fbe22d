//! What a promotion policy is asked.

use crate::settings::Settings;
use crate::wire::{Check, Measure, promotion};

/// May this release move? The fields are the contract's (`wit/policy.wit`); `evaluated_at` is the
/// only clock that a policy has.
pub use promotion::Request as PromotionRequest;

impl promotion::Request {
    /// The settings of this policy's attachment.
    pub fn settings(&self) -> Settings<'_> {
        Settings::new(&self.settings)
    }

    /// A check that was reported where the release comes from, by name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.source.checks.iter().find(|check| check.name == name)
    }

    /// Every measure of this name, with the check that reported it, where the release comes from.
    pub fn measures(&self, name: &str) -> impl Iterator<Item = (&Check, &Measure)> {
        let checks = self.source.checks.iter();
        let all = checks.flat_map(|check| check.measures.iter().map(move |measure| (check, measure)));
        all.filter(move |(_, measure)| measure.name == name)
    }

    /// How many different principals approved in a role. Whoever asked for the promotion does not
    /// count.
    pub fn approvals_as(&self, role: &str) -> usize {
        let mut principals: Vec<&str> = Vec::new();
        for approval in self.approvals.iter().filter(|approval| approval.role == role) {
            let principal = approval.principal.as_str();
            if principal != self.requested_by && !principals.contains(&principal) {
                principals.push(principal);
            }
        }
        principals.len()
    }

    /// Seconds that the release has been active where it comes from; none if it is not.
    pub fn soaked_seconds(&self) -> Option<u64> {
        let active = self.source.active.as_ref()?;
        if active.number != self.release.number {
            return None;
        }
        Some(self.evaluated_at.saturating_sub(self.source.active_since?))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{approval, check, deferred, promotion};
    use crate::{
        Conclusion, Deferral, Evaluation, PolicyError, PromotionRequest, Settings, Verdict, Violation,
        promotion_policy,
    };

    // A promotion policy whole, so that the macro's parts fit together.
    promotion_policy!(
        name: "two-eyes",
        version: "0.1.0",
        settings: ["approvals"],
        evaluate: evaluate,
        validate: validate,
    );

    fn evaluate(request: &PromotionRequest) -> Result<Evaluation, PolicyError> {
        let wanted = number(request.settings())
            .ok_or_else(|| PolicyError::InvalidSettings("a whole number is needed".into()))?;
        if request.check("e2e").is_some_and(|check| check.conclusion == Conclusion::Failure) {
            return Ok(Evaluation::unless(vec![Violation::new("check-failed", "e2e failed")]));
        }
        if request.approvals_as("releaser") < wanted {
            let missing = (wanted - request.approvals_as("releaser")) as u32;
            return Ok(Deferral::new("waiting for approvals").needs("releaser", missing).into());
        }
        Ok(Evaluation::allow())
    }

    fn validate(settings: Settings<'_>) -> Vec<Violation> {
        let wrong = number(settings).is_none();
        wrong.then(|| Violation::new("invalid-number", "a whole number is needed")).into_iter().collect()
    }

    fn number(settings: Settings<'_>) -> Option<usize> {
        settings.get("approvals").map_or(Some(0), |value| value.parse().ok())
    }

    fn asked(approvals: &str) -> PromotionRequest {
        let mut request = promotion();
        request.settings.push(crate::Attribute::new("approvals", approvals));
        request
    }

    #[test]
    fn only_different_principals_in_the_role_count_and_not_the_requester() {
        let mut request = asked("2");
        let names = ["ana", "ana", &request.requested_by];
        request.approvals = names.map(|principal| approval(principal, "releaser")).into();
        request.approvals.push(approval("ben", "viewer"));
        let deferral = deferred(evaluate(&request).unwrap());
        assert_eq!(
            (&*deferral.required_approvals[0].role, deferral.required_approvals[0].missing),
            ("releaser", 1)
        );
        request.approvals.push(approval("eva", "releaser"));
        assert_eq!(evaluate(&request).unwrap().verdict, Verdict::Allow);
    }

    #[test]
    fn a_check_is_found_by_its_name_where_the_release_comes_from() {
        let mut request = promotion();
        let failed = |name: &str| check(name, Conclusion::Failure);
        request.target.checks = vec![failed("e2e")];
        request.source.checks = vec![failed("smoke")];
        assert_eq!(evaluate(&request).unwrap().verdict, Verdict::Allow);
        request.source.checks.push(failed("e2e"));
        assert!(matches!(evaluate(&request).unwrap().verdict, Verdict::Deny(list) if list.len() == 1));
    }

    #[test]
    fn a_measure_is_found_in_every_check_that_reported_it() {
        let mut request = promotion();
        let reported = check("load", Conclusion::Success).measured("p99", 212.5, "ms");
        request.source.checks = vec![reported.clone(), check("e2e", Conclusion::Success), reported];
        let values: Vec<_> = request.measures("p99").map(|(_, measure)| measure.value).collect();
        assert_eq!(values, [212.5, 212.5]);
        assert_eq!(request.measures("p50").count(), 0);
    }

    #[test]
    fn a_release_soaks_only_where_it_is_the_active_one() {
        let mut request = promotion();
        assert_eq!(request.soaked_seconds(), Some(3_600));
        request.source.active.as_mut().unwrap().number = 6;
        assert_eq!(request.soaked_seconds(), None);
        request.source.active = None;
        assert_eq!(request.soaked_seconds(), None);
    }

    #[test]
    fn nothing_but_a_reason_denies_and_a_retry_is_never_at_once() {
        assert_eq!(Evaluation::unless(Vec::new()).verdict, Verdict::Allow);
        let after = |seconds| Deferral::new("later").retry_after(seconds).retry_after_seconds;
        assert_eq!((after(0), after(60), after(u64::MAX)), (Some(1), Some(60), Some(31_622_400)));
    }

    #[test]
    fn settings_that_are_no_number_are_refused_twice() {
        let settings = [crate::Attribute::new("approvals", "two")];
        assert_eq!(validate(Settings::new(&settings)).len(), 1);
        assert!(matches!(evaluate(&asked("two")), Err(PolicyError::InvalidSettings(_))));
    }
}
