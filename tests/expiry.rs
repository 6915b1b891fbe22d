//! Environments that expire: announced, refused from their second on, deleted after a day.

use bootlace::{host::Undeletable, id::UnixSeconds};
use serde_json::{Value, json};

use crate::world::{NOON, Site, World, blocking};

const ENVIRONMENTS: &str = "/api/v1/environments";
const DAY: i64 = 86_400;

/// A world with a clone of staging that expires in three days.
async fn world() -> (World, String) {
    let mut site = Site::small(5);
    site.edit(
        "services/orders-db.toml",
        "[instances.staging]\n",
        "[instances.staging]\nshared-with = [\"demo\"]\n",
    );
    let world = World::with(site).await;
    let body = json!({ "name": "demo", "expires": 3 * DAY, "permissions": true });
    let cloned = world.clone_of("staging", &body).await;
    assert_eq!(cloned.status, 200, "{}", cloned.text());
    let token = world.instance("checkout", "demo").await;
    (world, token)
}

async fn sweep(world: &World) {
    let host = std::sync::Arc::clone(&world.host);
    blocking(move || host.delete_expired(&mut Undeletable::default())).await;
}

async fn metric(world: &World, name: &str) -> String {
    let metrics = world.admin("GET", "/metrics", &world.operator, "").await.text().to_owned();
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.rsplit(' ').next().unwrap_or_default().to_owned()
}

async fn warnings(world: &World, token: &str) -> Value {
    world.get_boot("/v1/boot", Some(token)).await.json()["warnings"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_is_announced_a_day_before_and_takes_effect_at_its_second() {
    let (world, token) = world().await;
    let expiring = "bootlace_environments_expiring{workspace=\"acme\"}";
    world.clock.advance(UnixSeconds(NOON.0 + 2 * DAY - 1));
    assert_eq!(warnings(&world, &token).await, json!([]));
    assert_eq!(metric(&world, expiring).await, "0");
    world.clock.advance(UnixSeconds(NOON.0 + 2 * DAY));
    let warned = warnings(&world, &token).await;
    let at = bootlace::clock::rfc3339(UnixSeconds(NOON.0 + 3 * DAY));
    assert!(warned[0].as_str().unwrap().contains(&format!("demo expires at {at}")), "{warned}");
    assert_eq!(
        (metric(&world, expiring).await.as_str(), warnings(&world, world.site.token("staging")).await),
        ("1", json!([]))
    );
    assert_eq!(world.shown("demo").await["expires"], json!(at));
    assert!(world.ok(world.site.token("viewer"), "env list").await.contains(&at));

    world.clock.advance(UnixSeconds(NOON.0 + 3 * DAY - 1));
    assert_eq!(world.get_boot("/v1/boot", Some(&token)).await.status, 200);
    world.clock.advance(UnixSeconds(NOON.0 + 3 * DAY));
    let refused = world.get_boot("/v1/boot", Some(&token)).await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "not-found"));
    assert!(refused.text().contains(&format!("demo expired at {at}")), "{}", refused.text());
}

/// The refusals of changes that the host counts.
async fn refused(world: &World) -> String {
    metric(world, "bootlace_changes_refused_total").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted_is_tried_again_when_it_was_changed_and_not_before() {
    let (world, _) = world().await;
    // A binding to its own instance elsewhere keeps it.
    let endpoint = json!({ "host": "cache", "port": 6379 });
    let service = json!({ "name": "cache", "kind": "redis",
        "instances": { "demo": { "endpoints": [endpoint], "shared_with": ["staging"] } } });
    world.by("developer", "POST", "/services", service).await.done();
    world
        .by("developer", "POST", "/deployments", json!({ "name": "shop", "environments": ["staging"] }))
        .await
        .done();
    let bound = json!({ "environment": "staging", "name": "CACHE", "service": "cache", "of": "demo" });
    world.by("developer", "POST", "/deployments/shop/bindings", bound).await.done();
    world.clock.advance(UnixSeconds(NOON.0 + 4 * DAY));
    let before: u64 = refused(&world).await.parse().unwrap();
    let mut undeletable = Undeletable::default();
    for (patch, tries) in [(false, 1), (false, 1), (true, 2), (false, 2)] {
        if patch {
            let labels = json!({ "labels": { "looked": "at" } });
            world.by("developer", "PATCH", "/environments/demo", labels).await.done();
        }
        let host = std::sync::Arc::clone(&world.host);
        undeletable = blocking(move || {
            host.delete_expired(&mut undeletable);
            undeletable
        })
        .await;
        assert_eq!(undeletable.len(), 1);
        assert_eq!(refused(&world).await.parse::<u64>().unwrap(), before + tries);
    }
    assert_eq!(world.shown("demo").await["name"], "demo");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_is_deleted_with_its_tokens_after_a_day_unless_it_was_prolonged() {
    let (world, token) = world().await;
    let admin = world.site.token("admin").to_owned();
    world.clock.advance(UnixSeconds(NOON.0 + 4 * DAY - 1));
    sweep(&world).await;
    let patch = json!({ "expires": 3_600 }).to_string();
    let path = format!("{ENVIRONMENTS}/demo");
    assert_eq!(world.admin("PATCH", &path, &admin, patch).await.status, 200, "still there");
    assert_eq!(world.get_boot("/v1/boot", Some(&token)).await.status, 200, "and serves again");
    // Another that promotes there does not keep it.
    let feeder = r#"{"name":"feeder","type":"test","promotes_to":"demo"}"#;
    assert_eq!(world.admin("POST", ENVIRONMENTS, &admin, feeder).await.status, 200);
    world.clock.advance(UnixSeconds(NOON.0 + 4 * DAY + 3_600));
    sweep(&world).await;
    assert_eq!(world.shown("demo").await["name"], "demo", "not before its day is over");
    world.clock.advance(UnixSeconds(NOON.0 + 5 * DAY + 3_600));
    sweep(&world).await;
    assert_eq!(world.admin("GET", &path, &admin, "").await.status, 404);
    assert_eq!(world.shown("feeder").await["promotes_to"], Value::Null);
    assert_eq!(metric(&world, "bootlace_environments_expired_total").await, "1");
    assert_eq!(world.get_boot("/v1/boot", Some(&token)).await.status, 401, "its token is gone, too");
    let log = world.admin("GET", "/api/v1/audit?kind=change", &admin, "").await.text().to_owned();
    assert!(log.contains("environment demo") && log.contains("\"host\""), "{log}");

    let world = world.restart().await;
    let again = world.clone_of("staging", &json!({ "name": "demo" })).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(world.get_boot("/v1/boot", Some(&token)).await.status, 401, "nor is another of that name its");
    assert_eq!(world.environment("staging").await["FLAG"], "5");
}
