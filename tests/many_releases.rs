//! Releases by API, where there are many: of environments that take them, and of those that were before.

use serde_json::{Value, json};

use crate::world::{Site, World};

const RELEASES: &str = "/deployments/shop/releases";

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_registered_and_active_in_more_environments_than_one_change_holds() {
    let world = World::with(Site::small(0)).await;
    let names: Vec<_> = (0..65).map(|number| format!("dev-{number:02}")).collect();
    for name in &names {
        let body = json!({ "name": name, "type": "development" });
        world.by("admin", "POST", "/environments", body).await.done();
    }
    let shop = json!({ "name": "shop", "environments": names });
    world.by("admin", "POST", "/deployments", shop).await.done();
    let told = world.by("developer", "POST", RELEASES, json!({ "digest": "sha256:1" })).await.done().json();
    assert_eq!((&told["activated"], &told["not_activated"]), (&json!(names), &json!([])), "{told}");
    let listed = world.by("viewer", "GET", RELEASES, Value::Null).await.done().json();
    assert_eq!(listed["releases"][0]["active_in"], json!(names), "{listed}");
}
