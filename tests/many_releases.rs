//! Releases by API, where there are many: of environments that take them, and of those that were before.

use std::sync::Arc;

use bootlace::{
    clock::{Clock, Steady},
    host::{Author, Host, MADE_RELEASES, Requested, WantedRelease},
    id::{DeploymentId, Revision, WorkspaceId},
    state::{Alteration, Promotion, Status, Why},
};
use serde_json::{Value, json};

use crate::world::{NOON, Site, World, blocking, ledger, settings};

const RELEASES: &str = "/deployments/shop/releases";

/// Releases up to `last`, as the API registers them.
async fn register_up_to(world: &World, last: usize) {
    let host = Arc::clone(&world.host);
    blocking(move || {
        let (workspace, shop): (WorkspaceId, DeploymentId) =
            ("acme".parse().unwrap(), "shop".parse().unwrap());
        let known = host.store.load().workspaces()["acme"].snapshot.configuration.deployments["shop"].clone();
        for number in known.releases.len() + 1..=last {
            let digest = format!("sha256:{number}");
            let wanted =
                WantedRelease { number: None, digest, labels: Default::default(), keys: Default::default() };
            host.register(&Author::process("tests"), &workspace, &shop, wanted, &|_| Ok(())).unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_gone_back_to_or_waits_is_kept_and_no_number_is_given_twice() {
    let world = World::with(Site::small(0)).await;
    let gate = json!({ "name": "gate", "type": "test", "trigger": "approval" });
    world.by("admin", "POST", "/environments", gate).await.done();
    let shop = json!({ "name": "shop", "environments": ["staging", "gate"] });
    world.by("admin", "POST", "/deployments", shop).await.done();
    register_up_to(&world, 3).await;
    for release in [1, 2] {
        let host = Arc::clone(&world.host);
        blocking(move || {
            let (workspace, shop) = ("acme".parse().unwrap(), "shop".parse().unwrap());
            let staging = "staging".parse().unwrap();
            host.activate(&Author::process("tests"), &workspace, (&shop, &staging), release, Why::Rollback)
        })
        .await
        .unwrap();
    }
    let asked = json!({ "to": "gate", "release": 3 });
    let waits = world.by("releaser", "POST", "/deployments/shop/promotions", asked).await;
    assert_eq!(waits.status, 202, "{}", waits.text());
    // The fourth is the oldest that nothing names.
    register_up_to(&world, MADE_RELEASES + 1).await;
    let again = json!({ "number": 4, "digest": "sha256:another" });
    let world = world.restart().await;
    for digest in ["sha256:another", "sha256:4"] {
        let again = json!({ "number": 4, "digest": digest });
        let refused = world.by("developer", "POST", RELEASES, again).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{}", refused.text());
    }
    // What was never there and is newer than what went may still come, in any order.
    for number in [900, 800] {
        let late = json!({ "number": number, "digest": "sha256:late" });
        world.by("developer", "POST", RELEASES, late).await.done();
    }
    let back = json!({ "environment": "staging", "activation": 1 });
    let back = world.by("releaser", "POST", "/deployments/shop/rollback", back).await;
    assert_eq!(back.status, 200, "{}", back.text());
    let id = waits.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/deployments/shop/promotions/{id}/approvals");
    let approved = world.by("admin", "POST", &path, Value::Null).await;
    assert_eq!((approved.status, &approved.json()["status"]), (200, &json!("done")), "{}", approved.text());

    // Another deployment of that name begins anew.
    world.by("admin", "DELETE", "/deployments/shop", Value::Null).await.done();
    let shop = json!({ "name": "shop", "environments": ["staging"] });
    world.by("admin", "POST", "/deployments", shop).await.done();
    world.by("developer", "POST", RELEASES, again).await.done();
}

#[test]
fn a_promotion_that_waits_runs_what_it_was_asked_for_and_nothing_else() {
    for (digest, status) in [(Some("sha256:another"), Status::Denied), (None, Status::Deferred)] {
        let (site, data) = (Site::starter(), tempfile::TempDir::new().unwrap());
        let open = || Host::open(settings(&site, data.path(), Clock::manual(NOON))).unwrap();
        let (workspace, deployment): (WorkspaceId, DeploymentId) =
            ("acme".parse().unwrap(), "checkout".parse().unwrap());
        let host = open();
        host.push(&Author::process("operator"), &site.bundle(Revision(0)), Revision(0)).unwrap();
        let to = Some("production".parse().unwrap());
        let wanted = Requested { deployment: deployment.clone(), release: None, from: None, to };
        let waits = host.promote(&Author::process("ada"), &workspace, &wanted).unwrap();
        assert_eq!((waits.status, waits.digest.is_some()), (Status::Deferred, true));
        drop(host);
        // As if another release had its number by now; older versions wrote down no digest.
        {
            let control = ledger(&site, data.path(), Steady::system());
            let name = Promotion::open_record(&workspace, &deployment, &waits.to);
            let digest = digest.map(str::to_owned);
            // As of another revision, so that it is judged again.
            let other = Promotion { digest, judged: Revision(0), ..waits };
            control.change(&[], &[Alteration::Put { name, content: other.to_bytes() }]).unwrap();
        }
        let host = open();
        host.advance_promotions();
        let found = host.promotions(&workspace, &deployment).unwrap().remove(0);
        assert_eq!(found.status, status, "{:?}", found.reasons);
        let is_said = found.reasons.iter().any(|one| one.text.contains("is another than the one"));
        assert_eq!(is_said, status == Status::Denied, "{:?}", found.reasons);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_registered_and_active_in_more_environments_than_one_change_holds() {
    let world = World::with(Site::small(0)).await;
    let names: Vec<_> = (0..65).map(|number| format!("dev-{number:02}")).collect();
    for name in &names {
        let body = json!({ "name": name, "type": "development" });
        world.by("admin", "POST", "/environments", body).await.done();
    }
    let shop = json!({ "name": "shop", "environments": names });
    world.by("admin", "POST", "/deployments", shop).await.done();
    let told = world.by("developer", "POST", RELEASES, json!({ "digest": "sha256:1" })).await.done().json();
    assert_eq!((&told["activated"], &told["not_activated"]), (&json!(names), &json!([])), "{told}");
    let listed = world.by("viewer", "GET", RELEASES, Value::Null).await.done().json();
    assert_eq!(listed["releases"][0]["active_in"], json!(names), "{listed}");
}
