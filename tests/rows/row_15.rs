//! Usage per environment: boots, denials, the last boot, and when each key was last read.

use bootlace::id::{Revision, UnixSeconds};
use serde_json::{Value, json};

use super::APP;
use crate::world::{NOON, Site, World};

/// What is told of the pairs that the token sees, by environment.
async fn usage(world: &World, token: &str, query: &str) -> Value {
    let answer = world.admin("GET", &format!("/api/v1/usage?{query}"), token, "").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

async fn of(world: &World, environment: &str) -> Value {
    let name = environment.replace('/', "%2F");
    let page = usage(world, world.site.token("viewer"), &format!("environment={name}")).await;
    assert_eq!(page["usage"].as_array().unwrap().len(), 1, "{page}");
    page["usage"][0].clone()
}

fn last_read<'a>(pair: &'a Value, key: &str) -> &'a Value {
    let keys = pair["keys"].as_array().unwrap();
    &keys.iter().find(|one| one["name"] == key).unwrap_or_else(|| panic!("{key} in {pair}"))["last_read"]
}

fn counts(pair: &Value) -> Value {
    let names = ["boots", "unchanged", "denials", "refusals", "last_boot"];
    names.iter().map(|name| pair[*name].clone()).collect()
}

/// A preview that cannot do without staging's cache is denied by its policy.
fn site() -> Site {
    let mut site = Site::starter();
    let table = "[environments.\"preview/pr-42\".bindings]";
    let needy = format!("[environments.\"preview/pr-42\"]\nrequired = [\"REDIS_URL\"]\n\n{table}");
    site.edit(APP, table, &needy);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn row_15_usage_per_environment() {
    let world = World::with(site()).await;
    assert_eq!(counts(&of(&world, "staging").await), json!([0, 0, 0, 0, null]));
    let etag = world.boot("staging").await.header("etag").to_owned();
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    assert_eq!(world.boot("staging").await.status, 200);
    world.clock.advance(UnixSeconds(NOON.0 + 120));
    let same = world.boot_as("staging", "GET", "", &[("if-none-match", &etag)], "").await;
    assert_eq!(same.status, 304);
    for _ in 0..3 {
        assert_eq!(world.boot("preview/pr-42").await.status, 403);
    }
    assert_eq!(world.boot_with("staging", "environment=production").await.status, 400);

    let staging = of(&world, "staging").await;
    assert_eq!(counts(&staging), json!([2, 1, 0, 0, "2026-11-22T12:02:00Z"]));
    // Who has it already is handed out nothing.
    assert_eq!(last_read(&staging, "DATABASE_URL"), "2026-11-22T12:01:00Z");
    let given: Vec<_> = world.environment("staging").await.into_keys().collect();
    for key in staging["keys"].as_array().unwrap() {
        let is_given = given.iter().any(|name| key["name"] == name.as_str());
        assert_eq!(!key["last_read"].is_null(), is_given, "{key}: what a policy leaves out is not read");
    }
    assert_eq!(counts(&of(&world, "preview/pr-42").await), json!([0, 0, 3, 0, null]));
    let production = of(&world, "production").await;
    assert_eq!(counts(&production), json!([0, 0, 0, 0, null]));
    assert!(last_read(&production, "DATABASE_URL").is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_15_numbers_go_on_across_swaps_and_begin_with_the_hosts_start() {
    let mut world = World::with(site()).await;
    assert_eq!(world.boot("staging").await.status, 200);
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    // One more variable moves the others; a push that is refused changes nothing.
    world.site.change_toml(APP, |file| file["variables"]["AAA_FIRST"] = toml_edit::value("1"));
    assert_eq!(world.push(b"no bundle", 1).await.status, 422);
    let pushed = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let staging = of(&world, "staging").await;
    assert_eq!(counts(&staging), json!([1, 0, 0, 0, "2026-11-22T12:00:00Z"]));
    assert_eq!(last_read(&staging, "DATABASE_URL"), "2026-11-22T12:00:00Z");
    assert!(last_read(&staging, "AAA_FIRST").is_null());
    assert_eq!(world.boot("staging").await.status, 200);
    assert_eq!(counts(&of(&world, "staging").await), json!([2, 0, 0, 0, "2026-11-22T12:01:00Z"]));

    world.clock.advance(UnixSeconds(NOON.0 + 3600));
    let world = world.restart().await;
    let page = usage(&world, world.site.token("viewer"), "environment=staging").await;
    assert_eq!(page["since"], "2026-11-22T13:00:00Z");
    assert_eq!(counts(&page["usage"][0]), json!([0, 0, 0, 0, null]));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_15_a_token_is_told_of_its_own_environments_a_page_at_a_time() {
    let world = World::start().await;
    let environments = |page: &Value| -> Vec<String> {
        let pairs = page["usage"].as_array().unwrap().iter();
        pairs.map(|pair| pair["environment"].as_str().unwrap().to_owned()).collect()
    };
    let viewer = world.site.token("viewer");
    let whole = usage(&world, viewer, "").await;
    assert_eq!(environments(&whole), ["preview/pr-42", "production", "staging"]);
    let (mut read, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = usage(&world, viewer, &format!("limit=2{cursor}")).await;
        read.extend(environments(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={}", next.replace('/', "%2F"));
    }
    assert_eq!(read, environments(&whole));

    let wanted = r#"{"kind":"tenant","principal":"ada","role":"viewer","environments":["staging"]}"#;
    let limited = world.admin("POST", "/api/v1/tokens", world.site.token("admin"), wanted).await.json();
    let limited = limited["token"].as_str().unwrap();
    assert_eq!(environments(&usage(&world, limited, "").await), ["staging"]);
    for (token, query, status) in [
        (limited, "environment=production", 404),
        (limited, "workspace=other", 404),
        (viewer, "environment=A_B!", 404),
        (viewer, "limit=0", 400),
        (viewer, "limit=201", 400),
        (viewer, "cursor=nowhere", 400),
        (&world.operator, "", 400),
        (&world.operator, "workspace=nowhere", 404),
    ] {
        let answer = world.admin("GET", &format!("/api/v1/usage?{query}"), token, "").await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
}
