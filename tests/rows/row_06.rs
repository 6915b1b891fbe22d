//! Data services bound per environment, each with its own endpoints, TLS and pool options, the credential
//! injected at boot.

use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{Site, World},
};

const PASSWORD: &str = "pa ss/word@canary";

#[tokio::test(flavor = "multi_thread")]
async fn row_06_a_service_is_made_bound_and_injected_by_api() {
    let world = World::with(Site::small(0)).await;
    let shop = json!({ "name": "shop", "environments": ["production", "staging"] });
    world.by("admin", "POST", "/deployments?confirm=production", shop).await.done();
    let staging = json!({
        "user": "shop", "credential": PASSWORD,
        "endpoints": [{ "role": "primary", "region": "eu-west-1", "host": "db.staging.internal", "port": 5432,
            "database": "shop", "tls": "require", "options": { "connect_timeout": "3" } }],
    });
    let service = |instances: Value| json!({ "name": "shop-db", "kind": "postgres", "instances": instances });
    world.by("developer", "POST", "/services", service(json!({ "staging": staging }))).await.done();
    let bind = |environment: &str| json!({ "environment": environment, "name": "DATABASE_URL", "service": "shop-db" });
    let unbound =
        world.by("admin", "POST", "/deployments/shop/bindings?confirm=production", bind("production")).await;
    assert!(unbound.text().contains("service shop-db has no instance in production"), "{}", unbound.text());
    world.by("developer", "POST", "/deployments/shop/bindings", bind("staging")).await.done();
    let token = world.instance("shop", "staging").await;
    let url = "postgres://shop:pa%20ss%2Fword%40canary@db.staging.internal:5432/shop?sslmode=require&connect_timeout=3";
    let booted = world.get_boot("/v1/boot", Some(&token)).await.done();
    assert_eq!(booted.environment()["DATABASE_URL"], url);

    // Production's instance is an admin's, who says so; it is another place with another password.
    let production = json!({ "instances": { "production": {
        "user": "shop", "credential": "canary of production",
        "endpoints": [{ "host": "db.internal", "port": 6432, "database": "shop" }],
    } } });
    let developer = world.by("developer", "PATCH", "/services/shop-db", production.clone()).await;
    assert_eq!((developer.status, developer.code().as_str()), (403, "forbidden"));
    let unconfirmed = world.by("admin", "PATCH", "/services/shop-db", production.clone()).await;
    assert_eq!((unconfirmed.status, &unconfirmed.json()["confirm"]), (422, &json!("production")));
    world.by("admin", "PATCH", "/services/shop-db?confirm=production", production).await.done();
    let refused = world.by("developer", "POST", "/deployments/shop/bindings", bind("production")).await;
    assert_eq!(refused.status, 403);
    world
        .by("admin", "POST", "/deployments/shop/bindings?confirm=production", bind("production"))
        .await
        .done();
    let other = world.instance("shop", "production").await;
    let booted = world.get_boot("/v1/boot", Some(&other)).await.done();
    assert_eq!(
        booted.environment()["DATABASE_URL"],
        "postgres://shop:canary%20of%20production@db.internal:6432/shop?sslmode=verify-full"
    );

    // A new password and nothing else; then it is renamed.
    let renewed = json!({ "instances": { "staging": { "credential": "another-canary" } } });
    world.by("developer", "PATCH", "/services/shop-db", renewed).await.done();
    let mut renamed = bind("staging");
    renamed["name"] = "DB".into();
    world.by("developer", "POST", "/deployments/shop/bindings", renamed).await.done();
    world
        .by("developer", "DELETE", "/deployments/shop/bindings/DATABASE_URL@staging", Value::Null)
        .await
        .done();
    let url = url.replace("pa%20ss%2Fword%40canary", "another-canary");
    let world = world.restart().await;
    let given = world.get_boot("/v1/boot", Some(&token)).await.done().environment();
    assert_eq!((given["DB"].as_str(), given.contains_key("DATABASE_URL")), (url.as_str(), false));

    // Shown with where it is injected, and without any password.
    let shown = world.by("viewer", "GET", "/services/shop-db", Value::Null).await.done();
    let staging = &shown.json()["instances"]["staging"];
    assert_eq!((&staging["credential_version"], &staging["user"]), (&json!(2), &json!("shop")));
    let at = json!([{ "deployment": "shop", "environment": "staging", "variable": "DB" }]);
    assert_eq!((&staging["injected"], &staging["endpoints"][0]["tls"]), (&at, &json!("require")));
    let deployment = world.by("viewer", "GET", "/deployments/shop", Value::Null).await.done();
    let injected =
        json!([{ "name": "DB", "source": "service shop-db of staging", "is_secret": true, "value": null }]);
    assert_eq!(deployment.json()["environments"]["staging"], injected);
    let all = world.by("viewer", "GET", "/services", Value::Null).await.done();
    let bindings = world.by("viewer", "GET", "/deployments/shop/bindings", Value::Null).await.done();
    let audit = format!("{:?}", records(world.data.path()));
    for text in [shown.text(), all.text(), deployment.text(), bindings.text(), &audit] {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(audit.contains("service shop-db") && audit.contains("binding DB of shop in staging"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_06_another_environment_binds_an_instance_only_where_it_is_shared() {
    let world = World::with(Site::small(0)).await;
    let shop = json!({ "name": "shop", "environments": ["preview/pr-42", "production", "staging"] });
    world.by("admin", "POST", "/deployments?confirm=production", shop).await.done();
    let instance = json!({ "credential": "x", "endpoints": [{ "host": "cache.internal", "port": 6379, "tls": "disable" }] });
    let cache = json!({ "name": "cache", "kind": "redis", "instances": { "staging": instance } });
    world.by("developer", "POST", "/services", cache).await.done();
    let bind = |environment: &str| json!({ "environment": environment, "name": "REDIS_URL", "service": "cache", "of": "staging" });
    let path = "/deployments/shop/bindings";
    let refused = world.by("developer", "POST", path, bind("preview/pr-42")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("add preview/pr-42 to its `shared-with`"), "{}", refused.text());
    let share = json!({ "instances": { "staging": { "shared_with": ["preview/pr-42", "production"] } } });
    world.by("developer", "PATCH", "/services/cache", share).await.done();
    world.by("developer", "POST", path, bind("preview/pr-42")).await.done();
    let token = world.instance("shop", "preview/pr-42").await;
    let given = world.get_boot("/v1/boot", Some(&token)).await.done().environment();
    assert_eq!(given["REDIS_URL"], "redis://default:x@cache.internal:6379");

    // Where production has a share in it, it is no developer's any more.
    world
        .by("admin", "POST", "/deployments/shop/bindings?confirm=production", bind("production"))
        .await
        .done();
    let renewed = json!({ "instances": { "staging": { "credential": "y" } } });
    assert_eq!(world.by("developer", "PATCH", "/services/cache", renewed).await.status, 403);

    // Not deleted while it is bound, and it says where.
    let used = world.by("admin", "DELETE", "/services/cache?confirm=production", Value::Null).await;
    assert!(
        used.text().contains("in use by REDIS_URL of shop in preview/pr-42, REDIS_URL of shop in production"),
        "{}",
        used.text()
    );
    let gone = json!({ "instances": { "staging": null } });
    let used = world.by("admin", "PATCH", "/services/cache?confirm=production", gone).await;
    assert!(used.text().contains("service cache has no instance in staging"), "{}", used.text());
    for id in ["REDIS_URL@preview%2Fpr-42", "REDIS_URL@production"] {
        let path = format!("/deployments/shop/bindings/{id}?confirm=production");
        world.by("admin", "DELETE", &path, Value::Null).await.done();
    }
    world.by("developer", "DELETE", "/services/cache", Value::Null).await.done();
    assert_eq!(world.by("developer", "GET", "/services/cache", Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_06_each_environment_is_given_its_own_service_under_one_name() {
    let mut site = Site::starter();
    // What a policy chooses or withholds is another story.
    site.tree.remove("policies.toml");
    let world = World::with(site).await;
    for (environment, host, sslmode, redis) in [
        ("production", "orders-primary.eu-west-1.acme.internal:5432/orders?", "verify-full", "rediss://"),
        ("staging", "orders-primary.staging.acme.internal:5432/orders?", "require", "rediss://"),
        ("preview/pr-42", "orders.pr-42.preview.acme.internal:5432/orders?", "require", "rediss://"),
    ] {
        let given = world.environment(environment).await;
        let url = &given["DATABASE_URL"];
        let owner = if environment.starts_with("preview") { "preview" } else { environment };
        let password = format!("demo%2F{owner}%40orders-db%231%20%25%26%3D%2B");
        assert!(url.starts_with(&format!("postgres://checkout:{password}@{host}")), "{environment}: {url}");
        assert!(url.contains(&format!("sslmode={sslmode}")), "{url}");
        assert_eq!(url.contains("connect_timeout=3"), environment == "production", "{url}");
        assert!(given["REDIS_URL"].starts_with(redis), "{}", given["REDIS_URL"]);
    }
    // The preview borrows what staging lends it, credential and all.
    let (staging, preview) = (world.environment("staging").await, world.environment("preview/pr-42").await);
    assert_eq!(staging["REDIS_URL"], preview["REDIS_URL"]);
}
