//! Lists come in pages, and a page after the other is the whole list.

use bootlace::id::{Revision, UnixSeconds};
use serde_json::{Value, json};

use crate::world::{NOON, Site, World, site::guest};

const VALUES: &str = "/api/v1/deployments/checkout/env?environment=production";

/// A world where every list has more than one entry.
async fn world() -> World {
    let world = World::with(Site::small(1)).await;
    let bundle = world.site.bundle_of(&world.site.telling(2), Revision(1));
    assert_eq!(world.push(&bundle, 1).await.status, 200);
    for value in ["one", "two", "three"] {
        let body = json!({ "environment": "production", "name": "COLOUR", "value": value }).to_string();
        let set =
            world.admin("POST", "/api/v1/deployments/checkout/env", world.site.token("admin"), body).await;
        assert_eq!(set.status, 200, "{}", set.text());
    }
    let staging = json!(["staging"]);
    for name in ["one", "two"] {
        let endpoint = json!({ "host": "db.internal", "port": 5432, "database": name });
        let instance = json!({ "user": "x", "endpoints": [endpoint] });
        let service = json!({ "name": name, "kind": "postgres", "instances": { "staging": instance } });
        let tool = json!({ "name": name, "profiles": { "staging": { "settings": { "a": 1 } } } });
        post(&world, "/api/v1/services", service).await;
        post(&world, "/api/v1/tools", tool).await;
        post(&world, "/api/v1/deployments", json!({ "name": name, "environments": staging })).await;
        let path = format!("/api/v1/policies/{name}");
        let uploaded = world.admin("PUT", &path, world.site.token("admin"), guest("dump")).await;
        assert_eq!(uploaded.status, 200, "{}", uploaded.text());
        let place = json!({ "environment": "staging" });
        post(&world, "/api/v1/attachments", json!({ "policy": name, "place": place, "settings": {} })).await;
    }
    for name in ["e2e", "load & soak"] {
        let report =
            json!({ "release": 18, "environment": "staging", "name": name, "conclusion": "success" });
        post(&world, "/api/v1/deployments/checkout/checks", report).await;
        let secret = json!({ "environment": "staging", "name": name.replace([' ', '&'], "_"), "value": name,
            "is_secret": true, "description": "x", "rotate_every": 30 });
        post(&world, "/api/v1/deployments/checkout/env", secret).await;
        let leased = world.boot_as("production", "GET", "", &[("bootlace-lease", "60")], "").await;
        assert!(!leased.header("bootlace-lease").is_empty(), "{}", leased.text());
        // It waits, and is withdrawn.
        let promotions = "/deployments/checkout/promotions";
        let waits = world.by("releaser", "POST", promotions, json!({ "to": "production" })).await;
        assert_eq!(waits.status, 202, "{}", waits.text());
        let path = format!("{promotions}/{}", waits.json()["id"].as_str().unwrap());
        assert_eq!(world.by("releaser", "DELETE", &path, Value::Null).await.status, 200);
    }
    world
}

async fn post(world: &World, path: &str, body: Value) {
    let made = world.admin("POST", path, world.site.token("admin"), body.to_string()).await;
    assert_eq!(made.status, 200, "{path}: {}", made.text());
}

async fn get(world: &World, token: &str, path: &str) -> Value {
    let answer = world.admin("GET", path, token, "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_one_are_the_whole_list_in_its_order() {
    let world = world().await;
    let admin = world.site.token("admin");
    for (path, name, least) in [
        (VALUES, "variables", 4),
        ("/api/v1/deployments/checkout/env?x=", "variables", 0),
        ("/api/v1/deployments/checkout/env/COLOUR/versions?environment=production", "versions", 3),
        ("/api/v1/environments?x=", "environments", 2),
        ("/api/v1/tokens?x=", "tokens", 2),
        ("/api/v1/snapshots?x=", "snapshots", 2),
        ("/api/v1/workspaces?x=", "workspaces", 1),
        ("/api/v1/usage?x=", "usage", 2),
        ("/api/v1/deployments?x=", "deployments", 2),
        ("/api/v1/deployments?environment=staging", "deployments", 3),
        ("/api/v1/services?environment=staging", "services", 2),
        ("/api/v1/tools?environment=staging", "tools", 2),
        ("/api/v1/policies?environment=staging", "policies", 2),
        ("/api/v1/attachments?x=", "attachments", 2),
        ("/api/v1/deployments/checkout/checks?x=", "checks", 2),
        ("/api/v1/deployments/checkout/releases?x=", "releases", 3),
        ("/api/v1/deployments/checkout/activations?x=", "activations", 3),
        ("/api/v1/deployments/checkout/promotions?x=", "promotions", 2),
        ("/api/v1/deployments/checkout/leases?x=", "leases", 2),
        ("/api/v1/rotations?x=", "rotations", 2),
        ("/api/v1/pipeline?x=", "pipelines", 3),
    ] {
        let whole = get(&world, admin, path).await;
        assert_eq!(whole["next"], Value::Null, "{path}");
        let whole = whole[name].as_array().unwrap();
        assert!(whole.len() >= least, "{path}: {whole:?}");
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        for _ in 0..whole.len() {
            let page = get(&world, admin, &format!("{path}&limit=1{cursor}")).await;
            let [one] = &page[name].as_array().unwrap()[..] else { panic!("{path}: {page}") };
            paged.push(one.clone());
            cursor = page["next"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        }
        assert_eq!((&paged, cursor.as_str()), (whole, ""), "{path}");
        for wrong in ["limit=0", "limit=1001", "limit=many", "limit=1&limit=1", "cursor=%ff"] {
            let refused = world.admin("GET", &format!("{path}&{wrong}"), admin, "").await;
            assert_eq!(refused.status, 400, "{path} {wrong}: {}", refused.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_tells_when_it_was_last_used_and_its_etag_keeps_another_from_being_revoked() {
    let world = world().await;
    let admin = world.site.token("admin");
    let of = |listed: &Value, principal: &str| {
        let tokens = listed["tokens"].as_array().unwrap().iter();
        let mut named = tokens.filter(|one| one["principal"].as_str().unwrap().contains(principal));
        named.next().unwrap_or_else(|| panic!("{listed}")).clone()
    };
    assert_eq!(of(&get(&world, admin, "/api/v1/tokens").await, "staging")["last_used"], Value::Null);
    for (second, told) in [(5, "2026-11-22T12:00:05Z"), (9, "2026-11-22T12:00:09Z")] {
        world.clock.advance(UnixSeconds(NOON.0 + second));
        assert_eq!(world.boot("staging").await.status, 200);
        assert_eq!(of(&get(&world, admin, "/api/v1/tokens").await, "staging")["last_used"], told);
        // A change of the tokens does not forget it.
        let wanted = json!({ "kind": "tenant", "principal": "ada", "role": "viewer" }).to_string();
        assert_eq!(world.admin("POST", "/api/v1/tokens", admin, wanted).await.status, 201);
    }
    let listed = get(&world, admin, "/api/v1/tokens").await;
    let staging = of(&listed, "staging");
    assert_eq!(staging["last_used"], "2026-11-22T12:00:09Z");
    let path = format!("/api/v1/tokens/{}", staging["id"].as_str().unwrap());
    let other = of(&listed, "ada")["etag"].as_str().unwrap().to_owned();
    let own = staging["etag"].as_str().unwrap().to_owned();
    for (etag, status) in [(other, 409), (own, 204)] {
        let revoked = world.admin_with("DELETE", &path, admin, &[("if-match", &etag)], "").await;
        assert_eq!(revoked.status, status, "{}", revoked.text());
    }
    assert_eq!(world.boot("staging").await.status, 401);
}
