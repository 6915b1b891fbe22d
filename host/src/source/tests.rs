//! The directory reader and validation, tested together as data: files in, problems out.

use super::{starter::*, *};
use crate::{
    id::{Uid, VariableName},
    model::{Address, Content, EnvironmentKeys, KeyId, Place, PlainValue, question::Sensitivity},
    plan::{LayerName, Plan, PlanError, What},
};

mod bounds;
mod intervals;
pub(crate) mod kit;
mod plans;
mod refusals;

use kit::*;

#[test]
fn starter_is_valid_and_of_the_promised_size() {
    let directory = load(&starter()).unwrap_or_else(|problems| panic!("{problems}"));
    let configuration = &directory.configuration;
    assert_eq!(configuration.environments.len(), 4);
    assert_eq!(configuration.keys.len(), 4);
    assert!(configuration.environments["production"].protected);
    assert_eq!(configuration.environments["staging"].promotes_to, Some(name("production")));
    for (environment, release) in ACTIVE {
        let plan = plan(&directory, environment, Some(release)).unwrap();
        let sealed = |variable: &&crate::plan::Planned| {
            let candidate = &plan.candidates[variable.default as usize];
            variable.sensitivity == Sensitivity::Secret && matches!(candidate.what, What::Stored { .. })
        };
        assert_eq!(plan.variables.iter().filter(sealed).count(), 13, "{environment}");
        assert!((40..=52).contains(&plan.variables.len()), "{environment}: {}", plan.variables.len());
        assert_eq!(plan.missing, []);
    }
}

#[test]
fn starter_keys_and_bootstrap_read_back_what_was_written() {
    let directory = load(&starter()).unwrap();
    assert_eq!(directory.keys, keys_file());
    let bootstrap = directory.bootstrap.unwrap();
    assert_eq!(bootstrap.tokens, tokens());
    assert_eq!(bootstrap.active[DEPLOYMENT]["staging"], 18);
}

#[test]
fn values_have_one_form_each() {
    let cases = [
        ("V = \"a ${X}\"", "a ${X}", false),
        ("V = 0x10", "16", true),
        ("V = -1", "-1", true),
        ("V = 1.50", "1.5", true),
        ("V = true", "true", true),
        ("V = [1, \"a\", { b = 2 }]", "[1,\"a\",{\"b\":2}]", true),
        ("V = { json = { b = 1, a = [] } }", "{\"a\":[],\"b\":1}", true),
        ("V = { json = \"text\" }", "\"text\"", true),
        ("V = { value = \"x\", description = \"d\" }", "x", false),
        ("V.value = 3", "3", true),
    ];
    for (line, injected, is_json) in cases {
        let directory = load(&with_variables(line)).unwrap_or_else(|problems| panic!("{line}: {problems}"));
        let variable = &directory.configuration.base.variables["V"];
        let Content::Versions { versions, .. } = &variable.content else { panic!("{line}") };
        let InputValue::Plain(value) = &versions[0].value else { panic!("{line}") };
        assert_eq!(value.injected(), injected, "{line}");
        assert_eq!(matches!(value, PlainValue::Json(_)), is_json, "{line}");
    }
}

#[test]
fn templates_are_parsed_or_refused() {
    use crate::model::{Piece, Template};
    use value::InvalidTemplate::{BadEncoding, BadName, Unclosed};
    let literal = |text: &str| Piece::Literal(text.into());
    let reference = |encoding| Piece::Reference { name: "A".parse().unwrap(), encoding };
    use crate::model::question::Encoding::{Base64, JsonString, Percent, Raw};
    let good = [
        ("", vec![]),
        ("a$b $1 }", vec![literal("a$b $1 }")]),
        ("${A}", vec![reference(Raw)]),
        (
            "x${A|percent}y${ A | json }",
            vec![literal("x"), reference(Percent), literal("y"), reference(JsonString)],
        ),
        ("$${A}${A|base64}", vec![literal("${A}"), reference(Base64)]),
    ];
    for (text, pieces) in good {
        assert_eq!(text.parse(), Ok(Template(pieces)), "{text}");
    }
    for (text, error) in [("${A", Unclosed), ("${}", BadName), ("${a b}", BadName), ("${A|x}", BadEncoding)] {
        assert_eq!(text.parse::<Template>(), Err(error), "{text}");
    }
}
