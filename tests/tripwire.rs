//! A secret that two environments share is found when a release is about to move, and nobody guesses one by
//! that.

use std::sync::Arc;

use bootlace::{
    fingerprint::NEW_PER_DAY,
    host::{Author, Shared},
    id::UnixSeconds,
};
use serde_json::json;

use crate::{
    audit::records,
    world::{NOON, Site, World, blocking},
};

const DAY: i64 = 86_400;

async fn set(world: &World, environment: &str, value: &str) {
    let mut body =
        json!({ "environment": environment, "name": "API_KEY", "value": value, "is_secret": true });
    body["description"] = json!("opens the payments API");
    let path = "/deployments/checkout/env?confirm=production";
    world.by("admin", "POST", path, body).await.done();
}

/// What a promotion from staging to production asks.
async fn compare(world: &World) -> Shared {
    let host = Arc::clone(&world.host);
    let compared = blocking(move || {
        let named = |name: &str| name.parse().unwrap();
        let pair = (&named("staging"), &named("production"));
        let (workspace, deployment) = ("acme".parse().unwrap(), "checkout".parse().unwrap());
        host.shared_secrets(&Author::process("eve"), &workspace, &deployment, pair)
    });
    compared.await.unwrap()
}

fn names(shared: &Shared) -> Vec<String> {
    let name = |(target, other): &(bootlace::fingerprint::Version, bootlace::fingerprint::Version)| {
        format!("{} of {} is {}'s", target.name, target.environment, other.environment)
    };
    shared.equal.iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_copied_is_found_and_its_comparison_is_recorded_without_it() {
    let world = World::with(Site::small(0)).await;
    set(&world, "production", "the-one-of-production").await;
    set(&world, "staging", "another").await;
    assert_eq!(names(&compare(&world).await), [""; 0]);
    set(&world, "staging", "the-one-of-production").await;
    assert_eq!(names(&compare(&world).await), ["API_KEY of production is staging's"]);
    set(&world, "staging", "another-again").await;
    set(&world, "preview/pr-42", "the-one-of-production").await;
    assert_eq!(names(&compare(&world).await), ["API_KEY of production is preview/pr-42's"]);
    let log = records(world.data.path());
    let compared: Vec<_> = log.iter().filter(|line| line["kind"] == "compare-secrets").collect();
    assert_eq!(compared.len(), 3);
    assert!(compared[0]["details"]["keys"].as_array().unwrap().contains(&json!("API_KEY")));
    assert!(!format!("{log:?}").contains("the-one-of-production"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_guesses_find_nothing_and_a_restart_forgets_none_of_them() {
    let mut world = World::with(Site::small(0)).await;
    set(&world, "production", "guess-700").await;
    let (mut found, mut compared) = (0, 0);
    for guess in 0..1_000 {
        set(&world, "staging", &format!("guess-{guess}")).await;
        let shared = compare(&world).await;
        found += shared.equal.len();
        compared += usize::from(shared.withheld.is_empty());
        if !shared.withheld.is_empty() {
            assert_eq!(shared.retry_at, Some(UnixSeconds(NOON.0 + DAY)), "{shared:?}");
        }
        if guess % 250 == 0 {
            world = world.restart().await;
        }
    }
    // One of the day's versions is production's own.
    assert_eq!((found, compared), (0, NEW_PER_DAY - 1));
    // What is really the same is found on a later day, whatever was guessed before.
    set(&world, "staging", "guess-700").await;
    assert!(compare(&world).await.equal.is_empty());
    world.clock.advance(UnixSeconds(NOON.0 + DAY));
    assert_eq!(names(&compare(&world).await), ["API_KEY of production is staging's"]);
}
