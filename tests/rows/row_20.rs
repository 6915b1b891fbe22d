//! GitOps: a workspace directory builds to a signed snapshot that owns what it names; a push prunes what
//! is gone from it and leaves what was made by API; `snapshot drift` tells all of that beforehand.

use std::fs;

use bootlace::id::Revision;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::APP;
use crate::world::{Answer, Site, World};

const ENV: &str = "/api/v1/deployments/checkout/env";

/// The site's directory on disk, as `git clone` leaves it.
fn checked_out(site: &Site) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (path, bytes) in &site.tree {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    directory
}

async fn set(world: &World, body: Value) -> Answer {
    world.admin("POST", ENV, world.site.token("admin"), body.to_string()).await
}

async fn drift(world: &World, directory: &TempDir) -> Value {
    let line = format!("snapshot drift {}", directory.path().display());
    world.json(world.site.token("viewer"), &line).await
}

fn unset(site: &mut Site, environment: &str, name: &str) {
    site.change_toml(APP, |file| {
        let variables = file["environments"][environment]["variables"].as_table_like_mut().unwrap();
        assert!(variables.remove(name).is_some());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn row_20_what_a_push_would_do_is_told_before_and_done_by_it() {
    let mut world = World::with(Site::small(0)).await;
    let line = |directory: &TempDir| format!("snapshot drift {} --exit-code", directory.path().display());
    let viewer = world.site.token("viewer").to_owned();
    let same = checked_out(&world.site);
    assert_eq!(
        world.cli(&viewer, &line(&same)).await,
        (0, String::new(), String::new()),
        "nothing when equal"
    );

    let owned = set(&world, json!({ "environment": "staging", "name": "DB_USER", "value": "x" })).await;
    assert_eq!((owned.status, owned.code().as_str()), (409, "owned-by-directory"));
    for name in ["STAYS", "TAKEN_OVER"] {
        let answer = set(&world, json!({ "environment": "staging", "name": name, "value": "by api" })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let goes = json!({ "environment": "preview/pr-42", "name": "GOES", "value": "by api" });
    assert_eq!(set(&world, goes).await.status, 200);
    let qa = json!({ "name": "qa", "type": "test", "deployments": [] }).to_string();
    let made = world.admin("POST", "/api/v1/environments", world.site.token("admin"), qa).await;
    assert_eq!(made.status, 200, "{}", made.text());

    // The directory goes on meanwhile.
    world.site.set_plain("staging", "TAKEN_OVER", "by the directory");
    world.site.set_plain("staging", "FLAG", "another").set_plain("production", "NEW", "new");
    unset(&mut world.site, "production", "FLAG");
    world.site.change_toml(APP, |file| {
        file["environments"].as_table_like_mut().unwrap().remove("preview/pr-42");
    });
    // First tokens and activations are for a host's first start.
    world.site.tree.remove("bootstrap.toml");
    let directory = checked_out(&world.site);
    let told = drift(&world, &directory).await;
    let fates: Vec<_> = told["made"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["subject"].clone(), one["fate"].clone()))
        .collect();
    let expected = [
        ("environment qa", "stays"),
        ("GOES of checkout in preview/pr-42", "displaced"),
        ("STAYS of checkout in staging", "stays"),
        ("TAKEN_OVER of checkout in staging", "taken-over"),
    ];
    assert_eq!(fates, expected.map(|(subject, fate)| (json!(subject), json!(fate))), "{told:#}");
    let stays = &told["made"][2];
    assert_eq!(
        (&stays["changed"]["revision"], &stays["changed"]["by"]),
        (&json!(2), &json!("admin of the tests"))
    );
    assert_eq!(stays["changed"]["at"], "2026-11-22T12:00:00Z");
    let changes = |told: &Value, environment: &str| -> Vec<(Value, Value)> {
        let all = told["changes"].as_array().unwrap().iter();
        let here = all.filter(|one| one["environment"] == environment);
        here.map(|one| (one["key"].clone(), one["change"].clone())).collect()
    };
    assert_eq!(changes(&told, "staging"), [(json!("FLAG"), json!("changed"))]);
    assert_eq!(
        changes(&told, "production"),
        [(json!("FLAG"), json!("removed")), (json!("NEW"), json!("added"))]
    );
    assert!(!changes(&told, "preview/pr-42").contains(&(json!("GOES"), json!("removed"))));
    let (code, table, _) = world.cli(&viewer, &line(&directory)).await;
    assert_eq!(code, 1);
    assert!(
        table.contains("STAYS of checkout in staging\tstays\tadmin of the tests\t2026-11-22T12:00:00Z\t2\n"),
        "{table}"
    );
    assert!(!table.contains("by api") && !table.contains("by the directory"), "{table}");

    // What was told is what a push does: signed, pruned, and what it does not name as it was.
    let live = told["revision"].as_u64().unwrap();
    let pushed = world.push(&world.site.bundle(Revision(live)), live).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let warnings = pushed.json()["warnings"].to_string();
    assert!(
        warnings.contains("TAKEN_OVER") && warnings.contains("GOES") && !warnings.contains("STAYS"),
        "{warnings}"
    );
    let (staging, production) = (world.environment("staging").await, world.environment("production").await);
    assert_eq!((staging["STAYS"].as_str(), staging["TAKEN_OVER"].as_str()), ("by api", "by the directory"));
    assert!(!production.contains_key("FLAG") && production["NEW"] == "new");
    let after = drift(&world, &directory).await;
    let left: Vec<_> = after["made"].as_array().unwrap().iter().map(|one| one["subject"].clone()).collect();
    assert_eq!(
        (left, &after["changes"], &after["pruned"]),
        (vec![json!("environment qa"), json!("STAYS of checkout in staging")], &json!([]), &json!([])),
        "{after:#}"
    );
    let mut forged = world.site.bundle(Revision(live + 1));
    *forged.last_mut().unwrap() ^= 1;
    let refused = world.push(&forged, live + 1).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_20_a_limited_token_is_told_of_its_own_environments() {
    let pair = crate::world::pair::Pair::start().await;
    let world = &pair.world;
    for body in [
        json!({ "environment": "staging", "name": "HERE", "value": "x" }),
        json!({ "environment": "production", "name": "THERE", "value": "x" }),
        json!({ "name": "BASE", "value": "x" }),
    ] {
        assert_eq!(set(world, body).await.status, 200);
    }
    let told = |token: &str, query: &str| {
        let (token, path) = (token.to_owned(), format!("/api/v1/drift?{query}"));
        async move {
            let answer = world.admin("GET", &path, &token, "").await.json();
            let made = answer["made"].as_array().unwrap().iter().map(|one| one["name"].clone());
            (made.collect::<Vec<_>>(), answer["next"].clone())
        }
    };
    let viewer = world.site.token("viewer");
    assert_eq!(told(viewer, "").await.0, ["BASE", "HERE", "THERE"]);
    assert_eq!(told(world.site.token("acme staging viewer"), "").await.0, ["HERE"]);
    assert_eq!(told(pair.site("other").token("viewer"), "").await.0, [] as [&str; 0]);
    let (first, next) = told(viewer, "limit=2").await;
    let cursor = next.as_str().unwrap().replace(' ', "%20");
    assert_eq!(
        (first, told(viewer, &format!("limit=2&cursor={cursor}")).await.0),
        (vec![json!("BASE"), json!("HERE")], vec![json!("THERE")])
    );
}
