//! A token works whole, in its time, and until it is revoked.

use bootlace::id::UnixSeconds;

use crate::world::{NOON, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_minted_token_works_at_once_is_shown_once_and_ends_when_it_is_revoked() {
    let world = World::start().await;
    let admin = world.site.token("admin").to_owned();
    let wanted = r#"{"kind":"instance","principal":"pod","deployment":"checkout","environment":"staging"}"#;
    let minted = world.admin("POST", "/api/v1/tokens", &admin, wanted).await;
    assert_eq!((minted.status, minted.header("cache-control")), (201, "no-store"), "{}", minted.text());
    let (token, id) = (minted.json()["token"].clone(), minted.json()["id"].clone());
    let (token, id) = (token.as_str().unwrap(), id.as_str().unwrap());
    let booted = world.get_boot("/v1/boot", Some(token)).await;
    assert_eq!(booted.environment(), world.environment("staging").await);
    let listed = world.admin("GET", "/api/v1/tokens", &admin, "").await;
    assert!(listed.text().contains(id) && !listed.text().contains(token));
    let revoked = world.admin("DELETE", &format!("/api/v1/tokens/{id}"), &admin, "").await;
    assert_eq!(revoked.status, 204);
    assert_eq!(world.get_boot("/v1/boot", Some(token)).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_any_one_character_changed_opens_nothing() {
    let world = World::start().await;
    for good in [world.site.token("production"), world.site.token("admin"), &world.operator] {
        for at in 0..good.len() {
            let other = if &good[at..=at] == "x" { "y" } else { "x" };
            let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
            let boot = world.get_boot("/v1/boot", Some(&changed)).await;
            let admin = world.admin("GET", "/api/v1/workspaces", &changed, "").await;
            for answer in [boot, admin] {
                assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{at}");
                assert!(!answer.text().contains(&changed[12..]), "no token is echoed");
            }
        }
    }
    assert_eq!(world.boot("production").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_opens_nothing_from_its_second_on() {
    let world = World::start().await;
    let wanted = r#"{"kind":"instance","principal":"pod","deployment":"checkout","environment":"staging","expires_in":60}"#;
    let minted = world.admin("POST", "/api/v1/tokens", world.site.token("admin"), wanted).await;
    let token = minted.json()["token"].as_str().unwrap().to_owned();
    for (second, status) in [(0, 200), (59, 200), (60, 401), (61, 401)] {
        world.clock.advance(UnixSeconds(NOON.0 + second));
        assert_eq!(world.get_boot("/v1/boot", Some(&token)).await.status, status, "{second}");
        assert_eq!(world.boot("staging").await.status, 200);
    }
}
