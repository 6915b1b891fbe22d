//! `bootlace rotate`: every step is taken once, whoever still holds the old version is named and waited for,
//! and whatever ends it in between, it goes on from where it was.

use std::{
    io::{Seek as _, Write as _},
    process::{Command, Stdio},
};

use bootlace::id::Revision;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    supervise::Supervised,
    world::{
        Site, World, blocking,
        program::{asking, finish},
        site::component,
    },
};

const HERE: [&str; 5] = ["-d", "checkout", "-e", "staging", "SIGNING_KEY"];
const SOON: [&str; 2] = ["--interval", "20ms"];

impl World {
    /// `bootlace rotate` of staging's signing key, with a new value where there is one.
    pub(crate) fn rotating(&self, more: &[&str], new: Option<&str>) -> Command {
        self.rotating_with(&[&HERE[..], &SOON, more].concat(), new)
    }

    pub(crate) fn rotating_with(&self, words: &[&str], new: Option<&str>) -> Command {
        self.administered(&[&["rotate"], words].concat(), new)
    }

    /// Any verb, by an admin, with what it reads.
    pub(crate) fn administered(&self, words: &[&str], input: Option<&str>) -> Command {
        let mut command = asking(self.admin_address(), self.site.token("admin"));
        command.args(words);
        if let Some(input) = input {
            let mut stdin = tempfile::tempfile().unwrap();
            stdin.write_all(input.as_bytes()).unwrap();
            stdin.rewind().unwrap();
            command.stdin(Stdio::from(stdin));
        }
        command
    }

    /// What it prints, if it exits with `code`, and what it complains of.
    pub(crate) async fn rotated_to(&self, code: i32, more: &[&str], new: Option<&str>) -> (String, String) {
        let command = self.rotating(more, new);
        let output = blocking(|| finish(command)).await;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (said, complaints) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{said}{complaints}");
        (said, complaints)
    }

    /// The numbers of the live versions, the newest first.
    async fn alive(&self) -> Vec<u64> {
        self.live().await.into_iter().filter(|one| one.2).map(|one| one.0).collect()
    }

    async fn canary_attached(&self, percent: &str) -> Value {
        let path = "/api/v1/policies/rotation-canary";
        self.admin("PUT", path, self.site.token("developer"), component("rotation-canary")).await.ok();
        let place = json!({ "deployment": "checkout", "environment": "staging" });
        let settings = json!({ "variable": "SIGNING_KEY", "percent": percent, "salt": "2026" });
        let body = json!({ "policy": "rotation-canary", "place": place, "settings": settings });
        self.by("admin", "POST", "/attachments", body).await.ok().json()
    }

    async fn canary_settings(&self) -> Value {
        let listed = self.by("viewer", "GET", "/attachments?policy=rotation-canary", Value::Null).await;
        listed.ok().json()["attachments"][0]["settings"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_old_version_is_named_and_waited_for() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    let old = world.supervised("web-1").await;
    let command = world.rotating(&[], Some("the new one\n"));
    let run = blocking(move || {
        let run = Supervised::start(command);
        run.says("set\tversion 2 of SIGNING_KEY of checkout in staging, beside version 1");
        run.says("all\tevery instance that boots is given version 2");
        run.says("drain\t1 instance holds version 1: web-1 of checkout in staging");
        run
    })
    .await;
    let new = world.supervised("web-1").await;
    assert_eq!((old.value.as_str(), new.value.as_str()), ("the old one", "the new one"));
    assert_eq!(world.alive().await, [2, 1], "both work while anybody holds the old one");
    world.ends(&old.lease).await;
    blocking(move || {
        let mut run = run;
        run.says("drained\tno lease holds version 1");
        run.says("revoked\tversion 1 of SIGNING_KEY");
        run.says("done\tversion 2 of SIGNING_KEY of checkout in staging is the only one");
        assert_eq!(run.process.ended().code(), Some(0));
    })
    .await;
    assert_eq!(world.alive().await, [2]);

    world.ends(&new.lease).await;
    let (said, _) = world.rotated_to(0, &["--json"], Some("the third")).await;
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        told,
        json!({ "deployment": "checkout", "environment": "staging", "name": "SIGNING_KEY", "version": 3,
            "percent": 100, "revoked": [2], "state": "done" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_or_gives_up_goes_on_with_what_is_live() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    let old = world.supervised("web-1").await;
    let command = world.rotating(&[], Some("the new one"));
    blocking(move || {
        let mut run = Supervised::start(command);
        run.starts_with("set\t");
        run.starts_with("all\t");
        run.starts_with("drain\t");
        run.process.signal(Signal::KILL);
        run.process.ended();
    })
    .await;
    assert_eq!(world.alive().await, [2, 1]);
    // What would be a third version is not taken for one to go on with.
    let (_, said) = world.rotated_to(1, &[], Some("another one")).await;
    assert!(said.contains("under way: version 1 and 2 are live") && said.contains("--continue"), "{said}");
    assert!(!said.contains("another one"), "{said}");
    // Without a word it goes on, and its patience has an end.
    let (said, complaints) = world.rotated_to(1, &["--timeout", "0s"], None).await;
    assert!(
        said.starts_with("set\tversion 2 of SIGNING_KEY of checkout in staging, beside version 1\n"),
        "{said}"
    );
    assert!(
        complaints.contains("1 instance holds version 1: web-1") && complaints.contains("--continue"),
        "{complaints}"
    );
    world.ends(&old.lease).await;
    world.rotated_to(0, &["--continue"], None).await;
    assert_eq!(world.alive().await, [2]);
    let (_, said) = world.rotated_to(1, &["--continue"], None).await;
    assert!(said.contains("no rotation of SIGNING_KEY of checkout in staging is under way"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_watched_before_all_are_given_the_new_version() {
    let world = World::with(Site::small(0)).await;
    world.rotate("the old one").await;
    let (_, said) = world.rotated_to(1, &["--canary", "30"], Some("the new one")).await;
    assert!(said.contains("rotation-canary is not attached") && said.contains("policy attach"), "{said}");
    assert_eq!(world.alive().await, [1], "nothing was set");

    world.canary_attached("100").await;
    let (said, _) = world.rotated_to(0, &["--canary", "30"], Some("the new one")).await;
    let next = "bootlace rotate -d checkout -e staging SIGNING_KEY --continue";
    assert!(said.ends_with(&format!("stopped\tgo on with `{next}`\n")), "{said}");
    let settings = json!({ "variable": "SIGNING_KEY", "percent": "30", "salt": "2026" });
    assert_eq!(world.canary_settings().await, settings, "only the share is another");
    let shares = world.shares().await;
    assert!(shares.len() == 2 && (15..45).contains(&shares[0].1), "about a third: {shares:?}");

    // What is refused changes no share.
    world.rotated_to(1, &["--canary", "90"], Some("another one")).await;
    assert_eq!(world.canary_settings().await, settings);

    // A greater share first, then all of them. Boots without a lease want a word.
    world.rotated_to(0, &["--canary", "60", "--continue"], None).await;
    let (said, complaints) = world.rotated_to(1, &["--continue"], None).await;
    assert!(said.contains("all\tevery instance that boots is given version 2\n"), "{said}");
    assert!(complaints.contains("--continue --accept-unproven"), "{complaints}");
    assert_eq!(world.shares().await, [("the new one".to_owned(), 100)]);
    world.rotated_to(0, &["--continue", "--accept-unproven"], None).await;
    assert_eq!(world.alive().await, [2]);
    assert_eq!(world.canary_settings().await["percent"], "100");

    // The same in one go.
    let words = ["--canary", "10", "--soak", "10ms", "--accept-unproven"];
    let (said, _) = world.rotated_to(0, &words, Some("the third")).await;
    assert!(said.contains("canary\t10 % of the instances are given version 3\nall\t"), "{said}");
    assert_eq!(world.alive().await, [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_deployment_is_given_is_rotated_in_its_own_layer() {
    let world = World::with(Site::small(0)).await;
    let everybody = ["--all-deployments", "-e", "staging", "SMTP_KEY"];
    let set = [&["set"][..], &everybody, &["--secret", "--description", "sends mail"]].concat();
    world.vars(0, &set, "the old one").await;
    let rotate = async |words: &[&str], new: Option<&str>| {
        let command = world.rotating_with(&[words, &SOON].concat(), new);
        let output = blocking(|| finish(command)).await;
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = rotate(&everybody, Some("the new one")).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(world.environment("staging").await["SMTP_KEY"], "the new one");
    for (words, expected, code) in [
        (&["-d", "checkout", "-e", "staging", "SMTP_KEY"][..], "in that very layer", 1),
        (&["-d", "checkout", "-e", "staging", "DB_PASSWORD"], "the workspace directory's", 1),
        (&["-e", "staging", "SMTP_KEY"], "--all-deployments", 2),
        (&["-d", "checkout", "SMTP_KEY"], "name one with --environment", 2),
        (&["-d", "checkout", "-e", "staging"], "name the secret", 2),
        (&["-d", "checkout", "-e", "staging", "SMTP_KEY", "--soak", "1s"], "--canary", 2),
    ] {
        let (found, said) = rotate(words, Some("another")).await;
        assert_eq!((found, said.contains(expected)), (Some(code), true), "{words:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_17_a_rotation_and_another_release_are_never_one_step() {
    let mut site = Site::starter();
    site.trigger("staging", "manual");
    let world = World::with(site).await;
    let set = async |keep: bool| {
        let body = json!({ "environment": "production", "name": "SIGNING_KEY", "value": "v", "is_secret": true,
            "description": "signs", "keep": keep });
        world.by("admin", "POST", "/deployments/checkout/env", body).await
    };
    set(false).await.ok();
    let promote =
        async |body: Value| world.by("releaser", "POST", "/deployments/checkout/promotions", body).await;
    // While it waits for an approval, nothing is rotated there; elsewhere it is.
    let waiting = promote(json!({ "to": "production" })).await;
    assert_eq!(waiting.status, 202, "{}", waiting.text());
    let waiting = waiting.json();
    let refused = set(true).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{}", refused.text());
    for part in [waiting["id"].as_str().unwrap(), "is under way to checkout in production", "without keep"] {
        assert!(refused.text().contains(part), "{part}: {}", refused.text());
    }
    let everybodys =
        json!({ "name": "SMTP_KEY", "value": "v", "is_secret": true, "description": "m", "keep": true });
    let by_environment = async |environment: &str| {
        let path = format!("/environments/{environment}/env?confirm={environment}");
        world.by("admin", "POST", &path, everybodys.clone()).await.status
    };
    assert_eq!((by_environment("production").await, by_environment("staging").await), (409, 200));
    world.rotate("staging may be rotated").await;
    set(false).await.ok();
    let path = format!("/deployments/checkout/promotions/{}/approvals", waiting["id"].as_str().unwrap());
    let approved = world.by("admin", "POST", &path, json!({})).await.ok().json();
    assert_eq!(approved["status"], "done", "{approved}");

    // The other way round: no release moves where versions are live together, until one is.
    set(true).await.ok();
    let to_production = |dry_run: bool| json!({ "to": "production", "release": 18, "dry_run": dry_run });
    for dry_run in [true, false] {
        let told = promote(to_production(dry_run)).await.text().to_owned();
        assert!(told.contains("SIGNING_KEY is being rotated in production"), "{told}");
    }
    let path = "/deployments/checkout/env/SIGNING_KEY/versions";
    let path = format!("{path}/2/revoke?environment=production");
    world.by("admin", "POST", &path, Value::Null).await.ok();
    let told = promote(to_production(true)).await.text().to_owned();
    assert!(!told.contains("rotated"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_would_run_by_itself_waits_for_a_rotation_there() {
    let mut world = World::start().await;
    let preview = "environments.\"preview/pr-42\".variables";
    let releases = "[[releases]]\nnumber = 17";
    let next = |number: u64| {
        let digest = format!("sha256:{number:064}");
        format!(
            "[[releases]]\nnumber = {number}\ndigest = \"{digest}\"\ncreated = 2026-11-20T09:00:00Z\n\n{releases}"
        )
    };
    let runs = async |world: &World| world.boot("preview/pr-42").await.json()["release"].clone();

    // A push that is both is refused; each by itself is not.
    let before = world.site.file("deployments/checkout.toml").to_owned();
    world.site.set_secret("preview/pr-42", "TAX_API_KEY", "another one");
    let alone = world.site.file("deployments/checkout.toml").to_owned();
    assert!(alone != before && alone.contains(preview));
    world.site.edit("deployments/checkout.toml", releases, &next(20));
    let refused = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{}", refused.text());
    for part in
        ["release 20 of checkout", "preview/pr-42", "TAX_API_KEY is replaced", "push the values first"]
    {
        assert!(refused.text().contains(part), "{part}: {}", refused.text());
    }
    world.site.write("deployments/checkout.toml", alone);
    world.push(&world.site.bundle(Revision(1)), 1).await.ok();
    world.site.edit("deployments/checkout.toml", releases, &next(20));
    let pushed = world.push(&world.site.bundle(Revision(2)), 2).await.ok().json();
    assert_eq!(runs(&world).await, 20, "{pushed}");

    // While versions are live together, what is registered is not activated, and says why.
    for keep in [false, true] {
        let body = json!({ "environment": "preview/pr-42", "name": "SIGNING_KEY", "value": "v", "is_secret": true,
            "description": "signs", "keep": keep });
        world.by("admin", "POST", "/deployments/checkout/env", body).await.ok();
    }
    let told = world
        .by("developer", "POST", "/deployments/checkout/releases", json!({ "digest": "sha256:aa" }))
        .await;
    let told = told.ok().json();
    assert_eq!(told["activated"], json!([]));
    assert!(
        told["not_activated"].to_string().contains("SIGNING_KEY is being rotated in preview/pr-42"),
        "{told}"
    );
    assert_eq!(runs(&world).await, 20);
}
