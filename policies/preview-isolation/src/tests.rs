use bootlace_policy::testing::{Question, denied, resolved};
use bootlace_policy::wire::Decision;
use bootlace_policy::{Outcome, Resolution};

const PREVIEW: &str = "preview/pr-42";

fn decide(question: Question) -> Outcome {
    super::decide(&question.ask()).unwrap()
}

#[test]
fn outside_of_previews_nothing_changes() {
    for environment in ["production", "previews", "staging/preview/"] {
        let question = Question::in_environment(environment).variable("DATABASE_URL", |variable| {
            variable.required().candidate("shared");
        });
        assert_eq!(resolved(decide(question)), Resolution::new());
    }
}

#[test]
fn what_the_preview_owns_stays() {
    let question = Question::in_environment(PREVIEW).variable("DATABASE_URL", |variable| {
        variable.candidate(PREVIEW).candidate("production");
    });
    assert_eq!(resolved(decide(question)), Resolution::new());
}

#[test]
fn the_newest_own_candidate_replaces_a_foreign_choice() {
    let question = Question::in_environment(PREVIEW).variable("DATABASE_URL", |variable| {
        variable.candidate("production").candidate(PREVIEW);
        variable.candidate(PREVIEW).candidate("staging");
    });
    let resolution = resolved(decide(question));
    assert_eq!(resolution.assignments.len(), 1);
    assert_eq!(resolution.assignments[0].decision, Decision::Bind(2));
}

#[test]
fn an_optional_variable_is_omitted_with_a_warning() {
    let question = Question::in_environment(PREVIEW).variable("SEARCH_URL", |variable| {
        variable.candidate("staging");
    });
    let resolution = resolved(decide(question));
    assert_eq!(resolution.assignments[0].decision, Decision::Omit);
    assert_eq!(resolution.warnings, ["SEARCH_URL is omitted: it belongs to staging"]);
}

#[test]
fn every_required_variable_of_another_environment_is_named() {
    let question = Question::in_environment(PREVIEW)
        .variable("DATABASE_URL", |variable| {
            variable.required().candidate("production");
        })
        .variable("REDIS_URL", |variable| {
            variable.required().candidate("preview/pr-4");
        });
    let Outcome::Denied(violations) = decide(question) else {
        panic!("not denied");
    };
    let named: Vec<_> = violations.iter().map(|one| one.field.as_deref()).collect();
    assert_eq!(named, [Some("DATABASE_URL"), Some("REDIS_URL")]);
    assert!(violations[0].message.contains("production"));
    assert_eq!(denied(Outcome::Denied(violations)), ["foreign-owner"; 2]);
}
