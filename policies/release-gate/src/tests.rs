use bootlace_policy::testing::promotion;
use bootlace_policy::wire::Approval;
use bootlace_policy::{
    Attribute, Check, Conclusion, Deferral, PolicyError, PromotionRequest, Settings, Verdict,
};

fn asked(settings: &[(&str, &str)]) -> PromotionRequest {
    let mut request = promotion();
    request.settings = settings.iter().map(|(key, value)| Attribute::new(*key, *value)).collect();
    request
}

fn verdict(request: &PromotionRequest) -> Verdict {
    super::evaluate(request).unwrap().verdict
}

fn deferral(request: &PromotionRequest) -> Deferral {
    match verdict(request) {
        Verdict::Defer(deferral) => deferral,
        other => panic!("{other:?}"),
    }
}

fn reported(name: &str, conclusion: Conclusion) -> Check {
    Check { name: name.into(), conclusion, completed_at: None, measures: Vec::new() }
}

fn approved(principal: &str, role: &str) -> Approval {
    Approval { principal: principal.into(), role: role.into(), approved_at: 1 }
}

#[test]
fn without_settings_everything_may_move() {
    assert_eq!(verdict(&asked(&[])), Verdict::Allow);
}

#[test]
fn a_failed_check_denies_even_while_another_is_pending() {
    let mut request = asked(&[("checks", "e2e, smoke")]);
    request.source.checks =
        vec![reported("e2e", Conclusion::Pending), reported("smoke", Conclusion::Failure)];
    let Verdict::Deny(violations) = verdict(&request) else { panic!("not denied") };
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].field.as_deref(), Some("smoke"));
}

#[test]
fn a_missing_or_pending_check_defers() {
    let mut request = asked(&[("checks", "e2e,smoke")]);
    request.source.checks = vec![reported("e2e", Conclusion::Pending)];
    assert_eq!(deferral(&request).reason, "waiting for check e2e, check smoke");
}

#[test]
fn soak_time_says_when_to_ask_again() {
    assert_eq!(deferral(&asked(&[("soak-seconds", "3601")])).retry_after_seconds, Some(1));
    assert_eq!(verdict(&asked(&[("soak-seconds", "3600")])), Verdict::Allow);
}

#[test]
fn another_release_at_the_source_has_not_soaked() {
    let mut request = asked(&[("soak-seconds", "60")]);
    request.source.active.as_mut().unwrap().number = 6;
    assert_eq!(deferral(&request).retry_after_seconds, Some(60));
}

#[test]
fn only_different_principals_in_the_role_count_and_not_the_requester() {
    let mut request = asked(&[("approvals", "2"), ("role", "releaser")]);
    request.approvals =
        ["ana", "ana", &request.requested_by].map(|principal| approved(principal, "releaser")).into();
    request.approvals.push(approved("ben", "viewer"));
    let deferral = deferral(&request);
    assert_eq!(deferral.required_approvals, ["releaser"]);
    assert_eq!(deferral.retry_after_seconds, None);
    request.approvals.push(approved("eva", "releaser"));
    assert_eq!(verdict(&request), Verdict::Allow);
}

#[test]
fn settings_must_be_numbers() {
    let settings = [Attribute::new("soak-seconds", "1h"), Attribute::new("approvals", "-1")];
    assert_eq!(super::validate(Settings::new(&settings)).len(), 2);
    let error = super::evaluate(&asked(&[("approvals", "two")])).unwrap_err();
    assert!(matches!(error, PolicyError::InvalidSettings(_)));
}
