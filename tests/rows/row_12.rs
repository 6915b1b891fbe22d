//! Instant rollback of one environment, by choice to the whole set it ran with.

use std::collections::BTreeMap;

use bootlace::{id::Revision, state::Alteration};
use serde_json::{Value, json};

use crate::world::{Answer, Site, World};

const HERE: &str = "?environment=staging";
const APP: &str = "/deployments/checkout";

/// The starter with a deployment beside checkout that shares the environment's layer.
fn site() -> Site {
    let mut site = Site::starter();
    site.write(
        "deployments/billing.toml",
        "id = \"0123456789abcdef0123456789abcdef\"\n[environments.staging.variables]\nDUNNING = true\n",
    );
    site
}

/// What checkout runs with: release, plan digest, and every value.
type Ran = (Value, Value, BTreeMap<String, String>);

impl World {
    async fn running(&self) -> Ran {
        let told = self.boot("staging").await.ok();
        (told.json()["release"].clone(), told.json()["digest"].clone(), told.environment())
    }

    /// The plan digest of every pair but checkout's in staging.
    async fn elsewhere(&self) -> BTreeMap<String, Value> {
        let told = self.by("viewer", "GET", "/snapshot/plans", Value::Null).await.ok().json();
        let plans = told["plans"].as_array().unwrap().clone();
        let name = |one: &Value| format!("{} in {}", one["deployment"], one["environment"]);
        let all: BTreeMap<_, _> = plans.iter().map(|one| (name(one), one["digest"].clone())).collect();
        assert_eq!(all.len(), 4, "{told}");
        all.into_iter().filter(|(name, _)| name != "\"checkout\" in \"staging\"").collect()
    }

    async fn token_is(&self, value: &str) -> Answer {
        let set = json!({ "environment": "staging", "name": "API_TOKEN", "value": value, "is_secret": true,
            "description": "calls the API" });
        self.by("developer", "POST", &format!("{APP}/env"), set).await.ok()
    }

    async fn ttl_is(&self, seconds: u64) -> Answer {
        let set = json!({ "name": "CACHE_TTL_SECONDS", "value": seconds.to_string() });
        self.by("admin", "POST", "/environments/staging/env", set).await.ok()
    }

    async fn registered(&self, number: u64) {
        let keys = [
            "API_TOKEN",
            "CACHE_TTL_SECONDS",
            "PORT",
            "SESSION_SECRET",
            "STRIPE_KEY",
            "DATABASE_URL",
            "JWT_SIGNING_KEY",
        ];
        let release = json!({ "number": number, "digest": format!("sha256:{number}"), "keys": keys });
        self.by("developer", "POST", &format!("{APP}/releases"), release).await.ok();
    }

    async fn promoted(&self, release: u64) {
        let wanted = json!({ "to": "staging", "release": release });
        let told = self.by("releaser", "POST", &format!("{APP}/promotions"), wanted).await.ok();
        assert_eq!(told.json()["status"], "done", "{}", told.text());
    }

    async fn rolled_back(&self, activation: Option<u64>) -> Answer {
        let body = json!({ "environment": "staging", "activation": activation, "configuration": true });
        self.by("releaser", "POST", &format!("{APP}/rollback"), body).await
    }

    async fn unpinned(&self) -> Answer {
        self.by("releaser", "POST", &format!("{APP}/unpin"), json!({ "environment": "staging" })).await
    }

    /// What the newest record of an activation says, which is the releaser's.
    async fn activated_last(&self) -> String {
        let told = self.read("/audit?kind=activate&limit=1").await["records"][0].clone();
        assert_eq!((&told["principal"], &told["outcome"]), (&json!("releaser of the tests"), &json!("done")));
        told["details"]["activated"][0].as_str().unwrap().to_owned()
    }

    async fn read(&self, path: &str) -> Value {
        self.by("viewer", "GET", path, Value::Null).await.ok().json()
    }

    /// A release with its values, then another with others: as they were with the first, and with the second.
    async fn two_releases(&self) -> (Ran, Ran) {
        self.token_is("the-first").await;
        self.ttl_is(60).await;
        for release in [20, 21] {
            self.registered(release).await;
        }
        self.promoted(20).await;
        let first = self.running().await;
        assert_eq!(
            (&first.2["API_TOKEN"], &first.2["CACHE_TTL_SECONDS"]),
            (&"the-first".into(), &"60".into())
        );
        self.token_is("the-second").await;
        self.ttl_is(5).await;
        let attached = json!({ "policy": "region-affinity", "place": { "deployment": "checkout", "environment": "staging" },
            "settings": { "variables": "DATABASE_URL" } });
        self.by("admin", "POST", "/attachments", attached).await.ok();
        self.promoted(21).await;
        let second = self.running().await;
        assert_ne!(first, second);
        (first, second)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_a_rollback_with_its_configuration_brings_back_the_very_set_and_touches_nobody_else() {
    let world = World::with(site()).await;
    let (first, _) = world.two_releases().await;
    let others = world.elsewhere().await;
    let told = world.rolled_back(None).await.ok().json();
    assert_eq!(
        world.activated_last().await,
        "release 20 of checkout in staging (rollback, pinned to activation 2)"
    );
    assert_eq!((&told["from"], &told["to"], &told["activation"]), (&json!(21), &json!(20), &json!(2)));
    assert_eq!(world.running().await, first, "release, plan digest and every value");
    assert_eq!(world.elsewhere().await, others, "a sibling that shares the environment's layer included");

    // What is changed now is taken, told to be held back, and given to nobody here.
    let warned = world.token_is("the-third").await.json()["warnings"].to_string();
    assert!(warned.contains("checkout in staging is pinned"), "{warned}");
    let warned = world.ttl_is(7).await.json()["warnings"].to_string();
    assert!(warned.contains("held back"), "{warned}");
    assert_eq!(world.running().await, first);
    assert_ne!(world.elsewhere().await, others, "the environment's layer is everybody else's");
    let pin = json!({ "activation": 2, "held_back": ["API_TOKEN", "CACHE_TTL_SECONDS"], "policies": true });
    assert_eq!(world.read(APP).await["pinned"], json!({ "staging": pin }));
    assert_eq!(world.read(&format!("{APP}/explain{HERE}")).await["pin"], pin);
    assert_eq!(world.read(&format!("{APP}/env{HERE}")).await["pin"], pin);
    let activation = world.read(&format!("{APP}/activations{HERE}")).await["activations"][0].clone();
    assert_eq!(
        (&activation["pin"], &activation["pinned_to"], &activation["why"]),
        (&pin, &json!(2), &json!("rollback"))
    );
    let printed = world.ok(world.site.token("viewer"), "deployment show checkout").await;
    assert!(
        printed
            .contains("pinned to the set of activation 2; held back: API_TOKEN, CACHE_TTL_SECONDS, policies"),
        "{printed}"
    );

    // Neither a restart nor a push takes the pin off; and what was booted meanwhile is what it was.
    let boot = world.boot("staging").await.header("bootlace-boot").to_owned();
    let world = world.restart().await;
    assert_eq!(world.running().await, first);
    let revision = world.boot("staging").await.json()["revision"].as_u64().unwrap();
    world.push(&world.site.bundle(Revision(revision)), revision).await.ok();
    assert_eq!(world.running().await, first);
    let again = world.read(&format!("{APP}/explain{HERE}&boot={boot}")).await;
    assert_eq!((&again["boot"]["same"], &again["digest"]), (&json!(true), &first.1), "{again}");

    let told = world.unpinned().await.ok().json();
    assert_eq!(world.activated_last().await, "release 20 of checkout in staging (unpin)");
    assert_eq!((&told["release"], &told["was_pinned_to"]), (&json!(20), &json!(2)));
    let (release, _, values) = world.running().await;
    assert_eq!(
        (release, &*values["API_TOKEN"], &*values["CACHE_TTL_SECONDS"]),
        (json!(20), "the-third", "7")
    );
    assert_eq!(world.read(APP).await["pinned"], json!({}));
    assert_eq!(world.unpinned().await.code(), "conflict");
    let boot = world.boot("staging").await.header("bootlace-boot").to_owned();
    let again = world.read(&format!("{APP}/explain{HERE}&boot={boot}")).await;
    assert_eq!(again["boot"]["same"], true, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_the_next_promotion_releases_what_was_held_back() {
    let world = World::with(site()).await;
    let (first, second) = world.two_releases().await;
    world.rolled_back(Some(2)).await.ok();
    assert_eq!(world.running().await, first);
    world.promoted(21).await;
    assert_eq!(world.running().await, second, "the second's values were held back, and are there again");
    // The set that the running release began with, when only the configuration changed since.
    world.token_is("the-third").await;
    world.rolled_back(Some(5)).await.ok();
    assert_eq!(world.running().await, second);
    let twice = world.rolled_back(Some(6)).await;
    assert_eq!((twice.status, twice.code()), (409, "conflict".into()), "{}", twice.text());
    // To the set that the first was pinned to, by way of the activation that was pinned.
    world.rolled_back(Some(4)).await.ok();
    assert_eq!(world.running().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_a_set_that_needs_a_revoked_version_is_refused_and_one_in_use_is_not_revoked() {
    let world = World::with(site()).await;
    let (first, second) = world.two_releases().await;
    let revoke = format!("{APP}/env/API_TOKEN/versions/1/revoke{HERE}&accept_unproven=true");
    world.rolled_back(None).await.ok();
    let refused = world.by("developer", "POST", &revoke, Value::Null).await;
    assert_eq!((refused.status, refused.code()), (409, "conflict".into()));
    assert!(refused.text().contains("pinned") && refused.text().contains("unpin"), "{}", refused.text());
    assert_eq!(world.running().await, first);
    world.promoted(21).await;
    world.by("developer", "POST", &revoke, Value::Null).await.ok();
    let refused = world.rolled_back(Some(2)).await;
    assert_eq!((refused.status, refused.code()), (409, "conflict".into()));
    assert!(
        refused.text().contains("API_TOKEN") && !refused.text().contains("the-first"),
        "{}",
        refused.text()
    );
    // However many versions came since: that it was revoked is not forgotten.
    for number in 0..12 {
        world.token_is(&format!("number-{number}")).await;
    }
    let world = world.restart().await;
    assert_eq!(world.rolled_back(Some(2)).await.code(), "conflict");
    world.token_is("the-second").await;
    let without = json!({ "environment": "staging", "activation": 2 });
    world.by("releaser", "POST", &format!("{APP}/rollback"), without).await.ok();
    assert_eq!(world.running().await.0, 20);
    assert_eq!(world.running().await.2["API_TOKEN"], second.2["API_TOKEN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_a_promotion_to_what_is_pinned_is_judged_by_what_the_layers_make() {
    let mut site = site();
    site.edit("environments/production.toml", "protected = true", "protected = true\ntrigger = \"manual\"");
    let world = World::with(site).await;
    let back = json!({ "environment": "production", "activation": 1, "configuration": true });
    world.by("releaser", "POST", &format!("{APP}/rollback"), back).await.ok();
    for environment in ["staging", "production"] {
        let set = json!({ "environment": environment, "name": "NEW_KEY", "value": "here" });
        world.by("admin", "POST", &format!("{APP}/env?confirm=production"), set).await.ok();
    }
    let release = json!({ "number": 20, "digest": "sha256:20", "keys": ["NEW_KEY", "PORT", "SESSION_SECRET",
        "STRIPE_KEY", "DATABASE_URL", "JWT_SIGNING_KEY"] });
    world.by("developer", "POST", &format!("{APP}/releases"), release).await.ok();
    world.promoted(20).await;
    assert!(!world.environment("production").await.contains_key("NEW_KEY"), "held back");
    let wanted = json!({ "from": "staging", "to": "production" });
    let told = world.by("releaser", "POST", &format!("{APP}/promotions"), wanted).await;
    assert_eq!(told.json()["status"], "done", "{}", told.text());
    let given = world.environment("production").await;
    assert_eq!(
        given["NEW_KEY"], "here",
        "it has the key that it declares, now that it is given what was held back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_a_set_that_is_lost_costs_its_own_pair_until_it_is_unpinned_and_nobody_else() {
    let world = World::with(site()).await;
    let (_, second) = world.two_releases().await;
    world.rolled_back(None).await.ok();
    let elsewhere = world.boot("production").await.json()["digest"].clone();
    // Its record names a tree that is not there: as where a part of the ledger was damaged.
    let world = world
        .restart_after(|control| {
            let name = "workspace/acme/active/checkout/staging";
            let record = control.read(name).unwrap().remove(name).unwrap();
            let mut record: Value = serde_json::from_slice(&record).unwrap();
            record["pinned"]["set"] = json!(format!("sha256:{}", "00".repeat(32)));
            let content = record.to_string().into_bytes();
            control.change(&[], &[Alteration::Put { name: name.into(), content }]).unwrap();
        })
        .await;
    let boot = world.boot("staging").await;
    assert_eq!((boot.status, boot.code()), (503, "not-ready".into()), "never the layers in its place");
    assert!(boot.text().contains("pinned"), "{}", boot.text());
    assert_eq!(world.boot("production").await.ok().json()["digest"], elsewhere);
    assert!(world.host.degraded().unwrap().contains("checkout in staging is not served"));
    let pinned = world.read(APP).await["pinned"]["staging"].to_string();
    assert!(pinned.contains("unpin it"), "{pinned}");
    // Changes and pushes go on, and so does the way out.
    world.token_is("the-third").await;
    let revision = world.boot("production").await.json()["revision"].as_u64().unwrap();
    world.push(&world.site.bundle(Revision(revision)), revision).await.ok();
    assert_eq!(world.boot("staging").await.status, 503);
    world.unpinned().await.ok();
    assert_eq!(world.boot("staging").await.ok().json()["release"], 20);
    assert_eq!(world.host.degraded(), None);
    world.promoted(21).await;
    assert_eq!(world.running().await.0, second.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_the_last_fifty_sets_are_kept_whatever_changed_since() {
    let world = World::with(site()).await;
    let (first, second) = world.two_releases().await;
    for seconds in 100..160 {
        world.ttl_is(seconds).await;
    }
    let world = world.restart().await;
    for (activation, ran) in [(2, first), (3, second)] {
        world.rolled_back(Some(activation)).await.ok();
        assert_eq!(world.running().await, ran);
    }
    // More than are kept, from the sixth on.
    let mut ran = Vec::new();
    for round in 0..52 {
        world.ttl_is(200 + round).await;
        world.promoted(20 + round % 2).await;
        ran.push(world.running().await);
    }
    let gone = world.rolled_back(Some(7)).await;
    assert_eq!((gone.status, gone.code()), (409, "conflict".into()), "{}", gone.text());
    assert!(gone.text().contains("no activation 7 of checkout in staging is kept"), "{}", gone.text());
    world.rolled_back(Some(8)).await.ok();
    assert_eq!(world.running().await, ran[2]);
}
