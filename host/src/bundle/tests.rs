mod format_2;

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::*;
use crate::{
    id::{ValueId, VariableName},
    keyring::WrappedKey,
    model::{
        Attachment, Binding, Content, Deployment, DomainHere, Endpoint, Environment, EnvironmentKeys,
        EnvironmentType, Fallback, Instance, KeyId, Layer, Override, Piece, Place, PlainValue, Policy,
        Release, SealedText, Service, ServiceKind, Template, Tls, Variable, Version,
        question::{Encoding, Sensitivity},
    },
};

const WORKSPACE: Uid = Uid([1; 16]);
const NOW: UnixSeconds = UnixSeconds(1_000);
const ENVELOPE: Envelope =
    Envelope { parent: Revision(6), created: UnixSeconds(900), not_after: UnixSeconds(1_900) };
const EXPECTED: Expected = Expected { workspace: WORKSPACE, revision: Revision(6), now: NOW };

fn operator(fill: u8) -> OperatorKey {
    OperatorKey::new(Zeroizing::new([fill; 32]))
}

fn store() -> StoreKey {
    StoreKey::new(Zeroizing::new([9; 32]))
}

fn trusted() -> TrustedSigners {
    TrustedSigners::new([operator(1).verifying_key(), operator(2).verifying_key()])
}

fn open(bytes: &[u8]) -> Result<Opened<InputValue>, BundleError> {
    open_input(bytes, &trusted(), &BundleLimits::default(), EXPECTED)
}

fn name<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap()
}

fn variable<V>(values: Vec<V>, sensitivity: Sensitivity) -> Variable<V> {
    let versions: Vec<_> = (1..).zip(values).map(|(number, value)| Version { number, value }).collect();
    let current = versions.len() as u64;
    Variable {
        description: "d".into(),
        sensitivity,
        inject: true,
        content: Content::Versions { versions, current },
    }
}

fn layer<V>(variables: Vec<(&str, Variable<V>)>) -> Layer<V> {
    let variables = variables.into_iter().map(|(key, variable)| (name(key), variable)).collect();
    Layer { variables, required: BTreeMap::from([(name::<VariableName>("PORT"), None)]) }
}

/// One of everything, with values from `value`.
fn sample<V>(mut value: impl FnMut(&str) -> V) -> Configuration<V> {
    let labels = |key: &str| BTreeMap::from([(key.to_owned(), "x".to_owned())]);
    let component: std::sync::Arc<[u8]> = (*b"\0asm").into();
    let template = Template(vec![
        Piece::Literal("redis://:".into()),
        Piece::Reference { name: name("PASSWORD"), encoding: Encoding::Percent },
    ]);
    let bound = Binding { service: name("db"), owner: name("production"), description: String::new() };
    let special = Override {
        layer: layer(vec![("PASSWORD", variable(vec![value("old"), value("new")], Sensitivity::Secret))]),
        bindings: BTreeMap::from([(name("DATABASE_URL"), bound)]),
        domain: DomainHere::Convention,
        namespaces: BTreeMap::new(),
        tools: BTreeMap::new(),
    };
    let release = Release {
        number: 3,
        digest: "sha256:ab".into(),
        created_at: 5,
        labels: labels("commit"),
        keys: BTreeSet::from([name("PORT")]),
    };
    let deployment = Deployment {
        id: name("checkout"),
        uid: Uid([3; 16]),
        base: layer(vec![("PORT", variable(vec![value("80")], Sensitivity::Plain))]),
        domain: None,
        namespaces: BTreeMap::new(),
        environments: BTreeMap::from([(name("production"), special)]),
        releases: BTreeMap::from([(3, release)]),
    };
    let endpoint = Endpoint {
        role: "primary".into(),
        region: Some("eu".into()),
        zone: None,
        host: "db.internal".into(),
        port: 5432,
        database: "shop".into(),
        tls: Tls::Verify,
        options: labels("pool"),
        labels: BTreeMap::new(),
    };
    let instance = Instance {
        endpoints: vec![endpoint],
        user: "app".into(),
        credential: vec![Version { number: 4, value: value("credential") }],
        current: 4,
        shared_with: BTreeSet::from([name("staging")]),
    };
    let environment = |text: &str, kind, promotes_to: Option<&str>| Environment {
        name: name(text),
        uid: Uid([2; 16]),
        kind,
        protected: promotes_to.is_none(),
        deprecated: false,
        expires: promotes_to.map(|_| UnixSeconds(77)),
        promotes_to: promotes_to.map(name),
        labels: labels("tier"),
    };
    let production = environment("production", EnvironmentType::Production, None);
    let staging = environment("staging", EnvironmentType::PreProduction, Some("production"));
    let text = Variable {
        description: String::new(),
        sensitivity: Sensitivity::Secret,
        inject: false,
        content: Content::Template(template),
    };
    let keys = EnvironmentKeys { public: [7; 32], root_key: KeyId([8; 8]), wrapped_private: vec![1, 2, 3] };
    let policy = |text: &str, fallback| Policy {
        name: name(text),
        digest: sha256(&component),
        component: component.clone(),
        fallback,
    };
    let attach = |place| Attachment { policy: name("regions"), place, settings: labels("region") };
    Configuration {
        workspace: name("acme"),
        uid: WORKSPACE,
        base: layer(vec![("LOG", variable(vec![value("info")], Sensitivity::Plain))]),
        environments: BTreeMap::from([(name("production"), production), (name("staging"), staging)]),
        environment_layers: BTreeMap::from([(name("production"), layer(vec![("CACHE_URL", text)]))]),
        deployments: [(name("checkout"), deployment)].into(),
        services: [(
            name("db"),
            Service {
                id: name("db"),
                kind: ServiceKind::Postgres,
                instances: BTreeMap::from([(name("production"), instance)]),
            },
        )]
        .into(),
        tools: [].into(),
        policies: BTreeMap::from([
            (name("regions"), policy("regions", Fallback::Previous)),
            (name("twin"), policy("twin", Fallback::Refuse)),
        ]),
        attachments: vec![
            attach(Place::Deployment(name("checkout"), Some(name("production")))),
            attach(Place::Deployment(name("checkout"), None)),
            attach(Place::Environment(name("staging"))),
            attach(Place::Workspace),
        ],
        keys: BTreeMap::from([(name("production"), keys)]),
    }
}

fn input() -> Configuration<InputValue> {
    sample(|text| match text {
        "80" => InputValue::Plain(PlainValue::Json("80".into())),
        "info" => InputValue::Plain(PlainValue::Text("info".into())),
        other => InputValue::Sealed(SealedText(format!("sealed:1:{other}").into())),
    })
}

fn stored() -> (Configuration<SealedValue>, Vec<WrappedDataKey>) {
    let seal = |text: &str| SealedValue { id: ValueId([5; 16]), bytes: text.as_bytes().into() };
    let key = WrappedKey { root_key: KeyId([8; 8]), epoch: 2, bytes: vec![4; 136] };
    (sample(seal), vec![WrappedDataKey { environment: Uid([2; 16]), key }])
}

fn pushed() -> Vec<u8> {
    sign_input(&input(), ENVELOPE, &operator(1)).unwrap()
}

fn kept() -> Vec<u8> {
    let (configuration, data_keys) = stored();
    sign_stored(&configuration, &data_keys, ENVELOPE, &store()).unwrap()
}

/// A bundle over any body, signed as if everything were in order.
fn signed_body(body: &[u8]) -> Vec<u8> {
    signed_as(1, body)
}

fn signed_as(format: u16, body: &[u8]) -> Vec<u8> {
    signed_counting(format, body, Counts::of(&input(), &[]))
}

fn signed_counting(format: u16, body: &[u8], counts: Counts) -> Vec<u8> {
    let header = Header {
        format,
        form: BundleForm::Input,
        workspace: name("acme"),
        uid: WORKSPACE,
        parent: ENVELOPE.parent,
        created: ENVELOPE.created,
        not_after: ENVELOPE.not_after,
        counts,
        body_length: body.len() as u64,
        body_digest: sha256(body),
        signer: operator(1).verifying_key().id(),
    };
    let header = header.to_bytes();
    let signature = operator(1).sign(Statement::PushedBundle, &header);
    [&header, signature.0.as_slice(), body].concat()
}

fn content(change: impl Fn(&mut wire::Body)) -> Option<BundleError> {
    let mut body = write::body(&input(), &[]);
    change(&mut body);
    open(&signed_body(&wire::encode(&body))).err()
}

fn refused(change: impl Fn(&mut wire::Body), at: &str) -> InvalidContent {
    match content(change) {
        Some(BundleError::Content(error)) if error.at == at => error.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bundle_opens_to_what_was_signed() {
    let opened = open(&pushed()).unwrap();
    assert_eq!(opened.configuration, input());
    assert_eq!((opened.header.parent, opened.header.counts.values), (Revision(6), 5));
    assert!(opened.data_keys.is_empty());
    let (configuration, data_keys) = stored();
    let opened = open_stored(&kept(), &store().verifying_key(), &BundleLimits::default()).unwrap();
    assert_eq!((opened.configuration, opened.data_keys), (configuration, data_keys));
}

#[test]
fn a_component_travels_once_however_many_policies_use_it() {
    let opened = open(&pushed()).unwrap().configuration;
    let components: Vec<_> = opened.policies.values().map(|policy| policy.component.as_ptr()).collect();
    assert_eq!(components[0], components[1]);
}

#[test]
fn every_bit_of_a_bundle_counts() {
    let (pushed, kept) = (pushed(), kept());
    for bit in 0..pushed.len() * 8 {
        let mut changed = pushed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&changed).is_err(), "bit {bit}");
    }
    for bit in 0..kept.len() * 8 {
        let mut changed = kept.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let key = store().verifying_key();
        assert!(open_stored(&changed, &key, &BundleLimits::default()).is_err(), "bit {bit}");
    }
}

#[test]
fn a_truncated_or_extended_bundle_is_refused() {
    let bytes = pushed();
    for length in 0..bytes.len() {
        assert!(open(&bytes[..length]).is_err(), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(
        matches!(open(&longer).err(), Some(BundleError::Length { announced, found }) if found == announced + 1)
    );
}

#[test]
fn a_bundle_too_large_is_refused_before_anything_else() {
    let limits = BundleLimits { bundle_bytes: 100, ..BundleLimits::default() };
    let refused = open_input(&pushed(), &trusted(), &limits, EXPECTED).err();
    assert_eq!(refused, Some(BundleError::TooLarge { limit: 100 }));
    let limits = BundleLimits { bundle_bytes: usize::MAX, ..limits };
    let huge = vec![0; MAX_BUNDLE_BYTES + 1];
    let refused = open_input(&huge, &trusted(), &limits, EXPECTED).err();
    assert_eq!(refused, Some(BundleError::TooLarge { limit: MAX_BUNDLE_BYTES }));
}

#[test]
fn something_else_is_no_bundle() {
    assert_eq!(open(b"").err(), Some(BundleError::Magic));
    assert_eq!(open(&[0x50; 4000]).err(), Some(BundleError::Magic));
    let mut later = pushed();
    later[8] = 3;
    assert_eq!(open(&later).err(), Some(BundleError::Format { format: 3 }));
}

#[test]
fn only_a_trusted_operator_may_push() {
    let other = sign_input(&input(), ENVELOPE, &operator(3)).unwrap();
    let signer = operator(3).verifying_key().id();
    assert_eq!(open(&other).err(), Some(BundleError::UnknownSigner { signer }));
    let second = sign_input(&input(), ENVELOPE, &operator(2)).unwrap();
    assert!(open(&second).is_ok(), "two signers may overlap");
    let mut posing = pushed();
    let at = posing.windows(16).position(|window| window == operator(1).verifying_key().id().0).unwrap();
    posing[at..at + 16].copy_from_slice(&operator(2).verifying_key().id().0);
    let signer = operator(2).verifying_key().id();
    assert_eq!(open(&posing).err(), Some(BundleError::Signature { signer }));
}

#[test]
fn the_two_forms_do_not_pass_for_each_other() {
    let key = store().verifying_key();
    let limits = BundleLimits::default();
    let everyone = TrustedSigners::new([operator(1).verifying_key(), key.clone()]);
    let wrong = BundleError::WrongForm { expected: BundleForm::Input };
    assert_eq!(open_input(&kept(), &everyone, &limits, EXPECTED).err(), Some(wrong));
    let wrong = BundleError::WrongForm { expected: BundleForm::Stored };
    assert_eq!(open_stored(&pushed(), &operator(1).verifying_key(), &limits).err(), Some(wrong));
    let signer = operator(1).verifying_key().id();
    assert_eq!(open_stored(&pushed(), &key, &limits).err(), Some(BundleError::UnknownSigner { signer }));
}

#[test]
fn a_swapped_body_is_refused() {
    let (one, mut other) = (pushed(), input());
    other.base = Layer::default();
    let other = sign_input(&other, ENVELOPE, &operator(1)).unwrap();
    let front =
        |bytes: &[u8]| bytes.len() - inspect(bytes, &BundleLimits::default()).unwrap().body_length as usize;
    let swapped = [&one[..front(&one)], &other[front(&other)..]].concat();
    assert!(matches!(open(&swapped).err(), Some(BundleError::Length { .. })));
    let mut changed = one.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(open(&changed).err(), Some(BundleError::Digest));
}

#[test]
fn an_expired_replayed_or_foreign_bundle_is_refused_at_push() {
    let at = |expected| open_input(&pushed(), &trusted(), &BundleLimits::default(), expected).err();
    let late = Expected { now: UnixSeconds(1_900), ..EXPECTED };
    assert_eq!(at(late), Some(BundleError::Expired { not_after: UnixSeconds(1_900) }));
    let replayed = Expected { revision: Revision(7), ..EXPECTED };
    let stale = BundleError::StaleParent { parent: Revision(6), current: Revision(7) };
    assert_eq!(at(replayed), Some(stale));
    let recreated = Expected { workspace: Uid([8; 16]), ..EXPECTED };
    assert_eq!(at(recreated), Some(BundleError::OtherWorkspace { found: WORKSPACE }));
}

#[test]
fn a_header_can_be_looked_at_without_believing_it() {
    let header = inspect(&pushed(), &BundleLimits::default()).unwrap();
    assert_eq!((header.workspace.as_str(), header.form), ("acme", BundleForm::Input));
}

#[test]
fn more_than_the_limits_is_refused() {
    let limits = BundleLimits { values: 4, ..BundleLimits::default() };
    let refused = open_input(&pushed(), &trusted(), &limits, EXPECTED).err();
    assert_eq!(refused, Some(BundleError::TooMany { what: "values", limit: 4 }));
    let limits = BundleLimits { attributes: 0, ..BundleLimits::default() };
    let refused = open_input(&pushed(), &trusted(), &limits, EXPECTED).err();
    assert!(matches!(refused, Some(BundleError::Content(_))));
    let long = refused_text("x".repeat(5_000));
    assert_eq!(long, InvalidContent::TooLong { limit: 4_096 });
}

fn refused_text(text: String) -> InvalidContent {
    let change = |body: &mut wire::Body| {
        let variables = body.base.variables.values_mut();
        variables.for_each(|variable| variable.description.clone_from(&text));
    };
    refused(change, "base.variables.LOG.description")
}

#[test]
fn what_the_header_counts_must_be_there() {
    let missing = content(|body| {
        body.base.variables.clear();
    });
    assert_eq!(missing, Some(BundleError::Counts));
}

#[test]
fn a_body_that_is_not_an_encoding_is_refused() {
    let good = wire::encode(&write::body(&input(), &[]));
    let wire = |bytes: &[u8]| match open(&signed_body(bytes)).err() {
        Some(BundleError::Wire(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(wire(&[good.as_slice(), &[0]].concat()), WireError::Trailing { offset: good.len() });
    for length in 0..good.len() {
        assert!(matches!(wire(&good[..length]), WireError::Decode { .. }), "{length}");
    }
    // The 9 bytes that abort a decoder without a limit: a list of 2^64 - 1 elements.
    let abort = [&[0xfd][..], &[0xff; 8]].concat();
    assert_eq!(wire(&abort), WireError::Decode { reason: "it claims more than the decoder's limit" });
}

#[test]
fn an_encoding_that_is_not_canonical_is_refused() {
    let good = wire::encode(&write::body(&input(), &[]));
    // The first byte counts the base layer's variables: 1, written as a u16 here.
    assert_eq!(good[0], 1);
    let wide = [&[0xfb, 1, 0], &good[1..]].concat();
    let refused = open(&signed_body(&wide)).err();
    assert_eq!(refused, Some(BundleError::Wire(WireError::NotCanonical { offset: 0 })));
}

#[test]
fn what_breaks_a_rule_is_named_by_its_place_and_not_quoted() {
    let moved = |body: &mut wire::Body| {
        let layer = body.base.variables.pop_first().unwrap().1;
        body.base.variables.insert("not a name: hunter2".into(), layer);
    };
    let Some(error) = content(moved) else { panic!("accepted") };
    assert!(error.to_string().starts_with("base.variables: not a valid variable name"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn unknown_codes_are_refused() {
    let kind = |body: &mut wire::Body| body.environments.values_mut().for_each(|each| each.kind = 4);
    assert_eq!(refused(kind, "environments.production.type"), InvalidContent::UnknownCode);
    let kind = |body: &mut wire::Body| body.services.values_mut().for_each(|each| each.kind = 200);
    assert_eq!(refused(kind, "services.db.kind"), InvalidContent::UnknownCode);
}

#[test]
fn a_stored_value_is_refused_in_an_input() {
    let swap = |body: &mut wire::Body| {
        for variable in body.base.variables.values_mut() {
            let value = wire::Value::Stored { id: [0; 16], bytes: vec![] };
            let versions = vec![wire::Version { number: 1, value }];
            variable.content = wire::Content::Versions { versions, current: 1 };
        }
    };
    assert_eq!(refused(swap, "base.variables.LOG.versions.0.value"), InvalidContent::WrongForm);
}

#[test]
fn versions_must_ascend_and_include_the_current_one() {
    let set = |numbers: &'static [u64], current| {
        move |body: &mut wire::Body| {
            for variable in body.base.variables.values_mut() {
                let version = |&number| wire::Version { number, value: wire::Value::Text(String::new()) };
                variable.content =
                    wire::Content::Versions { versions: numbers.iter().map(version).collect(), current };
            }
        }
    };
    for (numbers, current) in [(&[][..], 1), (&[1], 2), (&[2, 1], 1), (&[1, 1], 1), (&[0], 0)] {
        let reason = refused(set(numbers, current), "base.variables.LOG.versions");
        assert_eq!(reason, InvalidContent::Versions, "{numbers:?} {current}");
    }
}

#[test]
fn components_must_fit_their_digests_and_their_policies() {
    let changed = |body: &mut wire::Body| body.components.values_mut().for_each(|bytes| bytes.push(0));
    assert_eq!(refused(changed, "components"), InvalidContent::ComponentDigest);
    let missing = |body: &mut wire::Body| body.components.clear();
    assert_eq!(refused(missing, "policies.regions.digest"), InvalidContent::ComponentMissing);
    let unused = |body: &mut wire::Body| {
        body.components.insert(sha256(b"more").0, b"more".to_vec());
    };
    assert_eq!(refused(unused, "components"), InvalidContent::ComponentUnused);
}

/// Golden vectors of format 1. A bundle that does not read any more, or is written differently, is
/// a new format version: keep these and add its own.
#[test]
fn format_1_is_what_it_was() {
    check_golden("input", include_str!("golden/1-input.hex"), &pushed());
    check_golden("stored", include_str!("golden/1-stored.hex"), &kept());
    let golden = hex::decode(include_str!("golden/1-input.hex").replace('\n', "")).unwrap();
    assert_eq!(open(&golden).unwrap().configuration, input());
}

fn check_golden(what: &str, golden: &str, bytes: &[u8]) {
    assert_eq!(golden.replace('\n', ""), hex::encode(bytes), "{what}");
}
