//! What a token is for is what had that name when it was minted: another environment or deployment that
//! comes to be under the name again is not its.

use bootlace::id::Revision;
use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{Site, World},
};

async fn qa(world: &World) {
    world.by("developer", "POST", "/environments", json!({ "name": "qa", "type": "test" })).await.done();
}

/// A developer's token that is limited to these, and its id.
async fn limited(world: &World, environments: &[&str]) -> (String, String) {
    let wanted =
        json!({ "kind": "tenant", "principal": "few", "role": "developer", "environments": environments });
    let minted = world.by("admin", "POST", "/tokens", wanted).await;
    assert_eq!(minted.status, 201, "{}", minted.text());
    let text = |field: &str| minted.json()[field].as_str().unwrap().to_owned();
    (text("token"), text("id"))
}

async fn status(world: &World, token: &str, environment: &str) -> u16 {
    world.admin("GET", &format!("/api/v1/environments/{environment}"), token, "").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_with_its_last_environment_and_opens_no_other_of_that_name() {
    let world = World::with(Site::small(0)).await;
    qa(&world).await;
    let (only, id) = limited(&world, &["qa"]).await;
    let (both, _) = limited(&world, &["qa", "staging"]).await;
    assert_eq!((status(&world, &only, "qa").await, status(&world, &both, "qa").await), (200, 200));
    let deleted = world.by("developer", "DELETE", "/environments/qa", Value::Null).await.done();
    assert!(deleted.json()["warnings"].to_string().contains(&id), "{}", deleted.text());
    let done = records(world.data.path());
    let done = done.iter().rfind(|line| line["kind"] == "change").unwrap();
    assert_eq!(done["details"]["tokens_revoked"], json!([id]));
    qa(&world).await;
    assert_eq!((status(&world, &only, "qa").await, status(&world, &only, "staging").await), (401, 401));
    assert_eq!((status(&world, &both, "qa").await, status(&world, &both, "staging").await), (404, 200));
    let world = world.restart().await;
    assert_eq!((status(&world, &only, "qa").await, status(&world, &both, "qa").await), (401, 404));
    assert_eq!(status(&world, &both, "staging").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_push_pruned_leaves_no_token_for_what_is_made_by_api_under_its_name() {
    let mut world = World::with(Site::small(0)).await;
    let (token, _) = limited(&world, &["development"]).await;
    let instance = world.site.token("staging").to_owned();
    assert_eq!(status(&world, &token, "development").await, 200);
    assert_eq!(world.boot("staging").await.status, 200);
    let whole = world.site.tree.clone();
    for path in ["environments/development.toml", "deployments/checkout.toml", "bootstrap.toml"] {
        world.site.tree.remove(path);
    }
    world.site.change_toml("keys.toml", |file| {
        file["environments"].as_table_mut().unwrap().remove("development");
    });
    let pushed = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    world.site.tree = whole;
    let made = json!({ "name": "development", "type": "test" });
    world.by("developer", "POST", "/environments", made).await.done();
    assert_eq!(status(&world, &token, "development").await, 401);
    let made = json!({ "name": "checkout", "environments": ["staging"] });
    world.by("developer", "POST", "/deployments", made).await.done();
    assert_eq!(world.get_boot("/v1/boot", Some(&instance)).await.status, 401);
    let world = world.restart().await;
    assert_eq!(world.get_boot("/v1/boot", Some(&instance)).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_were_minted_before_a_workspace_are_for_its_first_environments() {
    let world = World::with(Site::small(0)).await;
    let wanted =
        json!({ "kind": "tenant", "principal": "first", "role": "viewer", "environments": ["staging"] });
    let path = "/api/v1/tokens?workspace=early";
    let minted = world.admin("POST", path, &world.operator, wanted.to_string()).await;
    let token = minted.json()["token"].as_str().unwrap().to_owned();
    let made = world.admin("POST", "/api/v1/workspaces", &world.operator, r#"{"name":"early"}"#).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(status(&world, &token, "staging").await, 200);
}
