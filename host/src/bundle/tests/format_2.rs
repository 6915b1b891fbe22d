//! What format 2 adds, there and back, and its hostile neighbours.

use super::*;
use crate::model::{
    Credential, Domain, NamespaceHere, NamespaceKind, Profile, Tool, ToolUse, ValueType,
    value_type::InvalidType,
};

/// One of everything, with everything that format 2 adds.
fn more<V: Clone>(mut configuration: Configuration<V>, value: impl Fn(&str) -> V) -> Configuration<V> {
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
    let ids: Vec<_> = configuration.deployments.keys().cloned().collect();
    for id in ids {
        let deployment = configuration.deployments.get_mut(&id).unwrap();
        deployment.base.required = required.clone();
        let (apex, host, url) = (name("example.com"), Some(name("HOST")), None);
        deployment.domain = Some(Domain { apex, host, url });
        let kinds = NamespaceKind::ALL.into_iter();
        deployment.namespaces = kinds.map(|kind| (kind, name(kind.variable()))).collect();
        for here in deployment.environments.values_mut() {
            here.layer.required = required.clone();
            here.domain = DomainHere::Own(name("shop.example.com"));
            here.namespaces = BTreeMap::from([
                (NamespaceKind::Threads, NamespaceHere::Own(name("own.threads"))),
                (NamespaceKind::Sources, NamespaceHere::Of(name("staging"))),
                (NamespaceKind::Artifacts, NamespaceHere::Off),
            ]);
            let renamed = ToolUse {
                settings: Some(name("WEBHOOK")),
                credentials: BTreeMap::from([(name("token"), name("WEBHOOK_TOKEN"))]),
            };
            here.tools = BTreeMap::from([(name("webhook"), renamed), (name("crm"), ToolUse::default())]);
        }
    }
    let credential =
        Credential { versions: vec![Version { number: 2, value: value("tool credential") }], current: 2 };
    let profile = Profile {
        settings: Some(value("settings")),
        credentials: BTreeMap::from([(name("token"), credential)]),
    };
    let webhook = Tool {
        id: name("webhook"),
        description: "partners".into(),
        profiles: BTreeMap::from([(name("production"), profile)]),
    };
    configuration.tools = [(name("webhook"), webhook)].into();
    configuration
}

fn more_input() -> Configuration<InputValue> {
    more(input(), |text| match text {
        "settings" => InputValue::Plain(PlainValue::Json("{\"retries\":5}".into())),
        other => InputValue::Sealed(SealedText(format!("sealed:1:{other}").into())),
    })
}

fn more_stored() -> (Configuration<SealedValue>, Vec<WrappedDataKey>) {
    let (configuration, data_keys) = stored();
    let seal = |text: &str| SealedValue { id: ValueId([6; 16]), bytes: text.as_bytes().into() };
    (more(configuration, seal), data_keys)
}

fn pushed_more() -> Vec<u8> {
    sign_input(&more_input(), ENVELOPE, &operator(1)).unwrap()
}

fn kept_more() -> Vec<u8> {
    let (configuration, data_keys) = more_stored();
    sign_stored(&configuration, &data_keys, ENVELOPE, &store()).unwrap()
}

/// Announces as much as [`more_input`] holds.
fn signed_more(body: &[u8]) -> Vec<u8> {
    signed_counting(2, body, Counts::of(&more_input(), &[]))
}

/// What is refused when `change` is made to what format 2 adds.
fn refused_more(change: impl Fn(&mut wire::more::More)) -> InvalidContent {
    let configuration = more_input();
    let mut added = super::more::write(&configuration).unwrap();
    change(&mut added);
    let body = wire::encode(&(write::body(&configuration, &[]), added));
    match open(&signed_more(&body)).err() {
        Some(BundleError::Content(error)) => error.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_format_1_can_carry_is_written_as_format_1_and_the_rest_as_format_2() {
    let format = |bytes: &[u8]| inspect(bytes, &BundleLimits::default()).unwrap().format;
    assert_eq!((format(&pushed()), format(&pushed_more())), (1, 2));
    let opened = open(&pushed_more()).unwrap();
    assert_eq!(opened.configuration, more_input());
    assert_eq!(opened.header.counts.values, 7, "a profile's settings and credential count");
    let opened = open_stored(&kept_more(), &store().verifying_key(), &BundleLimits::default()).unwrap();
    assert_eq!((opened.configuration, opened.data_keys), more_stored());
}

#[test]
fn a_body_does_not_pass_for_one_of_the_other_format() {
    let (old, new) = (wire::encode(&write::body(&input(), &[])), {
        let configuration = more_input();
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

/// Changes what is said of `checkout` in production.
fn here(change: impl Fn(&mut wire::more::Override)) -> InvalidContent {
    refused_more(|more| {
        let checkout = more.deployments.get_mut("checkout").unwrap();
        change(checkout.environments.get_mut("production").unwrap());
    })
}

#[test]
fn names_codes_and_values_that_are_none_are_refused() {
    use wire::more::{DomainHere, NamespaceHere, ToolUse};
    let is_name = |refused: InvalidContent| matches!(refused, InvalidContent::Name(_));
    assert!(is_name(here(|here| here.domain = DomainHere::Own("Shop.example".into()))));
    assert!(is_name(here(|here| drop(here.namespaces.insert(0, NamespaceHere::Own("a b".into()))))));
    assert!(is_name(here(|here| drop(here.namespaces.insert(0, NamespaceHere::Of("a b".into()))))));
    let unknown = here(|here| drop(here.namespaces.insert(4, NamespaceHere::Off)));
    assert_eq!(unknown, InvalidContent::UnknownCode);
    let none = || ToolUse { settings: None, credentials: BTreeMap::new() };
    assert!(is_name(here(|here| drop(here.tools.insert("web hook".into(), none())))));
    let many = here(|here| here.tools.extend((0..101).map(|at| (format!("t{at}"), none()))));
    assert_eq!(many, InvalidContent::TooMany { limit: 100 });
    let apex = |text: &'static str| {
        refused_more(move |more| {
            let checkout = more.deployments.get_mut("checkout").unwrap();
            checkout.domain.as_mut().unwrap().apex = text.into();
        })
    };
    for text in ["", "192.168.0.1", "a..b", "*.example.com"] {
        assert!(is_name(apex(text)), "{text}");
    }
    type Change = fn(&mut wire::more::Profile);
    let profile = |change: Change| {
        refused_more(move |more| {
            change(more.tools.get_mut("webhook").unwrap().profiles.get_mut("production").unwrap());
        })
    };
    let value = |change: Change| profile(change);
    assert_eq!(value(|it| it.settings = Some(wire::Value::Text("{}".into()))), InvalidContent::Json);
    assert_eq!(value(|it| it.settings = Some(wire::Value::Json("[]".into()))), InvalidContent::Json);
    assert_eq!(value(|it| it.settings = Some(wire::Value::Json("{".into()))), InvalidContent::Json);
    let stored = value(|it| it.settings = Some(wire::Value::Stored { id: [0; 16], bytes: vec![] }));
    assert_eq!(stored, InvalidContent::WrongForm);
    assert_eq!(
        value(|it| it.credentials.values_mut().for_each(|one| one.current = 9)),
        InvalidContent::Versions
    );
    assert_eq!(
        value(|it| it.credentials.values_mut().for_each(|one| one.versions.clear())),
        InvalidContent::Versions
    );
}

/// Golden vectors of format 2, as far as a bundle says more than format 1 can carry.
#[test]
fn format_2_is_what_it_was() {
    check_golden("input", include_str!("../golden/2-input.hex"), &pushed_more());
    check_golden("stored", include_str!("../golden/2-stored.hex"), &kept_more());
    let golden = hex::decode(include_str!("../golden/2-input.hex").replace('\n', "")).unwrap();
    assert_eq!(open(&golden).unwrap().configuration, more_input());
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
