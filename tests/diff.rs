//! `diff`: what two environments of a deployment differ in, or two revisions of one; never a secret.

use bootlace::{
    host::{Author, MintRequest},
    id::Revision,
    model::{Role, Scope},
};
use serde_json::{Value, json};

use crate::world::{Answer, Site, World, blocking};

const PATH: &str = "/api/v1/deployments/checkout/diff";

async fn diff(world: &World, query: &str) -> Answer {
    world.admin("GET", &format!("{PATH}?{query}"), world.site.token("viewer"), "").await
}

fn key<'a>(diff: &'a Value, name: &str) -> &'a Value {
    let found = diff["keys"].as_array().unwrap().iter().find(|key| key["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {diff:#}"))
}

fn names(diff: &Value) -> Vec<&str> {
    diff["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_are_told_apart_key_by_key_and_no_secret_is_told() {
    let mut site = Site::starter();
    site.set_plain("staging", "ONLY_HERE", "a staging value");
    // The very same secret in both: nobody is to learn that.
    site.set_secret("staging", "JWT_SIGNING_KEY", "one-and-the-same").set_secret(
        "production",
        "STRIPE_KEY",
        "one-and-the-same",
    );
    let world = World::with(site).await;
    let answer = diff(&world, "from=production&to=staging").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!((&told["same"], &told["from"]["revision"]), (&json!(false), &json!(1)));
    let log = key(&told, "LOG_LEVEL");
    assert_eq!(
        (&log["change"], &log["value"], &log["differs"]),
        (&json!("changed"), &json!("different"), &json!(["value"]))
    );
    assert_eq!((&log["from"]["value"], &log["to"]["value"]), (&json!("w…"), &json!("d…")));
    let only = key(&told, "ONLY_HERE");
    assert_eq!((&only["change"], &only["from"]), (&json!("added"), &Value::Null));
    assert_eq!(
        key(&diff(&world, "from=staging&to=production").await.json(), "ONLY_HERE")["change"],
        "removed"
    );
    assert!(!names(&told).contains(&"TZ"), "what is the same is left out");
    for one in told["keys"].as_array().unwrap() {
        let secret = [&one["from"], &one["to"]].into_iter().any(|side| side["secret"] == true);
        let compared = one["value"] == "same" || one["value"] == "different";
        assert!(!(secret && compared), "{one:#}");
        for side in [&one["from"], &one["to"]] {
            assert!(side["secret"] != true || side["value"] == "••••", "{one:#}");
        }
    }
    for mark in ["one-and-the-same", "demo-", "demo/", "demo%2F", "postgres://"] {
        assert!(!answer.text().contains(mark), "{mark} in {}", answer.text());
    }
    assert!(told["about"].as_array().unwrap().contains(&json!("policies")), "{told:#}");
    assert_eq!((&told["from"]["release"], &told["to"]["release"]), (&json!(17), &json!(18)));
    let same = diff(&world, "from=staging&to=staging").await.json();
    assert_eq!((&same["same"], &same["keys"], &same["about"]), (&json!(true), &json!([]), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_revisions_of_one_environment_are_told_apart_after_a_restart_too() {
    let mut world = World::start().await;
    let env = "/api/v1/deployments/checkout/env";
    let admin = world.site.token("admin").to_owned();
    let set = json!([
        { "environment": "staging", "name": "GREETING", "value": "good morning", "description": "of the page" },
        { "environment": "staging", "name": "PASSWORD", "value": "hunter2-hunter2", "is_secret": true, "description": "opens" },
    ]);
    assert_eq!(world.admin("POST", env, &admin, set.to_string()).await.status, 200);
    let again = json!([
        { "environment": "staging", "name": "GREETING", "value": "good evening" },
        { "environment": "staging", "name": "PASSWORD", "value": "hunter2-hunter2" },
    ]);
    assert_eq!(world.admin("POST", env, &admin, again.to_string()).await.status, 200);
    world.site.edit("policies.toml", "OTEL_EXPORTER_OTLP_ENDPOINT,TZ", "TZ");
    let pushed = world.push(&world.site.bundle(Revision(3)), 3).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let world = world.restart().await;

    let one = diff(&world, "environment=staging&from=1&to=2").await.json();
    assert_eq!(names(&one), ["GREETING", "PASSWORD"]);
    assert!(one["keys"].as_array().unwrap().iter().all(|key| key["change"] == "added"));
    let two = diff(&world, "environment=staging&from=2&to=3").await;
    let (text, two) = (two.text(), two.json());
    let greeting = key(&two, "GREETING");
    assert_eq!(
        (&greeting["value"], &greeting["differs"]),
        (&json!("different"), &json!(["value", "version", "candidates"]))
    );
    let password = key(&two, "PASSWORD");
    assert_eq!(
        (&password["value"], &password["differs"]),
        (&json!("not-compared"), &json!(["version", "candidates"]))
    );
    assert!(!text.contains("hunter2"), "{text}");
    let three = diff(&world, "environment=staging&from=3&to=4").await.json();
    assert_eq!((&three["keys"], &three["about"]), (&json!([]), &json!(["policies"])));
    assert_eq!(three["to"]["policies"][1]["settings"]["always"], "LOG_FORMAT,LOG_LEVEL,TZ");
    assert_eq!(diff(&world, "environment=production&from=2&to=3").await.json()["same"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_token_sees_is_compared_and_what_is_not_there_is_not() {
    let world = World::start().await;
    for (query, status) in [
        ("", 400),
        ("from=staging", 400),
        ("environment=staging&from=1", 400),
        ("environment=staging&from=x&to=1", 400),
        ("from=1&to=1", 404),
        ("from=staging&to=nowhere", 404),
        ("from=staging&to=development", 404),
        ("environment=nowhere&from=1&to=1", 404),
        ("environment=development&from=1&to=1", 404),
        ("environment=staging&from=1&to=2", 422),
    ] {
        assert_eq!(diff(&world, query).await.status, status, "{query}");
    }
    let scope = Scope::Tenant {
        workspace: "acme".parse().unwrap(),
        role: Role::Viewer,
        environments: ["staging".parse().unwrap()].into(),
    };
    let host = std::sync::Arc::clone(&world.host);
    let request = MintRequest { scope, principal: "limited".into(), expires_in: None };
    let limited = blocking(move || host.mint(&Author::process("the tests"), request).unwrap())
        .await
        .token
        .expose()
        .to_owned();
    for (query, status) in [
        ("from=staging&to=staging", 200),
        ("from=staging&to=production", 404),
        ("from=production&to=staging", 404),
        ("environment=staging&from=1&to=1", 200),
        ("environment=production&from=1&to=1", 404),
    ] {
        let answer = world.admin("GET", &format!("{PATH}?{query}"), &limited, "").await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_it_and_exits_as_it_was_asked_to() {
    let world = World::start().await;
    let viewer = world.site.token("viewer");
    let told = world.ok(viewer, "diff -d checkout production staging").await;
    assert!(
        told.lines()
            .next()
            .unwrap()
            .starts_with("checkout: production at revision 1 -> staging at revision 1"),
        "{told}"
    );
    assert!(
        told.contains("~\tLOG_LEVEL\tw… (environment, v1)\td… (environment, v1)\tdifferent\tvalue\n"),
        "{told}"
    );
    assert!(told.contains("not compared") && !told.contains("demo"), "{told}");
    assert_eq!(world.cli(viewer, "diff -d checkout production staging --exit-code").await.0, 1);
    assert_eq!(world.cli(viewer, "diff -d checkout staging staging --exit-code").await.0, 0);
    assert!(world.ok(viewer, "diff -d checkout -e staging 1 1").await.contains("no difference"));
    assert_eq!(world.json(viewer, "diff -d checkout production staging").await["same"], false);
}
