//! `explain`: where each value comes from, what it overrode, who decided, and never a secret.

use serde_json::{Value, json};

use crate::world::{Answer, Site, World, site::guest};

const PATH: &str = "/api/v1/deployments/checkout/explain";

async fn explain(world: &World, environment: &str, more: &str) -> Answer {
    let path = format!("{PATH}?environment={}{more}", environment.replace('/', "%2F"));
    world.admin("GET", &path, world.site.token("viewer"), "").await
}

fn key<'a>(explained: &'a Value, name: &str) -> &'a Value {
    explained["keys"].as_array().unwrap().iter().find(|key| key["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_names_the_layer_of_each_value_and_what_it_overrode() {
    let world = World::start().await;
    let explained = explain(&world, "production", "").await.json();
    let layers = |name: &str| {
        let overrides = key(&explained, name)["overrides"].as_array().unwrap().clone();
        let overrides: Vec<_> =
            overrides.iter().map(|one| one["layer"].as_str().unwrap().to_owned()).collect();
        (key(&explained, name)["layer"].as_str().unwrap().to_owned(), overrides)
    };
    for (name, layer, overrode) in [
        ("TZ", "workspace", vec![]),
        ("LOG_LEVEL", "environment", vec!["workspace"]),
        ("PORT", "deployment", vec![]),
        ("WORKERS", "deployment-in-environment", vec!["deployment"]),
        ("DATABASE_URL", "deployment-in-environment", vec![]),
    ] {
        assert_eq!(
            layers(name),
            (layer.to_owned(), overrode.into_iter().map(str::to_owned).collect()),
            "{name}"
        );
    }
    let port = key(&explained, "PORT");
    assert_eq!((&port["required"], &port["description"]), (&true.into(), &"where the app listens".into()));
    // It tells of the same plan that boots are given.
    let boot = world.boot("production").await.json();
    for same in ["digest", "revision", "release", "workspace", "deployment", "environment", "warnings"] {
        assert_eq!(explained[same], boot[same], "{same}");
    }
    let injected = explained["keys"].as_array().unwrap().iter().filter(|key| key["injected"] == true);
    let injected: Vec<_> = injected.map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(injected, boot["env"].as_object().unwrap().keys().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_names_the_policy_that_decided_for_the_facts_that_are_told() {
    let world = World::start().await;
    let explained = explain(&world, "production", "&region=us-east-1").await.json();
    let read = key(&explained, "DATABASE_READ_URL");
    assert_eq!(
        (&read["decided_by"], &read["decision"]),
        (&"region-affinity".into(), &"bound by a policy".into())
    );
    let chosen: Vec<_> = read["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|candidate| candidate["chosen"] == true)
        .collect();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0]["labels"], json!({"role": "replica", "region": "us-east-1", "zone": "a"}));
    let omitted = key(&explained, "WAREHOUSE_TOKEN");
    assert_eq!((&omitted["decided_by"], &omitted["injected"]), (&"least-privilege".into(), &false.into()));
    assert_eq!(omitted["decision"], "left out by a policy");
    assert_eq!(key(&explained, "PORT")["decision"], "the plan's choice");
    let policies: Vec<_> =
        explained["policies"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(policies, ["region-affinity", "least-privilege", "rotation-canary"]);
    assert!(explained["policies"].as_array().unwrap().iter().all(|one| one["fuel"].as_u64() > Some(0)));
    let preview = explain(&world, "preview/pr-42", "").await.json();
    assert_eq!(key(&preview, "REDIS_URL")["decided_by"], "preview-isolation");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_never_shows_a_secret_and_a_plain_value_only_in_part() {
    let world = World::start().await;
    for environment in ["production", "staging", "preview/pr-42"] {
        let given = world.environment(environment).await;
        for token in ["viewer", "developer", "releaser", "admin"] {
            let path = format!("{PATH}?environment={}", environment.replace('/', "%2F"));
            let answer = world.admin("GET", &path, world.site.token(token), "").await;
            for mark in ["demo-", "demo/", "demo%2F", "postgres://", "rediss://"] {
                assert!(!answer.text().contains(mark), "{mark} in {}", answer.text());
            }
            for key in answer.json()["keys"].as_array().unwrap() {
                let name = key["name"].as_str().unwrap();
                match (key["secret"] == true, key["value"].as_str()) {
                    (true, shown) => assert_eq!(shown, Some("••••"), "{name}"),
                    (false, None) => assert!(!given.contains_key(name), "{name}"),
                    (false, Some(shown)) => {
                        let part = shown.trim_end_matches('…');
                        assert!(given[name].starts_with(part), "{name}: {shown}");
                        assert!(part.len() <= 4 && part.len() * 4 <= given[name].len(), "{name}: {shown}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_for_one_key_and_not_for_one_that_is_none() {
    let world = World::start().await;
    let one = explain(&world, "staging", "&key=LOG_LEVEL").await;
    let keys = one.json()["keys"].clone();
    assert_eq!((keys.as_array().unwrap().len(), &keys[0]["name"]), (1, &"LOG_LEVEL".into()));
    assert_eq!(one.header("bootlace-revision"), "1");
    for (path, status) in [
        (format!("{PATH}?environment=staging&key=NOPE"), 404),
        (format!("{PATH}?environment=nowhere"), 404),
        (format!("{PATH}?environment=development"), 404),
        ("/api/v1/deployments/nowhere/explain?environment=staging".to_owned(), 404),
        (PATH.to_owned(), 400),
        (format!("{PATH}?environment=staging&nope=1"), 400),
        (format!("{PATH}?environment=staging&environment=staging"), 400),
    ] {
        assert_eq!(world.admin("GET", &path, world.site.token("viewer"), "").await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_explains_a_boot_that_is_refused() {
    let mut site = Site::starter();
    site.write("policies/hostile.wasm", guest("hostile"));
    let hostile = "\n[policies.hostile]\ncomponent = \"policies/hostile.wasm\"\n[[attachments]]\npolicy = \"hostile\"\n\
                   environment = \"staging\"\nsettings = { mode = \"omit-all\" }\n";
    let policies = format!("{}{hostile}", site.file("policies.toml"));
    site.write("policies.toml", policies);
    site.change_toml("deployments/checkout.toml", |file| {
        file["environments"]["preview/pr-42"]["required"] = toml_edit::Array::from_iter(["REDIS_URL"]).into();
    });
    let world = World::with(site).await;
    let denied = explain(&world, "preview/pr-42", "").await.json();
    assert_eq!(denied["denial"]["policy"], "preview-isolation");
    assert_eq!(denied["denial"]["violations"][0]["code"], "foreign-owner");
    let missing = explain(&world, "staging", "").await.json();
    assert_eq!(missing["missing"], world.boot("staging").await.json()["keys"]);
    assert_eq!(missing["missing"].as_array().unwrap().len(), 5);
    assert_eq!(missing["denial"], Value::Null);
}
