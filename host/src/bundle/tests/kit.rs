//! One of everything, and bundles of it.

pub(super) use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::*;
pub(super) use crate::{
    id::{ValueId, VariableName},
    keyring::WrappedKey,
    model::{
        Attachment, Binding, Content, Deployment, DomainHere, Endpoint, Environment, EnvironmentKeys,
        EnvironmentType, Fallback, Instance, KeyId, Layer, Override, Piece, Place, PlainValue, Policy,
        Release, SealedText, Service, ServiceKind, Template, Tls, Variable, Version,
        question::{Encoding, Sensitivity},
    },
};

pub(super) const WORKSPACE: Uid = Uid([1; 16]);
pub(super) const NOW: UnixSeconds = UnixSeconds(1_000);
pub(super) const ENVELOPE: Envelope =
    Envelope { parent: Revision(6), created: UnixSeconds(900), not_after: UnixSeconds(1_900) };
pub(super) const EXPECTED: Expected = Expected { workspace: WORKSPACE, revision: Revision(6), now: NOW };

pub(super) fn operator(fill: u8) -> OperatorKey {
    OperatorKey::new(Zeroizing::new([fill; 32]))
}

pub(super) fn store() -> StoreKey {
    StoreKey::new(Zeroizing::new([9; 32]))
}

pub(super) fn trusted() -> TrustedSigners {
    TrustedSigners::new([operator(1).verifying_key(), operator(2).verifying_key()])
}

pub(super) fn open(bytes: &[u8]) -> Result<Opened<InputValue>, BundleError> {
    open_input(bytes, &trusted(), &BundleLimits::default(), EXPECTED)
}

pub(super) fn name<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap()
}

pub(super) fn variable<V>(values: Vec<V>, sensitivity: Sensitivity) -> Variable<V> {
    let versions: Vec<_> = (1..).zip(values).map(|(number, value)| Version { number, value }).collect();
    let current = versions.len() as u64;
    Variable {
        description: "d".into(),
        sensitivity,
        inject: true,
        interval: None,
        content: Content::Versions { versions, current },
    }
}

pub(super) fn layer<V>(variables: Vec<(&str, Variable<V>)>) -> Layer<V> {
    let variables = variables.into_iter().map(|(key, variable)| (name(key), variable)).collect();
    Layer { variables, required: BTreeMap::from([(name::<VariableName>("PORT"), None)]) }
}

/// One of everything, with values from `value`.
pub(super) fn sample<V>(mut value: impl FnMut(&str) -> V) -> Configuration<V> {
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
        set: None,
        rotate_every: None,
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
        trigger: None,
        labels: labels("tier"),
    };
    let production = environment("production", EnvironmentType::Production, None);
    let staging = environment("staging", EnvironmentType::PreProduction, Some("production"));
    let text = Variable {
        description: String::new(),
        sensitivity: Sensitivity::Secret,
        inject: false,
        interval: None,
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

pub(super) fn input() -> Configuration<InputValue> {
    sample(|text| match text {
        "80" => InputValue::Plain(PlainValue::Json("80".into())),
        "info" => InputValue::Plain(PlainValue::Text("info".into())),
        other => InputValue::Sealed(SealedText(format!("sealed:1:{other}").into())),
    })
}

pub(super) fn stored() -> (Configuration<SealedValue>, Vec<WrappedDataKey>) {
    let seal = |text: &str| SealedValue { id: ValueId([5; 16]), bytes: text.as_bytes().into() };
    let key = WrappedKey { root_key: KeyId([8; 8]), epoch: 2, bytes: vec![4; 136] };
    (sample(seal), vec![WrappedDataKey { environment: Uid([2; 16]), key }])
}

pub(super) fn pushed() -> Vec<u8> {
    sign_input(&input(), ENVELOPE, &operator(1)).unwrap()
}

pub(super) fn kept() -> Vec<u8> {
    let (configuration, data_keys) = stored();
    sign_stored(&configuration, &data_keys, ENVELOPE, &store()).unwrap()
}

/// A bundle over any body, signed as if everything were in order.
pub(super) fn signed_body(body: &[u8]) -> Vec<u8> {
    signed_as(1, body)
}

pub(super) fn signed_as(format: u16, body: &[u8]) -> Vec<u8> {
    signed_counting(format, body, Counts::of(&input(), &[]))
}

pub(super) fn signed_counting(format: u16, body: &[u8], counts: Counts) -> Vec<u8> {
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

pub(super) fn content(change: impl Fn(&mut wire::Body)) -> Option<BundleError> {
    let mut body = write::body(&input(), &[]);
    change(&mut body);
    open(&signed_body(&wire::encode(&body))).err()
}

pub(super) fn refused(change: impl Fn(&mut wire::Body), at: &str) -> InvalidContent {
    match content(change) {
        Some(BundleError::Content(error)) if error.at == at => error.reason,
        other => panic!("{other:?}"),
    }
}
