use bootlace_policy::testing::{check, deferred, denial, promotion};
use bootlace_policy::wire::{Attribute, Check};
use bootlace_policy::{Conclusion, Evaluation, PolicyError, PromotionRequest, Settings, Verdict};

use Conclusion::{Failure, Neutral, Pending, Success};

fn request(settings: &[(&str, &str)], checks: Vec<Check>) -> PromotionRequest {
    let mut request = promotion();
    request.settings = settings.iter().map(|(key, value)| Attribute::new(*key, *value)).collect();
    request.source.checks = checks;
    request
}

fn evaluate(settings: &[(&str, &str)], checks: Vec<Check>) -> Evaluation {
    super::evaluate(&request(settings, checks)).unwrap()
}

#[test]
fn a_failed_check_denies_and_one_that_is_not_done_defers() {
    let checks = |e2e| vec![check("unit", Success), check("e2e", e2e), check("lint", Failure)];
    let with = |e2e| evaluate(&[("checks", "unit, e2e")], checks(e2e));
    assert_eq!(with(Success).verdict, Verdict::Allow);
    assert_eq!(with(Neutral).verdict, Verdict::Allow);
    assert_eq!(denial(with(Failure)), ["check-failed"]);
    let pending = deferred(with(Pending));
    assert_eq!((&*pending.reason, pending.retry_after_seconds), ("check e2e is pending in staging", None));
    let missing = deferred(evaluate(&[("checks", "unit,smoke")], checks(Success)));
    assert_eq!(missing.reason, "check smoke was not reported in staging");
    // A failure is final, whatever is pending.
    assert_eq!(denial(evaluate(&[("checks", "e2e,lint")], checks(Pending))), ["check-failed"]);
}

#[test]
fn checks_of_the_target_prove_nothing() {
    let mut request = request(&[("checks", "e2e")], Vec::new());
    request.target.checks = vec![check("e2e", Success)];
    assert_eq!(deferred(super::evaluate(&request).unwrap()).retry_after_seconds, None);
}

#[test]
fn a_soak_that_is_not_over_says_when_it_will_be() {
    // It is active for an hour.
    for allowed in ["0s", "59m", "60m", "3600s"] {
        assert_eq!(evaluate(&[("soak", allowed)], Vec::new()).verdict, Verdict::Allow, "{allowed}");
    }
    for (soak, left) in [("3601s", 1), ("61m", 60), ("24h", 82_800), ("2d", 169_200)] {
        let deferral = deferred(evaluate(&[("soak", soak)], Vec::new()));
        assert_eq!(deferral.retry_after_seconds, Some(left), "{soak}");
    }
    let mut elsewhere = request(&[("soak", "1s")], Vec::new());
    elsewhere.source.active.as_mut().unwrap().number = 8;
    let deferral = deferred(super::evaluate(&elsewhere).unwrap());
    assert_eq!(
        (&*deferral.reason, deferral.retry_after_seconds),
        ("release 7 is not active in staging", None)
    );
}

#[test]
fn everything_that_is_waited_for_is_said() {
    let settings = [("checks", "e2e"), ("soak", "2h"), ("thresholds", "p99<1")];
    let deferral = deferred(evaluate(&settings, vec![check("e2e", Pending).measured("p99", 2.0, "")]));
    let parts: Vec<_> = deferral.reason.split("; ").collect();
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert_eq!(deferral.retry_after_seconds, Some(3_600));
}

#[test]
fn a_threshold_holds_or_denies_with_measure_value_and_limit() {
    let cases = [
        ("error-rate<=0.01", 0.01, "", true),
        ("error-rate<=0.01", 0.010_000_1, "", false),
        ("error-rate<0.01", 0.01, "", false),
        ("error-rate>=99.9 %", 99.9, "%", true),
        ("error-rate > 99.9%", 99.9, "%", false),
        ("error-rate>-1", -0.5, "", true),
        ("error-rate<1", f64::NAN, "", false),
        ("error-rate>0", f64::INFINITY, "", true),
    ];
    for (threshold, value, unit, holds) in cases {
        let measured = check("load", Success).measured("error-rate", value, unit);
        let evaluation = evaluate(&[("thresholds", threshold)], vec![measured]);
        assert_eq!(evaluation.verdict == Verdict::Allow, holds, "{threshold} {value}");
    }
    let slow = check("load", Success).measured("p99", 312.5, "ms");
    let Verdict::Deny(violations) = evaluate(&[("thresholds", "p99 < 250 ms")], vec![slow]).verdict else {
        panic!("not denied")
    };
    assert_eq!(violations[0].message, "p99 is 312.5ms in check load, and has to be < 250ms");
    assert_eq!(violations[0].field.as_deref(), Some("p99"));
}

#[test]
fn a_threshold_is_for_every_finished_check_that_measured_it_in_that_unit() {
    let checks = || {
        vec![
            check("east", Success).measured("p99", 100.0, "ms"),
            check("west", Success).measured("p99", 300.0, "ms"),
            check("north", Pending).measured("p99", 900.0, "ms"),
        ]
    };
    assert_eq!(denial(evaluate(&[("thresholds", "p99<250ms")], checks())), ["threshold"]);
    assert_eq!(evaluate(&[("thresholds", "p99<=300ms")], checks()).verdict, Verdict::Allow);
    for other in ["p99<=300", "p99<=0.3s", "p99<=300 MS"] {
        let codes = denial(evaluate(&[("thresholds", other)], checks()));
        assert_eq!(codes, ["unit-mismatch"; 2], "{other}");
    }
}

#[test]
fn everything_wrong_with_the_settings_is_listed() {
    let fields = |settings: &[(&str, &str)]| {
        let settings: Vec<_> = settings.iter().map(|(key, value)| Attribute::new(*key, *value)).collect();
        let violations = super::validate(Settings::new(&settings)).into_iter();
        violations.filter_map(|one| one.field).collect::<Vec<_>>()
    };
    assert_eq!(fields(&[]), ["checks"]);
    assert_eq!(fields(&[("checks", ", "), ("soak", "soon"), ("thresholds", "p99=1,x<y,<1")]).len(), 5);
    assert_eq!(fields(&[("thresholds", " , ")]), ["thresholds"]);
    for wrong in ["p99", "p99<", "p99<ms", "p99==1", "p99<1<2", "p 99<1", "p99<1.2.3", "<1", "p99=<1"] {
        assert_eq!(fields(&[("thresholds", wrong)]), ["thresholds"], "{wrong}");
    }
    let request = request(&[("soak", "soon")], Vec::new());
    assert!(matches!(super::evaluate(&request), Err(PolicyError::InvalidSettings(_))));
}
