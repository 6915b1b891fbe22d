//! Changes that were made while the audit log took no record are all in it later, in their order and once.

use std::{fs, path::PathBuf};

use bootlace::{
    bundle::{self, Envelope},
    id::{Revision, UnixSeconds},
};
use serde_json::json;

use crate::{
    audit::records,
    world::{Answer, NOON, Site, World},
};

const DAY: i64 = 86_400;

/// The log begins a new file each day, and there is no place for one.
fn without_log(world: &World) -> (PathBuf, PathBuf) {
    world.clock.advance(UnixSeconds(world.clock.now().0 + DAY + 1));
    let (log, aside) = (world.data.path().join("audit"), world.data.path().join("aside"));
    fs::rename(&log, &aside).unwrap();
    (log, aside)
}

fn with_log((log, aside): (PathBuf, PathBuf)) {
    fs::rename(aside, log).unwrap();
}

async fn change(world: &World, number: u64) -> Answer {
    let body = json!({ "environment": "staging", "name": "NUMBER", "value": number });
    world.by("developer", "POST", "/deployments/checkout/env", body).await
}

/// A bundle of today.
fn bundle(world: &World, parent: u64) -> Vec<u8> {
    let now = world.clock.now();
    let envelope = Envelope { parent: Revision(parent), created: now, not_after: UnixSeconds(now.0 + DAY) };
    let directory = world.site.telling(parent);
    bundle::sign_input(&directory.configuration, envelope, &world.site.operator_key()).unwrap()
}

/// The revisions of the changes, as the log has them.
fn recorded(world: &World) -> Vec<u64> {
    let changes = records(world.data.path()).into_iter().filter(|line| line["kind"] == "change");
    changes.filter_map(|line| line["details"]["revision"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_did_not_take_comes_before_the_next_change() {
    let world = World::with(Site::small(0)).await;
    change(&world, 0).await.done();
    let log = without_log(&world);
    for number in 1..4 {
        change(&world, number).await.done();
    }
    with_log(log);
    assert_eq!(recorded(&world), [2]);
    change(&world, 4).await.done();
    assert_eq!(recorded(&world), [2, 3, 4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_did_not_take_needs_no_other_change() {
    let world = World::with(Site::small(0)).await;
    let log = without_log(&world);
    change(&world, 0).await.done();
    change(&world, 1).await.done();
    world.host.record_unrecorded();
    with_log(log);
    world.host.record_unrecorded();
    assert_eq!(recorded(&world), [2, 3]);
    let world = world.restart().await;
    change(&world, 2).await.done();
    assert_eq!(recorded(&world), [2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_did_not_take_is_in_it_after_a_restart() {
    let world = World::with(Site::small(0)).await;
    let log = without_log(&world);
    for number in 0..3 {
        change(&world, number).await.done();
    }
    with_log(log);
    assert!(recorded(&world).is_empty() && world.clock.now() > NOON);
    let world = world.restart().await;
    assert_eq!(recorded(&world), [2, 3, 4]);
    let world = world.restart().await;
    assert_eq!(recorded(&world), [2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_keep_their_place_among_the_changes() {
    let world = World::with(Site::small(0)).await;
    let log = without_log(&world);
    change(&world, 0).await.done();
    for number in 2..4 {
        assert_eq!(world.push(&bundle(&world, number), number).await.status, 200);
    }
    change(&world, 1).await.done();
    with_log(log);
    let world = world.restart().await;
    let records = records(world.data.path()).into_iter();
    let made = records.filter(|line| line["outcome"] == "done" && !line["details"]["revision"].is_null());
    let made: Vec<_> =
        made.map(|line| (line["kind"].clone(), line["details"]["revision"].as_u64().unwrap())).collect();
    assert_eq!(
        made[made.len() - 4..],
        [("change".into(), 2), ("push".into(), 3), ("push".into(), 4), ("change".into(), 5)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_more_is_changed_when_too_many_records_wait() {
    let world = World::with(Site::small(0)).await;
    let log = without_log(&world);
    for number in 0..64 {
        change(&world, number).await.done();
    }
    let refused = change(&world, 64).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "not-ready"), "{}", refused.text());
    assert_eq!(world.push(&bundle(&world, 65), 65).await.status, 503);
    with_log(log);
    change(&world, 65).await.done();
    assert_eq!(recorded(&world), (2..=66).collect::<Vec<_>>());
}
