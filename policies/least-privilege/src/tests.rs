use bootlace_policy::Settings;
use bootlace_policy::testing::{Question, denied, resolved};
use bootlace_policy::wire::{Assignment, Attribute, Decision};

/// Declared, undeclared, undeclared but required, in this order.
fn question() -> Question {
    Question::in_environment("production")
        .variable("DATABASE_URL", |variable| {
            variable.secret().candidate("production");
        })
        .variable("STRIPE_KEY", |variable| {
            variable.secret().undeclared().candidate("production");
        })
        .variable("TENANT_ID", |variable| {
            variable.undeclared().required().candidate("production");
        })
}

fn omitted(question: Question) -> Vec<u32> {
    let resolution = resolved(super::decide(&question.ask()).unwrap());
    let omits = |assignment: Assignment| match assignment.decision {
        Decision::Omit => assignment.variable,
        other => panic!("{other:?}"),
    };
    resolution.assignments.into_iter().map(omits).collect()
}

#[test]
fn what_the_release_does_not_declare_is_omitted_unless_required() {
    assert_eq!(omitted(question().release(7)), [1]);
}

#[test]
fn names_in_always_are_kept() {
    let question = question().release(7).setting("always", "SENTRY_DSN, STRIPE_KEY");
    assert!(omitted(question).is_empty());
}

#[test]
fn a_boot_without_a_release_is_denied() {
    let outcome = super::decide(&question().ask()).unwrap();
    assert_eq!(denied(outcome), ["no-active-release"]);
}

#[test]
fn an_always_that_names_nothing_is_refused() {
    let settings = [Attribute::new("always", "")];
    assert_eq!(super::validate(Settings::new(&settings))[0].code, "empty-setting");
}
