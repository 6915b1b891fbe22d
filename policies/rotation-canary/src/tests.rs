use bootlace_policy::testing::{Question, resolved};
use bootlace_policy::wire::{Attribute, Decision};
use bootlace_policy::{PolicyError, Resolution, Settings};

/// Three live versions, the newest being candidate 2.
fn question(percent: &str) -> Question {
    Question::in_environment("production")
        .setting("variable", "STRIPE_KEY")
        .setting("percent", percent)
        .variable("STRIPE_KEY", |variable| {
            variable.secret().candidate("production");
            variable.candidate("production").candidate("production");
        })
}

fn decide(question: Question) -> Resolution {
    resolved(super::decide(&question.ask()).unwrap())
}

fn chosen(question: Question) -> Decision {
    decide(question).assignments.remove(0).decision
}

#[test]
fn nobody_at_0_and_everybody_at_100() {
    for number in 0..200 {
        let id = format!("i-{number}");
        assert_eq!(chosen(question("0").instance_id(&id)), Decision::Bind(1));
        assert_eq!(chosen(question("100").instance_id(&id)), Decision::Bind(2));
    }
}

#[test]
fn shares_are_even_over_ten_thousand_ids() {
    let mut buckets = [0_u32; 100];
    for number in 0..10_000 {
        buckets[super::bucket("", &format!("i-{number:08x}")) as usize] += 1;
    }
    // 100 are expected in each; chi-square with 99 degrees of freedom stays below 149 in 999 of
    // 1,000 draws (the ids are fixed, so this never flickers).
    let square = |count: &u32| (f64::from(*count) - 100.0).powi(2) / 100.0;
    let chi_square: f64 = buckets.iter().map(square).sum();
    assert!(chi_square < 149.0, "{chi_square}: {buckets:?}");
}

#[test]
fn a_greater_share_keeps_the_smaller_one() {
    for number in 0..1_000 {
        let id = format!("i-{number}");
        if chosen(question("10").instance_id(&id)) == Decision::Bind(2) {
            assert_eq!(chosen(question("30").instance_id(&id)), Decision::Bind(2));
        }
    }
}

#[test]
fn another_salt_draws_another_share() {
    let in_both = (0..10_000).filter(|number| {
        let id = format!("i-{number}");
        super::bucket("a", &id) < 10 && super::bucket("b", &id) < 10
    });
    // A tenth of a tenth; independent draws differ from 100 by a few tens at most.
    assert!((50..150).contains(&in_both.count()));
    assert_ne!(super::bucket("ab", "c"), super::bucket("a", "bc"));
}

#[test]
fn without_an_id_the_older_version_comes_with_a_warning_until_the_share_is_all() {
    let resolution = decide(question("99"));
    assert_eq!(resolution.assignments[0].decision, Decision::Bind(1));
    assert_eq!(resolution.warnings.len(), 1);
    let resolution = decide(question("100"));
    assert_eq!(resolution.assignments[0].decision, Decision::Bind(2));
    assert_eq!(resolution.warnings.len(), 0);
}

#[test]
fn one_version_is_no_rotation() {
    let question = Question::in_environment("production")
        .setting("variable", "STRIPE_KEY")
        .setting("percent", "50")
        .variable("STRIPE_KEY", |variable| {
            variable.secret().candidate("production");
        });
    assert_eq!(decide(question), Resolution::new());
}

#[test]
fn settings_are_needed() {
    let question = Question::in_environment("production").setting("percent", "101").ask();
    let error = super::decide(&question).unwrap_err();
    assert!(matches!(error, PolicyError::InvalidSettings(_)));
}

#[test]
fn everything_wrong_with_the_settings_is_listed() {
    let fields = |percent: &str, variable: &str| {
        let settings = [Attribute::new("percent", percent), Attribute::new("variable", variable)];
        let violations = super::validate(Settings::new(&settings));
        violations.into_iter().filter_map(|one| one.field).collect::<Vec<_>>()
    };
    assert!(fields("0", "A").is_empty());
    assert!(fields("100", "A").is_empty());
    for percent in ["101", "256", "-1", "5.5", "5%", ""] {
        assert_eq!(fields(percent, ""), ["variable", "percent"]);
    }
}
