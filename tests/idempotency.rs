//! A change under an `Idempotency-Key` is made once, however often it is asked for, and whoever asks
//! again is given the answer that was given.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use bootlace::{
    canonical::{Canonical, sha256},
    change::{Edit, Precondition, Wanted},
    host::{Author, Claim},
    id::{Revision, UnixSeconds},
    made::ValueKey,
    model::Place,
    token::Token,
};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::world::{Answer, NOON, Site, World, blocking, http};

const VALUES: &str = "/api/v1/deployments/checkout/env";
const DAY: i64 = 24 * 60 * 60;

fn colour(value: &str) -> String {
    json!({ "environment": "staging", "name": "COLOUR", "value": value }).to_string()
}

async fn with_key(world: &World, (method, path): (&str, &str), key: &str, body: &str) -> Answer {
    let admin = world.site.token("admin");
    world.admin_with(method, path, admin, &[("idempotency-key", key)], body).await
}

async fn set(world: &World, key: &str, value: &str) -> Answer {
    with_key(world, ("POST", VALUES), key, &colour(value)).await
}

/// What somebody sees who compares two answers.
fn told(answer: &Answer) -> (u16, String) {
    let headers = ["etag", "content-type", "bootlace-revision", "cache-control"];
    (answer.status, headers.map(|name| answer.header(name)).join("\n") + answer.text())
}

async fn versions(world: &World) -> usize {
    let path = format!("{VALUES}/COLOUR/versions?environment=staging");
    let listed = world.admin("GET", &path, world.site.token("admin"), "").await;
    listed.json()["versions"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_answered_as_it_was_and_another_is_refused() {
    let world = World::with(Site::small(1)).await;
    let first = set(&world, "k", "red").await;
    assert_eq!(first.status, 200, "{}", first.text());
    let other = set(&world, "other", "green").await;
    assert_eq!(other.status, 200);
    for _ in 0..2 {
        assert_eq!(told(&set(&world, "k", "red").await), told(&first));
    }
    assert_eq!((versions(&world).await, world.environment("staging").await["COLOUR"].as_str()), (2, "green"));

    let body = colour("red");
    let elsewhere = "/api/v1/deployments/checkout/env/COLOUR?environment=staging";
    let asked = format!("{VALUES}?workspace=acme");
    for (method, path, body) in [
        ("POST", VALUES, colour("blue").as_str()),
        ("POST", VALUES, ""),
        ("POST", &asked, &body),
        ("DELETE", elsewhere, &body),
    ] {
        let refused = with_key(&world, (method, path), "k", body).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{method} {path} {body}");
    }
    // Another token's key is another key, and who has no token has none.
    let key = [("idempotency-key", "k")];
    let operators = world.admin_with("POST", &asked, &world.operator, &key, body.as_str()).await;
    assert_eq!((operators.status, versions(&world).await), (200, 3), "{}", operators.text());
    let strangers = world.admin_with("POST", VALUES, "bl_tenant_nobody", &key, body.as_str()).await;
    assert_eq!(strangers.status, 401);
    assert_eq!(versions(&world).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_leaves_its_key_free() {
    let world = World::with(Site::small(1)).await;
    let key = [("idempotency-key", "k"), ("if-match", "\"9\"")];
    let refused = world.admin_with("POST", VALUES, world.site.token("admin"), &key, colour("red")).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(set(&world, "k", "").await.status, 200);
    assert_eq!(set(&world, "k", "red").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_and_one_whose_answer_is_lost_one_is_made() {
    let world = World::with(Site::small(1)).await;
    let before = told(&set(&world, "before", "white").await);
    // Sent whole, and gone before there is an answer.
    let body = colour("red");
    let token = world.site.token("admin");
    let mut lost = TcpStream::connect(world.admin_address()).await.unwrap();
    let head = format!(
        "POST {VALUES} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nidempotency-key: k\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    lost.write_all(head.as_bytes()).await.unwrap();
    drop(lost);
    let (address, token) = (world.admin_address(), token.to_owned());
    let all = (0..8).map(|_| {
        let (token, body) = (token.clone(), body.clone());
        tokio::spawn(async move {
            let key = [("idempotency-key", "k")];
            http::request(address, "POST", VALUES, Some(&token), &key, body.into_bytes()).await
        })
    });
    let mut answers = BTreeSet::new();
    for answer in all.collect::<Vec<_>>() {
        answers.insert(told(&answer.await.unwrap()));
    }
    assert!(answers.len() == 1 && answers.iter().all(|one| one.0 == 200 && *one != before), "{answers:?}");
    assert_eq!(versions(&world).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_under_a_key_is_known_after_a_restart() {
    let world = World::with(Site::small(1)).await;
    let first = told(&set(&world, "k", "red").await);
    let wanted = r#"{"kind":"instance","principal":"pod","deployment":"checkout","environment":"staging"}"#;
    let mint = async |world: &World| with_key(world, ("POST", "/api/v1/tokens"), "mint", wanted).await;
    let minted = mint(&world).await;
    let world = world.restart().await;
    assert_eq!(told(&set(&world, "k", "red").await), first);
    assert_eq!((set(&world, "k", "blue").await.status, versions(&world).await), (422, 1));
    let again = mint(&world).await;
    assert_eq!((minted.status, again.status), (201, 409));
    assert!(again.text().contains(minted.json()["id"].as_str().unwrap()), "{}", again.text());
    // And forgotten after its day, in the ledger, too: the next key puts it away.
    world.clock.advance(UnixSeconds(NOON.0 + DAY));
    assert_eq!(set(&world, "other", "green").await.status, 200);
    assert_eq!(set(&world, "another", "green").await.status, 200);
    let world = world.restart().await;
    let known = blocking({
        let host = Arc::clone(&world.host);
        move || host.remembered().unwrap().len()
    });
    assert_eq!(known.await, 2);
    assert_eq!((set(&world, "k", "red").await.status, versions(&world).await), (200, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_a_kill_kept_back_is_not_made_again() {
    let world = World::with(Site::small(1)).await;
    let token: Token = world.site.token("admin").parse().unwrap();
    let id = Canonical::new("bootlace idempotency key 1").bytes(&token.hash().0).text("k").finish();
    let asked = Canonical::new("bootlace idempotency 1").text("POST").text(VALUES).text("").finish();
    let body = Arc::new(OnceLock::from(sha256(colour("red").as_bytes())));
    let claim = Claim { id, workspace: "acme".parse().ok(), token: token.hash(), asked, body };
    let key = ValueKey {
        place: Place::Deployment("checkout".parse().unwrap(), "staging".parse().ok()),
        name: "COLOUR".parse().unwrap(),
    };
    let wanted = Wanted::Value("red".to_owned().into());
    let edit = Edit::SetValue { key, wanted, sensitivity: None, description: None, keep: false };
    // As far as a change comes that is made, and whose answer was not given yet.
    let host = Arc::clone(&world.host);
    let changed = blocking(move || {
        let author = Author::process("ada").under(Some(Arc::new(claim)));
        host.change(&author, &"acme".parse().unwrap(), &[edit], Precondition::Any).map(|_| ())
    });
    changed.await.unwrap();
    let world = world.restart().await;
    let again = set(&world, "k", "red").await;
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"), "{}", again.text());
    assert!(again.text().contains("this was done"), "{}", again.text());
    assert_eq!((set(&world, "k", "blue").await.status, versions(&world).await), (422, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_forgotten_after_a_day() {
    let world = World::with(Site::small(1)).await;
    let first = told(&set(&world, "k", "red").await);
    for (second, made) in [(DAY - 1, 1), (DAY, 2), (DAY + 1, 2)] {
        world.clock.advance(UnixSeconds(NOON.0 + second));
        let answer = set(&world, "k", "red").await;
        assert_eq!((answer.status, versions(&world).await), (200, made), "{second}: {}", answer.text());
        assert_eq!(told(&answer) == first, made == 1, "{second}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_minted_once_and_not_shown_again() {
    let world = World::with(Site::small(1)).await;
    let wanted = r#"{"kind":"instance","principal":"pod","deployment":"checkout","environment":"staging"}"#;
    let mint = || with_key(&world, ("POST", "/api/v1/tokens"), "k", wanted);
    let minted = mint().await;
    let (token, id) = (minted.json()["token"].clone(), minted.json()["id"].clone());
    let (token, id) = (token.as_str().unwrap(), id.as_str().unwrap());
    let again = mint().await;
    assert_eq!((minted.status, again.status, again.code().as_str()), (201, 409, "conflict"));
    assert!(again.text().contains(id) && !again.text().contains(token), "{}", again.text());
    let listed = world.admin("GET", "/api/v1/tokens", world.site.token("admin"), "").await;
    assert_eq!(listed.text().matches("\"principal\":\"pod\"").count(), 1);
    let path = format!("/api/v1/tokens/{id}");
    for _ in 0..2 {
        assert_eq!(with_key(&world, ("DELETE", &path), "revoke", "").await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_pushed_once() {
    let world = World::with(Site::small(1)).await;
    let bundles = [2, 3].map(|number| world.site.bundle_of(&world.site.telling(number), Revision(1)));
    let push = |bundle: usize, key: &'static str| {
        let (world, bundle) = (&world, bundles[bundle].clone());
        let headers = [("if-match", "\"1\""), ("idempotency-key", key)];
        async move { world.admin_with("PUT", "/api/v1/snapshot", &world.operator, &headers, bundle).await }
    };
    let first = push(0, "k").await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(told(&push(0, "k").await), told(&first));
    assert_eq!((push(1, "k").await.status, push(0, "new").await.status), (422, 409));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_key_is_refused_and_reading_needs_none() {
    let world = World::with(Site::small(1)).await;
    let admin = world.site.token("admin");
    let long = "k".repeat(129);
    for headers in [
        &[("idempotency-key", "")][..],
        &[("idempotency-key", &long)],
        &[("idempotency-key", "two words")],
        &[("idempotency-key", "k"), ("idempotency-key", "k")],
    ] {
        let refused = world.admin_with("POST", VALUES, admin, headers, colour("red")).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid"), "{headers:?}");
        assert_eq!(world.admin_with("GET", VALUES, admin, headers, "").await.status, 200);
    }
    let longest = "k".repeat(128);
    assert_eq!((set(&world, &longest, "red").await.status, versions(&world).await), (200, 1));
}

#[test]
fn every_change_is_documented_with_its_key() {
    let document = bootlace::admin::document();
    let mut changes = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let has_key = parameters.into_iter().any(|one| one["name"] == "Idempotency-Key");
            let is_change = path.starts_with("/api/") && method != "get";
            assert_eq!(has_key, is_change, "{method} {path}");
            changes += usize::from(is_change);
        }
    }
    assert!(changes >= 9);
}
