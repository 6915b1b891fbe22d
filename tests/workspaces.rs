//! A workspace that no directory describes: made by an operator, changed by its people, there after a
//! restart.

use serde_json::json;

use crate::world::{Site, World};

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
}
