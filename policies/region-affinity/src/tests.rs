use bootlace_policy::testing::{Question, resolved};
use bootlace_policy::wire::{Assignment, Attribute, Decision};
use bootlace_policy::{Resolution, Settings};

/// `DATABASE_URL` has a primary (0) in eu-central, replicas in eu-central (1) and us-east (2);
/// `LOG_LEVEL` has one candidate (3) without labels.
fn question() -> Question {
    Question::in_environment("production")
        .variable("DATABASE_URL", |variable| {
            variable.secret().required();
            for (role, region) in
                [("primary", "eu-central"), ("replica", "eu-central"), ("replica", "us-east")]
            {
                let candidate = variable.candidate("production");
                candidate.label("role", role).label("region", region);
            }
        })
        .variable("LOG_LEVEL", |variable| {
            variable.candidate("production");
        })
}

fn decide(question: Question) -> Resolution {
    resolved(super::decide(&question.ask()).unwrap())
}

fn bound(variable: u32, candidate: u32) -> Vec<Assignment> {
    let decision = Decision::Bind(candidate);
    vec![Assignment { variable, decision }]
}

#[test]
fn the_replica_of_the_instances_region_is_chosen() {
    assert_eq!(decide(question().region("us-east")).assignments, bound(0, 2));
    assert_eq!(decide(question().region("eu-central")).assignments, bound(0, 1));
}

#[test]
fn another_region_reads_from_the_primary() {
    assert_eq!(decide(question().region("ap-south")).assignments, bound(0, 0));
}

#[test]
fn an_instance_without_a_region_reads_from_the_primary() {
    assert_eq!(decide(question()).assignments, bound(0, 0));
}

#[test]
fn a_replica_without_a_region_is_never_near() {
    let question = Question::in_environment("production").variable("CACHE", |variable| {
        variable.candidate("production").label("role", "replica");
        variable.candidate("production").label("role", "primary");
    });
    assert_eq!(decide(question).assignments, bound(0, 1));
}

#[test]
fn only_the_named_variables_are_touched() {
    let named = question().region("us-east").setting("variables", "LOG_LEVEL");
    assert_eq!(decide(named), Resolution::new());
}

#[test]
fn a_name_that_the_plan_lacks_is_a_warning() {
    let resolution = decide(question().setting("variables", "TYPO"));
    assert_eq!(resolution.warnings, ["the plan has no variable TYPO"]);
    assert!(resolution.assignments.is_empty());
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let codes = |value: &str| {
        let settings = [Attribute::new("variables", value)];
        let violations = super::validate(Settings::new(&settings));
        violations.into_iter().map(|one| one.code).collect::<Vec<_>>()
    };
    assert!(codes("A, B").is_empty());
    assert_eq!(codes(" , "), ["empty-setting"]);
    assert_eq!(codes("A,B,A"), ["repeated-variable"]);
}
