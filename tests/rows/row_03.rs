//! Environments created, cloned, deprecated, enabled, deleted; who may have a clone; production asks.

use serde_json::json;

use crate::world::{Site, World};

const ENVIRONMENTS: &str = "/api/v1/environments";

fn site() -> Site {
    let mut site = Site::small(1);
    for (owner, guests) in [("staging", "\"qa\", \"open\""), ("production", "\"drill\"")] {
        let heading = format!("[instances.{owner}]\n");
        let shared = format!("{heading}shared-with = [{guests}]\n");
        site.edit("services/orders-db.toml", &heading, &shared);
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn row_03_a_clone_without_permissions_is_its_admins_alone() {
    let world = World::with(site()).await;
    let (developer, viewer) = (world.site.token("developer"), world.site.token("viewer"));
    let limited = world.limited("staging").await;
    let refused = world.clone_as("developer", "staging", &json!({ "name": "qa" })).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    assert_eq!(world.clone_of("staging", &json!({ "name": "qa" })).await.status, 200);
    for token in [developer, viewer, &limited] {
        assert_eq!(world.admin("GET", &format!("{ENVIRONMENTS}/qa"), token, "").await.status, 404);
        let list = world.admin("GET", ENVIRONMENTS, token, "").await;
        assert!(!list.text().contains("\"qa\""), "{}", list.text());
        let values = "/api/v1/deployments/checkout/env?environment=qa";
        assert_eq!(world.admin("GET", values, token, "").await.status, 404);
    }
    let body = json!({ "environment": "qa", "name": "A", "value": "b" }).to_string();
    let path = "/api/v1/deployments/checkout/env";
    assert_eq!(world.admin("POST", path, developer, body).await.status, 404);
    // The deployment's base stays everybody's.
    let base = json!({ "name": "BASE", "value": "b" }).to_string();
    let set = world.admin("POST", path, developer, base).await;
    assert_eq!(set.status, 403, "production uses it, and is protected: {}", set.text());
    let world = world.restart().await;
    let shown = world.admin("GET", &format!("{ENVIRONMENTS}/qa"), world.site.token("viewer"), "").await;
    assert_eq!(shown.status, 404, "also after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_03_with_permissions_whoever_may_the_source_may_the_clone_until_it_goes() {
    let world = World::with(site()).await;
    let limited = world.limited("staging").await;
    let other = world.limited("production").await;
    let body = json!({ "name": "open", "permissions": true });
    let cloned = world.clone_as("developer", "staging", &body).await;
    assert_eq!(cloned.status, 200, "{}", cloned.text());
    let world = world.restart().await;
    let open = format!("{ENVIRONMENTS}/open");
    for token in [world.site.token("viewer"), &limited] {
        assert_eq!(world.admin("GET", &open, token, "").await.status, 200);
    }
    assert_eq!(world.admin("GET", &open, &other, "").await.status, 404);
    // Who comes later by the same name is another.
    assert_eq!(world.admin("DELETE", &open, world.site.token("admin"), "").await.status, 200);
    assert_eq!(world.clone_of("staging", &json!({ "name": "open" })).await.status, 200);
    assert_eq!(world.admin("GET", &open, &limited, "").await.status, 404);
    assert_eq!(world.admin("GET", &format!("{ENVIRONMENTS}/staging"), &limited, "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_03_production_asks_before_it_is_cloned() {
    let world = World::with(site()).await;
    let body = json!({ "name": "drill", "permissions": true });
    assert_eq!(world.clone_as("developer", "production", &body).await.status, 403);
    let asked = world.clone_of("production", &body).await;
    assert_eq!((asked.status, &asked.json()["confirm"]), (422, &json!("production")));
    let path = format!("{ENVIRONMENTS}/production/clone?confirm=production");
    let cloned = world.admin("POST", &path, world.site.token("admin"), body.to_string()).await;
    assert_eq!(cloned.status, 200, "{}", cloned.text());
    let shown = world.admin("GET", &format!("{ENVIRONMENTS}/drill"), world.site.token("admin"), "").await;
    assert_eq!(shown.json()["protected"], true, "of type production, as its source");
}

impl World {
    /// A developer's token for one environment.
    async fn limited(&self, environment: &str) -> String {
        let wanted = json!({
            "kind": "tenant", "role": "developer", "principal": "ada", "environments": [environment],
        });
        let minted = self.admin("POST", "/api/v1/tokens", self.site.token("admin"), wanted.to_string()).await;
        minted.json()["token"].as_str().unwrap_or_else(|| panic!("{}", minted.text())).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_03_an_environment_is_deprecated_enabled_put_elsewhere_in_the_chain_and_deleted() {
    let world = World::with(site()).await;
    let admin = world.site.token("admin");
    let call = async |method: &str, body: &str| {
        world.admin(method, &format!("{ENVIRONMENTS}/load"), admin, body).await
    };
    let made = r#"{"name":"load","type":"test"}"#;
    assert_eq!(world.admin("POST", ENVIRONMENTS, admin, made).await.status, 200);
    let before = world.shown("load").await;
    for (patch, key, value) in [
        (r#"{"deprecated":true}"#, "deprecated", json!(true)),
        (r#"{"deprecated":false}"#, "deprecated", json!(false)),
        (r#"{"promotes_to":"staging"}"#, "promotes_to", json!("staging")),
        (r#"{"promotes_to":null}"#, "promotes_to", json!(null)),
        (r#"{"expires":"2026-12-24T12:00:00Z"}"#, "expires", json!("2026-12-24T12:00:00Z")),
        (r#"{"expires":null}"#, "expires", json!(null)),
        (r#"{"type":"pre-production"}"#, "type", json!("pre-production")),
        (r#"{"admins_only":true}"#, "admins_only", json!(true)),
    ] {
        let patched = call("PATCH", patch).await;
        assert_eq!(patched.status, 200, "{patch}: {}", patched.text());
        assert_eq!(world.shown("load").await[key], value, "{patch}");
    }
    let circle = call("PATCH", r#"{"promotes_to":"load"}"#).await;
    assert_eq!((circle.status, circle.text().contains("load")), (422, true), "{}", circle.text());
    assert_eq!(call("PATCH", r#"{"type":"production"}"#).await.status, 200);
    let after = world.shown("load").await;
    assert_eq!((&before["protected"], &after["protected"]), (&json!(false), &json!(true)));
    let gate = r#"{"name":"gate","type":"test","promotes_to":"load"}"#;
    assert_eq!(world.admin("POST", ENVIRONMENTS, admin, gate).await.status, 200);
    let path = format!("{ENVIRONMENTS}/load?confirm=load");
    let used = world.admin("DELETE", &path, admin, "").await;
    assert!(used.status == 422 && used.text().contains("gate promotes to it"), "{}", used.text());
    assert_eq!(world.admin("DELETE", &format!("{ENVIRONMENTS}/gate"), admin, "").await.status, 200);
    assert_eq!(world.admin("DELETE", &path, admin, "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_02_a_new_workspace_has_the_chain_of_development_staging_production() {
    let world = World::with(Site::starter()).await;
    for (name, next) in
        [("development", json!("staging")), ("staging", json!("production")), ("production", json!(null))]
    {
        assert_eq!(world.shown(name).await["promotes_to"], next, "{name}");
    }
}
