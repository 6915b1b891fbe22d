//! A database's password is rotated under a command that connects all the time, by two roles that take turns: it
//! never once fails to connect, and nobody is left behind when the old role is dropped.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    audit::records,
    supervise::{AT_ONCE, Supervised},
    world::{
        Site, World, blocking, http,
        program::{bootlace, finish, until},
        service::Postgres,
    },
};

const OLD: &str = "orders_a's own: p@ss:w/rd#%";
const NEW: &str = "orders_b's own: ?x=1&y'z";
/// Connects over and over, says as whom, and writes down when it could not.
const LOOP: &str =
    "while :; do psql \"$DATABASE_URL\" -XAtqc 'select current_user' >> said || echo no >> failed; done";
const ROTATE: [&str; 9] =
    ["rotate", "--service", "orders", "-e", "staging", "--interval", "20ms", "--user", "orders_b"];

#[tokio::test(flavor = "multi_thread")]
async fn a_psql_loop_never_fails_to_connect_while_its_password_is_rotated() {
    let Some(postgres) = postgres().await else { return };
    let world = World::with(Site::small(0)).await;
    world.with_a_shop(postgres.port).await;
    let token = world.instance("shop", "staging").await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().to_owned();
    let run = looping(&world, &postgres, &token, &path);
    let run = blocking(move || {
        let run = Supervised::start(run);
        until("the loop connects", || connected(&path) > ("orders_a", 0));
        run
    })
    .await;
    // Another one, that only ends when it is told to.
    let batch = boot(&world, &token).await;
    let url = batch.environment()["DATABASE_URL"].clone();
    assert_eq!(psql(&postgres, &url).await, "orders_a\n");

    let rotate = world.administered(&ROTATE, Some(NEW));
    let rotate = blocking(move || {
        let rotate = Supervised::start(rotate);
        rotate.says("set\tversion 2 of the credential of orders in staging, of role orders_b");
        let waits = rotate.starts_with("drain\t");
        assert!(waits.contains("version 1 of the credential of orders in staging"), "{waits}");
        rotate
    })
    .await;
    let path = directory.path().to_owned();
    blocking(move || until("the loop connects as the new role", || connected(&path) > ("orders_b", 0))).await;
    assert_eq!(psql(&postgres, &url).await, "orders_a\n", "both roles work while anybody holds the old one");
    let held = world.held().await;
    assert_eq!((&held[0]["version"], &held[0]["current"]), (&2.into(), &true.into()), "{held}");
    assert_eq!(
        (&held[1]["version"], &held[1]["holders"][0]["instance"]),
        (&1.into(), &"batch".into()),
        "{held}"
    );
    world.end(&token, batch.header("bootlace-lease")).await;
    blocking(move || {
        let mut rotate = rotate;
        let mut line = rotate.starts_with("drain");
        while line.starts_with("drain\t") {
            line = rotate.starts_with("drain");
        }
        assert_eq!(line, "drained\tno lease holds an older version of the credential of orders in staging");
        rotate.starts_with("done\trole orders_a can be dropped now");
        assert_eq!(rotate.process.ended().code(), Some(0));
    })
    .await;

    let path = directory.path().to_owned();
    blocking(move || {
        postgres.does("revoke connect on database orders from orders_a");
        postgres.does("drop role orders_a");
        let (_, before) = connected(&path);
        until("the loop goes on", || connected(&path).1 > before + 20);
        let mut run = run;
        run.process.signal(Signal::TERM);
        assert_eq!(run.process.ended().code(), Some(128 + 15));
        let said = fs::read_to_string(path.join("said")).unwrap();
        let roles: Vec<_> = said.lines().collect();
        assert!(roles.is_sorted(), "never back to the old one: {said}");
        assert_eq!(fs::read_to_string(path.join("failed")).unwrap_or_default(), "", "no connection failed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_a_credential_goes_on_after_a_kill_and_begins_no_other_before_its_end() {
    let world = World::with(Site::small(0)).await;
    world.with_a_shop(5432).await;
    let token = world.instance("shop", "staging").await;
    let batch = boot(&world, &token).await;
    let rotate = world.administered(&ROTATE, Some(NEW));
    blocking(move || {
        let mut rotate = Supervised::start(rotate);
        rotate.starts_with("set\t");
        rotate.says("drain\t1 instance holds version 1 of the credential of orders in staging: batch of shop in staging");
        rotate.process.signal(Signal::KILL);
        rotate.process.ended();
    })
    .await;
    let (code, said) = world.ran(&ROTATE, Some("another")).await;
    assert!(code == Some(1) && said.contains("still held") && said.contains("--continue"), "{said}");
    let go_on = [&ROTATE[..7], &["--continue"]].concat();
    let (code, said) = world.ran(&[&go_on[..], &["--timeout", "0s"]].concat(), None).await;
    assert!(code == Some(1) && said.contains("batch of shop in staging"), "{said}");

    // What is held is durable, and another service's is not asked for.
    let world = world.restart().await;
    assert_eq!(world.held().await[1]["leases"], 1);
    world.end(&token, batch.header("bootlace-lease")).await;
    let (code, said) = world.ran(&[&go_on[..], &["--json"]].concat(), None).await;
    assert_eq!(code, Some(0), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&told["version"], &told["user"], &told["state"]),
        (&2.into(), &"orders_b".into(), &"done".into())
    );
    assert_eq!(world.held().await.as_array().unwrap().len(), 1);
    for (query, status) in [("?environment=production", 404), ("?environment=nowhere", 404), ("", 200)] {
        let path = format!("/services/orders/holders{query}");
        assert_eq!(world.by("viewer", "GET", &path, Value::Null).await.status, status, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_boots_without_a_lease_were_given_wants_a_word_before_it_is_dropped() {
    let world = World::with(Site::small(0)).await;
    world.with_a_shop(5432).await;
    let token = world.instance("shop", "staging").await;
    for _ in 0..4 {
        let boot = http::request(world.boot_address(), "GET", "/v1/boot", Some(&token), &[], Vec::new());
        boot.await.ok();
    }
    let (code, said) = world.ran(&ROTATE, Some(NEW)).await;
    assert!(code == Some(1) && said.contains("drained") && said.contains("given to 4 boots"), "{said}");
    assert!(
        said.contains("do not drop role orders_a") && said.contains("--continue --accept-unproven"),
        "{said}"
    );
    let world = world.restart().await;
    let held = world.held().await;
    assert_eq!((&held[1]["version"], &held[1]["unproven"]), (&1.into(), &4.into()), "{held}");
    let go_on = [&ROTATE[..7], &["--continue"]].concat();
    assert_eq!(world.ran(&go_on, None).await.0, Some(1));
    let (code, said) = world.ran(&[&go_on[..], &["--accept-unproven"]].concat(), None).await;
    assert!(code == Some(0) && said.contains("can be dropped now"), "{said}");

    // That was said for good, and is recorded: whoever rotates next is not asked again.
    let world = world.restart().await;
    let held = world.held().await;
    assert_eq!((held.as_array().unwrap().len(), &held[0]["version"]), (1, &2.into()), "{held}");
    let log = records(world.data.path());
    let told = log.iter().map(|line| &line["details"]).find(|told| told["accepted_unproven"] == 4).unwrap();
    assert_eq!(
        (&told["service"], &told["versions"], &told["environments"]),
        (&"orders".into(), &[1].into(), &["staging"].into()),
        "{told}"
    );
    let back = [&ROTATE[..7], &["--user", "orders_a"]].concat();
    let (code, said) = world.ran(&back, Some(OLD)).await;
    assert!(code == Some(0) && said.contains("role orders_b can be dropped now"), "{said}");

    // Another service of that name has nothing of it.
    for words in [
        &["binding", "remove", "-d", "shop", "-e", "staging", "DATABASE_URL"][..],
        &["service", "delete", "orders"],
        &[
            "service",
            "create",
            "orders",
            "--kind",
            "postgres",
            "-e",
            "staging",
            "--password",
            "--endpoint",
            "host=127.0.0.1,port=1",
        ],
    ] {
        let (code, said) = world.ran(words, Some(OLD)).await;
        assert_eq!(code, Some(0), "{words:?}: {said}");
    }
    let held = world.held().await;
    assert_eq!((held.as_array().unwrap().len(), &held[0]["unproven"]), (1, &0.into()), "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_the_same_role_is_changed_in_place_only_when_that_is_said() {
    let world = World::with(Site::small(0)).await;
    world.with_a_shop(5432).await;
    let credential = &ROTATE[..7];
    for user in [&[][..], &["--user", "orders_a"]] {
        let (code, said) = world.ran(&[credential, user].concat(), Some(NEW)).await;
        assert!(code == Some(2) && said.contains("--same-role") && said.contains("role orders_a"), "{said}");
    }
    assert_eq!(world.held().await[0]["version"], 1, "nothing was changed");
    let (code, said) = world.ran(&[credential, &["--same-role"]].concat(), Some(NEW)).await;
    assert!(code == Some(0) && said.contains("version 2") && !said.contains("can be dropped"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_something_pinned_connects_as_is_not_said_to_be_free_until_that_is_unpinned() {
    let world = World::with(Site::small(0)).await;
    world.with_a_shop(5432).await;
    for words in [
        &["release", "create", "-d", "shop", "--digest", "sha256:1"][..],
        &["promote", "-d", "shop", "--release", "1", "--to", "staging"],
    ] {
        let (code, said) = world.ran(words, None).await;
        assert_eq!(code, Some(0), "{words:?}: {said}");
    }
    let (code, said) = world.ran(&ROTATE, Some(NEW)).await;
    assert!(code == Some(0) && said.contains("role orders_a can be dropped now"), "{said}");
    // What runs there did so with the old role, and goes back to that.
    let back = ["rollback", "-d", "shop", "-e", "staging", "--activation", "1", "--configuration"];
    let (code, said) = world.ran(&back, None).await;
    assert_eq!(code, Some(0), "{said}");
    let held = world.held().await;
    assert_eq!(
        (&held[1]["version"], &held[1]["pinned"][0]["deployment"]),
        (&1.into(), &"shop".into()),
        "{held}"
    );
    let another = [&ROTATE[..7], &["--user", "orders_a"]].concat();
    for words in [&another[..], &[&ROTATE[..7], &["--continue", "--accept-unproven"]].concat()] {
        let (code, said) = world.ran(words, Some(OLD)).await;
        let advised =
            said.contains("pinned to a set with version 1") && said.contains("bootlace unpin -d shop");
        assert!(code == Some(1) && advised, "{words:?}: {said}");
    }
    assert_eq!(world.held().await[0]["version"], 2, "nothing new is set meanwhile");
    let path = "/services/orders/unproven?environment=staging";
    let refused = world.by("admin", "DELETE", path, Value::Null).await;
    assert!(refused.status == 409 && refused.text().contains("pinned"), "{refused:?}");
    assert_eq!(world.by("viewer", "DELETE", path, Value::Null).await.status, 403);
    let (code, said) = world.ran(&["unpin", "-d", "shop", "-e", "staging"], None).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = world.ran(&another, Some(OLD)).await;
    assert!(code == Some(0) && said.contains("role orders_b can be dropped now"), "{said}");
}

impl World {
    /// A deployment without a directory, bound to a database in staging.
    async fn with_a_shop(&self, port: u16) {
        let endpoint = format!("host=127.0.0.1,port={port},database=orders,tls=disable");
        let service =
            ["service", "create", "orders", "--kind", "postgres", "-e", "staging", "--user", "orders_a"];
        for (words, input) in [
            (&["deployment", "create", "shop", "-e", "staging"][..], ""),
            (&[&service[..], &["--password", "--endpoint", &endpoint]].concat(), OLD),
            (&["binding", "add", "-d", "shop", "-e", "staging", "DATABASE_URL", "orders"], ""),
        ] {
            let (code, said) = self.ran(words, Some(input)).await;
            assert_eq!(code, Some(0), "{words:?}: {said}");
        }
    }

    /// How a command of an admin's ends, and all that it says.
    async fn ran(&self, words: &[&str], input: Option<&str>) -> (Option<i32>, String) {
        let command = self.administered(words, input);
        let Output { status, stdout, stderr } = blocking(|| finish(command)).await;
        let said = String::from_utf8([stdout, stderr].concat()).unwrap();
        assert!(!said.contains("orders_a's own") && !said.contains("orders_b's own"), "{said}");
        (status.code(), said)
    }

    /// The versions of the credential, the newest first.
    async fn held(&self) -> Value {
        let path = "/services/orders/holders?environment=staging";
        self.by("viewer", "GET", path, Value::Null).await.ok().json()["instances"][0]["versions"].clone()
    }

    async fn end(&self, token: &str, lease: &str) {
        let (path, body) = (format!("/v1/lease/{lease}"), br#"{"end":true}"#.to_vec());
        http::request(self.boot_address(), "POST", &path, Some(token), &[], body).await.ok();
    }
}

/// A boot that holds a lease until it says otherwise.
async fn boot(world: &World, token: &str) -> http::Answer {
    let asked = [("bootlace-lease", "3600")];
    let path = "/v1/boot?instance=batch";
    http::request(world.boot_address(), "GET", path, Some(token), &asked, Vec::new()).await.ok()
}

/// A database that two roles may connect to.
async fn postgres() -> Option<Postgres> {
    blocking(|| {
        let postgres = Postgres::start()?;
        postgres.create("orders", "owner", "nobody knows");
        for (role, password) in [("orders_a", OLD), ("orders_b", NEW)] {
            postgres.create_role(role, password);
            postgres.does(&format!("grant connect on database orders to {role}"));
        }
        Some(postgres)
    })
    .await
}

fn looping(world: &World, postgres: &Postgres, token: &str, directory: &Path) -> Command {
    let mut run = bootlace();
    run.env("BOOTLACE_URL", format!("http://{}", world.boot_address())).env("BOOTLACE_TOKEN", token);
    let paths = std::env::var("PATH").unwrap();
    run.env("PATH", format!("{}:{paths}", postgres.programs().display())).current_dir(directory);
    run.args(["run", "--supervise"]).args(AT_ONCE).args(["--", "sh", "-c", LOOP]);
    run
}

/// As whom the loop connected the last time, and how often it did so far.
fn connected(directory: &Path) -> (&'static str, usize) {
    let said = fs::read_to_string(directory.join("said")).unwrap_or_default();
    let whole = said.matches('\n').count();
    let last = said.lines().nth(whole.saturating_sub(1)).unwrap_or_default();
    (["orders_a", "orders_b"].into_iter().find(|role| *role == last).unwrap_or_default(), whole)
}

async fn psql(postgres: &Postgres, url: &str) -> String {
    let mut psql = Command::new(postgres.programs().join("psql"));
    psql.args([url, "-XAtqc", "select current_user"]);
    let output = blocking(|| finish(psql)).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
