//! A workspace that no directory describes: made by an operator, changed by its people, there after a
//! restart.

use bootlace::{control::Control, slots::DataDirectory, state::Alteration, system::entropy};
use serde_json::json;

use crate::world::{
    Site, World, blocking, http,
    program::{Premises, Program},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_begins_with_three_environments_in_a_chain() {
    let site = Site::small(0);
    let world = World::empty(site, |settings| settings.bootstrap = None).await;
    let operator = world.operator.clone();
    let wanted = json!({ "name": "shop" }).to_string();
    let made = world.admin("POST", "/api/v1/workspaces", &operator, wanted.as_str()).await;
    assert_eq!((made.status, made.header("bootlace-revision")), (200, "2"), "{}", made.text());
    let again = world.admin("POST", "/api/v1/workspaces", &operator, wanted.as_str()).await;
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"), "{}", again.text());
    for name in ["Shop", "", "a/b", "shop ", "ſhop"] {
        let wanted = json!({ "name": name }).to_string();
        let refused = world.admin("POST", "/api/v1/workspaces", &operator, wanted).await;
        assert_eq!(refused.status, 422, "{name:?}: {}", refused.text());
    }

    let wanted = json!({ "kind": "tenant", "principal": "ada", "role": "admin" }).to_string();
    let minted = world.admin("POST", "/api/v1/tokens?workspace=shop", &operator, wanted).await;
    assert_eq!(minted.status, 201, "{}", minted.text());
    let ada = minted.json()["token"].as_str().unwrap().to_owned();
    let refused =
        world.admin("POST", "/api/v1/workspaces", &ada, json!({ "name": "mine" }).to_string()).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{}", refused.text());

    let world = world.restart().await;
    let listed = world.admin("GET", "/api/v1/environments", &ada, "").await.json();
    let chain: Vec<_> = listed["environments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["name"].clone(), one["type"].clone(), one["promotes_to"].clone(), one["protected"].clone())
        })
        .collect();
    let expected = [
        (json!("development"), json!("development"), json!("staging"), json!(false)),
        (json!("production"), json!("production"), json!(null), json!(true)),
        (json!("staging"), json!("pre-production"), json!("production"), json!(false)),
    ];
    assert_eq!(chain, expected, "{listed}");
    let listed = world.admin("GET", "/api/v1/workspaces", &operator, "").await.json();
    assert_eq!(listed["workspaces"][0]["workspace"], "shop", "{listed}");
    let log = world.admin("GET", "/api/v1/audit?workspace=shop&kind=workspace", &operator, "").await.json();
    assert_eq!(log["records"].as_array().unwrap().len(), 2, "made once, refused once: {log}");

    // Its base has a key of its own, and so has a deployment's.
    let made = json!({ "name": "app", "environments": ["staging"] }).to_string();
    assert_eq!(world.admin("POST", "/api/v1/deployments", &ada, made).await.status, 200);
    for (path, name) in [("/api/v1/env?confirm=production", "TZ"), ("/api/v1/deployments/app/env", "LEVEL")] {
        let set = world.admin("POST", path, &ada, json!({ "name": name, "value": "base" }).to_string()).await;
        assert_eq!(set.status, 200, "{}", set.text());
    }
    let wanted =
        json!({ "kind": "instance", "principal": "pod", "deployment": "app", "environment": "staging" });
    let pod = world.admin("POST", "/api/v1/tokens", &ada, wanted.to_string()).await.json();
    let booted = world.get_boot("/v1/boot", pod["token"].as_str()).await.environment();
    assert_eq!((booted["TZ"].as_str(), booted["LEVEL"].as_str()), ("base", "base"));
}

/// The disk as a kill leaves it between the two: the workspace is in the slots, and the ledger knows nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_was_cut_off_before_its_environments_is_finished_when_it_is_asked_for_again() {
    let site = Site::small(0);
    let premises = Premises::new(&site);
    let made = |host: &Program| {
        let (admin, operator) = (host.admin, premises.operator());
        let body = br#"{"name":"shop"}"#.to_vec();
        async move { http::request(admin, "POST", "/api/v1/workspaces", Some(&operator), &[], body).await }
    };
    let start = || {
        let command = premises.command(&[]);
        blocking(move || Program::start(command))
    };
    let host = start().await;
    made(&host).await.done();
    host.kill();
    let directory = DataDirectory::open(&premises.data()).unwrap();
    let keys = directory.host_keys(&site.roots(), &site.root_key(), &mut entropy).unwrap();
    let control = Control::open(&premises.data(), keys.floor.record_key()).unwrap();
    let names = control.read("workspace/shop/").unwrap().into_keys();
    let gone: Vec<_> = names.map(|name| Alteration::Delete { name }).collect();
    control.change(&[], &gone).unwrap();
    drop((control, directory));

    let host = start().await;
    let operator = premises.operator();
    let path = "/api/v1/environments?workspace=shop";
    let listed = host_get(&host, path, &operator).await;
    assert_eq!(listed["environments"], json!([]));
    assert_eq!(made(&host).await.done().header("bootlace-revision"), "2");
    let listed = host_get(&host, path, &operator).await;
    assert_eq!(listed["environments"].as_array().unwrap().len(), 3);
    assert_eq!(made(&host).await.code(), "conflict", "it is whole now");
}

async fn host_get(host: &Program, path: &str, token: &str) -> serde_json::Value {
    http::request(host.admin, "GET", path, Some(token), &[], Vec::new()).await.done().json()
}
