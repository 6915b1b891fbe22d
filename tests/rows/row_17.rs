//! Rotation: new and old valid together, then revoke.

use serde_json::{Value, json};

use crate::world::{Answer, Site, World, site::component};

const KEY: &str = "/deployments/checkout/env/SIGNING_KEY/versions";

impl World {
    async fn rotated(&self, value: &str, keep: bool) -> Answer {
        let body = json!({ "environment": "staging", "name": "SIGNING_KEY", "value": value, "is_secret": true,
            "description": "signs", "keep": keep });
        self.by("developer", "POST", "/deployments/checkout/env", body).await
    }

    /// Each version's number, whether it is the default, and whether it is live.
    pub(crate) async fn live(&self) -> Vec<(u64, bool, bool)> {
        let listed = self.by("viewer", "GET", &format!("{KEY}?environment=staging"), Value::Null).await;
        let versions = listed.json()["versions"].as_array().unwrap().clone();
        let is = |one: &Value, what: &str| one[what].as_bool().unwrap();
        let each = versions
            .iter()
            .map(|one| (one["version"].as_u64().unwrap(), is(one, "current"), is(one, "live")));
        each.collect()
    }

    async fn revoke(&self, version: u64) -> Answer {
        // These boots hold no lease, and are over.
        let path = format!("{KEY}/{version}/revoke?environment=staging&accept_unproven=true");
        self.by("developer", "POST", &path, Value::Null).await
    }

    /// What a hundred instances are given, counted by value.
    pub(crate) async fn shares(&self) -> Vec<(String, usize)> {
        let mut given = std::collections::BTreeMap::new();
        for number in 0..100 {
            let booted = self.boot_with("staging", &format!("instance=web-{number}")).await.environment();
            *given.entry(booted["SIGNING_KEY"].clone()).or_default() += 1;
        }
        given.into_iter().collect()
    }

    async fn digest(&self) -> Value {
        self.boot("staging").await.json()["digest"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_17_new_and_old_are_valid_together_until_the_old_is_revoked() {
    let world = World::with(Site::small(0)).await;
    world.rotated("first", false).await.ok();
    let alone = world.digest().await;
    world.rotated("second", true).await.ok();
    assert_eq!(world.live().await, [(2, true, true), (1, false, true)]);
    assert_ne!(world.digest().await, alone, "two candidates are another plan");
    assert_eq!(world.shares().await, [("second".to_owned(), 100)], "the newest is everybody's by itself");
    let listed =
        world.by("viewer", "GET", "/deployments/checkout/env?environment=staging", Value::Null).await;
    let entry = |name: &str| {
        let all = listed.json()["variables"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["name"] == name).unwrap()
    };
    assert_eq!((entry("SIGNING_KEY")["live"].clone(), entry("FLAG").get("live")), (json!([1, 2]), None));

    // A canary gives a share the newest, and the others the one before.
    let path = "/api/v1/policies/rotation-canary";
    world.admin("PUT", path, world.site.token("developer"), component("rotation-canary")).await.ok();
    let place = json!({ "deployment": "checkout", "environment": "staging" });
    let attach = |percent: &str| {
        let settings = json!({ "variable": "SIGNING_KEY", "percent": percent });
        json!({ "policy": "rotation-canary", "place": place, "settings": settings })
    };
    let attached = world.by("admin", "POST", "/attachments", attach("30")).await.ok().json();
    let shares = world.shares().await;
    assert_eq!(shares.len(), 2, "{shares:?}");
    assert!((15..45).contains(&shares[1].1), "about a third: {shares:?}");

    // Nobody takes the old one from those who have it by forgetting a word.
    let forgotten = world.rotated("third", false).await;
    assert_eq!((forgotten.status, forgotten.code().as_str()), (409, "conflict"));
    assert!(forgotten.text().contains("versions 1, 2 of SIGNING_KEY"), "{}", forgotten.text());

    let world = world.restart().await;
    assert_eq!(world.live().await, [(2, true, true), (1, false, true)]);
    assert_eq!(world.shares().await, shares, "a restart moves nobody");
    let path = format!("/attachments/{}", attached["id"].as_str().unwrap());
    world.by("admin", "DELETE", &path, Value::Null).await.ok();
    assert_eq!(world.revoke(2).await.status, 409, "the newest is what is handed out");
    world.revoke(1).await.ok();
    assert_eq!(world.live().await, [(2, true, true), (1, false, false)]);
    world.rotated("third", false).await.ok();
    assert_eq!(world.live().await, [(3, true, true), (2, false, false), (1, false, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_17_live_versions_are_bounded_and_outlive_history() {
    let world = World::with(Site::small(0)).await;
    for value in ["one", "two", "three", "four"] {
        world.rotated(value, true).await.ok();
    }
    let refused = world.rotated("five", true).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"));
    assert!(refused.text().contains("4 is the most"), "{}", refused.text());
    let template = json!({ "environment": "staging", "name": "SIGNING_KEY", "template": "x", "keep": true });
    let refused = world.by("developer", "POST", "/deployments/checkout/env", template).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    // However many come and go beside it, the oldest stays.
    for version in 2..20 {
        world.revoke(version).await.ok();
        world.rotated("next", true).await.ok();
    }
    let live: Vec<_> = world.live().await.into_iter().filter(|one| one.2).map(|one| one.0).collect();
    assert_eq!(live, [22, 21, 20, 1]);
    // What is unset is not live any more, and counts on.
    let path = "/deployments/checkout/env/SIGNING_KEY?environment=staging";
    world.by("developer", "DELETE", path, Value::Null).await.ok();
    world.rotated("again", false).await.ok();
    let live: Vec<_> = world.live().await.into_iter().filter(|one| one.2).map(|one| one.0).collect();
    assert_eq!(live, [23]);
}
