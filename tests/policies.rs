//! How policies are put together, and what is remembered of them.

use std::{fs, path::Path, process::Output};

use bootlace::{id::Revision, source};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    hostile::core_module,
    world::{
        Site, World,
        program::{bootlace, finish},
        site::{component, guest},
        tenants::attachment,
    },
};

const DEPLOYMENT: &str = "deployment = \"checkout\"";
const ENVIRONMENT: &str = "environment = \"production\"";
const WORKSPACE: &str = "";

/// The rotation's newer version for all instances, or for none.
fn rotation(place: &str, all: bool) -> String {
    let percent = if all { "100" } else { "0" };
    attachment("rotation-canary", place, &[("variable", "JWT_SIGNING_KEY"), ("percent", percent)])
}

fn governed(attachments: &[String]) -> Site {
    let mut site = Site::starter();
    let components = ["rotation-canary", "region-affinity"].map(|name| (name, component(name)));
    let guests = ["hostile", "dump"].map(|name| (name, guest(name)));
    let all: Vec<_> = components.into_iter().chain(guests).collect();
    site.govern(&all, &attachments.concat());
    site
}

async fn explained(world: &World, query: &str) -> Value {
    let path = format!("/api/v1/deployments/checkout/explain?workspace=acme&environment=production&{query}");
    let answer = world.admin("GET", &path, &world.operator, []).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Policy chains run, and answered from memory.
async fn decisions(world: &World) -> (u64, u64) {
    let answer = world.admin("GET", "/metrics", &world.operator, []).await;
    let count = |name: &str| {
        let line = answer.text().lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    (count("bootlace_decisions_fresh_total"), count("bootlace_decisions_remembered_total"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broader_place_has_the_last_word() {
    // Written broadest first: the place decides the order, not the file.
    for (workspace, environment, deployment) in [(true, false, true), (false, true, false)] {
        let site = governed(&[
            rotation(WORKSPACE, workspace),
            rotation(ENVIRONMENT, environment),
            rotation(DEPLOYMENT, deployment),
        ]);
        let world = World::with(site).await;
        let booted = world.boot_with("production", "instance=i-1").await;
        assert_eq!(booted.status, 200, "{}", booted.text());
        let version = if workspace { 2 } else { 1 };
        let expected = format!("demo-production-JWT_SIGNING_KEY-v{version}");
        assert_eq!(booted.environment()["JWT_SIGNING_KEY"], expected);
        let explained = explained(&world, "instance=i-1").await;
        let settings: Vec<_> = explained["policies"].as_array().unwrap().iter().collect();
        let percents: Vec<_> = settings.iter().map(|policy| policy["settings"]["percent"].clone()).collect();
        let percent = |all| if all { json!("100") } else { json!("0") };
        assert_eq!(percents, [percent(deployment), percent(environment), percent(workspace)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broader_policy_sees_what_the_narrower_chose() {
    let world =
        World::with(governed(&[attachment("dump", WORKSPACE, &[]), rotation(DEPLOYMENT, true)])).await;
    let booted = world.boot_with("production", "instance=i-1").await;
    let warnings: Vec<String> = serde_json::from_value(booted.json()["warnings"].clone()).unwrap();
    let seen = warnings.iter().find(|warning| warning.starts_with("variable=JWT_SIGNING_KEY ")).unwrap();
    assert!(seen.contains("chosen=Some(2) candidates=2"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broader_omission_takes_away_what_a_narrower_policy_gave() {
    let omit_all = |place| attachment("hostile", place, &[("mode", "omit-all"), ("only-in", "mars")]);
    let world = World::with(governed(&[rotation(DEPLOYMENT, true), omit_all(WORKSPACE)])).await;
    let refused = world.boot_with("production", "instance=i-1&region=mars").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "missing-required"));
    let keys = refused.json()["keys"].clone();
    assert!(keys.as_array().unwrap().contains(&json!("JWT_SIGNING_KEY")), "{keys}");

    // And the other way round: what a narrower one omitted, a broader one gives back.
    let world = World::with(governed(&[omit_all(DEPLOYMENT), rotation(WORKSPACE, true)])).await;
    let refused = world.boot_with("production", "instance=i-1&region=mars").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "missing-required"));
    let keys = refused.json()["keys"].clone();
    assert!(!keys.as_array().unwrap().contains(&json!("JWT_SIGNING_KEY")), "{keys}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_ends_the_boot_with_its_violations_and_the_broader_are_not_asked() {
    let deny = attachment("hostile", DEPLOYMENT, &[("mode", "undeclared-fact")]);
    let world = World::with(governed(&[deny, attachment("dump", WORKSPACE, &[])])).await;
    let denied = world.boot_with("production", "region=mars").await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "policy-denied"));
    let problem = denied.json();
    assert_eq!(problem["violations"].as_array().unwrap().len(), 1);
    assert_eq!(problem["violations"][0]["policy"], "hostile");
    assert!(problem.get("env").is_none());
    let explained = explained(&world, "region=mars").await;
    assert_eq!(explained["denial"]["policy"], "hostile");
    assert!(explained["policies"][0]["fuel"].as_u64().is_some());
    assert_eq!(explained["policies"][1]["fuel"], Value::Null, "dump was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_remembered_for_all_who_agree_on_the_declared_facts() {
    let affinity = attachment("region-affinity", ENVIRONMENT, &[("variables", "DATABASE_READ_URL")]);
    let world = World::with(governed(&[affinity])).await;
    let mut before = decisions(&world).await;
    let steps = [
        ("region=eu-west-1", (1, 0)),
        ("region=eu-west-1", (0, 1)),
        // Nobody declared the zone, the name or an attribute.
        ("region=eu-west-1&zone=b&instance=i-7&attr.size=small", (0, 1)),
        ("region=us-east-1", (1, 0)),
        ("", (1, 0)),
        ("zone=a", (0, 1)),
        ("region=us-east-1", (0, 1)),
    ];
    let mut readers = Vec::new();
    for (query, (fresh, remembered)) in steps {
        let booted = world.boot_with("production", query).await;
        assert_eq!(booted.status, 200, "{}", booted.text());
        readers.push(booted.environment()["DATABASE_READ_URL"].clone());
        let now = decisions(&world).await;
        assert_eq!((now.0 - before.0, now.1 - before.1), (fresh, remembered), "{query}");
        before = now;
    }
    let [first, same, also_same, elsewhere, primary, ..] = &readers[..] else { panic!() };
    assert!(first == same && same == also_same && first.contains("orders-replica.eu-west-1"));
    assert!(elsewhere.contains("orders-replica.us-east-1") && primary.contains("orders-primary.eu-west-1"));
    assert_eq!(&readers[6], elsewhere);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_asks_again_and_what_did_not_is_remembered() {
    let affinity = attachment("region-affinity", ENVIRONMENT, &[("variables", "DATABASE_READ_URL")]);
    let mut world = World::with(governed(&[affinity])).await;
    assert_eq!(world.boot_with("production", "region=eu-west-1").await.status, 200);
    let before = decisions(&world).await;
    let pushed = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    assert_eq!(world.boot_with("production", "region=eu-west-1").await.status, 200);
    assert_eq!(decisions(&world).await, (before.0, before.1 + 1), "nothing of it changed");
    world.site.edit("environments/production.toml", "LOG_LEVEL = \"warn\"", "LOG_LEVEL = \"error\"");
    let pushed = world.push(&world.site.bundle(Revision(2)), 2).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    assert_eq!(world.boot_with("production", "region=eu-west-1").await.status, 200);
    assert_eq!(decisions(&world).await, (before.0 + 1, before.1 + 1), "a value changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_policies_may_be_attached_to_a_boot_and_nine_may_not() {
    let places = [DEPLOYMENT, ENVIRONMENT, WORKSPACE];
    let chain = |count: usize| -> Vec<_> { (0..count).map(|at| rotation(places[at % 3], true)).collect() };
    let problems = source::load(&governed(&chain(9)).tree).unwrap_err().to_string();
    assert!(problems.contains("9 policies attached to one boot are too many; at most 8"), "{problems}");

    let world = World::with(governed(&chain(8))).await;
    assert_eq!(world.boot("production").await.status, 200);
    let mut directory = world.site.directory();
    let ninth = directory.configuration.attachments[0].clone();
    directory.configuration.attachments.push(ninth);
    let refused = world.push(&world.site.bundle_of(&directory, Revision(1)), 1).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{}", refused.text());
    assert!(refused.text().contains("9 policies attached to one boot"), "{}", refused.text());
    assert_eq!(world.boot("production").await.header("bootlace-revision"), "1");
}

fn policy(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = bootlace();
    command.current_dir(directory).args(["--json", "policy"]).args(arguments);
    finish(command)
}

fn said(output: &Output, code: i32) -> Value {
    let (stdout, stderr) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let text = if stdout.is_empty() { &output.stderr } else { stdout };
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

#[test]
fn an_author_checks_a_policy_as_a_host_would() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("canary.wasm"), component("rotation-canary")).unwrap();
    let settings = ["--setting", "variable=JWT_SIGNING_KEY", "--setting", "percent=10"];
    let checked = said(&policy(place.path(), &[&["check", "canary.wasm"], &settings[..]].concat()), 0);
    assert_eq!((&checked["kind"], &checked["name"]), (&json!("resolve"), &json!("rotation-canary")));
    assert_eq!((&checked["vary"], &checked["core_module"]), (&json!(["instance-id"]), &json!(false)));
    assert!(checked["fuel"].as_u64().unwrap() > 0);

    let refused = said(&policy(place.path(), &["check", "canary.wasm", "--setting", "percent=101"]), 1);
    let causes = refused["causes"].to_string();
    for code in ["missing-setting", "invalid-percent"] {
        assert!(causes.contains(code), "{causes}");
    }
    let sockets = wat::parse_str(
        "(component (import \"wasi:sockets/tcp@0.2.6\" (instance)) (import \"wasi:http/types@0.2.0\" (instance)))",
    );
    fs::write(place.path().join("sockets.wasm"), sockets.unwrap()).unwrap();
    let refused = said(&policy(place.path(), &["check", "sockets.wasm"]), 1);
    let codes: Vec<_> = refused["rules"].as_array().unwrap().iter().map(|rule| &rule["code"]).collect();
    assert_eq!(codes, ["import", "import", "world", "world"], "{refused}");
    said(&policy(place.path(), &["check", "nowhere.wasm"]), 2);
}

#[test]
fn an_author_starts_with_fixtures_that_are_asked_twice_and_fail_when_they_do_not_hold() {
    let place = TempDir::new().unwrap();
    let started = said(&policy(place.path(), &["new", "near-region"]), 0);
    assert_eq!(started["policy"], "near-region");
    let crate_directory = place.path().join("near-region");
    for file in
        ["Cargo.toml", ".cargo/config.toml", "src/lib.rs", "sdk/guest/src/lib.rs", "sdk/wit/policy.wit"]
    {
        assert!(crate_directory.join(file).is_file(), "{file}");
    }
    said(&policy(place.path(), &["new", "near-region"]), 2);

    // A sample does the same as the new policy, under another setting's name.
    let fixtures = crate_directory.join("fixtures");
    for file in ["near.toml", "elsewhere.toml"] {
        let text = fs::read_to_string(fixtures.join(file)).unwrap();
        let text = text.replace("variable = ", "variables = ").replace(
            "{ labels = { region = \"us-east-1\" } }",
            "{ labels = { region = \"us-east-1\", role = \"replica\" } }",
        );
        fs::write(fixtures.join(file), text).unwrap();
    }
    fs::write(crate_directory.join("affinity.wasm"), component("region-affinity")).unwrap();
    let tested = said(&policy(&crate_directory, &["test", "affinity.wasm"]), 0);
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(2), &json!(0)), "{tested}");

    let near = fs::read_to_string(fixtures.join("near.toml")).unwrap();
    let wrong = near.replace("bind = { CACHE_URL = { region = \"us-east-1\" } }", "omit = [\"CACHE_URL\"]");
    assert_ne!(near, wrong);
    fs::write(fixtures.join("near.toml"), wrong).unwrap();
    let tested = said(&policy(&crate_directory, &["test", "affinity.wasm"]), 1);
    let difference = &tested["fixtures"][1]["differences"][0];
    assert_eq!((&difference["about"], &difference["expected"]), (&json!("CACHE_URL"), &json!("omitted")));
    assert!(difference["answered"].as_str().unwrap().contains("us-east-1"), "{difference}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_module_with_its_interface_types_is_a_policy_for_author_and_host() {
    let place = TempDir::new().unwrap();
    let module = core_module(0, 0);
    fs::write(place.path().join("core.wasm"), &module).unwrap();
    let checked = said(&policy(place.path(), &["check", "core.wasm", "--out", "component.wasm"]), 0);
    assert_eq!((&checked["core_module"], &checked["out"]), (&json!(true), &json!("component.wasm")));
    let component = fs::read(place.path().join("component.wasm")).unwrap();
    assert_eq!(checked["component_bytes"], component.len());
    let checked = said(&policy(place.path(), &["check", "component.wasm"]), 0);
    assert_eq!(checked["core_module"], false);

    for bytes in [module, component] {
        let mut site = Site::starter();
        site.govern(&[("by-hand", bytes)], &attachment("by-hand", WORKSPACE, &[]));
        let world = World::with(site).await;
        assert_eq!(world.boot("production").await.status, 200);
    }
}
