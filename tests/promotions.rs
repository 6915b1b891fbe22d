//! Promotions: one at a time on each target, whole or not at all.

use std::{
    collections::BTreeSet,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use bootlace::{
    clock::{Clock, Steady},
    control::Expected,
    host::{Author, ChangeError, HOLD_SECONDS, Host, PAST_PROMOTIONS, Requested},
    id::{DeploymentId, EnvironmentName, Revision, UnixSeconds, WorkspaceId},
    ledger::Ttl,
    state::{Promotion, Status, Why},
};
use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{
        Answer, NOON, Site, World, blocking, http, ledger, settings, site::component, tenants::attachment,
    },
};

pub(crate) const PROMOTIONS: &str = "/deployments/checkout/promotions";

pub(crate) fn workspace() -> WorkspaceId {
    "acme".parse().unwrap()
}

fn place(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

pub(crate) fn to_production() -> Requested {
    let deployment: DeploymentId = "checkout".parse().unwrap();
    Requested { deployment, release: None, from: None, to: Some(place("production")) }
}

/// Production takes what somebody promotes, and nobody approves.
fn manual() -> Site {
    let mut site = Site::starter();
    site.trigger("production", "manual");
    site
}

pub(crate) fn activate(host: &Host, environment: &str, release: u64) {
    let deployment: DeploymentId = "checkout".parse().unwrap();
    let author = Author::process("tests");
    let pair = (&deployment, &place(environment));
    host.activate(&author, &workspace(), pair, release, Why::Rollback).unwrap();
}

pub(crate) fn active(host: &Host, environment: &str) -> u64 {
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

pub(crate) async fn asked(world: &World, token: &str, body: Value) -> Answer {
    world.admin("POST", &format!("/api/v1{PROMOTIONS}"), token, body.to_string()).await
}

pub(crate) async fn approved(world: &World, token: &str, id: &str) -> Answer {
    world.admin("POST", &format!("/api/v1{PROMOTIONS}/{id}/approvals"), token, "").await
}

pub(crate) async fn minted(world: &World, by: &str, principal: &str, role: &str) -> String {
    let wanted = json!({ "kind": "tenant", "principal": principal, "role": role });
    let minted = world.admin("POST", "/api/v1/tokens?workspace=acme", by, wanted.to_string()).await;
    assert_eq!(minted.status, 201, "{}", minted.text());
    minted.json()["token"].as_str().unwrap().to_owned()
}

/// Asks for a promotion to production that waits; gives its id.
pub(crate) async fn waiting(world: &World, token: &str) -> String {
    let waits = asked(world, token, json!({ "to": "production" })).await;
    assert_eq!((waits.status, &waits.json()["status"]), (202, &json!("deferred")), "{}", waits.text());
    waits.json()["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn shown(world: &World, id: &str) -> Value {
    world.by("viewer", "GET", &format!("{PROMOTIONS}/{id}"), Value::Null).await.ok().json()
}

/// Production wants two approvals, as a policy says.
pub(crate) fn two_pairs_of_eyes() -> Site {
    eyes(&[("approvals", "2")])
}

pub(crate) fn eyes(settings: &[(&str, &str)]) -> Site {
    let mut site = Site::starter();
    site.guard("production", &[("four-eyes", settings)]);
    site
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
    let extra = json!({ "environment": "production", "name": "NOWHERE_ELSE", "value": "x" });
    world.by("admin", "POST", "/deployments/checkout/env?confirm=production", extra).await.ok();
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
