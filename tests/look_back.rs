//! A look back at policies that are gone compiles them again, and nobody's change waits for that.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::world::{Answer, Site, World, compiler::Gated, http, site::guest};

/// Long enough for any change that waits for nobody.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn changes_go_on_while_the_policy_of_an_earlier_revision_is_compiled_again() {
    let gated = Gated::new();
    let world = World::with_settings(Site::small(0), |settings| settings.compiler = gated.compiler()).await;
    let developer = &world.site.token("developer").to_owned();
    world.admin("PUT", "/api/v1/policies/teller", developer, guest("dump")).await.done();
    let attached = json!({ "policy": "teller", "place": { "environment": "staging" } });
    let attached = world.by("admin", "POST", "/attachments", attached).await.done().json();
    let booted = world.boot("staging").await;
    let boot = booted.header("bootlace-boot").to_owned();
    let id = attached["id"].as_str().unwrap();
    world.by("admin", "DELETE", &format!("/attachments/{id}"), Value::Null).await.done();
    world.by("admin", "DELETE", "/policies/teller", Value::Null).await.done();
    // What was compiled of it goes with the next upload.
    world.admin("PUT", "/api/v1/policies/other", developer, guest("hostile")).await.done();

    let world = Arc::new(world);
    let diff = "/api/v1/deployments/checkout/diff?environment=staging&from=1&to=3".to_owned();
    let explain = format!("/api/v1/deployments/checkout/explain?environment=staging&boot={boot}");
    let mut sixth = 6;
    for path in [diff, explain] {
        gated.shut();
        let looking = tokio::spawn(viewed(Arc::clone(&world), path.clone()));
        let held = gated.held().await;
        let value = json!({ "environment": "staging", "name": "MEANWHILE", "value": sixth });
        let set = world.by("developer", "POST", "/deployments/checkout/env", value);
        let set = tokio::time::timeout(PATIENCE, set).await.expect("a change waits for a viewer");
        assert_eq!(set.done().json()["revision"], sixth + 1);
        sixth += 1;
        let another = viewed(Arc::clone(&world), path).await;
        assert_eq!(another.code(), "busy", "{}", another.text());
        drop(held);
        let looked = looking.await.unwrap().done();
        drop(looked);
        // Forgotten again.
        world.admin("PUT", "/api/v1/policies/other", developer, guest("hostile")).await.done();
        sixth += 1;
    }
}

async fn viewed(world: Arc<World>, path: String) -> Answer {
    let token = world.site.token("viewer").to_owned();
    http::request(world.admin_address(), "GET", &path, Some(&token), &[], Vec::new()).await
}
