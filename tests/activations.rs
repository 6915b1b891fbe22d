//! What is active where, since when, by whom and why: durable with what it replaces, kept for the last 50 of
//! each pair, and taken over from hosts that wrote down its number alone.

use bootlace::{
    clock::Steady,
    host::{Author, Host},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    state::{Activation, Alteration, Why},
};
use serde_json::{Value, json};

use crate::world::{NOON, Site, World, blocking, ledger, settings};

const ACTIVATIONS: &str = "/deployments/checkout/activations";

fn pair(environment: &str) -> (WorkspaceId, DeploymentId, EnvironmentName) {
    ("acme".parse().unwrap(), "checkout".parse().unwrap(), environment.parse().unwrap())
}

async fn activate(world: &World, environment: &str, release: u64) -> Result<u64, String> {
    let (host, (workspace, deployment, name)) = (world.host.clone(), pair(environment));
    blocking(move || {
        let why = Why::Promotion("p1".into());
        let changed = host.activate(&Author::process("ada"), &workspace, (&deployment, &name), release, why);
        changed.map(|changed| changed.revision.0).map_err(|error| error.to_string())
    })
    .await
}

async fn told(world: &World, query: &str) -> Value {
    let answer = world.by("viewer", "GET", &format!("{ACTIVATIONS}?{query}"), Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_activated_is_served_told_and_there_after_a_restart_with_what_it_replaced() {
    let world = World::start().await;
    let served = |world: &World| world.host.store.load().workspaces()["acme"].snapshot.digest;
    let (before, production) = (served(&world), world.boot("production").await.json()["digest"].clone());
    assert_eq!(world.boot("staging").await.json()["release"], 18);
    world.clock.advance(bootlace::id::UnixSeconds(NOON.0 + 60));
    assert_eq!(activate(&world, "staging", 17).await, Ok(2));
    let booted = world.boot("staging").await;
    assert_eq!((booted.json()["release"].clone(), booted.json()["revision"].clone()), (json!(17), json!(2)));
    assert_ne!(served(&world), before, "a release is a part of what is served");
    assert_eq!(world.boot("production").await.json()["digest"], production, "and no part of another pair");

    let expect = json!([
        {"environment": "staging", "number": 2, "release": 17, "active": true,
         "since": "2026-11-22T12:01:00Z", "until": null, "by": "ada", "why": "promotion p1", "revision": 2, "pinned_to": null},
        {"environment": "staging", "number": 1, "release": 18, "active": false,
         "since": "2026-11-22T12:00:00Z", "until": "2026-11-22T12:01:00Z", "by": null, "why": "begun",
         "revision": null, "pinned_to": null},
    ]);
    assert_eq!(told(&world, "environment=staging").await["activations"], expect);
    let audit = world.by("admin", "GET", "/audit?kind=activate", Value::Null).await.json();
    assert_eq!(
        audit["records"][0]["details"]["activated"][0], "release 17 of checkout in staging (promotion p1)",
        "{audit}"
    );

    let digest = served(&world);
    let world = world.restart().await;
    assert_eq!(served(&world), digest);
    assert_eq!(told(&world, "environment=staging").await["activations"], expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_fifty_are_kept_and_listed_in_pages() {
    let world = World::start().await;
    for at in 0..60 {
        activate(&world, "staging", 17 + at % 2).await.unwrap();
    }
    let mut numbers = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = told(&world, &format!("environment=staging&limit=7{cursor}")).await;
        numbers.extend(
            page["activations"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()),
        );
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(numbers, (12..=61).rev().collect::<Vec<_>>());
    let all = told(&world, "").await["activations"].as_array().unwrap().len();
    assert_eq!(all, 52, "with what runs in production and in the preview");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_not_activated_and_nothing_changes() {
    let world = World::start().await;
    let before = world.host.store.load().sequence;
    for (environment, release) in [("staging", 99), ("development", 18), ("nowhere", 18)] {
        assert!(activate(&world, environment, release).await.is_err(), "{environment} {release}");
    }
    assert_eq!(world.host.store.load().sequence, before);
    assert_eq!(world.boot("staging").await.json()["release"], 18);
}

#[test]
fn what_an_older_host_wrote_is_dated_once_and_goes_on() {
    let (site, data) = (Site::starter(), tempfile::TempDir::new().unwrap());
    let clock = bootlace::clock::Clock::manual(NOON);
    drop(Host::open(settings(&site, data.path(), clock.clone())).unwrap());
    {
        let control = ledger(&site, data.path(), Steady::system());
        let put = |name: &str, content: &str| Alteration::Put { name: name.into(), content: content.into() };
        let older = [put("workspace/acme/active/checkout/staging", "18"), put("host/format", "1")];
        control.change(&[], &older).unwrap();
    }
    let mut found = Vec::new();
    for hours in 1..3 {
        clock.advance(bootlace::id::UnixSeconds(NOON.0 + hours * 3600));
        let host = Host::open(settings(&site, data.path(), clock.clone())).unwrap();
        let (workspace, deployment, environment) = pair("staging");
        found.push(host.activation(&workspace, &deployment, &environment).unwrap());
    }
    let since = bootlace::id::UnixSeconds(NOON.0 + 3600);
    assert_eq!(found[0], Activation { since, ..Activation::begun(18) });
    assert_eq!(found[1], found[0], "the first start wrote it down");
}
