use bootlace_policy::testing::{denial, promotion};
use bootlace_policy::wire::Attribute;
use bootlace_policy::{
    Evaluation, KeyDifference, KeyDifferenceKind, PolicyError, PromotionRequest, Settings, Verdict,
};

use KeyDifferenceKind::{Extra, Missing, Secrecy, ValueType};

fn request(settings: &[(&str, &str)], differences: &[(&str, KeyDifferenceKind)]) -> PromotionRequest {
    let mut request = promotion();
    request.settings = settings.iter().map(|(key, value)| Attribute::new(*key, *value)).collect();
    let one = |(variable, kind): &(&str, KeyDifferenceKind)| KeyDifference {
        variable: (*variable).into(),
        kind: *kind,
        secret: false,
        required: false,
    };
    request.key_differences = differences.iter().map(one).collect();
    request
}

fn evaluate(settings: &[(&str, &str)], differences: &[(&str, KeyDifferenceKind)]) -> Evaluation {
    super::evaluate(&request(settings, differences)).unwrap()
}

#[test]
fn the_same_keys_may_have_what_values_they_like() {
    assert_eq!(evaluate(&[], &[]), Evaluation::allow());
}

#[test]
fn what_is_missing_or_of_another_type_is_denied_by_name() {
    let evaluation = evaluate(&[], &[("A", Missing), ("B", ValueType), ("C", Extra), ("D", Secrecy)]);
    assert_eq!(evaluation.warnings, ["D is a secret in only one of staging and production"]);
    let Verdict::Deny(violations) = &evaluation.verdict else { panic!("not denied") };
    let fields: Vec<_> = violations.iter().filter_map(|one| one.field.as_deref()).collect();
    assert_eq!(fields, ["A", "B"]);
    assert_eq!(violations[0].message, "production lacks A, which staging has");
    assert_eq!(denial(evaluation), ["key-missing", "key-type"]);
}

#[test]
fn what_only_the_target_has_is_what_the_settings_make_of_it() {
    let extra = |choice: &str| evaluate(&[("extra", choice)], &[("C", Extra)]);
    assert_eq!(extra("allow"), Evaluation::allow());
    assert_eq!(extra("warn").warnings, ["production has C, which staging lacks"]);
    assert_eq!(extra("warn").verdict, Verdict::Allow);
    assert_eq!(denial(extra("deny")), ["key-extra"]);
}

#[test]
fn names_and_prefixes_are_ignored_and_nothing_more() {
    let left = |ignore: &str| {
        let all = [("LEGACY_A", Missing), ("LEGACY", Missing), ("OTHER_LEGACY_A", Missing)];
        let Verdict::Deny(violations) = evaluate(&[("ignore", ignore)], &all).verdict else {
            return Vec::new();
        };
        violations.into_iter().filter_map(|one| one.field).collect::<Vec<_>>()
    };
    assert_eq!(left("LEGACY_*"), ["LEGACY", "OTHER_LEGACY_A"]);
    assert_eq!(left("LEGACY"), ["LEGACY_A", "OTHER_LEGACY_A"]);
    assert!(left("LEGACY*, OTHER_LEGACY_A").is_empty());
}

#[test]
fn a_shared_secret_is_denied_unless_a_warning_is_enough() {
    let shared = |settings: &[(&str, &str)]| {
        let mut request = request(settings, &[]);
        request.secret_shared_with_other_environment = true;
        super::evaluate(&request).unwrap()
    };
    assert_eq!(denial(shared(&[])), ["shared-secret"]);
    assert_eq!(denial(shared(&[("shared-secrets", "deny")])), ["shared-secret"]);
    let warned = shared(&[("shared-secrets", "warn")]);
    assert_eq!((warned.verdict, warned.warnings.len()), (Verdict::Allow, 1));
}

#[test]
fn everything_wrong_with_the_settings_is_listed() {
    let wrong = [("ignore", "A,*,B*C,D**"), ("extra", "maybe"), ("shared-secrets", "allow")];
    let settings = wrong.map(|(key, value)| Attribute::new(key, value));
    let fields: Vec<_> =
        super::validate(Settings::new(&settings)).into_iter().filter_map(|one| one.field).collect();
    assert_eq!(fields, ["extra", "shared-secrets", "ignore", "ignore", "ignore"]);
    assert!(matches!(super::evaluate(&request(&wrong, &[])), Err(PolicyError::InvalidSettings(_))));
}
