//! Intervals: a secret says after how many days it is to be rotated, and whoever asks is reminded. Nothing is
//! refused for it, and no host is less ready.

use bootlace::id::{Revision, UnixSeconds};
use serde_json::{Value, json};

use crate::world::{NOON, Site, World};

const ENV: &str = "/deployments/checkout/env";
const DAY: i64 = 86_400;

impl World {
    async fn post(&self, who: &str, body: Value) -> (u16, String) {
        let answer = self.by(who, "POST", ENV, body).await;
        (answer.status, answer.text().to_owned())
    }

    pub(crate) async fn rotations(&self, query: &str) -> Value {
        self.by("viewer", "GET", &format!("/rotations?{query}"), Value::Null).await.ok().json()["rotations"]
            .clone()
    }

    async fn entry(&self, name: &str) -> Value {
        let listed = self.by("viewer", "GET", &format!("{ENV}?environment=staging"), Value::Null).await.ok();
        let all = listed.json()["variables"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["name"] == name).unwrap()
    }

    pub(crate) async fn due_by_metric(&self) -> String {
        let text = self.admin("GET", "/metrics", &self.operator, "").await.ok().text().to_owned();
        let line = text.lines().find(|line| line.starts_with("bootlace_rotations_due{")).unwrap();
        line.to_owned()
    }
}

fn secret(more: Value) -> Value {
    let mut body = json!({ "environment": "staging", "name": "SIGNING_KEY" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn row_17_a_secret_is_due_when_its_interval_is_over_and_not_when_it_was_rotated() {
    let world = World::with(Site::small(0)).await;
    let first =
        secret(json!({ "value": "v1", "is_secret": true, "description": "signs", "rotate_every": 1 }));
    assert_eq!(world.post("developer", first).await.0, 200);
    let entry = world.entry("SIGNING_KEY").await;
    let due = json!("2026-11-23T12:00:00Z");
    assert_eq!((&entry["rotate_every"], &entry["rotation_due"]), (&json!(1), &due), "{entry}");
    assert_eq!(world.entry("DB_PASSWORD").await.get("rotate_every"), None);
    assert_eq!(world.rotations("due=true").await, json!([]));
    assert_eq!(world.due_by_metric().await, "bootlace_rotations_due{workspace=\"acme\"} 0");
    let ready = world.get_admin("/readyz").await;

    world.clock.advance(UnixSeconds(NOON.0 + DAY));
    let world = world.restart().await;
    let told = world.rotations("due=true&deployment=checkout&environment=staging").await;
    let expected = json!([{ "kind": "variable", "name": "SIGNING_KEY", "layer": "deployment-in-environment", "deployment": "checkout",
        "environment": "staging", "owner": "api", "version": 1, "set": "2026-11-22T12:00:00Z", "rotate_every": 1,
        "rotation_due": due, "due": true, "live": [1], "held": [] }]);
    assert_eq!(told, expected);
    assert_eq!(world.due_by_metric().await, "bootlace_rotations_due{workspace=\"acme\"} 1");
    assert_eq!(world.get_admin("/readyz").await.status, ready.status, "a reminder keeps nobody from booting");
    assert_eq!(world.rotations("environment=production").await, json!([]));
    let command = world.administered(&["rotate", "--due"], None);
    let output = crate::world::blocking(|| crate::world::program::finish(command)).await;
    let said = String::from_utf8(output.stdout).unwrap();
    let row =
        "SIGNING_KEY\tcheckout\tstaging\t1\t2026-11-22T12:00:00Z\t1 d\t2026-11-23T12:00:00Z\t1\t\tapi\n";
    assert!(said.ends_with(row), "{said}");

    // While it is being rotated, it is told who holds what; its time begins anew with the new version.
    let held = world.supervised("web-1").await;
    world.rotate("v2").await;
    let told = world.rotations("").await;
    assert_eq!(
        (&told[0]["due"], &told[0]["live"], &told[0]["version"]),
        (&json!(false), &json!([1, 2]), &json!(2))
    );
    let old = &told[0]["held"][0];
    assert_eq!(
        (&old["version"], &old["leases"], &old["holders"][0]["lease"], &old["holders"][0]["instance"]),
        (&json!(1), &json!(1), &json!(held.lease), &json!("web-1"))
    );
    assert_eq!(world.rotations("due=true").await, json!([]));
    let path = format!("{ENV}/SIGNING_KEY/versions?environment=staging");
    let versions = world.by("viewer", "GET", &path, Value::Null).await.ok().json();
    assert_eq!(versions["rotation_due"], "2026-11-24T12:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_is_said_by_itself_and_of_secrets_alone() {
    let world = World::with(Site::small(0)).await;
    let set = secret(json!({ "value": "v1", "is_secret": true, "description": "signs" }));
    assert_eq!(world.post("developer", set).await.0, 200);
    assert_eq!(world.rotations("").await, json!([]));
    let digest = world.boot("staging").await.json()["digest"].clone();
    let command = world
        .administered(&["rotate", "-d", "checkout", "-e", "staging", "SIGNING_KEY", "--every", "90d"], None);
    let output = crate::world::blocking(|| crate::world::program::finish(command)).await;
    assert!(output.status.success(), "{output:?}");
    let told = world.rotations("").await;
    assert_eq!((&told[0]["rotate_every"], &told[0]["version"]), (&json!(90), &json!(1)), "no new version");
    assert_eq!(world.boot("staging").await.json()["digest"], digest, "and no other plan");
    for (body, status, expected) in [
        (json!({ "rotate_every": 0 }), 422, "1 to 3650 days"),
        (json!({ "rotate_every": 3651 }), 422, "1 to 3650 days"),
        (json!({ "rotate_every": "90d" }), 400, "rotate_every"),
        (json!({ "rotate_every": 90, "keep": true }), 422, "send it with them"),
        (json!({ "rotate_every": 90, "name": "FLAG" }), 409, "owned-by-directory"),
        (json!({ "rotate_every": 90, "name": "NOT_THERE" }), 404, "not-found"),
        (json!({ "rotate_every": 90, "name": "PLAIN", "value": "v" }), 422, "only a secret is rotated"),
    ] {
        let (found, text) = world.post("developer", secret(body.clone())).await;
        assert!(found == status && text.contains(expected), "{body}: {found} {text}");
    }
    assert_eq!(world.post("viewer", secret(json!({ "rotate_every": 1 }))).await.0, 403);
    for wrong in ["environment=nowhere", "deployment=nowhere", "deployment=checkout&environment=development"]
    {
        let answer = world.by("viewer", "GET", &format!("/rotations?{wrong}"), Value::Null).await;
        assert_eq!(answer.status, 404, "{wrong}");
    }
    assert_eq!(world.by("viewer", "GET", "/rotations?due=soon", Value::Null).await.status, 400);
    world.var("set", &["SIGNING_KEY", "--rotate-every", "30d"], "v2").await;
    let said = world.var("versions", &["SIGNING_KEY"], "").await;
    assert!(said.contains("to be rotated by 2026-12-22T12:00:00Z"), "{said}");
    assert_eq!(world.post("developer", secret(json!({ "rotate_every": null }))).await.0, 200);
    assert_eq!(world.rotations("").await, json!([]));
}

/// A directory whose `DB_PASSWORD` in staging says this, too.
fn says(mut site: Site, interval: &str) -> Site {
    let text = site.file("deployments/checkout.toml");
    let (before, staging) = text.split_at(text.find("[environments.staging.variables]").unwrap());
    let said = staging.replacen("as in the URL\"", &format!("as in the URL\"{interval}"), 1);
    let edited = format!("{before}{said}");
    site.write("deployments/checkout.toml", edited);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_says_how_often_its_secrets_are_rotated() {
    let mut world = World::with(Site::small(0)).await;
    let (none, before) = (world.rotations("").await, world.boot("staging").await);
    assert_eq!(none, json!([]));
    // The day begins twelve hours before noon.
    world.site = says(world.site, ", rotate-every = \"1d\", rotated = 2026-11-22");
    let bundle = world.site.bundle(Revision(1));
    world.push(&bundle, 1).await.ok();
    let after = world.boot("staging").await;
    assert_eq!(
        (after.json()["digest"].clone(), after.header("etag")),
        (before.json()["digest"].clone(), before.header("etag"))
    );
    let entry = world.entry("DB_PASSWORD").await;
    let due = json!("2026-11-23T00:00:00Z");
    assert_eq!(
        (&entry["rotate_every"], &entry["rotation_due"], &entry["owner"]),
        (&json!(1), &due, &json!("directory"))
    );
    assert_eq!(world.rotations("due=true").await, json!([]));
    assert_eq!(world.due_by_metric().await, "bootlace_rotations_due{workspace=\"acme\"} 0");
    let told = world
        .by("viewer", "GET", "/deployments/checkout/diff?environment=staging&from=1&to=2", Value::Null)
        .await;
    assert_eq!(told.ok().json()["keys"][0]["differs"], json!(["rotate_every"]));

    world.clock.advance(UnixSeconds(NOON.0 + DAY / 2 - 1));
    assert_eq!(world.rotations("due=true").await, json!([]), "a second before");
    world.clock.advance(UnixSeconds(NOON.0 + DAY / 2));
    let world = world.restart().await;
    let expected = json!([{ "kind": "variable", "name": "DB_PASSWORD", "layer": "deployment-in-environment", "deployment": "checkout",
        "environment": "staging", "owner": "directory", "version": 1, "set": "2026-11-22T00:00:00Z", "rotate_every": 1,
        "rotation_due": due, "due": true, "live": [1], "held": [] }]);
    assert_eq!(world.rotations("due=true&deployment=checkout&environment=staging").await, expected);
    assert_eq!(world.rotations("environment=production").await, json!([]));
    assert_eq!(world.due_by_metric().await, "bootlace_rotations_due{workspace=\"acme\"} 1");
    assert_eq!(world.boot("staging").await.status, 200, "a reminder keeps nobody from booting");
    let path = format!("{ENV}/DB_PASSWORD/versions?environment=staging");
    assert_eq!(world.by("viewer", "GET", &path, Value::Null).await.ok().json()["rotation_due"], due);
    let status = world.administered(&["status", "-d", "checkout"], None);
    let output = crate::world::blocking(|| crate::world::program::finish(status)).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("DB_PASSWORD is to be rotated in the directory since 2026-11-23T00:00:00Z"),
        "{said}"
    );
    let every = ["rotate", "-d", "checkout", "-e", "staging", "DB_PASSWORD", "--every", "90d"];
    let command = world.administered(&every, None);
    let output = crate::world::blocking(|| crate::world::program::finish(command)).await;
    assert_eq!(output.status.code(), Some(1), "what the directory says is changed there: {output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_of_other_environments_are_not_a_tokens_to_see() {
    let world = World::with(says(Site::small(0), ", rotate-every = \"1d\", rotated = 2026-01-01")).await;
    for (environment, seen) in [("staging", 1), ("production", 0)] {
        let wanted =
            json!({ "kind": "tenant", "role": "viewer", "principal": "eve", "environments": [environment] });
        let minted = world.by("admin", "POST", "/tokens", wanted).await.json();
        let token = minted["token"].as_str().unwrap();
        let listed = world.admin("GET", "/api/v1/rotations", token, "").await.ok().json();
        assert_eq!(listed["rotations"].as_array().unwrap().len(), seen, "{environment}");
    }
}
