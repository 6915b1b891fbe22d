//! What goes with a deployment, an environment, or the one's use of the other: its activations, what was promoted
//! there, what was reported and compared. Whatever comes to be under the name again begins with nothing.

use std::sync::{Arc, mpsc};

use bootlace::{
    control::Control,
    generation::Generation,
    host::{Author, ChangeError, Requested},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    model::promotion::{Check, Conclusion},
    state::{Alteration, Why},
};
use serde_json::{Value, json};

use crate::world::{Site, World, blocking, site::component, tenants::attachment};

const PROMOTIONS: &str = "/deployments/shop/promotions";
/// What is kept of it beside the configuration and its history.
const KINDS: [&str; 7] =
    ["active", "activations", "check", "promoting", "promotion/open", "promotion/past", "compared"];
/// The same of what every deployment has in an environment, by environment.
const COMPARED_IN: &str = "workspace/acme/compared-in/";

/// Production asks whether secrets are shared, so that they are compared.
fn site() -> Site {
    let mut site = Site::small(0);
    let parity = attachment("parity", "environment = \"production\"", &[]);
    site.govern(&[("parity", component("parity"))], &parity);
    site
}

fn passed() -> Check {
    let (name, measures, labels) = ("e2e".to_owned(), Vec::new(), Vec::new());
    Check { name, conclusion: Conclusion::Success, completed_at: None, measures, labels }
}

async fn activate(world: &World, environment: &str, release: u64) {
    let (host, environment) = (Arc::clone(&world.host), environment.parse::<EnvironmentName>().unwrap());
    blocking(move || {
        let (workspace, shop): (WorkspaceId, DeploymentId) =
            ("acme".parse().unwrap(), "shop".parse().unwrap());
        let author = Author::process("tests");
        host.activate(&author, &workspace, (&shop, &environment), release, Why::Rollback).unwrap();
    })
    .await;
}

/// A deployment with everything that there is to be said of one.
async fn busy(world: &World) {
    let body = json!({ "name": "shop", "environments": ["production", "staging"] });
    world.by("admin", "POST", "/deployments?confirm=production", body).await.done();
    for environment in ["production", "staging"] {
        let secret = json!({ "environment": environment, "name": "KEY", "value": format!("of-{environment}"),
            "is_secret": true, "description": "x" });
        world.by("admin", "POST", "/deployments/shop/env?confirm=production", secret).await.done();
    }
    for number in [1, 2, 3] {
        let release = json!({ "number": number, "digest": format!("sha256:{number}") });
        world.by("developer", "POST", "/deployments/shop/releases", release).await.done();
    }
    activate(world, "production", 1).await;
    for release in [2, 3] {
        activate(world, "staging", release).await;
        for environment in ["staging", "production"] {
            let check = json!({ "release": release, "environment": environment, "name": "e2e", "conclusion": "success" });
            world.by("releaser", "POST", "/deployments/shop/checks", check).await.ok();
        }
        let asked = world.by("releaser", "POST", PROMOTIONS, json!({ "to": "production" })).await;
        assert_eq!(asked.status, 202, "{}", asked.text());
        if release == 2 {
            let path = format!("{PROMOTIONS}/{}/approvals", asked.json()["id"].as_str().unwrap());
            assert_eq!(world.by("admin", "POST", &path, Value::Null).await.status, 200);
        }
    }
}

/// The host once more, and the names of what its ledger had of the deployment, of those kinds, while it was down.
async fn kept(world: World) -> (World, Vec<String>) {
    let (send, names) = mpsc::channel();
    let looked = move |control: &Control| {
        let prefixes = KINDS.iter().map(|kind| format!("workspace/acme/{kind}/shop/"));
        let prefixes = prefixes.chain([COMPARED_IN.to_owned()]);
        let names = prefixes.flat_map(|prefix| control.read(&prefix).unwrap().into_keys());
        send.send(names.collect()).unwrap();
    };
    let world = world.restart_after(looked).await;
    (world, names.recv().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_takes_all_that_was_said_of_it_along_and_another_of_its_name_has_none_of_it() {
    let world = World::with(site()).await;
    busy(&world).await;
    // As where a host was killed while it carried on another promotion.
    let running = "workspace/acme/promoting/shop/staging".to_owned();
    let world = world
        .restart_after(|control| {
            control.change(&[], &[Alteration::Put { name: running, content: b"{}".to_vec() }]).unwrap();
        })
        .await;
    let (world, all) = kept(world).await;
    for kind in KINDS {
        assert!(all.iter().any(|name| name.contains(&format!("/{kind}/"))), "{kind}: {all:?}");
    }
    world.by("admin", "DELETE", "/deployments/shop?confirm=production", Value::Null).await.done();
    let (world, all) = kept(world).await;
    assert_eq!(all, [""; 0]);
    let (world, all) = kept(world).await;
    assert_eq!(all, [""; 0]);
    let body = json!({ "name": "shop", "environments": ["production", "staging"] });
    world.by("admin", "POST", "/deployments?confirm=production", body).await.done();
    for (list, members) in
        [("checks", "checks"), ("promotions", "promotions"), ("activations", "activations")]
    {
        let path = format!("/deployments/shop/{list}");
        assert_eq!(world.by("viewer", "GET", &path, Value::Null).await.ok().json()[members], json!([]));
    }
    world.by("admin", "DELETE", "/deployments/shop?confirm=production", Value::Null).await.done();
    // Nothing is in its way.
    busy(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_left_takes_along_what_was_said_there_and_leaves_the_rest() {
    let world = World::with(site()).await;
    busy(&world).await;
    let left = json!({ "environments": ["staging"] });
    world.by("admin", "PATCH", "/deployments/shop?confirm=production", left).await.done();
    let (world, all) = kept(world).await;
    assert!(all.iter().all(|name| !name.contains("production") && !name.contains("/promotion/")), "{all:?}");
    assert_eq!(all.iter().filter(|name| name.contains("/check/")).count(), 2, "staging's: {all:?}");
    let both = json!({ "environments": ["staging", "production"] });
    world.by("admin", "PATCH", "/deployments/shop?confirm=production", both).await.done();
    let world = world.restart().await;
    let of = async |what: &str| {
        let path = format!("/deployments/shop/{what}?environment=production");
        world.by("viewer", "GET", &path, Value::Null).await.ok().json()[what].clone()
    };
    for what in ["activations", "promotions", "checks"] {
        assert_eq!(of(what).await, json!([]), "{what}");
    }
    let secret = json!({ "environment": "production", "name": "KEY", "value": "another", "is_secret": true, "description": "x" });
    world.by("admin", "POST", "/deployments/shop/env?confirm=production", secret).await.done();
    let asked = world.by("releaser", "POST", PROMOTIONS, json!({ "to": "production" })).await;
    assert_eq!((asked.status, &asked.json()["approvals"]), (202, &json!([])), "{}", asked.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_deleted_takes_along_what_was_said_there() {
    let world = World::with(site()).await;
    busy(&world).await;
    let qa = json!({ "name": "qa", "type": "test", "promotes_to": "staging" });
    world.by("developer", "POST", "/environments", qa.clone()).await.done();
    let three = json!({ "environments": ["staging", "production", "qa"] });
    world.by("admin", "PATCH", "/deployments/shop?confirm=production", three.clone()).await.done();
    activate(&world, "qa", 1).await;
    // Everybody's there, and of the name of one that production has: what waits compares the two when it is
    // looked at again.
    let secret = json!({ "name": "KEY", "value": "of-qa", "is_secret": true, "description": "x" });
    world.by("developer", "POST", "/environments/qa/env", secret).await.done();
    let check = json!({ "release": 1, "environment": "qa", "name": "e2e", "conclusion": "success" });
    world.by("developer", "POST", "/deployments/shop/checks", check).await.ok();
    let to_staging = json!({ "from": "qa", "to": "staging" });
    let promoted = world.by("releaser", "POST", PROMOTIONS, to_staging).await;
    assert_eq!((promoted.status, &promoted.json()["status"]), (200, &json!("done")), "{}", promoted.text());
    let (world, before) = kept(world).await;
    assert!(before.contains(&format!("{COMPARED_IN}qa/KEY")), "{before:?}");
    world.by("developer", "DELETE", "/environments/qa", Value::Null).await.done();
    let (world, after) = kept(world).await;
    assert!(after.iter().all(|name| !name.contains("/qa")), "{after:?}");
    // Its activation, its check, what came from there and what was compared there; staging runs what it was given.
    assert_eq!(before.len() - after.len(), 4, "{before:?} {after:?}");
    world.by("developer", "POST", "/environments", qa).await.done();
    world.by("admin", "PATCH", "/deployments/shop?confirm=production", three).await.done();
    let listed = world.by("viewer", "GET", "/deployments/shop/activations?environment=qa", Value::Null).await;
    assert_eq!(listed.json()["activations"], json!([]));
}

/// As when it was judged on what was served a moment ago.
#[tokio::test(flavor = "multi_thread")]
async fn what_went_before_it_could_be_compared_is_not_compared() {
    let world = World::with(site()).await;
    let qa = json!({ "name": "qa", "type": "test" });
    world.by("developer", "POST", "/environments", qa.clone()).await.done();
    let shop = json!({ "name": "shop", "environments": ["production", "staging", "qa"] });
    world.by("admin", "POST", "/deployments?confirm=production", shop.clone()).await.done();
    for environment in ["production", "staging"] {
        let secret = json!({ "name": "KEY", "environment": environment, "value": "one-of-both", "is_secret": true,
            "description": "x" });
        world.by("admin", "POST", "/deployments/shop/env?confirm=production", secret).await.done();
    }
    // Everybody's there.
    let secret = json!({ "name": "KEY", "value": "one-of-both", "is_secret": true, "description": "x" });
    world.by("developer", "POST", "/environments/qa/env", secret.clone()).await.done();
    let compare_from = async |source: &str, live: &Arc<Generation>| {
        let (host, live, source) = (Arc::clone(&world.host), Arc::clone(live), source.parse().unwrap());
        let compared = blocking(move || {
            let target = "production".parse().unwrap();
            let (deployment, ends) = ("shop".parse().unwrap(), (&source, &target));
            host.shared_secrets(&Author::process("eve"), &live.workspaces()["acme"], &deployment, ends)
        });
        compared.await.map(|shared| shared.equal.len())
    };
    let compare = async |live: &Arc<Generation>| compare_from("staging", live).await;
    let before = world.host.store.load_full();
    assert_eq!(compare(&before).await.unwrap(), 2, "staging's and qa's");
    // Another of its name, with the same in it.
    let two = json!({ "environments": ["production", "staging"] });
    world.by("admin", "PATCH", "/deployments/shop?confirm=production", two).await.done();
    world.by("developer", "DELETE", "/environments/qa", Value::Null).await.done();
    world.by("developer", "POST", "/environments", qa).await.done();
    world.by("developer", "POST", "/environments/qa/env", secret).await.done();
    assert_eq!(compare(&before).await.unwrap(), 1, "staging's");
    assert!(matches!(compare_from("qa", &before).await, Err(ChangeError::Unknown)), "its source");
    world.by("admin", "DELETE", "/deployments/shop?confirm=production", Value::Null).await.done();
    assert!(matches!(compare(&before).await, Err(ChangeError::Unknown)));
    world.by("admin", "POST", "/deployments?confirm=production", shop).await.done();
    assert!(matches!(compare(&before).await, Err(ChangeError::Unknown)), "another of its name");
    let (_world, all) = kept(world).await;
    assert_eq!(all, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_runs_while_its_deployment_goes_leaves_nothing() {
    let mut world = World::with(site()).await;
    for round in 0..10 {
        busy(&world).await;
        let (host, (turn, turns)) = (Arc::clone(&world.host), mpsc::channel());
        let racing = tokio::spawn(blocking(move || {
            let (workspace, shop): (WorkspaceId, DeploymentId) =
                ("acme".parse().unwrap(), "shop".parse().unwrap());
            let is_there = || {
                host.store.load().workspaces()["acme"].snapshot.configuration.deployments.contains_key(&shop)
            };
            let to = Some("staging".parse().unwrap());
            // By turns one that moves and one that is there already, so that both ends are met.
            for release in [2, 2, 3, 3].into_iter().cycle() {
                let (deployment, to) = (shop.clone(), to.clone());
                let wanted = Requested { deployment, release: Some(release), from: None, to };
                let promoted = host.promote(&Author::process("ada"), &workspace, &wanted);
                let staging = "staging".parse().unwrap();
                let reported = (&shop, &staging);
                let reported =
                    host.report_check(&Author::process("ci"), &workspace, reported, release, passed());
                let _ = turn.send(());
                if promoted.is_err() && reported.is_err() && !is_there() {
                    return;
                }
            }
        }));
        let turns = blocking(move || {
            turns.recv().unwrap();
            turns
        });
        let _turns = turns.await;
        world.by("admin", "DELETE", "/deployments/shop?confirm=production", Value::Null).await.done();
        racing.await.unwrap();
        let all;
        (world, all) = kept(world).await;
        assert_eq!(all, [""; 0], "round {round}");
    }
}
