//! What goes with a deployment, an environment, or the one's use of the other: its activations, what was promoted
//! there, what was reported and compared. Whatever comes to be under the name again begins with nothing.

use std::{fs, sync::Arc};

use bootlace::{
    clock::Steady,
    control::Control,
    host::{Author, Requested},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    slots::DataDirectory,
    state::Why,
    system::entropy,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{Site, World, blocking, files::files, site::component, tenants::attachment};

const PROMOTIONS: &str = "/deployments/shop/promotions";
/// What is kept of it beside the configuration and its history.
const KINDS: [&str; 7] =
    ["active", "activations", "check", "promoting", "promotion/open", "promotion/past", "compared"];

/// Production asks whether secrets are shared, so that they are compared.
fn site() -> Site {
    let mut site = Site::small(0);
    let parity = attachment("parity", "environment = \"production\"", &[]);
    site.govern(&[("parity", component("parity"))], &parity);
    site
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

/// The names of what the ledger has of the deployment, of those kinds.
async fn kept(world: &World) -> Vec<String> {
    // As it is on the disk; nothing is under way.
    let copy = TempDir::new().unwrap();
    for file in files(world.data.path()) {
        let to = copy.path().join(file.strip_prefix(world.data.path()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
    let (roots, root) = (world.site.roots(), world.site.root_key());
    blocking(move || {
        let directory = DataDirectory::open(copy.path()).unwrap();
        let keys = directory.host_keys(&roots, &root, &mut entropy).unwrap();
        let control = Control::open_with(copy.path(), keys.floor.record_key(), Steady::manual()).unwrap();
        let of = |kind: &str| control.read(&format!("workspace/acme/{kind}/shop/")).unwrap();
        KINDS.iter().flat_map(|kind| of(kind).into_keys()).collect()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_takes_all_that_was_said_of_it_along_and_another_of_its_name_has_none_of_it() {
    let world = World::with(site()).await;
    busy(&world).await;
    let all = kept(&world).await;
    for kind in KINDS.into_iter().filter(|kind| *kind != "promoting") {
        assert!(all.iter().any(|name| name.contains(&format!("/{kind}/"))), "{kind}: {all:?}");
    }
    world.by("admin", "DELETE", "/deployments/shop?confirm=production", Value::Null).await.done();
    assert_eq!(kept(&world).await, [""; 0]);
    let world = world.restart().await;
    assert_eq!(kept(&world).await, [""; 0]);
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
    let all = kept(&world).await;
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
    let check = json!({ "release": 1, "environment": "qa", "name": "e2e", "conclusion": "success" });
    world.by("developer", "POST", "/deployments/shop/checks", check).await.ok();
    let to_staging = json!({ "from": "qa", "to": "staging" });
    let promoted = world.by("releaser", "POST", PROMOTIONS, to_staging).await;
    assert_eq!((promoted.status, &promoted.json()["status"]), (200, &json!("done")), "{}", promoted.text());
    let before = kept(&world).await;
    world.by("developer", "DELETE", "/environments/qa", Value::Null).await.done();
    let world = world.restart().await;
    let after = kept(&world).await;
    assert!(after.iter().all(|name| !name.ends_with("/qa")), "{after:?}");
    // Its activation, its check and what came from there; staging runs what it was given.
    assert_eq!(before.len() - after.len(), 3, "{before:?} {after:?}");
    world.by("developer", "POST", "/environments", qa).await.done();
    world.by("admin", "PATCH", "/deployments/shop?confirm=production", three).await.done();
    let listed = world.by("viewer", "GET", "/deployments/shop/activations?environment=qa", Value::Null).await;
    assert_eq!(listed.json()["activations"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_runs_while_its_deployment_goes_leaves_nothing() {
    let world = World::with(site()).await;
    busy(&world).await;
    let host = Arc::clone(&world.host);
    let racing = tokio::spawn(blocking(move || {
        let (workspace, shop): (WorkspaceId, DeploymentId) =
            ("acme".parse().unwrap(), "shop".parse().unwrap());
        let wanted = Requested {
            deployment: shop,
            release: None,
            from: None,
            to: Some("production".parse().unwrap()),
        };
        while host.promote(&Author::process("ada"), &workspace, &wanted).is_ok_and(|_| true)
            || host.store.load().workspaces()["acme"].snapshot.configuration.deployments.contains_key("shop")
        {
        }
    }));
    world.by("admin", "DELETE", "/deployments/shop?confirm=production", Value::Null).await.done();
    racing.await.unwrap();
    assert_eq!(kept(&world).await, [""; 0]);
}
