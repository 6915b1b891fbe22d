//! Environments by API: made, used, changed, deleted; whose they are, and what must be confirmed.

use serde_json::json;

use crate::world::{Answer, Site, World};

const ENVIRONMENTS: &str = "/api/v1/environments";

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_made_by_api_boots_until_it_is_deleted() {
    let world = World::with(Site::small(0)).await;
    let made = json!({ "name": "qa/eu", "type": "test", "deployments": ["checkout"] }).to_string();
    let missing = world.call("POST", "", &made).await;
    assert_eq!(missing.status, 422, "{}: the deployment requires a key that is set nowhere", missing.text());
    let base = json!({ "name": "DATABASE_URL", "value": "postgres://nowhere/x" }).to_string();
    let set = world.admin("POST", "/api/v1/deployments/checkout/env", world.site.token("admin"), base).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let created = world.call("POST", "", &made).await;
    assert_eq!((created.status, created.header("etag")), (200, "\"3\""), "{}", created.text());
    assert_eq!(world.call("POST", "", &made).await.code(), "conflict");
    let value = json!({ "environment": "qa/eu", "name": "TOKEN", "value": "t0ken", "is_secret": true,
        "description": "for the tests" });
    let path = "/api/v1/deployments/checkout/env";
    let set = world.admin("POST", path, world.site.token("developer"), value.to_string()).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let wanted = r#"{"kind":"instance","principal":"pod","deployment":"checkout","environment":"qa/eu"}"#;
    let minted = world.admin("POST", "/api/v1/tokens", world.site.token("admin"), wanted).await;
    let (id, token) = (minted.json()["id"].clone(), minted.json()["token"].as_str().unwrap().to_owned());
    let booted = world.get_boot("/v1/boot", Some(&token)).await;
    assert_eq!(booted.environment()["TOKEN"], "t0ken", "{}", booted.text());

    // A restart and a push leave it as it is.
    let world = world.restart().await;
    let pushed = world.push(&world.site.bundle(bootlace::id::Revision(4)), 4).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let booted = world.get_boot("/v1/boot", Some(&token)).await;
    assert_eq!(booted.environment()["TOKEN"], "t0ken", "{}", booted.text());

    let refused = world.call("DELETE", "/qa%2Feu", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"));
    assert!(refused.text().contains(id.as_str().unwrap()), "in use by what: {}", refused.text());
    let path = format!("/api/v1/tokens/{}", id.as_str().unwrap());
    assert_eq!(world.admin("DELETE", &path, world.site.token("admin"), "").await.status, 204);
    let deleted = world.call("DELETE", "/qa%2Feu", "").await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(world.call("GET", "/qa%2Feu", "").await.status, 404);
    let world = world.restart().await;
    // Another one of that name has nothing of the old one's.
    assert_eq!(world.call("POST", "", &made).await.status, 200);
    let path = "/api/v1/deployments/checkout/env?environment=qa/eu";
    let listed = world.admin("GET", path, world.site.token("viewer"), "").await;
    assert!(listed.status == 200 && !listed.text().contains("TOKEN"), "{}", listed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_02_types_and_custom_names_and_who_may_make_and_change_them() {
    let world = World::with(Site::small(0)).await;
    for (name, kind, protected) in [
        ("audit", "pre-production", false),
        ("load/big", "test", false),
        ("demo/eu/1", "development", false),
        ("live-eu", "production", true),
    ] {
        let body = json!({ "name": name, "type": kind }).to_string();
        let developer = world.admin("POST", ENVIRONMENTS, world.site.token("developer"), body.clone()).await;
        assert_eq!(developer.status, if protected { 403 } else { 200 }, "{}", developer.text());
        if protected {
            assert_eq!(world.call("POST", "", &body).await.status, 200);
        }
        let shown = world.call("GET", &format!("/{}", name.replace('/', "%2F")), "").await.json();
        assert_eq!(
            (&shown["type"], &shown["protected"], &shown["owner"]),
            (&json!(kind), &json!(protected), &json!("api"))
        );
    }
    for (name, kind) in [("Audit", "test"), ("a//b", "test"), ("ok", "staging"), ("prоd", "test")] {
        let refused = world.call("POST", "", &json!({ "name": name, "type": kind }).to_string()).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{name} {kind}");
    }
    let owned = world.call("PATCH", "/staging", r#"{"deprecated":true}"#).await;
    assert_eq!((owned.status, owned.code().as_str()), (409, "owned-by-directory"));
    let taken = world.call("POST", "", r#"{"name":"staging","type":"test"}"#).await;
    assert_eq!(taken.code(), "owned-by-directory");

    let patch = r#"{"deprecated":true,"labels":{"team":"payments"}}"#;
    let unconfirmed = world.call("PATCH", "/live-eu", patch).await;
    assert_eq!((unconfirmed.status, &unconfirmed.json()["confirm"]), (422, &json!("live-eu")));
    let patched = world.call("PATCH", "/live-eu?confirm=live-eu", patch).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    let world = world.restart().await;
    let shown = world.call("GET", "/live-eu", "").await.json();
    assert_eq!((&shown["deprecated"], &shown["labels"]["team"]), (&json!(true), &json!("payments")));
    assert_eq!(world.call("DELETE", "/live-eu", "").await.status, 422);
    assert_eq!(world.call("DELETE", "/live-eu?confirm=live-eu", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn production_without_protection_is_an_admins_to_make_and_a_clone_is_protected_as_its_source() {
    let world = World::with(Site::small(0)).await;
    let open = json!({ "name": "live", "type": "production", "protected": false });
    let refused = world.by("developer", "POST", "/environments", open.clone()).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{}", refused.text());
    world.by("admin", "POST", "/environments", open).await.done();
    let clone = json!({ "name": "live-2", "permissions": true, "protected": false });
    let refused = world.by("developer", "POST", "/environments/live/clone", clone.clone()).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{}", refused.text());
    world.by("admin", "POST", "/environments/live/clone", clone).await.done();

    let guarded = json!({ "name": "audit", "type": "test", "protected": true });
    world.by("admin", "POST", "/environments", guarded).await.done();
    for (name, asked, protected) in [("like-it", json!(null), true), ("open", json!(false), false)] {
        let mut body = json!({ "name": name, "permissions": true });
        if asked.is_boolean() {
            body["protected"] = asked;
        }
        world.by("admin", "POST", "/environments/audit/clone?confirm=audit", body).await.done();
        assert_eq!(world.call("GET", &format!("/{name}"), "").await.json()["protected"], protected, "{name}");
    }
}

impl World {
    async fn call(&self, method: &str, rest: &str, body: &str) -> Answer {
        self.admin(method, &format!("{ENVIRONMENTS}{rest}"), self.site.token("admin"), body).await
    }
}
