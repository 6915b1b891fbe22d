//! What format 2 adds, there and back, and its hostile neighbours.

use super::*;
use crate::model::{ValueType, value_type::InvalidType};

/// One of everything, with everything that format 2 adds.
fn more<V>(mut configuration: Configuration<V>) -> Configuration<V> {
    let expected = [
        ("PORT", ValueType::Port),
        ("LOG", ValueType::Boolean),
        ("PASSWORD", ValueType::Pattern("[a-z]+".parse().unwrap())),
        ("WORKERS", ValueType::integer(Some(-1), None).unwrap()),
        ("DATABASE_URL", ValueType::url(["postgres".to_owned()]).unwrap()),
    ];
    let required: BTreeMap<VariableName, _> =
        expected.into_iter().map(|(key, expected)| (name(key), Some(expected))).collect();
    configuration.base.required = required.clone();
    for layer in configuration.environment_layers.values_mut() {
        layer.required = required.clone();
    }
    for deployment in configuration.deployments.values_mut() {
        deployment.base.required = required.clone();
        deployment.environments.values_mut().for_each(|here| here.layer.required = required.clone());
    }
    configuration
}

fn pushed_more() -> Vec<u8> {
    sign_input(&more(input()), ENVELOPE, &operator(1)).unwrap()
}

/// What is refused when `change` is made to what format 2 adds.
fn refused_more(change: impl Fn(&mut wire::more::More)) -> InvalidContent {
    let configuration = more(input());
    let mut added = super::more::write(&configuration).unwrap();
    change(&mut added);
    let body = wire::encode(&(write::body(&configuration, &[]), added));
    match open(&signed_as(2, &body)).err() {
        Some(BundleError::Content(error)) => error.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_format_1_can_carry_is_written_as_format_1_and_the_rest_as_format_2() {
    let format = |bytes: &[u8]| inspect(bytes, &BundleLimits::default()).unwrap().format;
    assert_eq!((format(&pushed()), format(&pushed_more())), (1, 2));
    let opened = open(&pushed_more()).unwrap();
    assert_eq!(opened.configuration, more(input()));
    let (configuration, data_keys) = stored();
    let bytes = sign_stored(&more(configuration.clone()), &data_keys, ENVELOPE, &store()).unwrap();
    let opened = open_stored(&bytes, &store().verifying_key(), &BundleLimits::default()).unwrap();
    assert_eq!((opened.configuration, opened.data_keys), (more(configuration), data_keys));
}

#[test]
fn a_body_does_not_pass_for_one_of_the_other_format() {
    let (old, new) = (wire::encode(&write::body(&input(), &[])), {
        let configuration = more(input());
        let added = super::more::write(&configuration).unwrap();
        wire::encode(&(write::body(&configuration, &[]), added))
    });
    for length in 0..new.len() {
        assert!(open(&signed_as(2, &new[..length])).is_err(), "{length}");
    }
    assert!(matches!(open(&signed_as(2, &old)).err(), Some(BundleError::Wire(WireError::Decode { .. }))));
    assert!(matches!(open(&signed_as(1, &new)).err(), Some(BundleError::Wire(WireError::Trailing { .. }))));
}

#[test]
fn what_is_added_to_nothing_or_says_nothing_is_refused() {
    let nothing = wire::encode(&(write::body(&input(), &[]), wire::more::More::default()));
    let refused = open(&signed_as(2, &nothing)).err();
    assert!(
        matches!(refused, Some(BundleError::Content(ref error)) if error.reason == InvalidContent::Loose),
        "{refused:?}"
    );
    let loose: [fn(&mut wire::more::More); 5] = [
        |more| drop(more.base.insert("NOBODY".into(), wire::more::ValueType::Port)),
        |more| drop(more.environments.insert("nowhere".into(), BTreeMap::new())),
        |more| drop(more.deployments.insert("none".into(), wire::more::Deployment::default())),
        |more| {
            let checkout = more.deployments.get_mut("checkout").unwrap();
            checkout.environments.insert("staging".into(), wire::more::Override::default());
        },
        |more| {
            let checkout = more.deployments.get_mut("checkout").unwrap();
            checkout.environments.insert("not a name".into(), wire::more::Override::default());
        },
    ];
    for change in loose {
        assert_eq!(refused_more(change), InvalidContent::Loose);
    }
}

#[test]
fn forms_that_are_none_are_refused() {
    let form = |expected: fn() -> wire::more::ValueType| {
        refused_more(|more| drop(more.base.insert("PORT".into(), expected())))
    };
    use wire::more::ValueType::{Integer, Pattern, Url};
    let schemes = || Url { schemes: BTreeSet::from(["a b".to_owned()]) };
    assert_eq!(form(schemes), InvalidContent::Type(InvalidType::Scheme));
    let empty = || Integer { min: Some(2), max: Some(1) };
    assert_eq!(form(empty), InvalidContent::Type(InvalidType::EmptyRange));
    assert_eq!(form(|| Pattern("(".into())), InvalidContent::Type(InvalidType::Pattern));
    assert_eq!(form(|| Pattern("a".repeat(513))), InvalidContent::Type(InvalidType::PatternTooLong));
    // A scheme is written in lower case, and in no other way.
    assert_eq!(form(|| Url { schemes: BTreeSet::from(["HTTP".to_owned()]) }), InvalidContent::Loose);
    let limits = BundleLimits { patterns: 3, ..BundleLimits::default() };
    let many = open_input(&pushed_more(), &trusted(), &limits, EXPECTED).err();
    assert!(
        matches!(many, Some(BundleError::Content(ref error)) if error.reason == InvalidContent::TooMany { limit: 3 }),
        "{many:?}"
    );
}
