//! Promotions: one at a time on each target, whole or not at all, and approved by somebody else.

use std::{
    collections::BTreeSet,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use bootlace::{
    clock::{Clock, Steady, rfc3339},
    control::Expected,
    host::{Author, ChangeError, HOLD_SECONDS, Host, MintRequest, PAST_PROMOTIONS, Requested},
    id::{DeploymentId, EnvironmentName, Revision, UnixSeconds, WorkspaceId},
    ledger::Ttl,
    model::{Role, Scope, promotion::Approval},
    state::{Alteration, Approved, Promotion, Status, Why},
    token::{Token, token_id},
};
use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{
        Answer, NOON, Site, World, blocking, http, ledger, settings, site::component, tenants::attachment,
    },
};

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
    site.trigger("production", "manual");
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
        let mut met = 0;
        for round in 0..500 {
            let release = 17 + round % 2;
            activate(&host, "production", 35 - release);
            activate(&host, "staging", release);
            let start = Arc::new(Barrier::new(2));
            let both = ["ada", "grace"].map(|who| {
                let (host, start) = (Arc::clone(&host), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    host.promote(&Author::process(who), &workspace(), &to_production())
                })
            });
            let both = both.map(|one| one.join().unwrap());
            let won =
                both.iter().filter(|one| one.as_ref().is_ok_and(|one| one.status == Status::Done)).count();
            assert_eq!(won, 1, "round {round}: {both:?}");
            for one in &both {
                match one {
                    Ok(one) if one.status == Status::Done => {}
                    // It came when the other was done, or met the other.
                    Ok(one) => {
                        assert!(one.reasons[0].text.contains("active in production already"), "{one:?}");
                    }
                    Err(ChangeError::Promoting { id, by, .. }) => {
                        assert!(!id.is_empty() && !by.is_empty());
                        met += 1;
                    }
                    Err(error) => panic!("round {round}: {error:?}"),
                }
            }
            assert_eq!(active(&host, "production"), release);
        }
        println!("the two met in {met} of 500 rounds");
        assert!(met > 0, "no two promotions were under way at once");
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
            let control = ledger(&site, data.path(), steady.clone());
            let checkout: DeploymentId = "checkout".parse().unwrap();
            let name = Promotion::running_record(&workspace(), &checkout, &place("production"));
            let killed = Promotion {
                id: format!("killed{run}"),
                deployment: (checkout, uid),
                release: 18,
                digest: None,
                from: Some(place("staging")),
                to: place("production"),
                by: "ada".into(),
                bearer: None,
                at: NOON,
                approvals: Vec::new(),
                status: Status::Running,
                since: NOON,
                reasons: Vec::new(),
                warnings: Vec::new(),
                wanted: Vec::new(),
                retry_at: None,
                until: UnixSeconds(NOON.0 + 60),
                judged: Revision(1),
                made: None,
                shared: BTreeSet::new(),
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
                assert_eq!((&*id, &*by), (&*format!("killed{run}"), "ada"));
                let told = host.promotions(&workspace(), &to_production().deployment).unwrap();
                assert_eq!((told[0].status, &told[0].id), (Status::Running, &id), "it can be looked at");
                let withdrawn =
                    host.withdraw(&Author::process("ada"), &workspace(), (&told[0].deployment.0, &id));
                assert!(matches!(withdrawn, Err(ChangeError::Unknown)), "none is cancelled half-way");
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
    let minted = world.admin("POST", "/api/v1/tokens?workspace=acme", by, wanted.to_string()).await;
    assert_eq!(minted.status, 201, "{}", minted.text());
    minted.json()["token"].as_str().unwrap().to_owned()
}

async fn revoked(world: &World, token: &str) {
    let id = token_id(&token.parse::<Token>().unwrap().hash());
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(world.admin("DELETE", &path, world.site.token("admin"), "").await.status, 204);
}

/// Asks for a promotion to production that waits; gives its id.
async fn waiting(world: &World, token: &str) -> String {
    let waits = asked(world, token, json!({ "to": "production" })).await;
    assert_eq!((waits.status, &waits.json()["status"]), (202, &json!("deferred")), "{}", waits.text());
    waits.json()["id"].as_str().unwrap().to_owned()
}

async fn shown(world: &World, id: &str) -> Value {
    world.by("viewer", "GET", &format!("{PROMOTIONS}/{id}"), Value::Null).await.ok().json()
}

/// Production wants two approvals, as a policy says.
fn two_pairs_of_eyes() -> Site {
    eyes(&[("approvals", "2")])
}

fn eyes(settings: &[(&str, &str)]) -> Site {
    let mut site = Site::starter();
    site.guard("production", &[("four-eyes", settings)]);
    site
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
    // Each step of both is in the log, with whom it was taken for.
    let log = records(world.data.path());
    let steps = log.iter().filter(|one| one["kind"] == "promotion");
    let told: Vec<_> = steps
        .clone()
        .map(|one| (one["outcome"].as_str().unwrap(), one["principal"].as_str().unwrap()))
        .collect();
    let (releaser, admin) = ("releaser of the tests", "admin of the tests");
    let expected = [
        ("deferred", releaser),
        ("approved", admin),
        ("denied", releaser),
        ("deferred", releaser),
        ("expired", releaser),
    ];
    assert_eq!(told, expected);
    let denied = steps.clone().find(|one| one["outcome"] == "denied").unwrap();
    let details = &denied["details"];
    assert_eq!((&details["promotion"], &details["release"]), (&json!(id), &json!(18)));
    assert!(details["reasons"].to_string().contains("release 18 is not active in staging"), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_minted_what_asks_does_not_approve_it_and_neither_does_what_is_minted_for_it() {
    let world = World::start().await;
    let admin = world.site.token("admin").to_owned();
    let (ada, grace) =
        (minted(&world, &admin, "ada", "admin").await, minted(&world, &admin, "grace", "releaser").await);
    let bob = minted(&world, &ada, "bob", "releaser").await;
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    let id = waiting(&world, &bob).await;
    let late = minted(&world, &admin, "late", "releaser").await;
    let (minted_it, fresh) = ("you minted the token that", "was minted when the promotion was asked for");
    for (token, why) in [(&ada, minted_it), (&admin, minted_it), (&late, fresh)] {
        let refused = approved(&world, token, &id).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{}", refused.text());
        assert!(refused.text().contains(why), "{}", refused.text());
    }
    let told = records(world.data.path());
    let refusals: Vec<_> = told.iter().filter(|one| one["kind"] == "approval").collect();
    assert_eq!(refusals.len(), 3, "{refusals:?}");
    assert_eq!((&refusals[0]["principal"], &refusals[0]["outcome"]), (&json!("ada"), &json!("forbidden")));
    assert_eq!(refusals[0]["details"]["promotion"], json!(id));
    // Across a restart, which forgets nobody's hand.
    let world = world.restart().await;
    assert_eq!(approved(&world, &ada, &id).await.status, 403);
    // That the same admin minted both is no hand of theirs in it: else one admin could let nobody in.
    assert_eq!(approved(&world, &grace, &id).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_minted_everybodys_token_keeps_nobody_from_approving() {
    let world = World::start().await;
    let operator = world.operator.clone();
    let (ada, grace) = (
        minted(&world, &operator, "ada", "releaser").await,
        minted(&world, &operator, "grace", "releaser").await,
    );
    world.clock.advance(UnixSeconds(NOON.0 + 1));
    let id = waiting(&world, &ada).await;
    let path = format!("/api/v1{PROMOTIONS}/{id}/approvals?workspace=acme");
    let own = world.admin("POST", &path, &operator, "").await;
    assert!(own.status == 403 && own.text().contains("you minted the token"), "{}", own.text());
    assert_eq!(approved(&world, &grace, &id).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hand_gives_one_approval() {
    let world = World::with(two_pairs_of_eyes()).await;
    let admin = world.site.token("admin").to_owned();
    let eve = minted(&world, &admin, "eve", "admin").await;
    let mallory = minted(&world, &eve, "mallory", "releaser").await;
    let grace = minted(&world, &admin, "grace", "releaser").await;
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    let id = waiting(&world, world.site.token("releaser")).await;
    assert_eq!(approved(&world, &mallory, &id).await.status, 202, "one of two");
    for token in [&eve, &admin] {
        let refused = approved(&world, token, &id).await;
        assert!(refused.status == 403 && refused.text().contains("had a hand in"), "{}", refused.text());
    }
    let new = minted(&world, &eve, "new", "releaser").await;
    let refused = approved(&world, &new, &id).await;
    assert!(refused.status == 403 && refused.text().contains("wants an older one"), "{}", refused.text());
    assert_eq!(approved(&world, &mallory, &id).await.status, 403, "once");
    let done = approved(&world, &grace, &id).await;
    assert_eq!(
        (done.status, done.json()["approvals"].as_array().unwrap().len()),
        (200, 2),
        "{}",
        done.text()
    );
    let log = records(world.data.path());
    let of = |kind: &str, outcome: &str| {
        let told = log.iter().filter(|one| one["kind"] == kind && one["outcome"] == outcome);
        let told = told.filter(|one| one["details"]["promotion"] == json!(id));
        told.map(|one| one["principal"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("promotion", "approved"), ["mallory", "grace"]);
    assert_eq!(of("approval", "forbidden"), ["eve", "admin of the tests", "new", "mallory"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_with_a_token_that_is_revoked_since_does_not_stand() {
    let world = World::with(two_pairs_of_eyes()).await;
    let operator = world.operator.clone();
    let mut team = Vec::new();
    for who in ["ada", "grace", "eve"] {
        team.push(minted(&world, &operator, who, "releaser").await);
    }
    let [ada, grace, eve] = &team[..] else { unreachable!() };
    let short = json!({ "kind": "tenant", "principal": "kim", "role": "releaser", "expires_in": 90 });
    let short =
        world.admin("POST", "/api/v1/tokens?workspace=acme", &operator, short.to_string()).await.json();
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    let id = waiting(&world, ada).await;
    assert_eq!(approved(&world, grace, &id).await.json()["required_approvals"][0]["missing"], 1);
    revoked(&world, grace).await;
    let told = shown(&world, &id).await;
    assert_eq!((&told["approvals"], &told["status"]), (&json!([]), &json!("deferred")), "{told}");
    assert_eq!(told["required_approvals"][0]["missing"], 2);
    // Less than before is none, whatever else its principal has; and there is room for theirs again.
    let demoted = minted(&world, &operator, "grace", "developer").await;
    assert_eq!(approved(&world, &demoted, &id).await.status, 403);
    // One that expires was good when it was used.
    assert_eq!(approved(&world, short["token"].as_str().unwrap(), &id).await.status, 202);
    world.clock.advance(UnixSeconds(NOON.0 + 3600));
    let world = world.restart().await;
    assert_eq!(shown(&world, &id).await["approvals"][0]["principal"], "kim");
    // Nothing goes on in the name of who was shut out.
    revoked(&world, ada).await;
    let told = shown(&world, &id).await;
    assert_eq!((&told["status"], &told["required_approvals"]), (&json!("denied"), &json!([])), "{told}");
    assert!(told["reasons"][0]["reason"].as_str().unwrap().contains("was revoked; ask again"), "{told}");
    assert_eq!(approved(&world, eve, &id).await.status, 409);
    assert_eq!(world.boot("production").await.json()["release"], 17);
    // What was approved of one promotion says nothing of the next.
    let next = waiting(&world, eve).await;
    let told = shown(&world, &next).await;
    assert_eq!((&told["approvals"], &told["required_approvals"][0]["missing"]), (&json!([]), &json!(2)));
    assert_eq!(approved(&world, world.site.token("admin"), &id).await.status, 409, "that one is over");
}

#[test]
fn what_was_revoked_while_nobody_could_look_does_not_stand_again_when_its_time_is_over() {
    let (site, data, steady) = (two_pairs_of_eyes(), tempfile::TempDir::new().unwrap(), Steady::manual());
    let clock = Clock::manual(NOON);
    let open = || {
        let mut settings = settings(&site, data.path(), clock.clone());
        settings.leases = steady.clone();
        Host::open(settings).unwrap()
    };
    let host = open();
    let operator = Author::process("operator");
    host.push(&operator, &site.bundle(Default::default()), Default::default()).unwrap();
    let waits = host.promote(&Author::process("ada"), &workspace(), &to_production()).unwrap();
    assert_eq!(waits.status, Status::Deferred);
    let scope = Scope::Tenant { workspace: workspace(), role: Role::Releaser, environments: [].into() };
    let wanted = MintRequest { scope, principal: "kim".into(), expires_in: Some(3600) };
    let kim = host.mint(&operator, wanted).unwrap().record;
    let about = (&waits.deployment.0, waits.id.as_str());
    let once = host.approve(&Author::process("kim"), (&kim, Role::Releaser), &workspace(), about).unwrap();
    assert_eq!((once.status, once.approvals.len()), (Status::Deferred, 1));
    drop(host);
    {
        // Somebody else is at it, until their hold ends.
        let control = ledger(&site, data.path(), steady.clone());
        let name = Promotion::running_record(&workspace(), &once.deployment.0, &once.to);
        let ttl = Ttl::seconds(HOLD_SECONDS).unwrap();
        control.lease(&[(&name, Expected::Absent)], (&name, &once.to_bytes()), ttl).unwrap();
    }
    let host = open();
    host.revoke(&operator, &kim.hash).unwrap();
    clock.advance(UnixSeconds(NOON.0 + 3 * 86_400));
    steady.advance(Duration::from_secs(HOLD_SECONDS.into()));
    host.advance_promotions();
    let told = host.promotions(&workspace(), &once.deployment.0).unwrap();
    assert_eq!((told[0].status, &told[0].approvals[..]), (Status::Deferred, &[][..]));
}

#[test]
fn what_was_approved_right_before_a_kill_is_judged_with_that_after_the_next_start() {
    let (data, steady) = (tempfile::TempDir::new().unwrap(), Steady::manual());
    let mut site = Site::starter();
    site.trigger("production", "approval");
    let open = || {
        let mut settings = settings(&site, data.path(), Clock::manual(NOON));
        settings.leases = steady.clone();
        Host::open(settings).unwrap()
    };
    let host = open();
    let operator = Author::process("operator");
    host.push(&operator, &site.bundle(Default::default()), Default::default()).unwrap();
    activate(&host, "staging", 18);
    let mut waits = host.promote(&Author::process("ada"), &workspace(), &to_production()).unwrap();
    assert_eq!(waits.status, Status::Deferred);
    host.advance_promotions();
    drop(host);
    {
        // The approval is durable, and nobody has looked at it.
        let control = ledger(&site, data.path(), steady.clone());
        let approval = Approval { principal: "kim".into(), role: Role::Releaser, approved_at: 1 };
        waits.approvals.push(Approved { approval, bearer: None });
        let name = Promotion::open_record(&workspace(), &waits.deployment.0, &waits.to);
        control.change(&[], &[Alteration::Put { name, content: waits.to_bytes() }]).unwrap();
    }
    let host = open();
    assert_eq!(active(&host, "production"), 17);
    host.advance_promotions();
    assert_eq!(active(&host, "production"), 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_says_who_denies_it_with_which_code_and_what_else_was_warned_of() {
    let mut site = Site::starter();
    let parity = attachment("parity", "environment = \"production\"", &[("extra", "warn")]);
    let affinity = attachment("region-affinity", "deployment = \"checkout\"", &[]);
    let components = ["parity", "region-affinity"].map(|name| (name, component(name)));
    site.govern(&components, &[parity, affinity].concat());
    let world = World::with(site).await;
    let releaser = world.site.token("releaser").to_owned();
    let again = json!({ "from": "staging", "to": "production", "release": 17 });
    let denied = asked(&world, &releaser, again.clone()).await;
    let told = denied.json();
    let own = |one: &&Value| one["policy"] == "bootlace" && one["code"] == "already-active";
    assert_eq!(denied.status, 403);
    assert!(told["violations"].as_array().unwrap().iter().any(|one| own(&one)), "{told}");
    let kept = shown(&world, told["promotion"].as_str().unwrap()).await;
    let codes: Vec<_> = kept["reasons"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert!(codes.contains(&&json!("already-active")), "{kept}");
    let tried = asked(&world, &releaser, json!({ "to": "production", "release": 18, "dry_run": true })).await;
    let warnings = tried.ok().json()["warnings"].clone();
    assert!(warnings.as_array().unwrap().iter().any(|one| one["policy"] == "parity"), "{warnings}");

    // It was asked for, and denied, once: whoever lost the answer is given that.
    let key = [("idempotency-key", "once")];
    let path = format!("/api/v1{PROMOTIONS}");
    let body = again.to_string().into_bytes();
    let once = |world: &World| {
        let (address, body) = (world.admin_address(), body.clone());
        let (path, token) = (path.clone(), releaser.clone());
        async move { http::request(address, "POST", &path, Some(&token), &key, body).await }
    };
    let first = once(&world).await;
    let second = once(&world).await;
    assert_eq!((first.status, second.status), (403, 403));
    assert_eq!(first.json()["promotion"], second.json()["promotion"]);
    let world = world.restart().await;
    assert_eq!(first.json()["promotion"], once(&world).await.json()["promotion"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_or_an_admin_withdraws_what_waits_and_its_target_is_free() {
    let world = World::with(two_pairs_of_eyes()).await;
    let operator = world.operator.clone();
    let [ada, eve] = [
        minted(&world, &operator, "ada", "releaser").await,
        minted(&world, &operator, "eve", "releaser").await,
    ];
    let admin = world.site.token("admin").to_owned();
    let withdraw = async |token: &str, id: &str| {
        world.admin("DELETE", &format!("/api/v1{PROMOTIONS}/{id}"), token, "").await
    };
    let first = waiting(&world, &ada).await;
    assert_eq!(withdraw(&eve, &first).await.status, 403, "somebody else's");
    assert_eq!(asked(&world, &eve, json!({ "to": "production" })).await.status, 409, "it holds its target");
    let told = withdraw(&ada, &first).await.ok().json();
    assert_eq!((&told["status"], &told["expires"]), (&json!("withdrawn"), &Value::Null), "{told}");
    assert_eq!(withdraw(&ada, &first).await.status, 409, "it is over");
    assert_eq!(approved(&world, &admin, &first).await.status, 409);
    let second = waiting(&world, &eve).await;
    assert_eq!(withdraw(&admin, &second).await.ok().json()["reasons"][0]["policy"], "bootlace");
    let world = world.restart().await;
    assert_eq!(shown(&world, &second).await["status"], "withdrawn");
    let log = records(world.data.path());
    let withdrawn = log.iter().filter(|line| line["kind"] == "promotion" && line["outcome"] == "withdrawn");
    assert_eq!(withdrawn.count(), 2);
    waiting(&world, &eve).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_after_more_than_a_week_waits_for_that_and_no_longer_than_a_day_on() {
    const DAY: i64 = 86_400;
    let mut site = Site::starter();
    site.guard("production", &[("required-checks", &[("soak", "8d")])]);
    let world = World::with(site).await;
    let host = Arc::clone(&world.host);
    blocking(move || activate(&host, "staging", 17)).await;
    let host = Arc::clone(&world.host);
    blocking(move || activate(&host, "staging", 18)).await;
    // Nobody approves it meanwhile: that does not bring the end nearer.
    let id = waiting(&world, world.site.token("releaser")).await;
    let told = shown(&world, &id).await;
    assert_eq!(
        (&told["retry_at"], told["required_approvals"][0]["missing"].as_u64()),
        (&Value::Null, Some(1))
    );
    assert_eq!(told["expires"], json!(rfc3339(UnixSeconds(NOON.0 + 9 * DAY))), "{told}");
    for (day, status) in [(7, "deferred"), (8, "deferred"), (9, "expired")] {
        world.clock.advance(UnixSeconds(NOON.0 + day * DAY));
        let host = Arc::clone(&world.host);
        blocking(move || host.advance_promotions()).await;
        assert_eq!(shown(&world, &id).await["status"], status, "day {day}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sees_one_end_only_is_told_no_more_than_of_what_is_not_there() {
    let world = World::start().await;
    let mint = async |environments: Value| {
        let wanted = json!({ "kind": "tenant", "principal": "limited", "role": "releaser", "environments": environments });
        let minted =
            world.admin("POST", "/api/v1/tokens", world.site.token("admin"), wanted.to_string()).await;
        minted.json()["token"].as_str().unwrap().to_owned()
    };
    let limited = mint(json!(["production"])).await;
    for dry_run in [true, false] {
        let ask = async |body: Value| {
            let mut body = body;
            body["dry_run"] = json!(dry_run);
            let answer = asked(&world, &limited, body).await;
            (answer.status, answer.text().replace("nowhere", "staging"))
        };
        for (hidden, absent) in [
            (json!({ "from": "staging" }), json!({ "from": "nowhere" })),
            (
                json!({ "from": "staging", "to": "production" }),
                json!({ "from": "nowhere", "to": "production" }),
            ),
            (
                json!({ "from": "production", "to": "staging" }),
                json!({ "from": "production", "to": "nowhere" }),
            ),
            (json!({ "to": "staging" }), json!({ "to": "nowhere" })),
        ] {
            let (hidden, absent) = (ask(hidden).await, ask(absent).await);
            assert_eq!((hidden.0, &hidden), (404, &absent));
        }
        assert_eq!(ask(json!({ "to": "production" })).await.0, 422, "nothing of what it sees promotes there");
    }
    // Whoever sees all is told the same of what the deployment does not use.
    for nowhere in
        [json!({ "from": "staging", "to": "development" }), json!({ "from": "staging", "to": "nowhere" })]
    {
        assert_eq!(asked(&world, world.site.token("releaser"), nowhere).await.status, 404);
    }
    let listed = world.by("viewer", "GET", PROMOTIONS, Value::Null).await.json();
    assert_eq!(listed["promotions"], json!([]), "nothing was asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_looked_at_again_when_there_is_something_new_and_not_before() {
    let world = World::with(two_pairs_of_eyes()).await;
    for environment in ["staging", "production"] {
        let secret = json!({ "environment": environment, "name": "API_KEY", "value": "the-same", "is_secret": true, "description": "x" });
        world.by("admin", "POST", "/deployments/checkout/env?confirm=production", secret).await.done();
    }
    // After a start everything is looked at once.
    let host = Arc::clone(&world.host);
    blocking(move || host.advance_promotions()).await;
    let id = waiting(&world, world.site.token("releaser")).await;
    let looked = || records(world.data.path()).iter().filter(|one| one["kind"] == "compare-secrets").count();
    let again = async || {
        let host = Arc::clone(&world.host);
        blocking(move || host.advance_promotions()).await;
        looked()
    };
    assert_eq!(looked(), 1);
    for minute in 1..5 {
        world.clock.advance(UnixSeconds(NOON.0 + 60 * minute));
        assert_eq!(again().await, 1);
    }
    let set = json!({ "environment": "staging", "name": "NEW_ONE", "value": "x" });
    world.by("developer", "POST", "/deployments/checkout/env", set).await.done();
    assert_eq!((again().await, again().await), (2, 2));
    assert_eq!(shown(&world, &id).await["status"], "deferred");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_environment_of_a_chain_takes_what_is_registered_through_the_same_gates() {
    let mut site = Site::starter();
    site.guard("staging", &[("required-checks", &[("checks", "e2e")])]);
    let mut world = World::with(site).await;
    let releaser = world.site.token("releaser").to_owned();
    let releaser = releaser.as_str();
    // Checkout does not use what promotes to staging.
    let unsaid = asked(&world, releaser, json!({ "to": "staging" })).await;
    assert_eq!((unsaid.status, unsaid.code().as_str()), (422, "invalid"), "{}", unsaid.text());
    assert!(unsaid.text().contains("nothing promotes to staging"), "{}", unsaid.text());
    for (body, why) in [
        (json!({ "to": "staging", "release": 99 }), "no release 99"),
        (json!({ "to": "staging", "release": 18 }), "active in staging already"),
        (json!({ "to": "staging", "from": "staging", "release": 17 }), "staging does not promote to staging"),
    ] {
        let denied = asked(&world, releaser, body).await;
        assert_eq!((denied.status, denied.text().contains(why)), (403, true), "{}", denied.text());
    }
    let waits = asked(&world, releaser, json!({ "to": "staging", "release": 17 })).await;
    assert_eq!((waits.status, &waits.json()["from"]), (202, &Value::Null), "{}", waits.text());
    assert!(waits.text().contains("check e2e was not reported in staging"), "{}", waits.text());
    let report = json!({ "release": 17, "environment": "staging", "name": "e2e", "conclusion": "success" });
    assert_eq!(world.by("developer", "POST", "/deployments/checkout/checks", report).await.status, 200);
    assert_eq!(world.boot("staging").await.json()["release"], 17);
    world = world.restart().await;
    let told = promotion(&world, &waits).await;
    assert_eq!((&told["status"], &told["from"]), (&json!("done"), &Value::Null), "{told}");

    // What waits does not go round an environment that comes to stand before it.
    let waits = asked(&world, releaser, json!({ "to": "staging", "release": 19 })).await;
    assert_eq!(waits.status, 202, "{}", waits.text());
    world.site.edit("environments/preview/pr-42.toml", "labels = ", "promotes-to = \"staging\"\nlabels = ");
    let pushed = world.push(&world.site.bundle(Revision(2)), 2).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let host = Arc::clone(&world.host);
    blocking(move || host.advance_promotions()).await;
    let told = promotion(&world, &waits).await;
    assert_eq!(told["status"], "denied", "{told}");
    assert!(told.to_string().contains("staging is not the first of its chain any more"), "{told}");
    assert_eq!(world.boot("staging").await.json()["release"], 17);
}

async fn promotion(world: &World, asked: &Answer) -> Value {
    let path = format!("{PROMOTIONS}/{}", asked.json()["id"].as_str().unwrap());
    world.by("viewer", "GET", &path, Value::Null).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_counts_in_the_role_that_is_asked_for_if_its_own_covers_that() {
    for (wanted, who, counts) in [
        ("releaser", "admin", true),
        ("developer", "admin", true),
        ("developer", "grace", true),
        ("admin", "admin", true),
        ("admin", "grace", false),
    ] {
        let world = World::with(eyes(&[("role", wanted)])).await;
        let grace = minted(&world, &world.operator, "grace", "releaser").await;
        let token = if who == "grace" { &grace } else { world.site.token(who) };
        world.clock.advance(UnixSeconds(NOON.0 + 1));
        let id = waiting(&world, world.site.token("releaser")).await;
        assert_eq!(shown(&world, &id).await["required_approvals"], json!([{ "role": wanted, "missing": 1 }]));
        let answer = approved(&world, token, &id).await;
        let case = format!("{wanted} by {who}: {}", answer.text());
        assert_eq!(answer.status, if counts { 200 } else { 202 }, "{case}");
        let as_role = if counts { wanted } else { "releaser" };
        assert_eq!(answer.json()["approvals"][0]["role"], as_role, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_promotions_that_have_ended_the_newest_200_are_kept() {
    let world = World::start().await;
    let (host, clock) = (Arc::clone(&world.host), world.clock.clone());
    let asked = blocking(move || {
        let ada = Author::process("ada");
        let each = (1..).take(PAST_PROMOTIONS + 3).map(|second| {
            clock.advance(UnixSeconds(NOON.0 + second));
            let waits = host.promote(&ada, &workspace(), &to_production()).unwrap();
            host.withdraw(&ada, &workspace(), (&waits.deployment.0, &waits.id)).unwrap().id
        });
        each.collect::<Vec<_>>()
    })
    .await;
    let listed =
        world.by("viewer", "GET", &format!("{PROMOTIONS}?limit=1000"), Value::Null).await.ok().json();
    let kept = listed["promotions"].as_array().unwrap().iter();
    let kept: Vec<_> = kept.map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(kept, asked[3..].iter().rev().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_has_at_most_32_approvals() {
    // It waits for a check that nobody reports, however many approve.
    let mut site = Site::starter();
    site.guard("production", &[("required-checks", &[("checks", "e2e")])]);
    let world = World::with(site).await;
    let mut team = Vec::new();
    for number in 0..33 {
        team.push(minted(&world, &world.operator, &format!("releaser {number}"), "releaser").await);
    }
    world.clock.advance(UnixSeconds(NOON.0 + 1));
    let id = waiting(&world, world.site.token("releaser")).await;
    let one_more = team.pop().unwrap();
    for token in &team {
        assert_eq!(approved(&world, token, &id).await.status, 202);
    }
    let refused = approved(&world, &one_more, &id).await;
    assert!(refused.status == 403 && refused.text().contains("as many approvals as"), "{}", refused.text());
    assert_eq!(shown(&world, &id).await["approvals"].as_array().unwrap().len(), 32);
}
