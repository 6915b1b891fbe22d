//! Deployments by API: whose they are, what a change counts on, and what keeps one from going.

use serde_json::{Value, json};

use crate::world::{Answer, Site, World, http};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_with_what_was_set_in_it_and_not_while_it_is_in_use() {
    let world = World::with(Site::small(0)).await;
    create(&world, &["staging"]).await;
    let value = json!({ "environment": "staging", "name": "OLD_ONE", "value": "of the old one" });
    world.by("developer", "POST", "/deployments/shop/env", value).await.done();
    let token = world.instance("shop", "staging").await;
    assert_eq!(world.get_boot("/v1/boot", Some(&token)).await.environment()["OLD_ONE"], "of the old one");
    let used = world.by("developer", "DELETE", "/deployments/shop", Value::Null).await;
    assert_eq!((used.status, used.code().as_str()), (422, "invalid"));
    assert!(used.text().contains("deployment shop is in use by token "), "{}", used.text());
    revoke(&world, "shop").await;
    world.by("developer", "DELETE", "/deployments/shop", Value::Null).await.done();
    assert_eq!(world.get_boot("/v1/boot", Some(&token)).await.status, 401);
    let world = world.restart().await;
    assert_eq!(world.by("viewer", "GET", "/deployments/shop", Value::Null).await.status, 404);
    // Another one of that name has nothing of the old one's.
    create(&world, &["staging"]).await;
    let listed =
        world.by("viewer", "GET", "/deployments/shop/env?environment=staging", Value::Null).await.done();
    assert!(!listed.text().contains("OLD_ONE"), "{}", listed.text());
    let versions = world
        .by("viewer", "GET", "/deployments/shop/env/OLD_ONE/versions?environment=staging", Value::Null)
        .await;
    assert_eq!(versions.status, 404);
    // The directory's own goes by a push.
    let owned = world.by("admin", "DELETE", "/deployments/checkout?confirm=production", Value::Null).await;
    assert_eq!((owned.status, owned.code().as_str()), (409, "owned-by-directory"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_stays_while_a_service_or_a_tool_counts_on_it() {
    let world = World::with(Site::small(0)).await;
    world.by("developer", "POST", "/environments", json!({ "name": "qa", "type": "test" })).await.done();
    create(&world, &["qa", "staging"]).await;
    let endpoint = json!({ "host": "cache", "port": 6379 });
    let cache =
        json!({ "name": "cache", "kind": "redis", "instances": { "qa": { "endpoints": [endpoint] } } });
    world.by("developer", "POST", "/services", cache).await.done();
    let crm = json!({ "name": "crm", "profiles": { "qa": { "settings": { "a": 1 } } } });
    world.by("developer", "POST", "/tools", crm).await.done();
    let gone = |world: World| async {
        let answer = world.by("developer", "DELETE", "/environments/qa", Value::Null).await;
        (world, answer)
    };
    let (world, used) = gone(world).await;
    assert_eq!((used.status, used.code().as_str()), (422, "invalid"));
    assert!(
        used.text().contains("service cache has an instance there, tool crm has a profile there"),
        "{}",
        used.text()
    );
    let out = json!({ "instances": { "qa": null } });
    world.by("developer", "PATCH", "/services/cache", out).await.done();
    world.by("developer", "DELETE", "/tools/crm", Value::Null).await.done();
    let (world, deleted) = gone(world).await;
    deleted.done();
    // Another one of that name is nobody's yet, before and after a start.
    world.by("developer", "POST", "/environments", json!({ "name": "qa", "type": "test" })).await.done();
    let world = world.restart().await;
    let shown = world.by("viewer", "GET", "/deployments/shop", Value::Null).await.done().json();
    assert_eq!(shown["environments"].as_object().unwrap().keys().collect::<Vec<_>>(), ["staging"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_counts_on_what_was_read() {
    let world = World::with(Site::small(0)).await;
    create(&world, &["staging"]).await;
    let put = async |tag: &str, apex: &str| -> Answer {
        let (path, body) = ("/api/v1/deployments/shop/domains", json!({ "apex": apex }).to_string());
        let headers = [("if-match", tag)];
        let token = Some(world.site.token("developer"));
        http::request(world.admin_address(), "PUT", path, token, &headers, body.into_bytes()).await
    };
    let read = world.by("viewer", "GET", "/deployments/shop/domains", Value::Null).await.done();
    let tag = read.header("etag").to_owned();
    put(&tag, "one.example").await.done();
    let late = put(&tag, "two.example").await;
    assert_eq!((late.status, late.code().as_str(), &late.json()["revision"]), (409, "conflict", &json!(3)));
    let now = world.by("viewer", "GET", "/deployments/shop/domains", Value::Null).await.done();
    assert_eq!((now.json()["apex"].as_str(), now.header("etag")), (Some("one.example"), "\"3\""));
    assert_eq!(now.json()["injected"]["staging"][0]["value"], "staging.one.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_whole_deployment_says_is_an_admin_s_where_production_has_a_share_in_it() {
    let world = World::with(Site::small(0)).await;
    create(&world, &["production", "staging"]).await;
    let put = async |who: &str, query: &str, body: Value| {
        world.by(who, "PUT", &format!("/deployments/shop/domains{query}"), body).await
    };
    let apex = json!({ "apex": "shop.example" });
    assert_eq!(put("developer", "", apex.clone()).await.status, 403);
    assert_eq!(put("admin", "", apex.clone()).await.json()["confirm"], "production");
    put("admin", "?confirm=production", apex).await.done();
    // Staging's own is a developer's, and leaves production's as it is.
    let staging = json!({ "apex": "shop.example", "environments": { "staging": "qa.shop.example" } });
    put("developer", "", staging).await.done();
    let production = json!({ "apex": "shop.example", "environments": { "production": false } });
    assert_eq!(put("developer", "", production).await.status, 403);
    let viewer = put("viewer", "", json!({ "apex": "x.example" })).await;
    assert_eq!((viewer.status, viewer.code().as_str()), (403, "forbidden"));

    // Staging sharing production's data is production's matter, too.
    let kinds = json!({ "kinds": { "threads": true } });
    let path = "/deployments/shop/namespaces";
    world.by("admin", "PUT", &format!("{path}?confirm=production"), kinds).await.done();
    let share = json!({ "kinds": { "threads": true }, "environments": {
        "staging": { "threads": { "of": "production" } } } });
    assert_eq!(world.by("developer", "PUT", path, share).await.status, 403);
    let elsewhere =
        json!({ "kinds": { "threads": true }, "environments": { "development": { "threads": false } } });
    let refused = world.by("developer", "PUT", path, elsewhere).await;
    assert!(refused.text().contains("shop does not use environment development"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_limited_token_does_not_see_is_not_there_and_stays_as_it_is() {
    let world = World::with(Site::small(0)).await;
    create(&world, &["preview/pr-42", "staging"]).await;
    let wanted = json!({ "kind": "tenant", "principal": "preview", "role": "developer",
        "environments": ["preview/pr-42"] });
    let minted = world.by("admin", "POST", "/tokens", wanted).await;
    let limited = minted.json()["token"].as_str().unwrap().to_owned();
    let ask = async |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        world.admin(method, &format!("/api/v1{path}"), &limited, body).await
    };
    let shown = ask("GET", "/deployments/shop", Value::Null).await.done();
    assert!(!shown.text().contains("staging"), "{}", shown.text());
    assert_eq!(ask("GET", "/services/orders-db", Value::Null).await.status, 404);
    assert!(!ask("GET", "/services", Value::Null).await.done().text().contains("orders-db"));
    for (method, path, body, status) in [
        ("POST", "/deployments", json!({ "name": "mine", "environments": ["preview/pr-42"] }), 403),
        ("DELETE", "/deployments/shop", Value::Null, 403),
        ("PATCH", "/deployments/shop", json!({ "environments": ["preview/pr-42", "production"] }), 404),
        ("PUT", "/deployments/shop/domains", json!({ "apex": "shop.example" }), 403),
        ("PUT", "/deployments/shop/tools", json!({ "environments": { "staging": {} } }), 404),
        (
            "POST",
            "/deployments/shop/bindings",
            json!({ "environment": "staging", "name": "A", "service": "orders-db" }),
            404,
        ),
        (
            "POST",
            "/deployments/shop/bindings",
            json!({ "environment": "preview/pr-42", "name": "A", "service": "orders-db", "of": "staging" }),
            404,
        ),
    ] {
        let answer = ask(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(!answer.text().contains("staging"), "{}", answer.text());
    }
    // What it says of its own environments leaves the others theirs.
    ask("PATCH", "/deployments/shop", json!({ "environments": ["preview/pr-42"] })).await.done();
    let shown = world.by("viewer", "GET", "/deployments/shop", Value::Null).await.done().json();
    assert_eq!(shown["environments"].as_object().unwrap().len(), 2);
}

async fn create(world: &World, environments: &[&str]) {
    let body = json!({ "name": "shop", "environments": environments });
    world.by("admin", "POST", "/deployments?confirm=production", body).await.done();
}

async fn revoke(world: &World, deployment: &str) {
    let listed = world.by("admin", "GET", "/tokens", Value::Null).await.json();
    for token in listed["tokens"].as_array().unwrap().iter().filter(|one| one["deployment"] == deployment) {
        let path = format!("/tokens/{}", token["id"].as_str().unwrap());
        assert_eq!(world.by("admin", "DELETE", &path, Value::Null).await.status, 204);
    }
}
