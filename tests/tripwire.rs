//! A secret that two environments share is found when a release is about to move, and nobody guesses one by
//! that.

use std::sync::Arc;

use bootlace::{
    clock::rfc3339,
    fingerprint::NEW_PER_DAY,
    host::{Author, Shared},
    id::UnixSeconds,
};
use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{Answer, NOON, Site, World, blocking},
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
    compare_of(world, "checkout").await
}

async fn compare_of(world: &World, deployment: &str) -> Shared {
    let (host, deployment) = (Arc::clone(&world.host), deployment.parse().unwrap());
    let compared = blocking(move || {
        let named = |name: &str| name.parse().unwrap();
        let (live, pair) = (host.store.load_full(), (&named("staging"), &named("production")));
        host.shared_secrets(&Author::process("eve"), &live.workspaces()["acme"], &deployment, pair)
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

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_deployments_share_is_guessed_at_no_oftener_by_many_of_them_nor_by_one_made_again() {
    const SHARED: &str = "of-all-in-production";
    let mut world = World::with(Site::small(0)).await;
    let secret = |value: &str| json!({ "name": "API_KEY", "value": value, "is_secret": true, "description": "opens the payments API" });
    let everybodys = "/environments/production/env?confirm=production";
    world.by("admin", "POST", everybodys, secret(SHARED)).await.ok();
    let guess = async |world: &World, deployment: &str, value: &str| {
        let mut body = secret(value);
        body["environment"] = json!("staging");
        let path = format!("/deployments/{deployment}/env");
        world.by("admin", "POST", &path, body).await.done();
        compare_of(world, deployment).await
    };
    let make = async |world: &World, deployment: &str| {
        let body = json!({ "name": deployment, "environments": ["production", "staging"] });
        world.by("admin", "POST", "/deployments?confirm=production", body).await.done();
    };
    let mut compared = 0;
    for round in 0..12 {
        // Two that stay, and one that is made again each time.
        let deployment = ["one", "two", "again"][round % 3];
        if round < 3 || deployment == "again" {
            make(&world, deployment).await;
        }
        let shared = guess(&world, deployment, &format!("guess-{round}")).await;
        assert!(shared.equal.is_empty(), "{shared:?}");
        compared += usize::from(shared.withheld.is_empty());
        if deployment == "again" {
            let path = "/deployments/again?confirm=production";
            world.by("admin", "DELETE", path, Value::Null).await.done();
            world = world.restart().await;
        }
    }
    // One of the day's versions is production's own.
    assert_eq!(compared, NEW_PER_DAY - 1);
    let right = guess(&world, "two", SHARED).await;
    assert!(right.equal.is_empty(), "{right:?}");
    assert_eq!(right.retry_at, Some(UnixSeconds(NOON.0 + DAY)));
    // What is one deployment's own has its own five.
    set(&world, "production", "of-checkout").await;
    set(&world, "staging", "of-checkout").await;
    assert_eq!(names(&compare(&world).await), ["API_KEY of production is staging's"]);
    world.clock.advance(UnixSeconds(NOON.0 + DAY));
    assert_eq!(names(&compare_of(&world, "two").await), ["API_KEY of production is staging's"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_for_a_later_day_keeps_a_release_from_moving_wherever_it_is() {
    let world = World::with(guarded()).await;
    set(&world, "production", "of-production").await;
    set(&world, "staging", "of-staging").await;
    // Somebody else uses up the day's.
    for guess in 0..NEW_PER_DAY {
        set(&world, "preview/pr-42", &format!("guess-{guess}")).await;
        compare(&world).await;
    }
    set(&world, "preview/pr-42", "of-production").await;
    let shared = compare(&world).await;
    assert!(shared.equal.is_empty() && !shared.withheld.is_empty(), "{shared:?}");
    assert_eq!(shared.retry_at, Some(UnixSeconds(NOON.0 + DAY)));
    let path = "/deployments/checkout/promotions";
    let asked = world.by("releaser", "POST", path, json!({ "to": "production" })).await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    assert_eq!(asked.json()["retry_at"], json!(rfc3339(UnixSeconds(NOON.0 + DAY))));
    world.clock.advance(UnixSeconds(NOON.0 + DAY));
    assert_eq!(names(&compare(&world).await), ["API_KEY of production is preview/pr-42's"]);
    // What waits finds it, too.
    let host = Arc::clone(&world.host);
    blocking(move || host.advance_promotions()).await;
    let path = format!("{path}/{}", asked.json()["id"].as_str().unwrap());
    let told = world.by("viewer", "GET", &path, Value::Null).await.json();
    assert_eq!(told["status"], "denied", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn which_secret_is_anothers_is_told_to_who_sees_both_environments_alone() {
    let world = World::with(guarded()).await;
    for (environment, value) in
        [("production", "of-production"), ("preview/pr-42", "of-production"), ("staging", "another")]
    {
        set(&world, environment, value).await;
    }
    let limited = json!({ "kind": "tenant", "principal": "limited", "role": "releaser",
        "environments": ["staging", "production"] });
    let limited = world.by("admin", "POST", "/tokens", limited).await.json();
    let ask = async |method: &str, path: &str, body: &str| {
        let path = format!("/api/v1{path}");
        world.admin(method, &path, limited["token"].as_str().unwrap(), body).await
    };
    let denied = ask("POST", "/deployments/checkout/promotions", r#"{"to":"production"}"#).await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "policy-denied"), "{}", denied.text());
    let path = format!("/deployments/checkout/promotions/{}", denied.json()["promotion"].as_str().unwrap());
    let shown = ask("GET", &path, "").await.done();
    assert_eq!(shown.json()["shared_secrets"], json!([]));
    let log = ask("GET", "/audit?kind=compare-secrets", "").await.done();
    for told in [&denied, &shown, &log] {
        assert!(!told.text().contains("API_KEY") && !told.text().contains("preview"), "{}", told.text());
    }
    let pair = json!([{ "name": "API_KEY", "environment": "preview/pr-42" }]);
    assert_eq!(world.by("viewer", "GET", &path, Value::Null).await.json()["shared_secrets"], pair);
    let log = world.by("viewer", "GET", "/audit?kind=compare-secrets", Value::Null).await.done();
    assert!(log.text().contains("API_KEY"), "{}", log.text());
}

/// Production's policy refuses what shares a secret.
fn guarded() -> Site {
    let mut site = Site::starter();
    site.trigger("production", "manual");
    site.guard("production", &[("parity", &[])]);
    site
}

/// What is another each time, whatever the guess was: which write it was of staging's, and when it was made.
const COUNTS: [&str; 3] = ["revision", "version", "etag"];

/// An answer without what counts writes, and without the digests that every write draws anew.
fn without_counts(answer: &Answer) -> Value {
    fn scrub(value: &mut Value) {
        match value {
            Value::Object(members) => {
                // Staging's, and the whole workspace's.
                let is_drawn = members.get("environment") == Some(&json!("staging"))
                    || members.contains_key("workspace");
                for (name, member) in members {
                    match name.as_str() {
                        name if COUNTS.contains(&name) && !member.is_array() => *member = Value::Null,
                        "digest" if is_drawn => *member = Value::Null,
                        _ => scrub(member),
                    }
                }
            }
            Value::Array(all) => all.iter_mut().for_each(scrub),
            _ => {}
        }
    }
    let mut told = answer.json();
    scrub(&mut told);
    json!([answer.status, told])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_guesses_by_writes_dry_runs_diffs_and_what_ifs_are_all_answered_alike() {
    const RIGHT: usize = 700;
    let world = World::with(guarded()).await;
    set(&world, "production", &format!("guess-{RIGHT:04}")).await;
    set(&world, "staging", "none-of-them").await;
    world.boot("production").await;
    let ask = async |method: &str, path: String, body: Value| {
        without_counts(&world.by("releaser", method, &format!("/deployments/checkout/{path}"), body).await)
    };
    let mut told = std::collections::BTreeMap::<&str, std::collections::BTreeSet<String>>::new();
    for guess in 0..1_000 {
        let written = json!({ "environment": "staging", "name": "API_KEY", "value": format!("guess-{guess:04}"),
            "is_secret": true, "description": "opens the payments API" });
        let answers = [
            ("write", ask("POST", "env".into(), written).await),
            ("list", ask("GET", "env?environment=staging".into(), Value::Null).await),
            ("diff", ask("GET", "diff?from=staging&to=production".into(), Value::Null).await),
            ("parity", ask("GET", "parity".into(), Value::Null).await),
            (
                "dry run",
                ask("POST", "promotions".into(), json!({ "to": "production", "dry_run": true })).await,
            ),
            ("what-if", ask("GET", "what-if?environment=production&release=18".into(), Value::Null).await),
        ];
        for (channel, answer) in answers {
            let all = told.entry(channel).or_default();
            all.insert(answer.to_string());
            assert_eq!(all.len(), 1, "{channel} tells guess {guess} from those before: {all:#?}");
        }
    }
    let all = told.values().flatten().cloned().collect::<String>();
    assert!(!all.contains("guess-"), "{all}");
    assert!(
        !records(world.data.path()).iter().any(|one| one["kind"] == "compare-secrets"),
        "nothing was compared"
    );
    assert!(all.contains("\"status\":\"running\""), "the dry run says nothing of the secret: {all}");
    // What is asked for in earnest is compared, and says which secret to who sees both.
    set(&world, "staging", &format!("guess-{RIGHT:04}")).await;
    let asked =
        world.by("releaser", "POST", "/deployments/checkout/promotions", json!({ "to": "production" })).await;
    assert_eq!((asked.status, asked.code().as_str()), (403, "policy-denied"), "{}", asked.text());
    let path = format!("/deployments/checkout/promotions/{}", asked.json()["promotion"].as_str().unwrap());
    let shown = world.by("viewer", "GET", &path, Value::Null).await.json();
    assert_eq!(shown["shared_secrets"], json!([{ "name": "API_KEY", "environment": "staging" }]), "{shown}");
}
