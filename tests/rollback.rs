//! A release is rolled back in one call, in one environment: what ran before runs again, and nothing else
//! changes.

use bootlace::{
    change::{Edit, Precondition},
    host::Author,
    state::Why,
};
use serde_json::{Value, json};

use crate::world::{World, blocking, pair::Pair};

const ROLLBACK: &str = "/deployments/checkout/rollback";

async fn activate(world: &World, environment: &str, release: u64) {
    let (host, environment) = (world.host.clone(), environment.parse().unwrap());
    let (workspace, deployment) = ("acme".parse().unwrap(), "checkout".parse().unwrap());
    let activated = blocking(move || {
        let why = Why::Promotion("p1".into());
        host.activate(&Author::process("ada"), &workspace, (&deployment, &environment), release, why)
    });
    activated.await.unwrap();
}

async fn runs(world: &World, environment: &str) -> (Value, Value) {
    let told = world.boot(environment).await.json();
    (told["release"].clone(), told["digest"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_before_runs_again_and_a_second_rollback_goes_on_behind_the_first() {
    let world = World::start().await;
    let others = (runs(&world, "staging").await, runs(&world, "preview/pr-42").await);
    let before = runs(&world, "production").await;
    activate(&world, "production", 18).await;
    let second = runs(&world, "production").await;
    activate(&world, "production", 19).await;

    let back = |activation: Value| json!({ "environment": "production", "activation": activation });
    let answer = world.by("releaser", "POST", ROLLBACK, back(Value::Null)).await;
    let told = answer.ok().json();
    assert_eq!((&told["from"], &told["to"], &told["activation"]), (&json!(19), &json!(18), &json!(2)));
    assert_eq!(runs(&world, "production").await, second, "the plan's digest is as it was, too");
    let printed = world.ok(world.site.token("releaser"), "rollback -d checkout -e production").await;
    assert!(printed.contains("checkout in production: back from release 18 to 17"), "{printed}");
    assert_eq!(runs(&world, "production").await, before);
    // There is nothing behind the first, and what was rolled back from is only gone back to by its number.
    let nothing = world.by("releaser", "POST", ROLLBACK, back(Value::Null)).await;
    assert_eq!((nothing.status, nothing.code()), (409, "conflict".into()));
    let forth = world.by("releaser", "POST", ROLLBACK, back(json!(3))).await.ok().json();
    assert_eq!((&forth["from"], &forth["to"]), (&json!(17), &json!(19)));

    assert_eq!((runs(&world, "staging").await, runs(&world, "preview/pr-42").await), others);
    let listed =
        world.by("viewer", "GET", "/deployments/checkout/activations?environment=production", Value::Null);
    let listed = listed.await.ok().json();
    let ran = listed["activations"].as_array().unwrap().iter();
    let ran: Vec<_> =
        ran.map(|one| (one["release"].as_u64().unwrap(), one["why"].as_str().unwrap())).collect();
    let expected = [
        (19, "rollback"),
        (17, "rollback"),
        (18, "rollback"),
        (19, "promotion p1"),
        (18, "promotion p1"),
        (17, "begun"),
    ];
    assert_eq!(ran, expected);
    assert_eq!(listed["activations"][0]["by"], "releaser of the tests");
    let audit = world.by("admin", "GET", "/audit?kind=activate&limit=1", Value::Null).await.json();
    let activated = &audit["records"][0]["details"]["activated"][0];
    assert_eq!(activated, "release 19 of checkout in production (rollback)", "{audit}");
    let world = world.restart().await;
    assert_eq!(runs(&world, "production").await.0, 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_changed_since_stay_as_they_are() {
    let world = World::start().await;
    activate(&world, "production", 18).await;
    let before = world.environment("production").await;
    let set = json!({ "environment": "production", "name": "SUPPORT_EMAIL", "value": "other@acme.example" });
    let path = "/deployments/checkout/env?confirm=production";
    assert_eq!(world.by("admin", "POST", path, set).await.status, 200);
    let back = world.by("releaser", "POST", ROLLBACK, json!({ "environment": "production" })).await.ok();
    assert_eq!(back.json()["to"], 17, "{}", back.text());
    let after = world.environment("production").await;
    assert_ne!(before["SUPPORT_EMAIL"], "other@acme.example");
    assert_eq!(after["SUPPORT_EMAIL"], "other@acme.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_release_there_rolls_nothing_back() {
    let pair = Pair::start().await;
    let world = &pair.world;
    activate(world, "production", 18).await;
    let before = runs(world, "production").await;
    let body = |activation: Value| json!({ "environment": "production", "activation": activation });
    let of_nowhere = json!({ "environment": "development" });
    let refused = [
        ("viewer", ROLLBACK, body(Value::Null), 403),
        ("developer", ROLLBACK, body(Value::Null), 403),
        ("acme staging releaser", ROLLBACK, body(Value::Null), 404),
        ("acme staging admin", ROLLBACK, body(Value::Null), 404),
        ("releaser", "/deployments/nothing/rollback", body(Value::Null), 404),
        ("releaser", ROLLBACK, of_nowhere, 404),
        ("releaser", ROLLBACK, body(json!(2)), 409),
        ("releaser", ROLLBACK, body(json!(7)), 409),
        ("releaser", ROLLBACK, body(json!("1")), 400),
        ("releaser", ROLLBACK, json!({ "environment": "production", "release": 17 }), 400),
        ("releaser", ROLLBACK, json!({ "environment": "preview/pr-42" }), 409),
    ];
    for (who, path, body, status) in refused {
        let answer = world.by(who, "POST", path, body.clone()).await;
        assert_eq!(answer.status, status, "{who} {path} {body}: {}", answer.text());
    }
    let other = world.admin(
        "POST",
        "/api/v1/deployments/checkout/rollback?workspace=acme",
        pair.twin.token("admin"),
        body(Value::Null).to_string(),
    );
    assert_eq!(other.await.status, 404);
    assert_eq!(runs(world, "production").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_activated_meanwhile_is_not_rolled_over() {
    let world = World::start().await;
    let (deployment, environment) = ("checkout".parse().unwrap(), "production".parse().unwrap());
    activate(&world, "production", 18).await;
    activate(&world, "production", 19).await;
    // What a rollback asks for that saw the second activation.
    let edits = move |number| {
        let (deployment, environment): (bootlace::id::DeploymentId, bootlace::id::EnvironmentName) =
            (Clone::clone(&deployment), Clone::clone(&environment));
        [
            Edit::ExpectActive { deployment: deployment.clone(), environment: environment.clone(), number },
            Edit::Activate { deployment, environment, release: 17, why: Why::Rollback, pin: None },
        ]
    };
    for (number, done) in [(2, false), (4, false), (3, true)] {
        let (host, edits) = (world.host.clone(), edits(number));
        let changed = blocking(move || {
            host.change(&Author::process("ada"), &"acme".parse().unwrap(), &edits, Precondition::Any)
        });
        let changed = changed.await;
        assert_eq!(changed.is_ok(), done, "{number}: {changed:?}");
        assert_eq!(runs(&world, "production").await.0, if done { 17 } else { 19 });
    }
}
