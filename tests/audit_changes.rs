//! Changes by API are found in the audit log by the keys and environments that they are about, and shown
//! to a token that sees some environments only where they are about those alone.

use std::sync::Arc;

use bootlace::{
    host::{Author, MintRequest},
    model::{Role, Scope},
};
use serde_json::{Value, json};

use crate::world::{Site, World, blocking};

const ENV: &str = "/api/v1/deployments/checkout/env";

async fn found(world: &World, token: &str, query: &str) -> Vec<Value> {
    let answer = world.admin("GET", &format!("/api/v1/audit?kind=change&{query}"), token, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["details"]["set"].clone())
        .collect()
}

async fn limited(world: &World, environment: &str) -> String {
    let scope = Scope::Tenant {
        workspace: "acme".parse().unwrap(),
        role: Role::Viewer,
        environments: [environment.parse().unwrap()].into(),
    };
    let host = Arc::clone(&world.host);
    let request = MintRequest { scope, principal: "limited".into(), expires_in: None };
    blocking(move || host.mint(&Author::process("the tests"), request).unwrap())
        .await
        .token
        .expose()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_api_is_found_by_what_it_is_about_and_shown_to_those_who_see_all_of_it() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    for body in [
        json!({ "environment": "staging", "name": "HERE", "value": "x" }),
        json!({ "environment": "production", "name": "THERE", "value": "x" }),
        json!({ "name": "BASE", "value": "x" }),
        json!([{ "environment": "staging", "name": "BOTH", "value": "x" },
               { "environment": "production", "name": "BOTH", "value": "x" }]),
    ] {
        assert_eq!(world.admin("POST", ENV, admin, body.to_string()).await.status, 200);
    }
    // What was refused is about something, too.
    let owned = json!({ "environment": "staging", "name": "DB_USER", "value": "x" });
    assert_eq!(world.admin("POST", ENV, admin, owned.to_string()).await.status, 409);

    let here = json!(["HERE of checkout in staging"]);
    let there = json!(["THERE of checkout in production"]);
    let base = json!(["BASE of checkout"]);
    let both = json!(["BOTH of checkout in staging", "BOTH of checkout in production"]);
    let refused = json!(["DB_USER of checkout in staging"]);
    for (query, expected) in [
        ("key=HERE", vec![&here]),
        ("key=BOTH", vec![&both]),
        ("key=DB_USER", vec![&refused]),
        ("environment=staging", vec![&refused, &both, &base, &here]),
        ("environment=production&key=THERE", vec![&there]),
        ("environment=production&key=HERE", vec![]),
        ("environment=development", vec![]),
    ] {
        assert_eq!(found(&world, admin, query).await.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let staging = limited(&world, "staging").await;
    assert_eq!(found(&world, &staging, "").await, [refused, here]);
    assert_eq!(found(&world, &staging, "key=BASE").await, [] as [Value; 0], "it is production's as well");
    let production = limited(&world, "production").await;
    assert_eq!(found(&world, &production, "").await, [there]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_s_own_changes_are_shown_to_who_sees_it() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    let body = json!({ "name": "qa", "type": "test", "deployments": [] }).to_string();
    assert_eq!(world.admin("POST", "/api/v1/environments", admin, body).await.status, 200);
    let patched = world.admin("PATCH", "/api/v1/environments/qa", admin, r#"{"deprecated":true}"#).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    for token in [admin.to_owned(), limited(&world, "qa").await] {
        let path = "/api/v1/audit?kind=change&environment=qa";
        let records = world.admin("GET", path, &token, "").await.json()["records"].clone();
        let details: Vec<_> =
            records.as_array().unwrap().iter().map(|record| record["details"].clone()).collect();
        assert_eq!(details.len(), 2, "{details:#?}");
        assert_eq!(
            (&details[0]["patched"], &details[1]["created"]),
            (&json!(["environment qa"]), &json!(["environment qa"]))
        );
        assert_eq!(details[0]["environments"], json!(["qa"]));
    }
    assert_eq!(found(&world, &limited(&world, "staging").await, "").await, [] as [Value; 0]);
}
