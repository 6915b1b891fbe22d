//! Wrong input: each is refused with what is wrong, and nothing has changed.

use std::{collections::BTreeMap, fs, sync::Arc};

use bootlace::{
    bundle::{self, Envelope},
    id::{Revision, Uid, UnixSeconds},
    model::{Content, InputValue, PlainValue, Variable, Version, question::Sensitivity},
    signing::OperatorKey,
    source::{self, Directory},
};
use zeroize::Zeroizing;

use crate::world::{NOON, Site, World, blocking, http};

/// All that a refused change must leave as it was.
#[derive(Debug, PartialEq)]
struct Seen {
    answers: Vec<(String, String, String)>,
    snapshot: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Seen {
    async fn of(world: &World) -> Self {
        let mut answers = Vec::new();
        for environment in ["production", "staging", "preview/pr-42"] {
            let answer = world.boot(environment).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let etag = answer.header("etag").to_owned();
            answers.push((answer.header("bootlace-revision").to_owned(), etag, answer.text().to_owned()));
        }
        let snapshot = world.admin("GET", "/api/v1/snapshot", world.site.token("viewer"), "").await;
        // How far the ledger has come is written down a little later.
        let host = Arc::clone(&world.host);
        blocking(move || host.note_ledger()).await;
        let mut files = BTreeMap::new();
        for part in ["slot-a", "slot-b", "floor", "keys"] {
            files.insert(part.to_owned(), fs::read(world.data.path().join(part)).unwrap());
        }
        for blob in fs::read_dir(world.data.path().join("blobs")).unwrap() {
            let path = blob.unwrap().path();
            files.insert(path.display().to_string(), fs::read(path).unwrap());
        }
        Self { answers, snapshot: snapshot.text().to_owned(), files }
    }
}

/// Pushes, and expects a refusal that says `expected` and changes nothing.
async fn refused(world: &World, bundle: &[u8], parent: u64, status: u16, code: &str, expected: &str) {
    let before = Seen::of(world).await;
    let answer = world.push(bundle, parent).await;
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{expected}: {}", answer.text());
    assert!(answer.text().contains(expected), "expected {expected}: {}", answer.text());
    assert_eq!(Seen::of(world).await, before, "{expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_not_a_trusted_signers_is_refused() {
    let world = World::start().await;
    let good = world.site.bundle(Revision(1));
    let directory = world.site.directory();
    let envelope = Envelope { parent: Revision(1), created: NOON, not_after: UnixSeconds(NOON.0 + 60) };
    let stranger = OperatorKey::new(Zeroizing::new([9; 32]));
    let untrusted = bundle::sign_input(&directory.configuration, envelope, &stranger).unwrap();
    let stored = world.admin("GET", "/api/v1/snapshot/bundle?workspace=acme", &world.operator, "").await;
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    let mut other_body = good.clone();
    *other_body.last_mut().unwrap() ^= 1;
    let cases: [(&[u8], &str); 8] = [
        (&untrusted, "is not trusted here"),
        (&stored.body, "is not trusted here"),
        (b"", "not a bundle"),
        (b"workspace = \"acme\"", "not a bundle"),
        (&flipped, "the bundle"),
        (&other_body, "not the one that was signed"),
        (&good[..good.len() - 1], "the bundle's body should have"),
        (&[&good[..], b"x"].concat(), "the bundle's body should have"),
    ];
    for (bundle, expected) in cases {
        refused(&world, bundle, 1, 422, "invalid", expected).await;
    }
    assert_eq!(world.push(&good, 1).await.status, 200, "the good one is still taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_another_time_or_place_is_refused() {
    let world = World::start().await;
    let first = world.site.bundle(Revision(0));
    refused(&world, &first, 0, 409, "conflict", "but the live one is 1").await;
    refused(&world, &first, 1, 409, "conflict", "but the live one is 1").await;
    refused(&world, &world.site.bundle(Revision(2)), 1, 409, "conflict", "but the live one is 1").await;
    let stale = world.push(&first, 0).await;
    assert_eq!(stale.json()["revision"], 1);

    let mut directory = world.site.directory();
    let envelope = |not_after| Envelope { parent: Revision(1), created: NOON, not_after };
    let sign = |directory: &Directory, not_after| {
        bundle::sign_input(&directory.configuration, envelope(not_after), &world.site.operator_key()).unwrap()
    };
    refused(&world, &sign(&directory, NOON), 1, 422, "invalid", "the bundle expired at").await;
    directory.configuration.uid = Uid([3; 16]);
    let recreated = sign(&directory, UnixSeconds(NOON.0 + 1));
    refused(&world, &recreated, 1, 422, "invalid", "is for the workspace with the id 0303").await;

    let good = world.site.bundle(Revision(1));
    assert_eq!(world.push(&good, 1).await.status, 200);
    refused(&world, &good, 1, 409, "conflict", "but the live one is 2").await;
    refused(&world, &good, 2, 409, "conflict", "but the live one is 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_if_match_that_is_no_revision_is_refused() {
    let world = World::start().await;
    let good = world.site.bundle(Revision(1));
    let before = Seen::of(&world).await;
    let (address, token) = (world.admin_address(), Some(world.operator.as_str()));
    for given in
        ["1", "*", "W/\"1\"", "\"-1\"", "\"x\"", "\"\"", "\"1", "\"1\", \"2\"", "\"99999999999999999999\""]
    {
        let headers = [("if-match", given)];
        let answer = http::request(address, "PUT", "/api/v1/snapshot", token, &headers, good.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{given}: {}", answer.text());
        assert!(answer.text().contains("If-Match"), "{}", answer.text());
    }
    assert_eq!(http::request(address, "PUT", "/api/v1/snapshot", token, &[], good).await.status, 400);
    assert_eq!(Seen::of(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_a_limit_is_refused_naming_the_limit() {
    let world = World::with_settings(Site::starter(), |settings| {
        settings.bundle_limits.bundle_bytes = 2 << 20;
        settings.policy_limits.component_bytes = 64 << 10;
    })
    .await;
    refused(&world, &vec![0; (2 << 20) + 1], 1, 413, "too-large", "2097152 bytes").await;

    // A real policy with a custom section behind it, one byte above the limit, and then two forms
    // that are none.
    let mut world = world;
    let path = "policies/region-affinity.wasm";
    let mut padded = world.site.tree[path].clone();
    let content = (64 << 10) + 1 - padded.len() - 4;
    let length = [content as u8 | 0x80, (content >> 7) as u8 | 0x80, (content >> 14) as u8];
    padded.extend([0, length[0], length[1], length[2], 1, b'x']);
    padded.resize((64 << 10) + 1, 0);
    for (component, expected) in [
        (padded, "65536"),
        (b"(component)".to_vec(), "text"),
        (b"\x7fELF".to_vec(), "policy region-affinity"),
    ] {
        world.site.write(path, component);
        refused(&world, &world.site.bundle(Revision(1)), 1, 422, "invalid", expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_serve_is_refused_though_it_is_signed() {
    let world = World::start().await;
    let plain = |text: &str| Variable {
        description: String::new(),
        sensitivity: Sensitivity::Plain,
        inject: true,
        interval: None,
        content: Content::Versions {
            versions: vec![Version { number: 1, value: InputValue::Plain(PlainValue::Text(text.into())) }],
            current: 1,
        },
    };
    type Change = Box<dyn Fn(&mut Directory)>;
    let cases: [(&str, Change); 6] = [
        (
            "promotion runs in a circle: production to staging to production",
            Box::new(|directory| {
                let production = directory.configuration.environments.get_mut("production").unwrap();
                production.promotes_to = Some("staging".parse().unwrap());
            }),
        ),
        (
            "there is no environment nowhere",
            Box::new(|directory| {
                let production = directory.configuration.environments.get_mut("production").unwrap();
                production.promotes_to = Some("nowhere".parse().unwrap());
            }),
        ),
        (
            "NOPE is required in production and nothing sets it",
            Box::new(|directory| {
                let layer = directory.configuration.environment_layers.get_mut("production").unwrap();
                layer.required.insert("NOPE".parse().unwrap(), None);
            }),
        ),
        (
            "STRIPE_KEY: is secret here and plain in the environment layer",
            Box::new(move |directory| {
                let layer = directory.configuration.environment_layers.get_mut("production").unwrap();
                layer.variables.insert("STRIPE_KEY".parse().unwrap(), plain("canary-of-a-plain-stripe-key"));
            }),
        ),
        (
            "there is no environment production",
            Box::new(|directory| {
                directory.configuration.environments.remove("production");
            }),
        ),
        (
            "has no release 17",
            Box::new(|directory| {
                let checkout = directory.configuration.deployments.get_mut("checkout").unwrap();
                checkout.releases.remove(&17);
            }),
        ),
    ];
    for (expected, change) in cases {
        let mut directory = world.site.directory();
        change(&mut directory);
        let bundle = world.site.bundle_of(&directory, Revision(1));
        refused(&world, &bundle, 1, 422, "invalid", expected).await;
        let answer = world.push(&bundle, 1).await;
        assert!(!answer.text().contains("canary"), "no value is quoted: {}", answer.text());
        assert!(!answer.json()["violations"].as_array().unwrap().is_empty());
    }
}

#[test]
fn a_directory_that_is_wrong_is_refused_with_file_line_and_key() {
    let cases = [
        ("workspace.toml", "format = 1", "format = ", "workspace.toml:2:10: not TOML"),
        (
            "environments/production.toml",
            "protected = true",
            "protected = true\npromotes-to = \"staging\"",
            "environments/production.toml:5:1: promotes-to: promotion runs in a circle: production to staging to production",
        ),
        (
            "environments/staging.toml",
            "\"production\"",
            "\"prod\"",
            "environments/staging.toml:3:1: promotes-to: there is no environment prod",
        ),
        (
            "environments/staging.toml",
            "[variables]",
            "required = [\"NOPE\"]\n[variables]",
            "NOPE is required in staging and nothing sets it",
        ),
        (
            "environments/production.toml",
            "[variables]",
            "[variables]\nSTRIPE_KEY = \"canary\"",
            "is secret here and plain in the environment layer",
        ),
    ];
    for (file, from, to, expected) in cases {
        let mut site = Site::starter();
        site.edit(file, from, to);
        let problems = source::load(&site.tree).unwrap_err().to_string();
        assert!(problems.contains(expected), "expected {expected}: {problems}");
        assert!(!problems.contains("canary"), "{problems}");
        assert!(problems.lines().all(|line| line.contains(".toml")), "{problems}");
    }
}
