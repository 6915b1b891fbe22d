//! Promotions: one at a time on each target, whole or not at all, and approved by somebody else.

use std::{sync::Arc, thread, time::Duration};

use bootlace::{
    clock::{Clock, Steady},
    control::{Control, Expected},
    host::{Author, ChangeError, HOLD_SECONDS, Host, Requested},
    id::{DeploymentId, EnvironmentName, UnixSeconds, WorkspaceId},
    ledger::Ttl,
    slots::DataDirectory,
    state::{Promotion, Status, Why},
    system::entropy,
};
use serde_json::{Value, json};

use crate::world::{Answer, NOON, Site, World, blocking, settings};

const PROMOTIONS: &str = "/deployments/checkout/promotions";

fn workspace() -> WorkspaceId {
    "acme".parse().unwrap()
}

fn place(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

fn to_production() -> Requested {
    let deployment: DeploymentId = "checkout".parse().unwrap();
    Requested { deployment, release: None, from: None, to: Some(place("production")) }
}

/// Production takes what somebody promotes, and nobody approves.
fn manual() -> Site {
    let mut site = Site::starter();
    site.edit("environments/production.toml", "type = ", "trigger = \"manual\"\ntype = ");
    site
}

fn activate(host: &Host, environment: &str, release: u64) {
    let deployment: DeploymentId = "checkout".parse().unwrap();
    let author = Author::process("tests");
    let pair = (&deployment, &place(environment));
    host.activate(&author, &workspace(), pair, release, Why::Rollback).unwrap();
}

fn active(host: &Host, environment: &str) -> u64 {
    let deployment: DeploymentId = "checkout".parse().unwrap();
    host.activation(&workspace(), &deployment, &place(environment)).unwrap().release
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_promotions_at_once_on_one_target_exactly_one_wins_each_of_500_times() {
    let world = World::with(manual()).await;
    let host = Arc::clone(&world.host);
    blocking(move || {
        for round in 0..500 {
            let release = 17 + round % 2;
            activate(&host, "production", 35 - release);
            activate(&host, "staging", release);
            let both = ["ada", "grace"].map(|who| {
                let host = Arc::clone(&host);
                thread::spawn(move || host.promote(&Author::process(who), &workspace(), &to_production()))
            });
            let both = both.map(|one| one.join().unwrap());
            let won =
                both.iter().filter(|one| one.as_ref().is_ok_and(|one| one.status == Status::Done)).count();
            assert_eq!(won, 1, "round {round}: {both:?}");
            for one in &both {
                match one {
                    Ok(one) if one.status == Status::Done => {}
                    // It came when the other was done, or met the other.
                    Ok(one) => assert!(one.reasons[0].1.contains("active in production already"), "{one:?}"),
                    Err(ChangeError::Promoting { id, by, .. }) => assert!(!id.is_empty() && !by.is_empty()),
                    Err(error) => panic!("round {round}: {error:?}"),
                }
            }
            assert_eq!(active(&host, "production"), release);
        }
    })
    .await;
}

#[test]
fn a_holder_that_is_killed_frees_the_target_at_the_leases_end_with_nothing_half_applied() {
    for run in 0..10 {
        let (site, data, steady) = (manual(), tempfile::TempDir::new().unwrap(), Steady::manual());
        let clock = Clock::manual(NOON);
        let open = || {
            let mut settings = settings(&site, data.path(), clock.clone());
            settings.leases = steady.clone();
            Host::open(settings).unwrap()
        };
        let host = open();
        let pushed =
            host.push(&Author::process("operator"), &site.bundle(Default::default()), Default::default());
        pushed.unwrap();
        let uid = host.store.load().workspaces()["acme"].snapshot.configuration.deployments["checkout"].uid;
        drop(host);
        // What is there when a host dies between taking the target and the one transaction that does it all.
        {
            let directory = DataDirectory::open(data.path()).unwrap();
            let keys = directory.host_keys(&site.roots(), &site.root_key(), &mut entropy).unwrap();
            let control = Control::open_with(data.path(), keys.floor.record_key(), steady.clone()).unwrap();
            let checkout: DeploymentId = "checkout".parse().unwrap();
            let name = Promotion::running_record(&workspace(), &checkout, &place("production"));
            let killed = Promotion {
                id: format!("killed{run}"),
                deployment: (checkout, uid),
                release: 18,
                from: place("staging"),
                to: place("production"),
                by: "ada".into(),
                at: NOON,
                approvals: Vec::new(),
                status: Status::Running,
                since: NOON,
                reasons: Vec::new(),
                wanted: Vec::new(),
                retry_at: None,
            };
            let ttl = Ttl::seconds(HOLD_SECONDS).unwrap();
            control.lease(&[(&name, Expected::Absent)], (&name, &killed.to_bytes()), ttl).unwrap();
        }
        let host = open();
        assert_eq!(active(&host, "production"), 17);
        let promote = || host.promote(&Author::process("grace"), &workspace(), &to_production());
        steady.advance(Duration::from_secs(u64::from(HOLD_SECONDS) * run / 10));
        match promote() {
            Err(ChangeError::Promoting { id, by, .. }) => {
                assert_eq!((id, by), (format!("killed{run}"), "ada".into()))
            }
            other => panic!("{other:?}"),
        }
        steady.advance(Duration::from_secs(HOLD_SECONDS.into()));
        assert_eq!(promote().unwrap().status, Status::Done);
        assert_eq!(active(&host, "production"), 18);
    }
}

async fn asked(world: &World, token: &str, body: Value) -> Answer {
    world.admin("POST", &format!("/api/v1{PROMOTIONS}"), token, body.to_string()).await
}

async fn approved(world: &World, token: &str, id: &str) -> Answer {
    world.admin("POST", &format!("/api/v1{PROMOTIONS}/{id}/approvals"), token, "").await
}

async fn minted(world: &World, by: &str, principal: &str, role: &str) -> String {
    let wanted = json!({ "kind": "tenant", "principal": principal, "role": role });
    let minted = world.admin("POST", "/api/v1/tokens", by, wanted.to_string()).await;
    assert_eq!(minted.status, 201, "{}", minted.text());
    minted.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_their_own_promotion_with_any_token_that_they_had_a_hand_in() {
    let world = World::start().await;
    let admin = world.site.token("admin").to_owned();
    let releaser = world.site.token("releaser").to_owned();
    let twin = minted(&world, &admin, "ada", "releaser").await;
    let ada = minted(&world, &admin, "ada", "admin").await;
    let waits = asked(&world, &ada, json!({ "to": "production" })).await;
    assert_eq!((waits.status, &waits.json()["status"]), (202, &json!("deferred")), "{}", waits.text());
    assert_eq!(waits.json()["required_approvals"], json!([{ "role": "releaser", "missing": 1 }]));
    let id = waits.json()["id"].as_str().unwrap().to_owned();

    let eve = minted(&world, &ada, "eve", "admin").await;
    let mallory = minted(&world, &eve, "mallory", "releaser").await;
    let (own, hand) = ("does not approve it", "was minted by whoever asks");
    for (token, why) in [(&ada, own), (&twin, own), (&eve, hand), (&mallory, hand)] {
        let refused = approved(&world, token, &id).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{}", refused.text());
        assert!(refused.text().contains(why), "{}", refused.text());
    }
    assert_eq!(approved(&world, world.site.token("developer"), &id).await.status, 403);
    assert_eq!(approved(&world, &admin, "nothing").await.status, 404);
    assert_eq!(world.boot("production").await.json()["release"], 17);

    // It waits across a restart, and whoever asks meanwhile is told for whom.
    let world = world.restart().await;
    let held = asked(&world, &admin, json!({ "to": "production" })).await;
    let told = held.json();
    assert_eq!(
        (held.status, &told["holder"], &told["promotion"]),
        (409, &json!("ada"), &json!(id)),
        "{told}"
    );
    let done = approved(&world, &releaser, &id).await;
    assert_eq!((done.status, &done.json()["status"]), (200, &json!("done")), "{}", done.text());
    assert_eq!(world.boot("production").await.json()["release"], 18);
    let why = world
        .by("viewer", "GET", "/deployments/checkout/activations?environment=production", Value::Null)
        .await;
    let why = why.json()["activations"][0].clone();
    assert_eq!((&why["why"], &why["by"]), (&json!(format!("promotion {id}")), &json!("ada")));
    assert_eq!(approved(&world, &admin, &id).await.status, 409, "it is over");
    let listed = world.by("viewer", "GET", PROMOTIONS, Value::Null).await.json();
    assert_eq!(listed["promotions"][0]["approvals"][0]["principal"], "releaser of the tests");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_is_taken_again_and_what_waits_too_long_is_over() {
    let world = World::start().await;
    let waits = asked(&world, world.site.token("releaser"), json!({ "to": "production" })).await.json();
    let id = waits["id"].as_str().unwrap().to_owned();
    let host = Arc::clone(&world.host);
    // The source moved on since then: what was asked for is not what runs there.
    blocking(move || activate(&host, "staging", 17)).await;
    let refused = approved(&world, world.site.token("admin"), &id).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "policy-denied"), "{}", refused.text());
    assert!(refused.text().contains("release 18 is not active in staging"), "{}", refused.text());
    assert_eq!(world.boot("production").await.json()["release"], 17);

    let host = Arc::clone(&world.host);
    blocking(move || activate(&host, "staging", 18)).await;
    let waits = asked(&world, world.site.token("releaser"), json!({ "to": "production" })).await.json();
    let path = format!("{PROMOTIONS}/{}", waits["id"].as_str().unwrap());
    for (days, status) in [(6, "deferred"), (8, "expired")] {
        world.clock.advance(UnixSeconds(NOON.0 + days * 86_400));
        let host = Arc::clone(&world.host);
        blocking(move || host.advance_promotions()).await;
        let told = world.by("viewer", "GET", &path, Value::Null).await.json();
        assert_eq!(told["status"], status, "{told}");
    }
}
