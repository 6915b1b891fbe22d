//! Drain proof: a version of a secret is not revoked while an instance holds it, however many there are,
//! whatever became of them, and whatever is sent in place of a lease's name.

use std::collections::BTreeSet;

use bootlace::{
    id::UnixSeconds,
    lease::{MAX_OF_PAIR, MAX_SECONDS, MIN_SECONDS},
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    audit::records,
    supervise::{AT_ONCE, Supervised, supervise},
    world::{Answer, NOON, Site, World, blocking, http, program::PATIENCE},
};

const INSTANCES: usize = 50;

/// An instance that booted with a lease.
pub(crate) struct Instance {
    pub(crate) lease: String,
    pub(crate) value: String,
}

impl World {
    /// A new version of the secret, beside the one before.
    pub(crate) async fn rotate(&self, value: &str) -> Answer {
        let body = json!({ "environment": "staging", "name": "SIGNING_KEY", "value": value, "is_secret": true,
            "description": "signs", "keep": true });
        self.by("developer", "POST", "/deployments/checkout/env", body).await.ok()
    }

    pub(crate) async fn supervised(&self, instance: &str) -> Instance {
        let asked = [("bootlace-lease", "60")];
        let booted = self.boot_as("staging", "GET", &format!("instance={instance}"), &asked, "").await;
        assert_eq!(
            (booted.status, booted.header("bootlace-lease-seconds")),
            (200, "60"),
            "{}",
            booted.text()
        );
        let value = booted.environment()["SIGNING_KEY"].clone();
        Instance { lease: booted.header("bootlace-lease").to_owned(), value }
    }

    async fn lease(&self, environment: &str, id: &str, body: &str) -> Answer {
        let (path, token) = (format!("/v1/lease/{id}"), Some(self.site.token(environment)));
        http::request(self.boot_address(), "POST", &path, token, &[], body.as_bytes().to_vec()).await
    }

    pub(crate) async fn ends(&self, id: &str) {
        let ended = self.lease("staging", id, r#"{"end":true}"#).await.ok();
        assert_eq!(ended.json(), json!({ "lease": id, "ended": true }));
    }

    async fn revoke_version(&self, version: u64, query: &str) -> Answer {
        let path = "/deployments/checkout/env/SIGNING_KEY/versions";
        let path = format!("{path}/{version}/revoke?environment=staging{query}");
        self.by("developer", "POST", &path, Value::Null).await
    }

    /// Refused, and how many leases that is said to be for.
    async fn held_by(&self, version: u64) -> Value {
        let refused = self.revoke_version(version, "").await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{}", refused.text());
        refused.json()
    }

    async fn leases(&self) -> Vec<Value> {
        let listed =
            self.by("viewer", "GET", "/deployments/checkout/leases?environment=staging", Value::Null).await;
        listed.ok().json()["leases"].as_array().unwrap().clone()
    }

    async fn gone(&self, who: &str, lease: &str) -> u16 {
        self.by(who, "DELETE", &format!("/deployments/checkout/leases/{lease}"), Value::Null).await.status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_is_revoked_when_exactly_nobody_holds_it() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    let mut old = Vec::new();
    for number in 0..INSTANCES {
        old.push(world.supervised(&format!("web-{number}")).await);
    }
    assert!(old.iter().all(|one| one.value == "the old one"));
    world.rotate("the new one").await;

    // Each takes a lease of the new one before it ends that of the old.
    let mut new = Vec::new();
    while let Some(instance) = old.pop() {
        let held = world.held_by(1).await;
        assert_eq!(
            (&held["leases"], &held["unproven"], held["holders"].as_array().unwrap().len()),
            (&json!(old.len() + 1), &json!(0), (old.len() + 1).min(20))
        );
        new.push(world.supervised(&format!("web-{}", old.len())).await);
        world.ends(&instance.lease).await;
    }
    assert!(new.iter().all(|one| one.value == "the new one"));
    world.revoke_version(1, "").await.ok();
    assert_eq!(world.leases().await.len(), INSTANCES);
    let ids: BTreeSet<_> = new.iter().map(|one| one.lease.as_str()).collect();
    assert_eq!(ids.len(), INSTANCES, "every lease has a name of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_counts_until_it_is_reported_gone() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    let (lives, killed) = (world.supervised("lives").await, world.supervised("killed").await);
    world.rotate("the new one").await;
    for minute in 0..3 {
        world.clock.advance(UnixSeconds(NOON.0 + 30 + 60 * minute));
        world.lease("staging", &lives.lease, "").await.ok();
    }
    let state = |leases: &[Value], lease: &str| {
        leases.iter().find(|one| one["id"] == lease).map(|one| one["state"].as_str().unwrap().to_owned())
    };
    let leases = world.leases().await;
    assert_eq!(state(&leases, &killed.lease).as_deref(), Some("lost"));
    assert_eq!(state(&leases, &lives.lease).as_deref(), Some("live"));
    let of_key = |one: &Value| {
        one["secrets"]
            .as_array()
            .unwrap()
            .iter()
            .any(|held| *held == json!({ "name": "SIGNING_KEY", "version": 1 }))
    };
    assert!(leases.iter().all(of_key), "{leases:?}");

    // A restart keeps both, and gives each its whole time again.
    let world = world.restart().await;
    assert_eq!(world.leases().await.len(), 2);
    world.ends(&lives.lease).await;
    let world = world.restart().await;
    let held = world.held_by(1).await;
    assert_eq!((&held["holders"][0]["instance"], &held["leases"]), (&json!("killed"), &json!(1)));
    assert_eq!(
        world.revoke_version(1, "&accept_unproven=true").await.status,
        409,
        "a lease is no unproven boot"
    );

    for (who, status) in [("viewer", 403), ("developer", 403), ("other admin", 404)] {
        if who == "other admin" {
            assert_eq!(world.gone("releaser", &lives.lease).await, status, "it has ended");
        } else {
            assert_eq!(world.gone(who, &killed.lease).await, status, "{who}");
        }
    }
    assert_eq!(world.gone("releaser", &killed.lease).await, 204);
    assert_eq!(world.gone("releaser", &killed.lease).await, 404);
    assert_eq!(
        world.lease("staging", &killed.lease, "").await.status,
        404,
        "who was gone does not come back"
    );
    world.revoke_version(1, "").await.ok();
    let told =
        records(world.data.path()).into_iter().find(|one| one["details"]["reported"] == "gone").unwrap();
    let told = &told["details"];
    assert_eq!((&told["instance"], &told["lease"]), (&json!("killed"), &json!(killed.lease)));
    assert!(world.restart().await.leases().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_a_deployment_that_was_deleted_is_reported_gone_all_the_same() {
    let world = World::with(Site::small(0)).await;
    let shop = json!({ "name": "shop", "environments": ["staging"] });
    world.by("admin", "POST", "/deployments", shop).await.done();
    let pod =
        json!({ "kind": "instance", "principal": "pod", "deployment": "shop", "environment": "staging" });
    let minted = world.by("admin", "POST", "/tokens", pod).await.json();
    let (token, asked) = (minted["token"].as_str(), [("bootlace-lease", "60")]);
    let booted = http::request(world.boot_address(), "GET", "/v1/boot", token, &asked, Vec::new()).await.ok();
    let path = format!("/tokens/{}", minted["id"].as_str().unwrap());
    assert_eq!(world.by("admin", "DELETE", &path, Value::Null).await.status, 204);
    world.by("admin", "DELETE", "/deployments/shop", Value::Null).await.done();
    let world = world.restart().await;
    let path = format!("/deployments/shop/leases/{}", booted.header("bootlace-lease"));
    for (who, status) in [("developer", 403), ("admin", 204), ("admin", 404)] {
        assert_eq!(world.by(who, "DELETE", &path, Value::Null).await.status, status, "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn boots_without_a_lease_are_counted_and_want_a_word() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    for _ in 0..3 {
        assert_eq!(world.boot("staging").await.status, 200);
    }
    // What an instance has already is not given to it again.
    let etag = world.boot("staging").await.header("etag").to_owned();
    let same = world.boot_as("staging", "GET", "", &[("if-none-match", &etag)], "").await;
    assert_eq!(same.status, 304);
    world.rotate("the new one").await;
    assert_eq!(world.held_by(1).await["unproven"], 4);
    // A start counts no fewer than there were.
    let world = world.restart().await;
    assert_eq!(world.held_by(1).await["unproven"], 4);
    assert_eq!(world.revoke_version(1, "&accept_unproven=maybe").await.status, 400);
    world.revoke_version(1, "&accept_unproven=true").await.ok();
    let told = records(world.data.path()).into_iter().rev().find(|one| one["kind"] == "change").unwrap();
    assert_eq!(
        (&told["details"]["accepted_unproven"], &told["outcome"]),
        (&json!(4), &json!("done")),
        "{told}"
    );

    assert_eq!(told["details"]["revoked"], json!(["version 1 of SIGNING_KEY of checkout in staging"]));

    // A version that only leases held wants no word, whatever boots were given otherwise.
    world.rotate("the third").await;
    let instance = world.supervised("web").await;
    world.rotate("the fourth").await;
    assert_eq!(world.boot("staging").await.status, 200);
    world.ends(&instance.lease).await;
    world.revoke_version(3, "").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_and_ended_by_its_own_pair_alone() {
    let world = World::with(Site::small(0)).await;
    world.rotate("secret").await;
    let instance = world.supervised("web").await;
    let other = world.instance("checkout", "staging").await;
    let path = format!("/v1/lease/{}", instance.lease);
    let by = async |token: Option<&str>, body: &str| {
        http::request(world.boot_address(), "POST", &path, token, &[], body.as_bytes().to_vec()).await
    };
    let renewed = by(Some(&other), "").await.ok().json();
    assert_eq!((&renewed["seconds"], &renewed["expires"]), (&json!(60), &json!("2026-11-22T12:01:00Z")));
    for end in ["", r#"{"end":true}"#] {
        let foreign = by(Some(world.site.token("production")), end).await;
        let unknown = world.lease("production", "ffffffffffffffffffffffffffffffff", end).await;
        assert_eq!((foreign.status, foreign.text()), (404, unknown.text()), "they look alike");
        for token in [None, Some("garbage"), Some(world.site.token("admin")), Some(world.operator.as_str())] {
            assert_eq!(by(token, end).await.status, 401);
        }
    }
    for (body, status) in [
        ("{", 400),
        ("[]", 400),
        ("[true]", 400),
        ("null", 400),
        (r#"{"end":1}"#, 400),
        (r#"{"end":true,"seconds":9}"#, 400),
        (r#"{"end":true}{"#, 400),
        ("\u{0}", 400),
        (&" ".repeat(1025), 413),
    ] {
        assert_eq!(by(Some(&other), body).await.status, status, "{body:.20}");
    }
    for id in ["", "x", &instance.lease.to_uppercase(), &format!("{}/", instance.lease), &instance.lease[1..]]
    {
        // One that is all digits is the same in capitals.
        if id != instance.lease {
            assert_eq!(world.lease("staging", id, "").await.status, 404, "{id}");
        }
    }
    assert_eq!(world.lease("staging", &format!("{}?end=true", instance.lease), "").await.status, 400);
    let read = http::request(world.boot_address(), "GET", &path, Some(&other), &[], Vec::new()).await;
    assert_eq!((read.status, read.header("allow")), (405, "POST"));
    assert_eq!(world.leases().await.len(), 1, "it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_a_length_and_who_finds_no_room_boots_without() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    let boot =
        async |seconds: &str| world.boot_as("staging", "GET", "", &[("bootlace-lease", seconds)], "").await;
    let (shortest, longest) = (MIN_SECONDS.to_string(), MAX_SECONDS.to_string());
    let (shorter, longer) = ((MIN_SECONDS - 1).to_string(), (MAX_SECONDS + 1).to_string());
    for wrong in ["", "x", "-60", "+60", "60.5", "99999999999", &shorter, &longer] {
        assert_eq!(boot(wrong).await.status, 400, "{wrong}");
    }
    assert!(world.leases().await.is_empty());
    for seconds in [&shortest, &longest] {
        assert_eq!(boot(seconds).await.header("bootlace-lease-seconds"), seconds);
    }
    let filled = async |part: usize| {
        for _ in (2..MAX_OF_PAIR).filter(|number| number % 4 == part) {
            assert!(!boot("60").await.header("bootlace-lease").is_empty());
        }
    };
    tokio::join!(filled(0), filled(1), filled(2), filled(3));
    let without = boot("60").await;
    assert_eq!((without.status, without.headers.get("bootlace-lease")), (200, None));
    world.rotate("the new one").await;
    let held = world.held_by(1).await;
    assert_eq!(
        (&held["leases"], &held["unproven"]),
        (&json!(MAX_OF_PAIR), &json!(1)),
        "it counts all the same"
    );
    let metrics = world.admin("GET", "/metrics", &world.operator, "").await.ok();
    let is_told = metrics.text().lines().any(|line| line == "bootlace_lease_refusals_total 1");
    assert!(is_told, "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_holds_a_lease_for_as_long_as_its_command_runs() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    let command = ["sh", "-c", "echo up $SIGNING_KEY; exec sleep 1000"];
    let run = supervise(&world, "staging", &AT_ONCE, &command);
    let run = blocking(move || {
        let run = Supervised::start(run);
        run.says("up the old one");
        run
    })
    .await;
    let first = world.leases().await;
    assert_eq!((first.len(), first[0]["state"].as_str()), (1, Some("live")), "{first:?}");
    world.rotate("the new one").await;
    let run = blocking(move || {
        run.says("up the new one");
        run
    })
    .await;
    // What it had is given up once nothing runs with it, and what it only looked at is nobody's.
    let one = async {
        loop {
            let leases = world.leases().await;
            if leases.len() == 1 && leases[0]["id"] != first[0]["id"] {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, one).await.expect("the first lease ends");
    world.revoke_version(1, "").await.ok();

    let mut run = run;
    blocking(move || {
        run.process.signal(Signal::TERM);
        assert_eq!(run.process.ended().code(), Some(128 + 15));
    })
    .await;
    assert!(world.leases().await.is_empty(), "it ends with its command");

    // One that is killed cannot say so.
    let killed = supervise(&world, "staging", &[], &command);
    blocking(move || {
        let mut run = Supervised::start(killed);
        run.says("up the new one");
        run.process.signal(Signal::KILL);
        run.process.ended();
    })
    .await;
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    assert_eq!(world.leases().await[0]["state"], "lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_supervised_commands_each_counts_until_it_has_ended_or_is_reported_gone() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    let command = ["sh", "-c", "echo up $SIGNING_KEY; exec sleep 1000"];
    let commands: Vec<_> = (0..INSTANCES).map(|_| supervise(&world, "staging", &[], &command)).collect();
    let mut running = blocking(move || {
        let running: Vec<_> = commands.into_iter().map(Supervised::start).collect();
        running.iter().for_each(|run| run.says("up the old one"));
        running
    })
    .await;
    world.rotate("the new one").await;
    let mut killed = running.pop().unwrap();
    while let Some(mut run) = running.pop() {
        assert_eq!(world.held_by(1).await["leases"], json!(running.len() + 2));
        blocking(move || {
            run.process.signal(Signal::TERM);
            assert_eq!(run.process.ended().code(), Some(128 + 15));
        })
        .await;
    }
    assert_eq!(world.held_by(1).await["leases"], json!(1));
    blocking(move || {
        killed.process.signal(Signal::KILL);
        killed.process.ended();
    })
    .await;
    let left = world.leases().await;
    assert_eq!((world.held_by(1).await["leases"].clone(), left.len()), (json!(1), 1), "killed, and not gone");
    assert_eq!(world.gone("admin", left[0]["id"].as_str().unwrap()).await, 204);
    world.revoke_version(1, "").await.ok();
}
