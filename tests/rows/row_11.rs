//! Gates: the tenant's promotion policies wait for reported checks, for a soak and for an approval, and deny by
//! measures.

use std::sync::Arc;

use bootlace::id::UnixSeconds;
use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{NOON, Site, World, blocking},
};

const PROMOTIONS: &str = "/deployments/checkout/promotions";
const CHECKS: &str = "/deployments/checkout/checks";

async fn gated() -> World {
    let mut site = Site::starter();
    site.trigger("production", "manual");
    let settings = [("checks", "e2e"), ("soak", "30m"), ("thresholds", "error-rate<=0.01")];
    site.guard("production", &[("required-checks", &settings), ("four-eyes", &[])]);
    World::with(site).await
}

fn report(conclusion: &str, rate: f64) -> Value {
    let measures = json!([{ "name": "error-rate", "value": rate }]);
    json!({ "release": 18, "environment": "staging", "name": "e2e", "conclusion": conclusion, "measures": measures })
}

#[tokio::test(flavor = "multi_thread")]
async fn row_11_a_promotion_waits_for_checks_an_approval_and_its_soak_and_goes_on_by_itself() {
    let world = gated().await;
    let asked = world.by("releaser", "POST", PROMOTIONS, json!({ "to": "production" })).await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let waits = asked.json();
    assert!(
        waits["reasons"][0]["reason"].as_str().unwrap().contains("check e2e was not reported"),
        "{waits}"
    );
    assert_eq!(waits["reasons"][0]["policy"], "required-checks");
    assert_eq!(waits["required_approvals"], json!([{ "role": "releaser", "missing": 1 }]));
    let path = format!("{PROMOTIONS}/{}", waits["id"].as_str().unwrap());
    let approved = world.by("admin", "POST", &format!("{path}/approvals"), Value::Null).await;
    assert_eq!((approved.status, &approved.json()["required_approvals"]), (202, &json!([])));
    let reported = world.by("developer", "POST", CHECKS, report("success", 0.001)).await;
    assert_eq!(reported.status, 200, "{}", reported.text());
    let waits = world.by("viewer", "GET", &path, Value::Null).await.json();
    assert_eq!(
        (&waits["status"], &waits["retry_at"]),
        (&json!("deferred"), &json!("2026-11-22T12:30:00Z")),
        "{waits}"
    );
    for (minutes, status, release) in [(29, "deferred", 17), (30, "done", 18)] {
        world.clock.advance(UnixSeconds(NOON.0 + minutes * 60));
        let host = Arc::clone(&world.host);
        blocking(move || host.advance_promotions()).await;
        assert_eq!(world.by("viewer", "GET", &path, Value::Null).await.json()["status"], status);
        assert_eq!(world.boot("production").await.json()["release"], release);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_11_a_failed_check_or_a_measure_over_its_threshold_denies_and_says_so() {
    let world = gated().await;
    for (told, expected) in
        [(report("failure", 0.0), "check e2e failed"), (report("success", 0.5), "error-rate")]
    {
        assert_eq!(world.by("developer", "POST", CHECKS, told).await.status, 200);
        let denied = world.by("releaser", "POST", PROMOTIONS, json!({ "to": "production" })).await;
        assert_eq!((denied.status, denied.code().as_str()), (403, "policy-denied"), "{}", denied.text());
        assert!(denied.text().contains(expected), "{}", denied.text());
    }
    assert_eq!(world.boot("production").await.json()["release"], 17);
    let listed = world.by("viewer", "GET", CHECKS, Value::Null).await.json();
    assert_eq!(listed["checks"].as_array().unwrap().len(), 1, "the newer one took the place of the other");
    assert_eq!(
        (&listed["checks"][0]["conclusion"], &listed["checks"][0]["measures"][0]["value"]),
        (&json!("success"), &json!(0.5))
    );
    // Both are in the log, with who reported them.
    let told = records(world.data.path()).into_iter().filter(|one| one["kind"] == "check");
    let told: Vec<_> = told.map(|one| json!([one["principal"], one["details"]["conclusion"]])).collect();
    let who = "developer of the tests";
    assert_eq!(told, [json!([who, "failure"]), json!([who, "success"])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_11_checks_are_bounded_and_reported_by_who_may() {
    let world = gated().await;
    let of = |key: &str, value: Value| {
        let mut one = report("success", 0.1);
        one[key] = value;
        one
    };
    let many: Vec<_> = (0..33).map(|n| json!({ "name": format!("m{n}"), "value": n })).collect();
    for wrong in [
        of("name", json!("")),
        of("name", json!("x".repeat(129))),
        of("conclusion", json!("well")),
        of("release", json!(99)),
        of("measures", json!(many)),
        of("measures", json!([{ "name": "a", "value": 1 }, { "name": "a", "value": 2 }])),
    ] {
        assert_eq!(world.by("developer", "POST", CHECKS, wrong.clone()).await.status, 422, "{wrong}");
    }
    assert_eq!(world.by("viewer", "POST", CHECKS, report("success", 0.1)).await.status, 403);
    let production = of("environment", json!("production"));
    assert_eq!(world.by("developer", "POST", CHECKS, production.clone()).await.status, 403, "protected");
    assert_eq!(world.by("releaser", "POST", CHECKS, production).await.status, 200);
    for n in 0..100 {
        let answer = world.by("developer", "POST", CHECKS, of("name", json!(format!("c{n}")))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let refused = world.by("developer", "POST", CHECKS, report("success", 0.1)).await;
    assert!(refused.status == 422 && refused.text().contains("at most 100 checks"), "{}", refused.text());
}
