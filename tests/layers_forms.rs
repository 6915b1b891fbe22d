//! Templates and required keys of every layer by API: checked when they are set, and at a boot.

use serde_json::{Value, json};

use crate::world::{Answer, Site, World};

const BASE: &str = "/api/v1/env?confirm=production";
const DEPLOYMENT: &str = "/api/v1/deployments/checkout/env";
const STAGING: &str = "/api/v1/environments/staging/env";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_layer_requires_is_there_and_has_its_form_or_nothing_is_changed() {
    let world = World::with(Site::small(0)).await;
    let in_staging = |body: Value| merged(body, &json!({ "environment": "staging" }));
    let same = |body: Value| body;
    let layers = [
        (BASE, "NEEDED_1", "workspace", &same as &dyn Fn(Value) -> Value),
        (STAGING, "NEEDED_2", "environment", &same),
        (DEPLOYMENT, "NEEDED_3", "deployment-in-environment", &in_staging),
    ];
    for (path, name, layer, place) in layers {
        let missing = post(&world, path, place(json!({ "name": name, "required": "port" }))).await;
        assert_eq!((missing.status, missing.code().as_str()), (422, "invalid"));
        assert!(missing.text().contains(name), "{}", missing.text());
        let wrong = place(json!({ "name": name, "value": "http", "required": "port" }));
        let wrong = post(&world, path, wrong).await;
        assert!(wrong.status == 422 && wrong.text().contains(name), "{}", wrong.text());
        assert!(!world.environment("staging").await.contains_key(name));
        post(&world, path, place(json!({ "name": name, "value": 8080, "required": "port" }))).await.ok();
        assert_eq!(world.environment("staging").await[name], "8080");
        let wrong = post(&world, path, place(json!({ "name": name, "value": "none" }))).await;
        assert!(wrong.status == 422 && !wrong.text().contains("none"), "{}", wrong.text());
        let listing = if layer == "deployment-in-environment" { "?environment=staging" } else { "" };
        let listing = format!("{}{listing}", path.split('?').next().unwrap());
        let list = get(&world, &listing).await.ok().json();
        let required = list["required"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        assert_eq!((&required["form"], &required["owner"]), (&json!("port"), &json!("api")), "{required}");
        let unset =
            format!("{}/{name}?environment=staging&confirm=production", path.split('?').next().unwrap());
        let refused = world.admin("DELETE", &unset, world.site.token("admin"), "").await;
        assert!(refused.status == 422 && refused.text().contains(name), "{}", refused.text());
    }
    let before = world.environment("staging").await;
    let plans = get(&world, "/api/v1/snapshot").await.ok().json()["digest"].clone();
    let world = world.restart().await;
    assert_eq!(world.environment("staging").await, before);
    assert_eq!(get(&world, "/api/v1/snapshot").await.ok().json()["digest"], plans);
    for (path, name, _, place) in layers {
        let wrong = post(&world, path, place(json!({ "name": name, "value": "none" }))).await;
        assert_eq!(wrong.status, 422, "it is still required: {}", wrong.text());
        post(&world, path, place(json!({ "name": name, "required": false }))).await.ok();
        let again = post(&world, path, place(json!({ "name": name, "required": false }))).await;
        assert_eq!(again.code(), "not-found");
        post(&world, path, place(json!({ "name": name, "value": "none" }))).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_what_is_required_is_an_admin_and_not_over_a_directory() {
    let mut site = Site::small(0);
    site.change_toml("environments/staging.toml", |file| {
        file["required"] =
            toml_edit::Item::Value(["LOG_LEVEL"].into_iter().collect::<toml_edit::Array>().into());
    });
    let world = World::with(site).await;
    let developer = world.site.token("developer");
    let body = json!({ "name": "LOG_LEVEL", "required": { "type": "pattern", "pattern": "d.*" } });
    let refused = world.admin("POST", STAGING, developer, body.to_string()).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    assert_eq!(post(&world, STAGING, body).await.code(), "owned-by-directory");
    let off = json!({ "name": "LOG_LEVEL", "required": false });
    assert_eq!(post(&world, STAGING, off).await.code(), "owned-by-directory");
    let base = post(&world, DEPLOYMENT, json!({ "name": "DATABASE_URL", "required": "url" })).await;
    assert!(
        base.status == 422 && base.text().contains("PATCH /api/v1/deployments/checkout"),
        "{}",
        base.text()
    );
    for nothing in [
        json!({ "name": "A" }),
        json!({ "name": "A", "value": "x", "template": "y" }),
        json!({ "name": "A", "required": true, "is_secret": true }),
        json!({ "name": "A", "value": "x", "required": "colour" }),
        json!({ "name": "A", "value": "x", "required": { "type": "port", "pattern": "x" } }),
        json!({ "name": "A", "value": "x", "required": { "type": "pattern", "pattern": "(" } }),
        json!({ "name": "A", "value": null, "required": true }),
        json!({ "name": "A", "template": null }),
    ] {
        let refused = post(&world, STAGING, nothing.clone()).await;
        assert_eq!(refused.code(), "invalid", "{nothing}: {}", refused.text());
    }
    // An earlier layer's form is narrowed, and not contradicted.
    post(&world, BASE, json!({ "name": "WORKERS", "value": 4, "required": "integer" })).await.ok();
    let other = post(&world, STAGING, json!({ "name": "WORKERS", "required": "url" })).await;
    assert!(other.status == 422 && other.text().contains("WORKERS"), "{}", other.text());
    let narrower = json!({ "name": "WORKERS", "required": { "type": "integer", "max": 3 } });
    assert_eq!(post(&world, STAGING, narrower.clone()).await.status, 422);
    post(&world, STAGING, merged(narrower, &json!({ "value": 2 }))).await.ok();
    assert_eq!(world.environment("staging").await["WORKERS"], "2");
    assert_eq!(world.environment("production").await["WORKERS"], "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_put_together_at_each_boot_and_as_secret_as_what_it_is_made_of() {
    let world = World::with(Site::small(0)).await;
    post(&world, STAGING, json!({ "name": "CACHE_HOST", "value": "cache a" })).await.ok();
    let template = "redis://${CACHE_HOST|percent}/0?$${x}";
    post(&world, STAGING, json!({ "name": "CACHE_URL", "template": template })).await.ok();
    assert_eq!(world.environment("staging").await["CACHE_URL"], "redis://cache%20a/0?${x}");
    post(&world, STAGING, json!({ "name": "CACHE_HOST", "value": "b" })).await.ok();
    let world = world.restart().await;
    assert_eq!(world.environment("staging").await["CACHE_URL"], "redis://b/0?${x}");
    let entry = |list: &Answer, name: &str| {
        let list = list.json();
        let all = list["variables"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["name"] == name).unwrap()
    };
    for path in [STAGING.to_owned(), format!("{DEPLOYMENT}?environment=staging&")] {
        let masked = entry(&get(&world, &path).await.ok(), "CACHE_URL");
        assert_eq!((&masked["template"], &masked["value"]), (&Value::Null, &json!("(template)")));
        let asked = format!("{path}{}reveal=true", if path.contains('?') { "" } else { "?" });
        assert_eq!(entry(&get(&world, &asked).await.ok(), "CACHE_URL")["template"], template);
    }
    for (template, reason) in [
        ("${NOWHERE}", "NOWHERE"),
        ("${LOOP}", "LOOP"),
        ("${CACHE_HOST", "no `}`"),
        ("${CACHE_HOST|rot13}", "encoding"),
        ("${a b}", "variable's name"),
    ] {
        let refused = post(&world, STAGING, json!({ "name": "LOOP", "template": template })).await;
        assert!(refused.status == 422 && refused.text().contains(reason), "{template}: {}", refused.text());
    }
    let large = "${CACHE_HOST}".repeat(2_000);
    assert_eq!(post(&world, STAGING, json!({ "name": "LARGE", "template": large })).await.status, 422);
    // What it comes to has the form that is required, too.
    let wrong = json!({ "name": "CACHE_PORT", "template": "x${CACHE_HOST}", "required": "port" });
    assert_eq!(post(&world, STAGING, wrong).await.status, 422);

    let of_secret = json!({ "environment": "staging", "name": "DSN", "template": "x:${DB_PASSWORD}" });
    post(&world, DEPLOYMENT, of_secret).await.ok();
    assert_eq!(world.environment("staging").await["DSN"], "x:staging 0%");
    let listed = get(&world, &format!("{DEPLOYMENT}?environment=staging&reveal=true")).await.ok();
    let listed = entry(&listed, "DSN");
    assert_eq!((&listed["value"], &listed["template"]), (&json!("••••"), &Value::Null), "{listed}");
    // A secret that was a template for a while is no plain value afterwards.
    let secret = json!({ "name": "KEY", "value": "hunter2", "is_secret": true, "description": "opens" });
    post(&world, STAGING, secret).await.ok();
    post(&world, STAGING, json!({ "name": "KEY", "template": "${CACHE_HOST}" })).await.ok();
    post(&world, STAGING, json!({ "name": "KEY", "value": "hunter3" })).await.ok();
    let listed = get(&world, &format!("{STAGING}?reveal=true")).await.ok();
    assert!(
        entry(&listed, "KEY")["value"] == "••••" && !listed.text().contains("hunter"),
        "{}",
        listed.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_required_goes_where_its_layer_goes() {
    let world = World::with(Site::small(0)).await;
    post(&world, "/api/v1/environments", json!({ "name": "qa", "type": "test" })).await.ok();
    let shop = json!({ "name": "shop", "environments": ["qa", "staging"] });
    post(&world, "/api/v1/deployments", shop).await.ok();
    let qa = "/api/v1/environments/qa/env";
    let shop = "/api/v1/deployments/shop/env";
    post(&world, qa, json!({ "name": "A", "value": "1", "required": "integer" })).await.ok();
    let there = json!({ "environment": "qa", "name": "B", "value": "1", "required": "integer" });
    post(&world, shop, there).await.ok();
    // Its own record says nothing of it.
    let patch = json!({ "required": {} }).to_string();
    world.admin("PATCH", "/api/v1/deployments/shop", world.site.token("admin"), patch).await.ok();
    let required = async |world: &World, path: &str| {
        let list = get(world, path).await.ok().json();
        list["required"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>()
    };
    let in_qa = format!("{shop}?environment=qa");
    assert_eq!(required(&world, &in_qa).await, ["B"]);
    // A clone requires what its source requires.
    post(&world, "/api/v1/environments/qa/clone", json!({ "name": "qa2", "permissions": true })).await.ok();
    assert_eq!(required(&world, "/api/v1/environments/qa2/env").await, ["A"]);
    let in_clone = format!("{shop}?environment=qa2");
    assert_eq!(required(&world, &in_clone).await, ["B"]);
    let wrong = json!({ "environment": "qa2", "name": "B", "value": "x" });
    assert_eq!(post(&world, shop, wrong).await.status, 422);
    // An environment of the same name is another one.
    let environment = async |method: &str, body: Value| {
        let path = "/api/v1/environments/qa";
        world.admin(method, path, world.site.token("admin"), body.to_string()).await.ok()
    };
    environment("DELETE", Value::Null).await;
    post(&world, "/api/v1/environments", json!({ "name": "qa", "type": "test", "deployments": ["shop"] }))
        .await
        .ok();
    assert_eq!((required(&world, qa).await, required(&world, &in_qa).await), (vec![], vec![]));
    let digest = get(&world, "/api/v1/snapshot").await.ok().json()["digest"].clone();
    let drift = get(&world, "/api/v1/drift").await.ok().json();
    let kinds = drift["made"].as_array().unwrap().iter().filter(|one| one["kind"] == "requirement").count();
    assert_eq!(kinds, 2, "{drift:#}");
    let world = world.restart().await;
    assert_eq!(get(&world, "/api/v1/snapshot").await.ok().json()["digest"], digest);
    assert_eq!(required(&world, &in_clone).await, ["B"]);
}

fn merged(mut one: Value, more: &Value) -> Value {
    one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    one
}

async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.admin("POST", path, world.site.token("admin"), body.to_string()).await
}

async fn get(world: &World, path: &str) -> Answer {
    world.admin("GET", path, world.site.token("admin"), "").await
}
