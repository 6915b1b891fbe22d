//! What a directory cannot say, or says too much of: rules checked on the configuration itself.

use super::*;
use crate::{
    model::{Configuration, Piece, SealedText, Template, Variable, Version},
    validate::{Rule, Violation, check, limits},
};

/// Changes the starter's configuration and answers what is then wrong with it.
fn violations(change: impl FnOnce(&mut Configuration<InputValue>)) -> Vec<Violation> {
    let mut configuration = load(&starter()).unwrap().configuration;
    change(&mut configuration);
    check(&configuration)
}

fn rules(change: impl FnOnce(&mut Configuration<InputValue>)) -> Vec<Rule> {
    violations(change).into_iter().map(|violation| violation.rule).collect()
}

fn text(length: usize) -> InputValue {
    InputValue::Plain(PlainValue::Text("x".repeat(length)))
}

fn variable(content: Content<InputValue>) -> Variable<InputValue> {
    Variable {
        description: String::new(),
        sensitivity: Sensitivity::Plain,
        inject: true,
        interval: None,
        content,
    }
}

fn versions(values: impl Iterator<Item = InputValue>) -> Content<InputValue> {
    let versions = values.zip(1..).map(|(value, number)| Version { number, value }).collect();
    Content::Versions { versions, current: 1 }
}

fn set(configuration: &mut Configuration<InputValue>, name: &str, content: Content<InputValue>) {
    configuration.base.variables.insert(name.parse().unwrap(), variable(content));
}

#[test]
fn what_is_at_its_limit_is_accepted_and_one_more_is_not() {
    let value = |bytes| rules(|c| set(c, "V", versions([text(bytes)].into_iter())));
    assert_eq!(value(limits::VALUE_BYTES), []);
    assert!(matches!(value(limits::VALUE_BYTES + 1)[..], [Rule::TooLong { what: "a value", .. }]));

    let live = |count| rules(|c| set(c, "V", versions((0..count).map(|_| text(1)))));
    assert_eq!(live(limits::VERSIONS), []);
    assert!(matches!(live(limits::VERSIONS + 1)[..], [Rule::TooMany { what: "versions", .. }]));
    assert_eq!(live(0), [Rule::NoVersions]);

    let pieces = |count| {
        let pieces = vec![Piece::Literal("x".into()); count];
        rules(|c| set(c, "V", Content::Template(Template(pieces))))
    };
    assert_eq!(pieces(limits::TEMPLATE_PIECES), []);
    assert!(matches!(pieces(limits::TEMPLATE_PIECES + 1)[..], [Rule::TooMany { what: "pieces", .. }]));

    let variables = |count: usize| {
        rules(|c| {
            c.base.variables.clear();
            (0..count).for_each(|at| set(c, &format!("V{at}"), versions([text(1)].into_iter())));
        })
    };
    assert_eq!(variables(limits::VARIABLES_PER_LAYER), []);
    let more = variables(limits::VARIABLES_PER_LAYER + 1);
    assert!(matches!(more[..], [Rule::TooMany { what: "variables", .. }]));

    let endpoints = |count| {
        rules(|c| {
            let service = c.services.get_mut("cache").unwrap();
            let instance = service.instances.get_mut("production").unwrap();
            instance.endpoints = vec![instance.endpoints[0].clone(); count];
        })
    };
    assert_eq!(endpoints(limits::ENDPOINTS), []);
    assert!(matches!(endpoints(limits::ENDPOINTS + 1)[..], [Rule::TooMany { what: "endpoints", .. }]));
    assert_eq!(endpoints(0), [Rule::NoEndpoints]);
}

#[test]
fn a_boot_asks_at_most_eight_policies() {
    let attached = |count| {
        rules(|c| {
            let workspace = crate::model::Attachment {
                place: crate::model::Place::Workspace,
                ..c.attachments[0].clone()
            };
            c.attachments = vec![workspace; count];
        })
    };
    assert_eq!(attached(limits::POLICIES_PER_BOOT), []);
    let more = attached(limits::POLICIES_PER_BOOT + 1);
    assert_eq!(more.len(), 3, "one for each environment of the deployment");
    assert!(more.iter().all(|rule| matches!(rule, Rule::TooMany { .. })));
}

#[test]
fn ids_and_names_are_used_once() {
    let shared = rules(|c| {
        let uid = c.environments["production"].uid;
        c.environments.get_mut("staging").unwrap().uid = uid;
    });
    assert_eq!(shared, [Rule::SharedId("production".into())]);
    assert_eq!(rules(|c| c.uid = Uid::NONE), [Rule::ZeroId]);
    let misnamed = rules(|c| c.environments.get_mut("staging").unwrap().name = name("other"));
    assert_eq!(misnamed, [Rule::Misnamed]);
}

#[test]
fn a_deployment_needs_an_environment_that_is_not_deprecated() {
    let found = rules(|c| c.environments.values_mut().for_each(|environment| environment.deprecated = true));
    assert_eq!(found, [Rule::NoActiveEnvironment]);
    let one_left = rules(|c| c.environments.get_mut("staging").unwrap().deprecated = true);
    assert_eq!(one_left, []);
}

#[test]
fn secrets_are_sealed_and_plain_values_are_not() {
    let change = |sensitivity, value: InputValue| {
        rules(|c| {
            let app = c.deployments.get_mut(DEPLOYMENT).unwrap();
            let layer = &mut app.environments.get_mut("staging").unwrap().layer;
            let mut variable = variable(versions([value].into_iter()));
            variable.sensitivity = sensitivity;
            variable.description = "d".into();
            layer.variables.insert("V".parse().unwrap(), variable);
        })
    };
    let sealed = || InputValue::Sealed(SealedText("sealed:1:x".into()));
    assert_eq!(change(Sensitivity::Secret, sealed()), []);
    assert_eq!(change(Sensitivity::Plain, text(1)), []);
    assert_eq!(change(Sensitivity::Secret, text(1)), [Rule::PlainSecret]);
    assert_eq!(change(Sensitivity::Plain, sealed()), [Rule::SealedPlain]);
}

#[test]
fn violations_are_bounded() {
    let many = violations(|c| (0..2_000).for_each(|at| set(c, &format!("V{at}"), versions([].into_iter()))));
    assert_eq!(many.len(), limits::VIOLATIONS);
}
