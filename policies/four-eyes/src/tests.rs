use bootlace_policy::testing::{approval, deferred, promotion};
use bootlace_policy::wire::{Attribute, RequiredApproval};
use bootlace_policy::{Evaluation, PolicyError, Settings, Verdict};

fn evaluate(settings: &[(&str, &str)], approvals: &[(&str, &str)]) -> Evaluation {
    let mut request = promotion();
    request.requested_by = "dana".into();
    request.settings = settings.iter().map(|(key, value)| Attribute::new(*key, *value)).collect();
    request.approvals = approvals.iter().map(|(principal, role)| approval(principal, role)).collect();
    super::evaluate(&request).unwrap()
}

#[test]
fn only_other_people_in_the_role_count_and_each_once() {
    let cases: [(&[(&str, &str)], u32); 7] = [
        (&[], 2),
        (&[("ana", "releaser")], 1),
        (&[("ana", "releaser"), ("ana", "releaser")], 1),
        (&[("ana", "releaser"), ("dana", "releaser")], 1),
        (&[("ana", "releaser"), ("ben", "developer")], 1),
        (&[("ana", "admin"), ("ana", "releaser")], 1),
        (&[("ana", "releaser"), ("Ana", "releaser")], 0),
    ];
    for (approvals, missing) in cases {
        let evaluation = evaluate(&[("approvals", "2")], approvals);
        if missing == 0 {
            assert_eq!(evaluation.verdict, Verdict::Allow, "{approvals:?}");
            continue;
        }
        let deferral = deferred(evaluation);
        let needed = RequiredApproval { role: "releaser".into(), missing };
        assert_eq!(deferral.required_approvals, [needed], "{approvals:?}");
        assert_eq!(deferral.retry_after_seconds, None);
    }
}

#[test]
fn one_releaser_is_enough_unless_the_settings_say_otherwise() {
    assert_eq!(evaluate(&[], &[("ana", "releaser")]).verdict, Verdict::Allow);
    let deferral = deferred(evaluate(&[("role", "admin")], &[("ana", "releaser")]));
    assert_eq!(deferral.required_approvals[0].role, "admin");
    assert_eq!(deferral.reason, "0 of 1 approvals as admin are given");
}

#[test]
fn everything_wrong_with_the_settings_is_listed() {
    let wrong = [Attribute::new("approvals", "0"), Attribute::new("role", "relaeser")];
    let fields: Vec<_> =
        super::validate(Settings::new(&wrong)).into_iter().filter_map(|one| one.field).collect();
    assert_eq!(fields, ["approvals", "role"]);
    for approvals in ["", "-1", "two", "1.5"] {
        let settings = [Attribute::new("approvals", approvals)];
        assert_eq!(super::validate(Settings::new(&settings)).len(), 1, "{approvals}");
    }
    let mut request = promotion();
    request.settings = wrong.into();
    let PolicyError::InvalidSettings(text) = super::evaluate(&request).unwrap_err() else {
        panic!("not settings")
    };
    assert!(text.contains("approvals: ") && text.contains("; role: "), "{text}");
}
