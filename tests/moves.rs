//! `snapshot export` and `import`: a workspace on another host is what it was on the first, and a file that
//! is not whole, not for this host or not in its place leaves nothing behind.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Instant};

use bootlace::{id::Revision, state::Alteration, transfer::MAX_TRANSFER_BYTES};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    audit::records,
    world::{
        Answer, Site, World, blocking, http,
        program::{Premises, Program},
        site::guest,
    },
};

const EXPORT: &str = "/api/v1/export?workspace=acme";
const IMPORT: &str = "/api/v1/import?workspace=acme";
const ENV: &str = "/api/v1/deployments/checkout/env";
const ENVIRONMENTS: [&str; 3] = ["production", "staging", "preview/pr-42"];

/// What anybody may look at, and must find the same on both hosts.
const VIEWS: [&str; 14] = [
    "/api/v1/snapshot",
    "/api/v1/snapshot/plans",
    "/api/v1/snapshots",
    "/api/v1/environments",
    "/api/v1/deployments",
    "/api/v1/services",
    "/api/v1/policies/teller",
    "/api/v1/attachments",
    "/api/v1/tokens",
    "/api/v1/deployments/checkout/env?environment=staging",
    "/api/v1/deployments/checkout/env/GREETING/versions?environment=staging",
    "/api/v1/deployments/checkout/explain?environment=staging",
    "/api/v1/deployments/checkout/diff?environment=staging&from=2&to=3",
    "/api/v1/deployments/worker/diff?environment=qa&from=7&to=10",
];

/// A host with a bit of everything in its workspace, and two tokens: one that works and one that was
/// revoked.
async fn source() -> (World, String, String) {
    let mut site = Site::starter();
    let kept = "always = \"GREETING,MOVED_SECRET,PUSHED_LATER,LOG_FORMAT";
    site.edit("policies.toml", "always = \"LOG_FORMAT", kept);
    let mut world = World::with(site).await;
    let set = |name: &str, value: &str, secret: bool| {
        json!([{ "environment": "staging", "name": name, "value": value, "is_secret": secret,
            "description": "is moved" }])
    };
    for change in [
        set("GREETING", "good morning", false),
        set("GREETING", "good evening", false),
        set("MOVED_SECRET", "canary-of-the-move", true),
        set("GONE", "for a while", false),
    ] {
        world.by("admin", "POST", "/deployments/checkout/env", change).await.done();
    }
    let qa = json!({ "name": "qa", "type": "test" });
    world.by("admin", "POST", "/environments", qa).await.done();
    let worker = json!({ "name": "worker", "environments": ["qa"] });
    world.by("admin", "POST", "/deployments", worker).await.done();
    let admin = world.site.token("admin").to_owned();
    let gone = format!("{ENV}/GONE?environment=staging");
    world.admin("DELETE", &gone, &admin, "").await.done();
    world.admin("PUT", "/api/v1/policies/teller", &admin, guest("dump")).await.done();
    let place = json!({ "deployment": "worker", "environment": "qa" });
    let attached = json!({ "policy": "teller", "place": place, "settings": { "a": "1" } });
    world.by("admin", "POST", "/attachments", attached).await.done();
    world.site.set_plain("production", "PUSHED_LATER", "yes");
    world.push(&world.site.bundle(Revision(10)), 10).await.done();
    let (kept, revoked) =
        (world.instance("checkout", "staging").await, world.site.token("viewer").to_owned());
    let id = revoked.parse::<bootlace::token::Token>().unwrap();
    let id = bootlace::token::token_id(&id.hash());
    assert_eq!(world.admin("DELETE", &format!("/api/v1/tokens/{id}"), &admin, "").await.status, 204);
    (world, kept, revoked)
}

/// A host that holds the same root key, and has nothing.
async fn vacant(site: &Site) -> World {
    World::empty(site.clone(), |_| {}).await
}

async fn export(world: &World) -> Vec<u8> {
    let answer = world.admin("GET", EXPORT, &world.operator, "").await.done();
    assert_eq!(answer.header("content-type"), "application/vnd.bootlace.export");
    answer.body.to_vec()
}

async fn import(world: &World, file: impl Into<Vec<u8>>) -> Answer {
    world.admin("PUT", IMPORT, &world.operator, file).await
}

/// Everything that is the same on two hosts, as one text for each question.
async fn told(world: &World, token: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for path in VIEWS {
        let answer = world.admin("GET", path, world.site.token("admin"), "").await;
        let mut said = format!("{} {}", answer.status, answer.header("etag"));
        let mut body = answer.json();
        // Counted by each host for itself.
        for counted in ["asked", "asking_us"] {
            body.as_object_mut().unwrap().remove(counted);
        }
        for token in body["tokens"].as_array_mut().into_iter().flatten() {
            token.as_object_mut().unwrap().remove("last_used");
        }
        said.push_str(&body.to_string());
        assert_eq!(answer.status, 200, "{path}: {said}");
        all.push((path.to_owned(), said));
    }
    for environment in ENVIRONMENTS {
        let boot = world.boot(environment).await.done();
        all.push((format!("boot in {environment}"), format!("{} {}", boot.header("etag"), boot.text())));
    }
    let boot = world.get_boot("/v1/boot", Some(token)).await.done();
    all.push(("a boot by a token of the first host".to_owned(), boot.text().to_owned()));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_on_another_host_is_what_it_was() {
    let (first, token, revoked) = source().await;
    let file = export(&first).await;
    let second = vacant(&first.site).await;
    assert_eq!(second.admin("GET", "/api/v1/tokens", &revoked, "").await.status, 403, "works before");
    let moved = import(&second, &file[..]).await.done();
    assert_eq!(
        (moved.header("bootlace-revision"), moved.json()["warnings"].clone()),
        ("11", json!(["1 tokens that this host had for the workspace have ended"])),
    );
    let before = told(&first, &token).await;
    assert!(before.iter().any(|(_, said)| said.contains("good evening")));
    assert!(before.iter().any(|(_, said)| said.contains("canary-of-the-move")));
    assert_eq!(told(&second, &token).await, before);
    assert_eq!(second.admin("GET", "/api/v1/tokens", &revoked, "").await.status, 401);

    // After a restart, too: of the bootstrap, which has the revoked token, nothing comes back.
    let second = second.restart().await;
    assert_eq!(told(&second, &token).await, before);
    assert_eq!(second.admin("GET", "/api/v1/tokens", &revoked, "").await.status, 401);
    assert_eq!(second.get_admin("/readyz").await.text(), "ready\n");

    // It goes on from there: by API, by a push, and back.
    let change = json!([{ "environment": "staging", "name": "GREETING", "value": "good night" }]);
    let changed = second.by("admin", "POST", "/deployments/checkout/env", change).await.done();
    assert_eq!(changed.header("bootlace-revision"), "12");
    let boot = second.get_boot("/v1/boot", Some(&token)).await.done();
    assert_eq!(boot.environment()["GREETING"], "good night");
    let versions = second.by(
        "admin",
        "GET",
        "/deployments/checkout/env/GREETING/versions?environment=staging",
        Value::Null,
    );
    assert_eq!(versions.await.done().json()["versions"].as_array().unwrap().len(), 3);
    let diff = "/deployments/checkout/diff?environment=staging&from=3&to=12";
    assert_eq!(
        second.by("admin", "GET", diff, Value::Null).await.done().json()["keys"][0]["name"],
        "GREETING"
    );
    let back = ("/api/v1/snapshot/rollback?workspace=acme", [("if-match", "\"12\"")]);
    let to = json!({ "revision": 1 }).to_string();
    let back = second.admin_with("POST", back.0, &second.operator, &back.1, to).await.done();
    assert_eq!(back.json()["revision"], 13);
    assert!(!second.environment("production").await.contains_key("PUSHED_LATER"));
    assert_eq!(second.environment("staging").await["GREETING"], "good night");
    second.push(&second.site.bundle(Revision(13)), 13).await.done();
    assert!(second.environment("production").await.contains_key("PUSHED_LATER"));

    // And on to a third host.
    let third = vacant(&second.site).await;
    import(&third, export(&second).await).await.done();
    assert_eq!(told(&third, &token).await, told(&second, &token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_tells_nobody_anything_and_both_hosts_log_it() {
    let (first, ..) = source().await;
    let file = export(&first).await;
    let text = String::from_utf8_lossy(&file);
    for mark in
        ["GREETING", "canary-of-the-move", "checkout", "staging", "demo", "\"hash\"", "sealed", "test"]
    {
        assert!(!text.contains(mark), "{mark}");
    }
    let second = vacant(&first.site).await;
    import(&second, &file[..]).await.done();
    assert_eq!(import(&second, &file[..]).await.status, 409);
    let logged = |world: &World, kind: &str| {
        let found = records(world.data.path()).into_iter().filter(|record| record["kind"] == kind);
        found.map(|record| (record["outcome"].clone(), record["details"]["file"].clone())).collect::<Vec<_>>()
    };
    let digest = json!(bootlace::canonical::sha256(&file).to_string());
    assert_eq!(logged(&first, "export"), [(json!("done"), digest.clone())]);
    let both = [(json!("done"), digest.clone()), (json!("conflict"), digest)];
    assert_eq!(logged(&second, "import"), both);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_not_for_this_host_or_not_in_its_place_changes_nothing() {
    let first = World::with(Site::small(1)).await;
    let file = export(&first).await;
    let second = vacant(&first.site).await;
    let refused = async |world: &World, file: Vec<u8>, status: u16, code: &str, advice: &str| {
        let answer = import(world, file).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text());
        assert!(answer.text().contains(advice), "{}", answer.text());
    };
    let flip = |at: usize| {
        let mut flipped = file.clone();
        flipped[at] ^= 0x10;
        flipped
    };
    for at in [13, 30, 40, 60, 100, file.len() / 3, file.len() / 2, file.len() - 20, file.len() - 1] {
        refused(&second, flip(at), 422, "invalid", "").await;
    }
    let changed = "changed or cut short";
    refused(&second, flip(file.len() / 2), 422, "invalid", changed).await;
    refused(&second, file[..file.len() - 1].to_vec(), 422, "invalid", changed).await;
    refused(&second, file[..file.len() / 2].to_vec(), 422, "invalid", changed).await;
    refused(&second, file[..40].to_vec(), 422, "invalid", "cut short").await;
    refused(&second, [&file[..], b"\0"].concat(), 422, "invalid", changed).await;
    refused(&second, b"BLACEBND".to_vec(), 422, "invalid", "not an export").await;
    refused(&second, Vec::new(), 422, "invalid", "not an export").await;
    let mut newer = file.clone();
    newer[8] = 2;
    refused(&second, newer, 422, "invalid", "format 2; this version reads format 1: upgrade").await;
    refused(&second, vec![0; MAX_TRANSFER_BYTES + 1], 413, "too-large", "268435456 bytes").await;
    let elsewhere = second.admin("PUT", "/api/v1/import?workspace=other", &second.operator, &file[..]).await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (422, "invalid"));
    assert!(elsewhere.text().contains("of workspace acme"), "{}", elsewhere.text());
    let unnamed = second.admin("PUT", "/api/v1/import", &second.operator, &file[..]).await;
    assert_eq!(unnamed.status, 400);

    // Another root key: it is named.
    let stranger = Site::small(1);
    let third = vacant(&stranger).await;
    let key = first.site.root_key().id().to_string();
    refused(&third, file.clone(), 422, "invalid", &key).await;

    // Operators only, for both.
    for role in ["admin", "viewer"] {
        let token = first.site.token(role);
        for (world, method, path) in [(&first, "GET", EXPORT), (&second, "PUT", IMPORT)] {
            let answer = world.admin(method, path, token, &file[..]).await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"));
        }
    }
    let nothing = first.admin("GET", "/api/v1/export?workspace=nowhere", &first.operator, "").await;
    assert_eq!((nothing.status, nothing.code().as_str()), (404, "not-found"));

    // Where it is served already, even by a file of another day.
    refused(&first, file.clone(), 409, "conflict", "at revision 1").await;

    // Nothing of all that is left, and then it works.
    let second = second.restart().await;
    assert_eq!(second.get_admin("/readyz").await.code(), "not-ready");
    import(&second, file).await.done();
    assert_eq!(second.environment("staging").await, first.environment("staging").await);
}

/// A host of its own process, on `premises`.
async fn started(premises: &Premises) -> Program {
    let command = premises.command(&[]);
    blocking(|| Program::start(command)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_leaves_nothing_or_everything() {
    let first = World::with(Site::small(1)).await;
    for part in 0..14 {
        let many: Vec<_> = (0..30)
            .map(|n| {
                json!({ "environment": "staging", "name": format!("MANY_{part}_{n}"),
            "value": "x".repeat(900), "description": "one of many" })
            })
            .collect();
        first.by("admin", "POST", "/deployments/checkout/env", json!(many)).await.done();
    }
    let (file, expected) = (export(&first).await, first.environment("staging").await);
    assert!(expected.len() > 400);
    let token = first.site.token("staging").to_owned();
    // How long it takes on this machine, and then kills from the beginning to a while after the end: most
    // of them where it becomes durable.
    let whole = Instant::now();
    import(&vacant(&first.site).await, &file[..]).await.done();
    let whole = whole.elapsed();
    let (mut nothing, mut everything) = (0, 0);
    for percent in (0..16).map(|step| if step == 0 { 0 } else { 45 + 5 * step }) {
        let premises = Premises::new(&first.site);
        let host = started(&premises).await;
        let operator = premises.operator();
        let (admin, sent) = (host.admin, file.clone());
        let asked = operator.clone();
        let importing = tokio::spawn(async move {
            // A host that was killed before it was asked answers nobody.
            let mut connection = http::Connection::try_open(admin).await?;
            connection.try_send(http::prepared("PUT", IMPORT, Some(&asked), &[], sent)).await
        });
        tokio::time::sleep(whole * percent / 100).await;
        blocking(|| host.kill()).await;
        let answered = importing.await.unwrap().is_some_and(|answer| answer.status == 200);

        let host = started(&premises).await;
        let boot = host.get("/v1/boot", Some(&token)).await;
        let listed =
            http::request(host.admin, "GET", "/api/v1/workspaces", Some(&operator), &[], Vec::new()).await;
        let is_there = listed.json()["workspaces"].as_array().unwrap().len() == 1;
        if is_there {
            everything += 1;
            assert_eq!(boot.done().environment(), expected);
            let log = records(&premises.data()).into_iter().filter(|one| one["kind"] == "import");
            assert_eq!(log.map(|one| one["outcome"].clone()).collect::<Vec<_>>(), [json!("done")]);
        } else {
            nothing += 1;
            assert!(!answered, "what was answered is there");
            assert_eq!(boot.status, 401, "{}", boot.text());
            let again = http::request(host.admin, "PUT", IMPORT, Some(&operator), &[], file.clone()).await;
            again.done();
            assert_eq!(host.get("/v1/boot", Some(&token)).await.done().environment(), expected);
        }
        assert_ne!(listed.json()["workspaces"], Value::Null);
        blocking(|| host.kill()).await;
    }
    assert!(nothing > 0, "the first is killed as soon as it is asked");
    println!("16 kills during an import of {whole:?}: {nothing} left nothing, {everything} everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_moves_a_workspace_and_overwrites_no_file() {
    let first = World::with(Site::small(1)).await;
    let place = TempDir::new().unwrap();
    let path = place.path().join("acme.export");
    let line = format!("snapshot export {} --workspace acme", path.display());
    let told = first.ok(&first.operator, &line).await;
    assert!(told.contains("workspace acme at revision 1") && told.contains("history from"), "{told}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    let bytes = fs::read(&path).unwrap();

    let (code, printed, said) = first.cli(&first.operator, &line).await;
    assert_eq!((code, printed.as_str()), (2, ""), "{said}");
    assert!(said.contains("--force"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let json = first.json(&first.operator, &format!("{line} --force")).await;
    let again = fs::read(&path).unwrap();
    assert_eq!(
        (&json["revision"], &json["earliest"], &json["bytes"]),
        (&json!(1), &json!(1), &json!(again.len()))
    );
    assert_eq!(json["sha256"], bootlace::canonical::sha256(&again).to_string());
    assert!(again != bytes && mode(&path) == 0o600, "sealed anew, its owner's alone");
    // A tenant's token exports nothing, and leaves no file.
    let nowhere = place.path().join("never");
    let (code, ..) =
        first.cli(first.site.token("admin"), &format!("snapshot export {}", nowhere.display())).await;
    assert_eq!((code, fs::read_dir(place.path()).unwrap().count()), (1, 1));

    let second = vacant(&first.site).await;
    let line = format!("snapshot import {}", path.display());
    let told = second.ok(&second.operator, &line).await;
    assert!(told.starts_with("acme revision 1  imported"), "{told}");
    assert_eq!(second.environment("staging").await, first.environment("staging").await);
    let (code, _, said) = second.cli(&second.operator, &line).await;
    assert_eq!(code, 1);
    assert!(said.contains("on this host already, at revision 1"), "{said}");
    let (code, _, said) = second.cli(&second.operator, "snapshot import Cargo.toml").await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("bootlace snapshot export"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_on_one_host_is_pinned_on_the_other() {
    let first = World::start().await;
    let back = json!({ "environment": "staging", "activation": 1, "configuration": true });
    let rollback = "/deployments/checkout/rollback";
    first.by("releaser", "POST", rollback, back).await.done();
    let before = first.boot("staging").await.json();
    let email = json!({ "environment": "staging", "name": "SUPPORT_EMAIL", "value": "other@acme.example" });
    first.by("developer", "POST", "/deployments/checkout/env", email).await.done();
    let second = vacant(&first.site).await;
    import(&second, export(&first).await).await.done();
    for world in [first, second.restart().await] {
        let boot = world.boot("staging").await.json();
        assert_eq!((&boot["digest"], &boot["env"]), (&before["digest"], &before["env"]));
        let pinned = &world.by("viewer", "GET", "/deployments/checkout", Value::Null).await.json()["pinned"];
        assert_eq!(pinned["staging"]["held_back"], json!(["SUPPORT_EMAIL"]), "{pinned}");
        let unpin = json!({ "environment": "staging" });
        world.by("releaser", "POST", "/deployments/checkout/unpin", unpin).await.done();
        assert_eq!(world.environment("staging").await["SUPPORT_EMAIL"], "other@acme.example");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_was_carried_on_there_holds_nothing_here() {
    let first = World::start().await;
    let first = first
        .restart_after(|control| {
            let name = "workspace/acme/promoting/checkout/production".to_owned();
            control.change(&[], &[Alteration::Put { name, content: b"{}".to_vec() }]).unwrap();
        })
        .await;
    let wanted = json!({ "from": "staging", "to": "production" });
    let promotions = "/deployments/checkout/promotions";
    let held = first.by("releaser", "POST", promotions, wanted.clone()).await;
    assert_eq!((held.status, held.code()), (409, "conflict".into()), "{}", held.text());
    let second = vacant(&first.site).await;
    import(&second, export(&first).await).await.done();
    let waits = second.by("releaser", "POST", promotions, wanted).await;
    assert_eq!((waits.status, waits.json()["status"].as_str()), (202, Some("deferred")), "{}", waits.text());
}
