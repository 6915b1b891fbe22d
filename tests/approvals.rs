//! Who approves a promotion, and how long that stands: somebody else, with another hand, whose token is not
//! revoked.

use std::time::Duration;

use bootlace::{
    clock::{Clock, Steady},
    control::Expected,
    host::{Author, HOLD_SECONDS, Host, MintRequest},
    id::UnixSeconds,
    ledger::Ttl,
    model::{Role, Scope, promotion::Approval},
    state::{Alteration, Approved, Promotion, Status},
    token::{Token, token_id},
};
use serde_json::{Value, json};

use crate::{
    audit::records,
    promotions::{
        PROMOTIONS, activate, active, approved, asked, eyes, minted, shown, to_production, two_pairs_of_eyes,
        waiting, workspace,
    },
    world::{NOON, Site, World, ledger, settings},
};

async fn revoked(world: &World, token: &str) {
    let id = token_id(&token.parse::<Token>().unwrap().hash());
    let path = format!("/api/v1/tokens/{id}");
    assert_eq!(world.admin("DELETE", &path, world.site.token("admin"), "").await.status, 204);
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
