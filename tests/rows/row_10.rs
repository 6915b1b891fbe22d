//! Releases: registered once and for good, one active in each (deployment, environment), activated by
//! themselves where the environment says so.

use bootlace::id::Revision;
use serde_json::{Value, json};

use super::APP;
use crate::world::{Site, World};

const RELEASES: &str = "/deployments/checkout/releases";

async fn registered(world: &World, who: &str, body: Value) -> (u16, Value) {
    let answer = world.by(who, "POST", RELEASES, body).await;
    (answer.status, answer.json())
}

async fn active(world: &World, environment: &str) -> Value {
    let path = format!("/deployments/checkout/activations?environment={environment}");
    world.by("viewer", "GET", &path, Value::Null).await.json()["activations"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_10_a_release_is_registered_once_and_runs_at_once_where_that_is_automatic() {
    let world = World::start().await;
    let wanted = json!({ "digest": "sha256:aa", "labels": {"commit": "4f1"}, "keys": ["LOG_LEVEL"] });
    let (status, told) = registered(&world, "developer", wanted.clone()).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!((&told["release"]["number"], &told["existed"]), (&json!(20), &json!(false)));
    assert_eq!((&told["activated"], &told["not_activated"]), (&json!(["preview/pr-42"]), &json!([])));
    assert_eq!(world.boot("preview/pr-42").await.json()["release"], 20);
    assert_eq!(world.boot("staging").await.json()["release"], 18, "manual");
    assert_eq!(world.boot("production").await.json()["release"], 17, "with approval");
    let why = active(&world, "preview%2Fpr-42").await;
    assert_eq!(
        (&why["release"], &why["why"], &why["revision"]),
        (&json!(20), &json!("registered"), &json!(2))
    );

    // The same again is the same, and another content under its number is another release.
    let mut same = wanted.clone();
    same["number"] = json!(20);
    let (status, told) = registered(&world, "developer", same.clone()).await;
    assert_eq!((status, &told["existed"], &told["revision"]), (200, &json!(true), &json!(2)));
    for (key, other) in [("digest", json!("sha256:bb")), ("labels", json!({})), ("keys", json!([]))] {
        let mut other_content = same.clone();
        other_content[key] = other;
        let (status, told) = registered(&world, "developer", other_content).await;
        assert_eq!((status, &told["code"]), (409, &json!("conflict")), "{told}");
    }
    let directory = registered(&world, "developer", json!({ "number": 18, "digest": "sha256:other" })).await;
    assert_eq!(directory.0, 409, "{}", directory.1);
    assert_eq!(registered(&world, "viewer", wanted).await.0, 403);
    for wrong in [
        json!({}),
        json!({"digest": ""}),
        json!({"digest": "x", "number": 0}),
        json!({"digest": "x", "number": 1_u64 << 53}),
        json!({"digest": "x", "number": u64::MAX}),
        json!({"digest": "x", "keys": ["a b"]}),
    ] {
        assert!([400, 422].contains(&registered(&world, "developer", wrong.clone()).await.0), "{wrong}");
    }

    // What is registered is there after a restart and a push that does not name it.
    let listed = world.by("viewer", "GET", RELEASES, Value::Null).await.json();
    assert_eq!(
        (&listed["releases"][0]["number"], &listed["releases"][0]["active_in"]),
        (&json!(20), &json!(["preview/pr-42"]))
    );
    let world = world.restart().await;
    assert_eq!(world.by("viewer", "GET", RELEASES, Value::Null).await.json(), listed);
    let pushed = world.push(&world.site.bundle(Revision(2)), 2).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    assert_eq!(world.boot("preview/pr-42").await.json()["release"], 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_10_a_release_does_not_run_where_a_key_that_it_reads_is_not_set() {
    let world = World::start().await;
    let (status, told) =
        registered(&world, "developer", json!({ "digest": "sha256:aa", "keys": ["NOT_YET"] })).await;
    assert_eq!((status, &told["activated"]), (200, &json!([])), "{told}");
    let reason = told["not_activated"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("NOT_YET declared by the release and not set"), "{reason}");
    assert_eq!(world.boot("preview/pr-42").await.json()["release"], 19);
    let set = json!({ "environment": "preview/pr-42", "name": "NOT_YET", "value": "now" });
    assert_eq!(world.by("developer", "POST", "/deployments/checkout/env", set).await.status, 200);
    let (_, told) =
        registered(&world, "developer", json!({ "digest": "sha256:ab", "keys": ["NOT_YET"] })).await;
    assert_eq!(told["activated"], json!(["preview/pr-42"]), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_10_what_a_directory_names_anew_runs_where_its_trigger_is_automatic() {
    let mut site = Site::starter();
    site.trigger("staging", "automatic");
    let mut world = World::with(site).await;
    let staging = world.by("viewer", "GET", "/environments/staging", Value::Null).await.json();
    assert_eq!(staging["trigger"], "automatic");
    world.site.change_toml(APP, |file| {
        let releases = file["releases"].as_array_of_tables_mut().unwrap();
        let mut next = releases.get(0).unwrap().clone();
        next["number"] = toml_edit::value(21);
        releases.push(next);
    });
    let pushed = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!((pushed.status, pushed.json()["revision"].clone()), (200, json!(3)), "{}", pushed.text());
    for (environment, release) in [("preview/pr-42", 21), ("staging", 21), ("production", 17)] {
        assert_eq!(world.boot(environment).await.json()["release"], release, "{environment}");
    }
    assert_eq!(active(&world, "staging").await["why"], "push");
    // Numbers stay what they are, for directories, too.
    let change = |file: &mut toml_edit::DocumentMut| {
        let releases = file["releases"].as_array_of_tables_mut().unwrap();
        let last = releases.iter_mut().find(|one| one["number"].as_integer() == Some(21)).unwrap();
        last["digest"] = toml_edit::value("sha256:other");
    };
    world.site.change_toml(APP, change);
    let refused = world.push(&world.site.bundle(Revision(3)), 3).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(
        refused.text().contains("release 21 of checkout is registered with another content"),
        "{}",
        refused.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_10_a_release_moves_along_the_chain_by_hand_into_staging_and_with_approval_into_production() {
    const PROMOTIONS: &str = "/deployments/checkout/promotions";
    let world = World::start().await;
    let promote = async |body: Value| world.by("releaser", "POST", PROMOTIONS, body).await;
    let by_hand = promote(json!({ "to": "staging", "release": 19 })).await.done();
    assert_eq!(by_hand.json()["status"], "done", "{}", by_hand.text());
    assert_eq!(world.boot("staging").await.json()["release"], 19);
    // Only what promotes there, and only what runs in that.
    for (wanted, why) in [
        (
            json!({ "from": "preview/pr-42", "to": "production" }),
            "preview/pr-42 does not promote to production",
        ),
        (json!({ "to": "production", "release": 18 }), "release 18 is not active in staging"),
    ] {
        let denied = promote(wanted).await;
        assert_eq!((denied.status, denied.text().contains(why)), (403, true), "{}", denied.text());
    }
    let waits = promote(json!({ "to": "production" })).await;
    assert_eq!((waits.status, &waits.json()["status"]), (202, &json!("deferred")), "{}", waits.text());
    assert_eq!(world.boot("production").await.json()["release"], 17);
    let id = waits.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{PROMOTIONS}/{id}/approvals");
    let approved = world.by("admin", "POST", &path, Value::Null).await.done();
    assert_eq!(approved.json()["status"], "done", "{}", approved.text());
    assert_eq!(world.boot("production").await.json()["release"], 19);
    let why = active(&world, "production").await;
    assert_eq!((&why["release"], &why["why"]), (&json!(19), &json!(format!("promotion {id}"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_10_who_may_not_release_somewhere_registers_and_activates_nothing_there() {
    let mut site = Site::starter();
    let protected = "trigger = \"automatic\"\nprotected = true\ntype = ";
    site.edit("environments/staging.toml", "type = ", protected);
    let world = World::with(site).await;
    let digest = |name: &str| json!({ "digest": name });
    let (status, told) = registered(&world, "developer", digest("sha256:aa")).await;
    assert_eq!((status, &told["activated"]), (200, &json!(["preview/pr-42"])), "{told}");
    let [unfit] = &told["not_activated"].as_array().unwrap()[..] else { panic!("{told}") };
    let reason = unfit["reason"].as_str().unwrap();
    assert_eq!(unfit["environment"], "staging");
    assert!(reason.contains("is protected; ask somebody with the role releaser"), "{reason}");
    assert_eq!(world.boot("staging").await.json()["release"], 18);
    let (_, told) = registered(&world, "releaser", digest("sha256:ab")).await;
    assert_eq!(told["activated"], json!(["preview/pr-42", "staging"]), "{told}");

    // Of what somebody does not see nothing happens, and nothing is told.
    let limited =
        json!({ "kind": "tenant", "principal": "ada", "role": "releaser", "environments": ["staging"] });
    let limited = world.by("admin", "POST", "/tokens", limited).await.json();
    let path = format!("/api/v1{RELEASES}");
    let told = world
        .admin("POST", &path, limited["token"].as_str().unwrap(), digest("sha256:ac").to_string())
        .await
        .done()
        .json();
    assert_eq!((&told["activated"], &told["not_activated"]), (&json!(["staging"]), &json!([])), "{told}");
    assert!(!told.to_string().contains("preview"), "{told}");
    assert_eq!(world.boot("preview/pr-42").await.json()["release"], 21);
}
