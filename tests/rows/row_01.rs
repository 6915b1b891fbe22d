//! Environments belong to the workspace; deployments refer to a subset of them, at least one active.

use serde_json::{Value, json};

use crate::world::{Site, World};

#[tokio::test(flavor = "multi_thread")]
async fn row_01_a_deployment_uses_a_subset_of_the_environments_at_least_one_of_them_active() {
    let world = World::with(Site::small(0)).await;
    let create = |environments: Value| json!({ "name": "shop", "environments": environments });
    for (environments, expected) in [
        (json!([]), "no environment is active"),
        (json!(["nowhere", "staging"]), "there is no environment nowhere"),
        (json!(["Staging"]), "not a valid environment name"),
    ] {
        let refused = world.by("developer", "POST", "/deployments", create(environments)).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"));
        assert!(refused.text().contains(expected), "{}", refused.text());
    }
    let old = json!({ "name": "old", "type": "test" });
    world.by("developer", "POST", "/environments", old).await.done();
    world.by("developer", "PATCH", "/environments/old", json!({ "deprecated": true })).await.done();
    let refused = world.by("developer", "POST", "/deployments", create(json!(["old"]))).await;
    assert!(refused.text().contains("no environment is active"), "{}", refused.text());

    world.by("developer", "POST", "/deployments", create(json!(["old", "staging"]))).await.done();
    let again = world.by("developer", "POST", "/deployments", create(json!(["staging"]))).await;
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"));
    let shown = world.by("viewer", "GET", "/deployments/shop", Value::Null).await.done();
    assert_eq!(
        shown.json()["environments"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["old", "staging"]
    );
    assert_eq!((shown.json()["owner"].as_str(), shown.header("etag")), (Some("api"), "\"4\""));

    // Production is protected: an admin's, who says so.
    let both = json!({ "environments": ["production", "staging"] });
    let developer = world.by("developer", "PATCH", "/deployments/shop", both.clone()).await;
    assert_eq!((developer.status, developer.code().as_str()), (403, "forbidden"));
    let unconfirmed = world.by("admin", "PATCH", "/deployments/shop", both.clone()).await;
    assert_eq!((unconfirmed.status, &unconfirmed.json()["confirm"]), (422, &json!("production")));
    world.by("admin", "PATCH", "/deployments/shop?confirm=production", both).await.done();

    // It boots where it is used, and nowhere else.
    let (staging, production) =
        (world.instance("shop", "staging").await, world.instance("shop", "production").await);
    for token in [&staging, &production] {
        assert_eq!(world.get_boot("/v1/boot", Some(token)).await.status, 200);
    }
    let only = json!({ "environments": ["staging"] });
    let used = world.by("admin", "PATCH", "/deployments/shop?confirm=production", only.clone()).await;
    assert_eq!((used.status, used.code().as_str()), (422, "invalid"));
    assert!(used.text().contains("is in use by token "), "{}", used.text());
    let world = world.restart().await;
    assert_eq!(world.get_boot("/v1/boot", Some(&production)).await.status, 200);
    let listed = world.by("admin", "GET", "/tokens", Value::Null).await.json();
    let listed = listed["tokens"].as_array().unwrap().clone();
    let pods = listed.iter().filter(|one| one["deployment"] == "shop" && one["environment"] == "production");
    for pod in pods {
        let path = format!("/tokens/{}", pod["id"].as_str().unwrap());
        assert_eq!(world.by("admin", "DELETE", &path, Value::Null).await.status, 204);
    }
    world.by("admin", "PATCH", "/deployments/shop?confirm=production", only).await.done();
    let world = world.restart().await;
    assert_eq!(world.get_boot("/v1/boot", Some(&staging)).await.status, 200);
    let shown = world.by("viewer", "GET", "/deployments/shop", Value::Null).await.done();
    assert_eq!(shown.json()["environments"].as_object().unwrap().keys().collect::<Vec<_>>(), ["staging"]);
    // What a directory owns is changed there.
    let owned = world
        .by(
            "admin",
            "PATCH",
            "/deployments/checkout?confirm=production",
            json!({ "environments": ["staging"] }),
        )
        .await;
    assert_eq!((owned.status, owned.code().as_str()), (409, "owned-by-directory"));
}
