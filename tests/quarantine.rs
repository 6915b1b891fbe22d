//! A policy that keeps failing is put back to the version before it, where its owner said so, and
//! not at the word of one instance.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bootlace::id::{Revision, UnixSeconds};
use serde_json::Value;

use crate::world::{Answer, NOON, Site, World, http, site::guest};

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_fails_for_three_instances_gives_way_to_the_version_before_it() {
    let world = world_with_a_failing_update("previous").await;
    for last in [1, 1, 1, 1, 1, 2, 2] {
        assert_eq!(boot_from(&world, last).await.code(), "policy-failed");
    }
    assert_eq!(quarantines(&world), [Value::Null; 0], "two instances are not enough, however often");
    assert_eq!(world.boot("production").await.header("bootlace-revision"), "2");

    assert_eq!(boot_from(&world, 3).await.code(), "policy-failed");
    let record = first_quarantine(&world).await;
    // Counted when it is done, which is after it is recorded.
    let metrics = async || world.admin("GET", "/metrics", &world.operator, "").await.text().to_owned();
    while !metrics().await.contains("\nbootlace_quarantines_total 1\n") {
        assert!(metrics().await.contains("\nbootlace_quarantines_total 0\n"));
    }
    assert_eq!((&record["outcome"], &record["principal"]), (&"done".into(), &"host".into()));
    let details = &record["details"];
    assert_eq!(
        (&details["workspace"], &details["policy"], &details["revision"]),
        (&"acme".into(), &"rotation-canary".into(), &3.into())
    );
    let answer = boot_from(&world, 1).await;
    assert_eq!((answer.status, answer.header("bootlace-revision")), (200, "3"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_stays_where_its_owner_wants_boots_refused() {
    let world = world_with_a_failing_update("refuse").await;
    for last in 1..=5 {
        assert_eq!(boot_from(&world, last).await.code(), "policy-failed");
    }
    assert_eq!(quarantines(&world), [Value::Null; 0]);
    assert_eq!(world.boot("production").await.header("bootlace-revision"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_something_else_makes_a_policy_neither_new_nor_counted_on() {
    let mut world = world_with_a_failing_update("previous").await;
    for last in [1, 2] {
        boot_from(&world, last).await;
    }
    world.clock.advance(UnixSeconds(NOON.0 + 3600));
    world.site.set_plain("production", "UNRELATED", "yes");
    let pushed = world.push(&world.site.bundle(Revision(2)), 2).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());

    boot_from(&world, 3).await;
    assert_eq!(quarantines(&world), [Value::Null; 0], "the two before the push count no more");
    for last in [4, 5] {
        boot_from(&world, last).await;
    }
    let record = first_quarantine(&world).await;
    assert_eq!(record["outcome"], "invalid", "the policy came an hour ago: {record}");
    assert_eq!(world.boot("production").await.header("bootlace-revision"), "3");
}

/// The starter with a policy that works in place of rotation-canary, and then one that traps in a
/// region.
async fn world_with_a_failing_update(fallback: &str) -> World {
    let mut site = Site::starter();
    let settings = "settings = { variable = \"JWT_SIGNING_KEY\", percent = 10, salt = \"2026-11\" }";
    site.write("policies/rotation-canary.wasm", guest("dump"))
        .edit("policies.toml", settings, "settings = { mode = \"trap\", only-in = \"nowhere\" }")
        .edit("policies.toml", "fallback = \"previous\"", &format!("fallback = \"{fallback}\""));
    let mut world = World::with(site).await;
    world.site.write("policies/rotation-canary.wasm", guest("hostile"));
    let pushed = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    world
}

/// Boots in production from a loopback address of its own, in the region that the policy fails in.
async fn boot_from(world: &World, last: u8) -> Answer {
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    let mut connection = http::Connection::open_from(from, world.boot_address()).await;
    let token = Some(world.site.token("production"));
    connection.send(http::prepared("GET", "/v1/boot?region=nowhere", token, &[], Vec::new())).await
}

/// What the audit log says of policies that were put back.
fn quarantines(world: &World) -> Vec<Value> {
    let mut found = Vec::new();
    for file in fs::read_dir(world.data.path().join("audit")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        // The last line may be half-written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let records = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        found.extend(records.filter(|record| record["kind"] == "quarantine"));
    }
    found
}

/// It is made apart from the boot that was one too many.
async fn first_quarantine(world: &World) -> Value {
    for _ in 0..1_000 {
        if let [record, ..] = quarantines(world).as_slice() {
            return record.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no policy was put back")
}
