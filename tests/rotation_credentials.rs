//! Intervals of services' credentials: said by API or by a directory, they remind as those of secrets do.

use bootlace::id::{Revision, UnixSeconds};
use serde_json::{Value, json};

use crate::world::{NOON, Site, World, blocking, program::finish};

const DAY: i64 = 86_400;

impl World {
    async fn patch_queue(&self, staging: Value) -> (u16, String) {
        let body = json!({ "instances": { "staging": staging } });
        let answer = self.by("developer", "PATCH", "/services/queue", body).await;
        (answer.status, answer.text().to_owned())
    }

    async fn output_of(&self, arguments: &[&str]) -> (bool, String) {
        let command = self.administered(arguments, None);
        let output = blocking(|| finish(command)).await;
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.success(), said)
    }
}

/// A host where `queue` was made by API and comes to `checkout` in staging.
async fn with_queue(interval: Value) -> World {
    let world = World::with(Site::small(0)).await;
    let mut staging =
        json!({ "user": "q", "credential": "v1", "endpoints": [{ "host": "q", "port": 6379 }] });
    if !interval.is_null() {
        staging["rotate_every"] = interval;
    }
    let wanted = json!({ "name": "queue", "kind": "redis", "instances": { "staging": staging } });
    world.by("developer", "POST", "/services", wanted).await.ok();
    let bound =
        json!({ "environment": "staging", "name": "QUEUE_URL", "service": "queue", "description": "jobs" });
    world.by("developer", "POST", "/deployments/checkout/bindings", bound).await.ok();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_services_credential_is_due_and_its_time_begins_anew_with_the_next_one() {
    let world = with_queue(json!(1)).await;
    let digest = world.boot("staging").await.json()["digest"].clone();
    assert_eq!(world.rotations("due=true").await, json!([]));
    world.clock.advance(UnixSeconds(NOON.0 + DAY));
    let world = world.restart().await;
    let expected = json!([{ "kind": "credential", "name": "queue", "layer": "service", "deployment": null,
        "environment": "staging", "owner": "api", "version": 1, "set": "2026-11-22T12:00:00Z", "rotate_every": 1,
        "rotation_due": "2026-11-23T12:00:00Z", "due": true, "live": [1], "held": [],
        "injected": [{ "deployment": "checkout", "environment": "staging", "variable": "QUEUE_URL" }] }]);
    assert_eq!(world.rotations("due=true&deployment=checkout&environment=staging").await, expected);
    assert_eq!(world.rotations("environment=production").await, json!([]));
    assert_eq!(world.due_by_metric().await, "bootlace_rotations_due{workspace=\"acme\"} 1");
    let shown = world.by("viewer", "GET", "/services/queue", Value::Null).await.ok().json();
    assert_eq!(shown["instances"]["staging"]["rotation_due"], "2026-11-23T12:00:00Z");
    let (_, said) = world.output_of(&["status", "-d", "checkout"]).await;
    assert_eq!(
        said.matches("the credential of queue is to be rotated since 2026-11-23T12:00:00Z").count(),
        1,
        "{said}"
    );
    let (_, said) = world.output_of(&["rotate", "--due"]).await;
    assert!(said.contains("queue\t(service)\tstaging\t1\t"), "{said}");
    assert_eq!(world.boot("staging").await.json()["digest"], digest, "a reminder is in no plan");
    for environments in [json!(["production"]), json!(["staging"])] {
        let seen = usize::from(environments == json!(["staging"]));
        let wanted =
            json!({ "kind": "tenant", "role": "viewer", "principal": "eve", "environments": environments });
        let token = world.by("admin", "POST", "/tokens", wanted).await.json()["token"].clone();
        let listed = world.admin("GET", "/api/v1/rotations", token.as_str().unwrap(), "").await.ok().json();
        assert_eq!(listed["rotations"].as_array().unwrap().len(), seen, "{environments}");
    }

    // Another endpoint is no other credential; another password is.
    assert_eq!(world.patch_queue(json!({ "endpoints": [{ "host": "q2", "port": 6379 }] })).await.0, 200);
    assert_eq!(world.rotations("due=true").await.as_array().unwrap().len(), 1);
    assert_eq!(world.patch_queue(json!({ "credential": "v2" })).await.0, 200);
    assert_eq!(world.rotations("due=true").await, json!([]));
    assert_eq!(world.rotations("").await[0]["rotation_due"], "2026-11-24T12:00:00Z");
    assert_eq!(world.patch_queue(json!({ "credential": null })).await.0, 200);
    assert_eq!(world.rotations("").await, json!([]), "what is gone is not rotated");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interval_of_a_credential_is_said_later_and_counts_from_when_it_was_set() {
    let world = with_queue(Value::Null).await;
    assert_eq!(world.rotations("").await, json!([]));
    world.clock.advance(UnixSeconds(NOON.0 + DAY));
    let (done, said) =
        world.output_of(&["rotate", "--service", "queue", "-e", "staging", "--every", "90d"]).await;
    assert!(
        done && said.contains("the credential of queue in staging is to be rotated every 90 days"),
        "{said}"
    );
    let told = world.rotations("").await[0].clone();
    assert_eq!((&told["set"], &told["version"]), (&json!("2026-11-22T12:00:00Z"), &json!(1)));
    for (body, status, expected) in [
        (json!({ "rotate_every": 0 }), 422, "1 to 3650 days"),
        (json!({ "rotate_every": 3651 }), 422, "1 to 3650 days"),
        (json!({ "rotate_every": "90d" }), 400, "send instances"),
        (json!({ "rotate_every": 90, "credential": null }), 422, "nothing to rotate"),
    ] {
        let (found, text) = world.patch_queue(body.clone()).await;
        assert!(found == status && text.contains(expected), "{body}: {found} {text}");
    }
    let (done, said) =
        world.output_of(&["rotate", "--service", "queue", "-e", "staging", "--every", "never"]).await;
    assert!(done, "{said}");
    assert_eq!(world.rotations("").await, json!([]));
    let (done, said) =
        world.output_of(&["rotate", "--service", "orders-db", "-e", "staging", "--every", "9d"]).await;
    assert!(!done && said.contains("directory"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_says_how_often_a_services_credential_is_rotated() {
    let mut world = World::with(Site::small(0)).await;
    let file = "services/orders-db.toml";
    world.site.change_toml(file, |file| {
        let instance = &mut file["instances"]["staging"];
        let mut credential = toml_edit::InlineTable::new();
        credential.insert("secret", instance["credential"].as_str().unwrap().into());
        credential.insert("rotate-every", "30d".into());
        credential.insert("rotated", "2026-10-01".into());
        instance["credential"] = toml_edit::value(credential);
    });
    let bundle = world.site.bundle(Revision(1));
    world.push(&bundle, 1).await.ok();
    let world = world.restart().await;
    let told = world.rotations("due=true").await[0].clone();
    assert_eq!((&told["name"], &told["owner"]), (&json!("orders-db"), &json!("directory")));
    assert_eq!(told["rotation_due"], "2026-10-31T00:00:00Z");
    let (_, said) = world.output_of(&["status"]).await;
    let reminder = "the credential of orders-db is to be rotated in the directory since 2026-10-31T00:00:00Z";
    assert_eq!(said.matches(reminder).count(), 1, "{said}");
}
