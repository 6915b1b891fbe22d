//! Values of every layer by API: the workspace's base, a deployment's, an environment's, a deployment's in
//! an environment. The later layer wins at a real boot; who may change what reaches everybody is narrow.

use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{Answer, Site, World, http},
};

const BASE: &str = "/api/v1/env";
const DEPLOYMENT: &str = "/api/v1/deployments/checkout/env";
const STAGING: &str = "/api/v1/environments/staging/env";
const PRODUCTION: &str = "/api/v1/environments/production/env";
/// What a change of everybody's values wants.
const ALL: &str = "?confirm=production";
const SECRET: &str = "hunter2-hunter2-hunter2";

#[tokio::test(flavor = "multi_thread")]
async fn each_layer_overrides_the_one_before_and_gives_way_again() {
    let world = World::with(Site::small(0)).await;
    let before = (world.environment("staging").await, world.environment("production").await);
    let layers = [
        (format!("{BASE}{ALL}"), json!({ "name": "BANNER", "value": "base" }), ["base", "base"]),
        (DEPLOYMENT.into(), json!({ "name": "BANNER", "value": "deployment" }), ["deployment", "deployment"]),
        (STAGING.into(), json!({ "name": "BANNER", "value": "environment" }), ["environment", "deployment"]),
        (
            DEPLOYMENT.into(),
            json!({ "environment": "staging", "name": "BANNER", "value": "both" }),
            ["both", "deployment"],
        ),
    ];
    for (path, body, [staging, production]) in layers {
        post(&world, &path, body).await.ok();
        assert_eq!(world.environment("staging").await["BANNER"], staging);
        assert_eq!(world.environment("production").await["BANNER"], production);
    }
    let both = listed(&world, &format!("{DEPLOYMENT}?environment=staging"), "BANNER").await;
    assert_eq!(both["overrode"], json!(["environment", "deployment", "workspace"]));
    for (path, layer) in [(BASE, "workspace"), (DEPLOYMENT, "deployment"), (STAGING, "environment")] {
        let entry = listed(&world, path, "BANNER").await;
        assert_eq!((&entry["layer"], &entry["owner"]), (&json!(layer), &json!("api")), "{path}");
    }
    let world = world.restart().await;
    assert_eq!(world.environment("staging").await["BANNER"], "both");
    let unset = [
        (format!("{DEPLOYMENT}/BANNER?environment=staging"), "environment"),
        (format!("{STAGING}/BANNER"), "deployment"),
        (format!("{DEPLOYMENT}/BANNER"), "base"),
    ];
    for (path, left) in unset {
        delete(&world, &path).await.ok();
        assert_eq!(world.environment("staging").await["BANNER"], left);
    }
    delete(&world, &format!("{BASE}/BANNER{ALL}")).await.ok();
    assert_eq!((world.environment("staging").await, world.environment("production").await), before);
    // An empty layer is what it was before: the same plan, here and after a restart.
    let digest = world.boot("staging").await.json()["digest"].clone();
    let world = world.restart().await;
    assert_eq!(world.boot("staging").await.json()["digest"], digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_stands_in_an_environment_and_is_masked_there_and_in_no_base() {
    let world = World::with(Site::small(0)).await;
    let secret = json!({ "name": "SIGNING_KEY", "value": SECRET, "is_secret": true, "description": "signs" });
    let refused = post(&world, &format!("{BASE}{ALL}"), secret.clone()).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"));
    assert!(refused.text().contains("set it in each environment"), "{}", refused.text());
    post(&world, STAGING, secret).await.ok();
    post(&world, STAGING, json!({ "name": "GREETING", "value": "good morning to all" })).await.ok();
    assert_eq!(world.environment("staging").await["SIGNING_KEY"], SECRET);
    assert!(!world.environment("production").await.contains_key("SIGNING_KEY"));
    for (query, greeting) in [("", "good…"), ("?reveal=true", "good morning to all")] {
        let path = format!("{STAGING}{query}");
        assert_eq!(listed(&world, &path, "SIGNING_KEY").await["value"], "••••");
        assert_eq!(listed(&world, &path, "GREETING").await["value"], greeting);
    }
    let viewer = world.site.token("viewer");
    let refused = world.admin("GET", &format!("{STAGING}?reveal=true"), viewer, "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    // What is everybody's shows what protected environments are given, too.
    let developer = world.site.token("developer");
    for path in [BASE, PRODUCTION] {
        assert_eq!(world.admin("GET", path, developer, "").await.status, 200);
        assert_eq!(world.admin("GET", &format!("{path}?reveal=true"), developer, "").await.status, 403);
    }
    let audit = records(world.data.path());
    let reveals: Vec<_> = audit.iter().filter(|line| line["kind"] == "reveal").collect();
    assert_eq!(reveals.len(), 2, "the two that were answered");
    assert_eq!(
        (&reveals[0]["details"]["deployment"], &reveals[0]["details"]["environment"]),
        (&Value::Null, &json!("staging"))
    );
    assert!(!format!("{audit:?}").contains("hunter2"));
    let change = audit.iter().find(|line| line["details"]["set"] == json!(["SIGNING_KEY in staging"]));
    assert_eq!(change.unwrap()["details"]["environments"], json!(["staging"]));
    let refused = audit.iter().filter(|line| line["kind"] == "change" && line["outcome"] != "done");
    assert_eq!(refused.count(), 1, "the secret in the base");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_protected_environments_is_an_admins_who_says_so() {
    let world = World::with(Site::small(0)).await;
    let value = json!({ "name": "BANNER", "value": "x" }).to_string();
    let developer = world.site.token("developer");
    let told = |answer: &Answer| (answer.status, answer.code());
    for path in [BASE, PRODUCTION] {
        let confirmed = format!("{path}{ALL}");
        let refused = world.admin("POST", &confirmed, developer, value.as_str()).await;
        assert_eq!(told(&refused), (403, "forbidden".into()), "{path}");
        let admin = world.site.token("admin");
        for wrong in ["", "?confirm=staging", "?confirm=Production", "?confirm="] {
            let asked = world.admin("POST", &format!("{path}{wrong}"), admin, value.as_str()).await;
            assert_eq!(told(&asked), (422, "invalid".into()), "{path}{wrong}");
            assert_eq!(asked.json()["confirm"], "production");
        }
        world.admin("POST", &confirmed, admin, value.as_str()).await.ok();
        let unconfirmed = world.admin("DELETE", &format!("{path}/BANNER"), admin, "").await;
        assert_eq!(told(&unconfirmed), (422, "invalid".into()));
        let refused = world.admin("DELETE", &format!("{path}/BANNER{ALL}"), developer, "").await;
        assert_eq!(told(&refused), (403, "forbidden".into()));
    }
    assert_eq!(world.admin("POST", STAGING, developer, value.as_str()).await.status, 200);
    let viewer = world.site.token("viewer");
    assert_eq!(told(&world.admin("POST", STAGING, viewer, value.as_str()).await), (403, "forbidden".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_environment_sees_the_base_and_changes_its_own_layer_alone() {
    let world = World::with(Site::small(0)).await;
    let limited = limited(&world, "admin", "staging").await;
    let value = json!({ "name": "BANNER", "value": "of everybody" });
    post(&world, &format!("{BASE}{ALL}"), value.clone()).await.ok();
    post(&world, &format!("{PRODUCTION}{ALL}"), json!({ "name": "ONLY_THERE", "value": "x" })).await.ok();
    let seen = world.admin("GET", BASE, &limited, "").await.ok();
    assert_eq!(entry(&seen, "BANNER")["value"], "of …", "{}", seen.text());
    assert!(!seen.text().contains("production"), "{}", seen.text());
    let told = |answer: &Answer| (answer.status, answer.code());
    let body = value.to_string();
    for (method, path, body) in [
        ("POST", format!("{BASE}{ALL}"), body.as_str()),
        ("DELETE", format!("{BASE}/BANNER{ALL}"), ""),
        ("GET", format!("{BASE}?reveal=true"), ""),
    ] {
        let refused = world.admin(method, &path, &limited, body).await;
        assert_eq!(told(&refused), (403, "forbidden".into()), "{method} {path}");
        assert!(!refused.text().contains("production"), "{}", refused.text());
    }
    for (method, path, body) in [
        ("GET", PRODUCTION.to_owned(), ""),
        ("POST", format!("{PRODUCTION}{ALL}"), body.as_str()),
        ("DELETE", format!("{PRODUCTION}/ONLY_THERE{ALL}"), ""),
        ("GET", format!("{PRODUCTION}/ONLY_THERE/versions"), ""),
        ("GET", "/api/v1/environments/nowhere/env".to_owned(), ""),
    ] {
        let refused = world.admin(method, &path, &limited, body).await;
        assert_eq!(told(&refused), (404, "not-found".into()), "{method} {path}");
    }
    world.admin("POST", STAGING, &limited, body.as_str()).await.ok();
    assert_eq!(world.environment("production").await["ONLY_THERE"], "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_directory_sets_in_a_layer_is_changed_there() {
    let mut world = World::with(Site::small(0)).await;
    for (path, name) in [(BASE, "COMPANY_NAME"), (STAGING, "LOG_LEVEL")] {
        assert_eq!(listed(&world, path, name).await["owner"], "directory");
        for (method, path, body) in [
            ("POST", format!("{path}{ALL}"), json!({ "name": name, "value": "x" }).to_string()),
            ("DELETE", format!("{path}/{name}{ALL}"), String::new()),
        ] {
            let refused = world.admin(method, &path, world.site.token("admin"), body).await;
            assert_eq!((refused.status, refused.code().as_str()), (409, "owned-by-directory"), "{path}");
        }
        let versions = get(&world, &format!("{path}/{name}/versions")).await.ok();
        assert_eq!(versions.json()["versions"][0]["set"], Value::Null);
    }
    // A directory that comes to name what was made by API owns it from then on; the rest stays.
    for (path, name) in [(format!("{BASE}{ALL}"), "TAKEN_OVER"), (STAGING.into(), "STAYS")] {
        post(&world, &path, json!({ "name": name, "value": "by api" })).await.ok();
    }
    world.site.change_toml("workspace.toml", |file| {
        file["variables"]["TAKEN_OVER"] = toml_edit::value("by the directory");
    });
    let pushed = world.push(&world.site.bundle(bootlace::id::Revision(3)), 3).await.ok();
    assert!(pushed.json()["warnings"].to_string().contains("TAKEN_OVER"), "{}", pushed.text());
    let world = world.restart().await;
    let staging = world.environment("staging").await;
    assert_eq!((staging["TAKEN_OVER"].as_str(), staging["STAYS"].as_str()), ("by the directory", "by api"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_of_a_layer_repeated_requests_and_pages() {
    let world = World::with(Site::small(0)).await;
    let body = |value: &str| json!({ "name": "COUNTER", "value": value }).to_string().into_bytes();
    let send = async |header: (&str, &str), value: &str| {
        let (address, token) = (world.admin_address(), Some(world.site.token("admin")));
        http::request(address, "POST", STAGING, token, &[header], body(value)).await
    };
    send(("if-none-match", "*"), "1").await.ok();
    assert_eq!(send(("if-none-match", "*"), "1").await.code(), "conflict");
    let etag = listed(&world, STAGING, "COUNTER").await["etag"].as_str().unwrap().to_owned();
    send(("if-match", &etag), "2").await.ok();
    assert_eq!(send(("if-match", &etag), "3").await.code(), "conflict");
    let once = send(("idempotency-key", "one"), "4").await.ok();
    let again = send(("idempotency-key", "one"), "4").await.ok();
    assert_eq!(once.text(), again.text());
    let versions = get(&world, &format!("{STAGING}/COUNTER/versions?limit=2")).await.ok().json();
    let numbers: Vec<_> =
        versions["versions"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!((numbers, &versions["next"]), (vec![&json!(3), &json!(2)], &json!("2")));
    let whole = get(&world, BASE).await.ok().json()["variables"].clone();
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&world, &format!("{BASE}?limit=2{cursor}")).await.ok().json();
        paged.extend(page["variables"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(json!(paged), whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_no_layer_is_refused_and_changes_nothing() {
    let world = World::with(Site::small(0)).await;
    let before = world.environment("staging").await;
    let long = "x".repeat(70_000);
    let many: Vec<_> = (0..31).map(|n| json!({ "name": format!("A{n}"), "value": "x" })).collect();
    for (path, body, code) in [
        (BASE, json!({ "environment": "staging", "name": "A", "value": "x" }), "invalid"),
        (STAGING, json!({ "environment": "production", "name": "A", "value": "x" }), "invalid"),
        (STAGING, json!({ "name": "A B", "value": "x" }), "invalid"),
        (STAGING, json!({ "name": "A", "value": null }), "invalid"),
        (STAGING, json!({ "name": "A", "value": "a\0b" }), "invalid"),
        (STAGING, json!({ "name": "A", "value": long }), "invalid"),
        (STAGING, json!(many), "invalid"),
        (STAGING, json!([]), "invalid"),
        (STAGING, json!({ "name": "A", "value": "x", "is_secret": true }), "invalid"),
        // Plain in one layer and secret in another: the plain one would show it.
        (STAGING, json!({ "name": "DB_PASSWORD", "value": "x" }), "invalid"),
        // All or nothing.
        (
            STAGING,
            json!([{ "name": "GOOD", "value": "x" }, { "name": "LOG_LEVEL", "value": "x" }]),
            "owned-by-directory",
        ),
        ("/api/v1/environments/nowhere/env", json!({ "name": "A", "value": "x" }), "not-found"),
    ] {
        let path = format!("{path}{ALL}");
        let refused = post(&world, &path, body).await;
        assert_eq!(refused.code(), code, "{path}: {}", refused.text());
    }
    assert_eq!(delete(&world, &format!("{STAGING}/NOT_SET")).await.status, 404);
    assert_eq!(world.environment("staging").await, before);
    // The same environment, said twice, is the same.
    post(&world, STAGING, json!({ "environment": "staging", "name": "A", "value": "x" })).await.ok();
    assert_eq!(world.environment("staging").await["A"], "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_version_is_gone_for_good_and_the_one_in_force_is_not_revoked() {
    let world = World::with(Site::small(0)).await;
    let secret =
        |value: &str| json!({ "name": "KEY", "value": value, "is_secret": true, "description": "x" });
    let plain = |value: &str| json!({ "name": "KEY_OF_ALL", "value": value });
    let in_staging = json!({ "environment": "staging" });
    let merged = |mut one: Value, more: &Value| {
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    let nothing = json!({});
    for (path, query, more, name, body) in [
        (DEPLOYMENT, "?environment=staging", &in_staging, "KEY", &secret as &dyn Fn(&str) -> Value),
        (STAGING, "", &nothing, "KEY", &secret),
        (BASE, ALL, &nothing, "KEY_OF_ALL", &plain),
    ] {
        for value in ["hunter2-1", "hunter2-2", "hunter2-3"] {
            post(&world, &format!("{path}{query}"), merged(body(value), more)).await.ok();
        }
        let served = world.boot("staging").await.json();
        let revoke = |version: &str| format!("{path}/{name}/versions/{version}/revoke{query}");
        let refused = post(&world, &revoke("3"), Value::Null).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"));
        assert!(refused.text().contains("set a new one first"), "{}", refused.text());
        let stale = [("if-match", "\"1\"")];
        let token = Some(world.site.token("admin"));
        let stale =
            http::request(world.admin_address(), "POST", &revoke("1"), token, &stale, Vec::new()).await;
        assert_eq!(stale.code(), "conflict");
        for unknown in ["0", "4", "01", "+1", "1.0", "18446744073709551616", "latest", "%31%20"] {
            assert_eq!(post(&world, &revoke(unknown), Value::Null).await.code(), "not-found", "{unknown}");
        }
        let before = get(&world, &format!("{path}/{name}/versions{query}")).await.ok();
        post(&world, &revoke("1"), Value::Null).await.ok();
        let told = get(&world, &format!("{path}/{name}/versions{query}")).await.ok();
        assert_ne!(told.header("etag"), before.header("etag"), "who counts on what there was is told");
        let told = told.json();
        let shown: Vec<_> = told["versions"].as_array().unwrap().iter().collect();
        let revoked: Vec<_> = shown.iter().map(|one| !one["revoked"].is_null()).collect();
        assert_eq!(revoked, [false, false, true], "{told:#}");
        // Once is enough: again it is answered, and stays what it was.
        post(&world, &revoke("1"), Value::Null).await.ok();
        let again = get(&world, &format!("{path}/{name}/versions{query}")).await.ok().json();
        assert_eq!(again["versions"], told["versions"]);
        let now = world.boot("staging").await.json();
        assert_eq!((&now["env"], &now["digest"]), (&served["env"], &served["digest"]), "no boot differs");
    }
    let audit = records(world.data.path());
    for revoked in
        ["version 1 of KEY of checkout in staging", "version 1 of KEY in staging", "version 1 of KEY_OF_ALL"]
    {
        assert!(audit.iter().any(|line| line["details"]["revoked"] == json!([revoked])), "{revoked}");
    }
    // What it held is nowhere in what is served, and stays gone; its number is not used again.
    let key = |made: &bootlace::made::Made| {
        let all = made.past.iter().flat_map(|(_, versions)| versions.clone());
        all.filter(|one| matches!(one.content, bootlace::made::MadeContent::Revoked(_))).count()
    };
    let workspace = "acme".parse().unwrap();
    assert_eq!(key(&world.host.store.load_full().workspace(&workspace).unwrap().made), 3);
    let path = format!("{STAGING}/KEY/versions");
    let told = get(&world, &path).await.ok().json();
    let world = world.restart().await;
    assert_eq!(get(&world, &path).await.ok().json(), told);
    assert_eq!(key(&world.host.store.load_full().workspace(&workspace).unwrap().made), 3);
    // The versions of what is not set any more can be revoked to the last.
    delete(&world, &format!("{STAGING}/KEY")).await.ok();
    for version in 1..=3 {
        post(&world, &format!("{path}/{version}/revoke"), Value::Null).await.ok();
    }
    post(&world, STAGING, secret("hunter2-4")).await.ok();
    let told = get(&world, &path).await.ok().json();
    let numbers: Vec<_> =
        told["versions"].as_array().unwrap().iter().map(|one| one["version"].clone()).collect();
    assert_eq!(json!(numbers), json!([4, 3, 2, 1]));
    assert!(told["versions"].as_array().unwrap()[1..].iter().all(|one| !one["revoked"].is_null()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_set_a_value_does_not_revoke_a_version_either() {
    let world = World::with(Site::small(0)).await;
    let limited = limited(&world, "admin", "staging").await;
    for value in ["1", "2"] {
        for path in [BASE, PRODUCTION] {
            post(&world, &format!("{path}{ALL}"), json!({ "name": "KEY", "value": value })).await.ok();
        }
        let body = json!({ "environment": "production", "name": "KEY", "value": value });
        post(&world, DEPLOYMENT, body).await.ok();
    }
    let (developer, admin) = (world.site.token("developer"), world.site.token("admin"));
    let of_deployment = format!("{DEPLOYMENT}/KEY/versions/1/revoke?environment=production");
    let revoke = |path: &str, query: &str| format!("{path}/KEY/versions/1/revoke{query}");
    for (token, path, code) in [
        (developer, revoke(BASE, ALL), "forbidden"),
        (developer, revoke(PRODUCTION, ALL), "forbidden"),
        (developer, of_deployment.clone(), "forbidden"),
        (admin, revoke(BASE, ""), "invalid"),
        (admin, revoke(PRODUCTION, ""), "invalid"),
        (&limited, revoke(BASE, ALL), "forbidden"),
        (&limited, revoke(PRODUCTION, ALL), "not-found"),
        (&limited, of_deployment, "not-found"),
        (admin, format!("{BASE}/COMPANY_NAME/versions/1/revoke{ALL}"), "owned-by-directory"),
        (admin, format!("{STAGING}/LOG_LEVEL/versions/1/revoke"), "owned-by-directory"),
        (
            admin,
            format!("{DEPLOYMENT}/DB_PASSWORD/versions/1/revoke?environment=staging"),
            "owned-by-directory",
        ),
        (admin, format!("{STAGING}/NOTHING/versions/1/revoke"), "not-found"),
    ] {
        let refused = world.admin("POST", &path, token, "").await;
        assert_eq!(refused.code(), code, "{path}: {}", refused.text());
    }
    for path in [format!("{BASE}/KEY/versions"), format!("{PRODUCTION}/KEY/versions")] {
        let told = get(&world, &path).await.ok().json();
        assert!(told["versions"].as_array().unwrap().iter().all(|one| one["revoked"].is_null()), "{told:#}");
    }
}

async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.admin("POST", path, world.site.token("admin"), body.to_string()).await
}

async fn delete(world: &World, path: &str) -> Answer {
    world.admin("DELETE", path, world.site.token("admin"), "").await
}

async fn get(world: &World, path: &str) -> Answer {
    world.admin("GET", path, world.site.token("admin"), "").await
}

async fn listed(world: &World, path: &str, name: &str) -> Value {
    entry(&get(world, path).await.ok(), name)
}

/// A tenant's token that is for one environment alone.
async fn limited(world: &World, role: &str, environment: &str) -> String {
    let body =
        json!({ "kind": "tenant", "principal": "limited", "role": role, "environments": [environment] });
    let minted = post(world, "/api/v1/tokens", body).await;
    assert!(minted.status < 300, "{}", minted.text());
    minted.json()["token"].as_str().unwrap().to_owned()
}

fn entry(list: &Answer, name: &str) -> Value {
    let list = list.json();
    let found = list["variables"].as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {list:#}")).clone()
}
