//! Values by API: set, unset, listed masked, with their versions; and what becomes of them when a
//! directory is pushed, when two write at once, and when the host is killed.

use std::{sync::Arc, time::Instant};

use bootlace::id::{Revision, Uid};
use serde_json::{Value, json};

use crate::audit::records;
use crate::world::{
    Answer, Site, World, blocking, http,
    program::{Premises, Program},
};

const ENV: &str = "/api/v1/deployments/checkout/env";

#[tokio::test(flavor = "multi_thread")]
async fn row_04_variables_and_secrets_per_environment_are_layered() {
    // No policy leaves anything out here.
    let world = World::with(Site::small(0)).await;
    let before = world.environment("staging").await;
    let set = world.set(json!({ "name": "PAGE_SIZE", "value": 20, "description": "of lists" })).await;
    assert_eq!((set.status, set.header("etag")), (200, "\"2\""), "{}", set.text());
    world.set(json!({ "environment": "staging", "name": "PAGE_SIZE", "value": "50" })).await.ok();
    world
        .set(json!({ "environment": "staging", "name": "SIGNING_KEY", "value": "s3cret staging key",
            "is_secret": true, "description": "signs" }))
        .await
        .ok();
    let staging = world.environment("staging").await;
    assert_eq!(
        (staging["PAGE_SIZE"].as_str(), staging["SIGNING_KEY"].as_str()),
        ("50", "s3cret staging key")
    );
    let production = world.environment("production").await;
    assert_eq!(production["PAGE_SIZE"], "20", "the base is everybody's, the override staging's alone");
    assert!(!production.contains_key("SIGNING_KEY"));
    assert_eq!(world.boot("staging").await.header("bootlace-revision"), "4");

    // One list is all or nothing.
    let many = json!([
        { "environment": "staging", "name": "ONE", "value": "1" },
        { "environment": "staging", "name": "TWO", "value": "1", "is_secret": true },
    ]);
    let refused = world.set(many).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "a secret has a description");
    assert_eq!(world.environment("staging").await, staging);

    // What a base holds is plain, and what is required cannot go.
    let base = json!({ "name": "SECRET", "value": "x", "is_secret": true, "description": "no" });
    assert_eq!(world.set(base).await.status, 422);

    let world = world.restart().await;
    assert_eq!(world.environment("staging").await, staging);
    for (name, environment) in
        [("PAGE_SIZE", "&environment=staging"), ("SIGNING_KEY", "&environment=staging"), ("PAGE_SIZE", "")]
    {
        world.unset(name, environment).await.ok();
    }
    assert_eq!(world.environment("staging").await, before);
    assert_eq!(world.unset("PAGE_SIZE", "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_05_lists_are_masked_and_a_plain_value_is_revealed_only_on_an_audited_request() {
    let world = World::start().await;
    let secret = "hunter2-hunter2-hunter2";
    let set = json!([
        { "environment": "staging", "name": "GREETING", "value": "good morning to all", "description": "of the page" },
        { "environment": "staging", "name": "PASSWORD", "value": secret, "is_secret": true, "description": "opens" },
    ]);
    world.set(set).await.ok();
    let list = world.env("?environment=staging").await.ok();
    let shown = |list: &Answer, name: &str| entry(list, name)["value"].clone();
    assert_eq!((shown(&list, "GREETING"), shown(&list, "PASSWORD")), (json!("good…"), json!("••••")));
    assert_eq!(entry(&list, "GREETING")["description"], "of the page");
    let revealed = world.env("?environment=staging&reveal=true").await.ok();
    assert_eq!(shown(&revealed, "GREETING"), "good morning to all");
    assert_eq!(shown(&revealed, "PASSWORD"), "••••", "a secret is shown to nobody");
    for answer in [&list, &revealed] {
        assert!(
            !answer.text().contains("hunter2") && !answer.text().contains("demo-staging"),
            "{}",
            answer.text()
        );
    }
    let viewer = world.site.token("viewer");
    let refused = world.admin("GET", &format!("{ENV}?environment=staging&reveal=true"), viewer, "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    let audit = records(world.data.path());
    let revealed = audit.iter().filter(|line| line["kind"] == "reveal").count();
    assert_eq!(revealed, 1, "{audit:#?}");
    assert!(
        audit
            .iter()
            .all(|line| !line.to_string().contains("hunter2") && !line.to_string().contains("good morning"))
    );
    let change = audit.iter().find(|line| line["kind"] == "change").unwrap();
    assert_eq!(
        change["details"]["set"],
        json!(["GREETING of checkout in staging", "PASSWORD of checkout in staging"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_told_and_counts_on_after_the_value_was_unset() {
    let world = World::start().await;
    let set = |value: &str| json!({ "environment": "staging", "name": "LIMIT", "value": value });
    for value in ["1", "2"] {
        world.set(set(value)).await.ok();
    }
    world.unset("LIMIT", "&environment=staging").await.ok();
    world.set(set("3")).await.ok();
    let path = format!("{ENV}/LIMIT/versions?environment=staging");
    let told = world.admin("GET", &path, world.site.token("viewer"), "").await.ok();
    let versions = told.json()["versions"].clone();
    let numbers: Vec<_> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["version"].clone(), one["current"].clone()))
        .collect();
    assert_eq!(numbers, [(json!(3), json!(true)), (json!(2), json!(false)), (json!(1), json!(false))]);
    assert_eq!(told.header("etag"), "\"5\"");
    assert_eq!(versions[0]["set"]["revision"], 5);
    let world = world.restart().await;
    let again = world.admin("GET", &path, world.site.token("viewer"), "").await.ok();
    assert_eq!(again.json(), told.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_of_one_value_one_is_told_of_the_other() {
    let world = Arc::new(World::with(Site::small(0)).await);
    let body =
        |value: &str| json!({ "environment": "staging", "name": "COUNTER", "value": value }).to_string();
    let send = |headers: Vec<(&'static str, String)>, value: &str| {
        let (world, body) = (Arc::clone(&world), body(value));
        async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let token = Some(world.site.token("developer"));
            http::request(world.admin_address(), "POST", ENV, token, &headers, body.into_bytes()).await
        }
    };
    let new = || vec![("if-none-match", "*".to_owned())];
    assert_eq!(send(new(), "0").await.status, 200);
    let late = send(new(), "0").await;
    assert_eq!((late.status, late.code().as_str(), &late.json()["revision"]), (409, "conflict", &json!(2)));

    // Each reads and adds one; who is told of another reads again. Meanwhile somebody sets other values.
    let mut writers = Vec::new();
    for _ in 0..4 {
        let world = Arc::clone(&world);
        writers.push(tokio::spawn(async move {
            for _ in 0..5 {
                loop {
                    let listed = world.env("?environment=staging&reveal=true").await.ok();
                    let counter = entry(&listed, "COUNTER");
                    let next = counter["value"].as_str().unwrap().parse::<u32>().unwrap() + 1;
                    let body =
                        json!({ "environment": "staging", "name": "COUNTER", "value": next }).to_string();
                    let headers = [("if-match", counter["etag"].as_str().unwrap())];
                    let token = Some(world.site.token("developer"));
                    let sent =
                        http::request(world.admin_address(), "POST", ENV, token, &headers, body.into_bytes());
                    match sent.await.status {
                        200 => break,
                        status => assert_eq!(status, 409),
                    }
                }
            }
        }));
    }
    for number in 0..10 {
        let other = json!({ "environment": "staging", "name": format!("OTHER_{number}"), "value": "x" });
        world.set(other).await.ok();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let staging = world.environment("staging").await;
    assert_eq!(staging["COUNTER"], "20", "no update is lost");
    assert_eq!(world.boot("staging").await.header("bootlace-revision"), "32", "revisions have no gaps");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_directory_owns_is_changed_there_and_what_it_does_not_name_stays() {
    let mut world = World::with(Site::small(0)).await;
    let owned = world.set(json!({ "environment": "staging", "name": "DATABASE_URL", "value": "x" })).await;
    assert_eq!((owned.status, owned.code().as_str()), (409, "owned-by-directory"), "{}", owned.text());
    let names = ["STAYS", "TAKEN_OVER"]
        .map(|name| json!({ "environment": "staging", "name": name, "value": "by api" }));
    world.set(json!(names)).await.ok();

    // The parent is the live revision, whoever made it.
    let bundle = world.site.bundle(Revision(1));
    let stale = world.push(&bundle, 1).await;
    assert_eq!((stale.status, &stale.json()["revision"]), (409, &json!(2)));
    world.site.set_plain("staging", "TAKEN_OVER", "by the directory");
    let pushed = world.push(&world.site.bundle(Revision(2)), 2).await.ok();
    assert!(
        pushed.json()["warnings"].to_string().contains("TAKEN_OVER of checkout in staging"),
        "{}",
        pushed.text()
    );
    let staging = world.environment("staging").await;
    assert_eq!((staging["STAYS"].as_str(), staging["TAKEN_OVER"].as_str()), ("by api", "by the directory"));

    // What was taken over does not come back when the directory names it no more.
    let mut world = world.restart().await;
    let owned = world.set(json!({ "environment": "staging", "name": "TAKEN_OVER", "value": "x" })).await;
    assert_eq!(owned.code(), "owned-by-directory");
    world.site.change_toml("deployments/checkout.toml", |file| {
        let variables = &mut file["environments"]["staging"]["variables"];
        assert!(variables.as_table_like_mut().unwrap().remove("TAKEN_OVER").is_some());
    });
    world.push(&world.site.bundle(Revision(3)), 3).await.ok();
    let world = world.restart().await;
    let staging = world.environment("staging").await;
    assert!(staging.contains_key("STAYS") && !staging.contains_key("TAKEN_OVER"), "{staging:?}");

    // Going back to an older push leaves what was made by API as it is.
    let path = "/api/v1/snapshot/rollback?workspace=acme";
    let headers = [("if-match", "\"4\"")];
    let body = br#"{"revision":1}"#.to_vec();
    let back =
        http::request(world.admin_address(), "POST", path, Some(&world.operator), &headers, body).await.ok();
    assert_eq!(back.json()["revision"], 5);
    assert_eq!(world.environment("staging").await, staging);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_goes_with_the_deployment_that_it_was_sealed_for() {
    let mut world = World::with(Site::small(0)).await;
    world.set(json!({ "environment": "staging", "name": "OF_THE_OLD_ONE", "value": "x" })).await.ok();
    world.site.ids.checkout = Uid([7; 16]);
    world.site.tell(1);
    let pushed = world.push(&world.site.bundle(Revision(2)), 2).await.ok();
    assert!(pushed.json()["warnings"].to_string().contains("OF_THE_OLD_ONE"), "{}", pushed.text());
    let recreated = world.environment("staging").await;
    assert!(!recreated.contains_key("OF_THE_OLD_ONE"), "another deployment of the same name");
    let world = world.restart().await;
    assert_eq!(world.environment("staging").await, recreated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_value_survives_a_kill() {
    let site = Site::small(0);
    let premises = Premises::new(&site);
    let start = || {
        let command = premises.command(&[]);
        blocking(|| Program::start(command))
    };
    let host = start().await;
    let operator = premises.operator();
    let token = host.mint("staging", &operator).await;
    let pushed = host.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let mut acknowledged = 1_u64;
    let began = Instant::now();
    let first = json!({ "environment": "staging", "name": "COUNTER", "value": 1 }).to_string();
    let path = format!("{ENV}?workspace=acme");
    let first = http::request(host.admin, "POST", &path, Some(&operator), &[], first.into_bytes()).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let change = began.elapsed();
    host.kill();
    for kill in 0..20_u32 {
        let host = start().await;
        let booted = host.get("/v1/boot", Some(&token)).await.ok();
        let found = booted.environment().get("COUNTER").map_or(0, |text| text.parse().unwrap());
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "{acknowledged} acknowledged, {found} found"
        );
        assert_eq!(booted.json()["revision"], 1 + found, "no revision is lost or made twice");
        assert_eq!(host.get("/readyz", None).await.text(), "ready\n");
        acknowledged = found;
        let (admin, operator) = (host.admin, operator.clone());
        let writing = tokio::spawn(async move {
            let mut last = acknowledged;
            loop {
                let body =
                    json!({ "environment": "staging", "name": "COUNTER", "value": last + 1 }).to_string();
                let path = format!("{ENV}?workspace=acme");
                let Some(mut connection) = http::Connection::try_open(admin).await else { return last };
                let request = http::prepared("POST", &path, Some(&operator), &[], body.into_bytes());
                let Some(answer) = connection.try_send(request).await else { return last };
                assert_eq!(answer.status, 200, "{}", answer.text());
                last += 1;
            }
        });
        // Anywhere in the first four changes.
        tokio::time::sleep(change.mul_f64(f64::from(kill) / 5.0)).await;
        blocking(|| host.kill()).await;
        acknowledged = writing.await.unwrap();
    }
    assert!(acknowledged > 5, "the kills came before any change");
}

impl World {
    async fn set(&self, body: Value) -> Answer {
        self.admin("POST", ENV, self.site.token("admin"), body.to_string()).await
    }

    async fn unset(&self, name: &str, query: &str) -> Answer {
        self.admin("DELETE", &format!("{ENV}/{name}?{query}"), self.site.token("admin"), "").await
    }

    async fn env(&self, query: &str) -> Answer {
        self.admin("GET", &format!("{ENV}{query}"), self.site.token("developer"), "").await
    }
}

impl Answer {
    /// Itself, if it is no refusal.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }
}

fn entry(list: &Answer, name: &str) -> Value {
    let list = list.json();
    let found = list["variables"].as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {list:#}")).clone()
}
