//! A host that comes back: it serves its last known good at once and needs nobody for it, says
//! when it has doubts about what it found, and refuses what would be a step back.

use std::{fs, path::PathBuf, sync::Arc};

use bootlace::{
    host::{Author, MintRequest},
    id::{Revision, UnixSeconds},
    keyring::RootKey,
    model::Scope,
    signing::OperatorKey,
    slots::FloorOverride,
};
use zeroize::Zeroizing;

use crate::world::{
    Answer, NOON, Site, World, blocking, http,
    program::{Premises, Program, bootlace, finish},
    small::told,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_serves_the_last_known_good_without_a_push() {
    let kept = Kept::at(1).await;
    let before = kept.serve(&[]).await;
    let (first, etag) = (kept.boot(&before).await, kept.boot(&before).await.header("etag").to_owned());
    before.kill();
    let after = kept.serve(&[]).await;
    let said = after.log.iter().find(|line| line["message"] == "serving the last known good");
    let said = said.expect("a line about what is served");
    assert_eq!((&said["workspace"], &said["revision"]), (&"acme".into(), &1.into()));
    assert!(said["age_seconds"].as_u64().is_some(), "{said}");
    let second = kept.boot(&after).await;
    assert_eq!(second.body, first.body);
    let headers = [("if-none-match", etag.as_str())];
    let path = "/v1/boot";
    let unchanged = http::request(after.boot, "GET", path, Some(&kept.token), &headers, Vec::new()).await;
    assert_eq!(unchanged.status, 304, "an answer's identity outlives the process");
    assert_eq!(after.get("/readyz", None).await.text(), "ready\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_newest_slot_gives_way_to_the_older_one_and_the_host_is_degraded() {
    for slot in ["slot-a", "slot-b"] {
        let kept = Kept::at(1).await;
        let older = kept.read(slot, "floor");
        kept.push(2).await;
        // As a commit leaves it that was killed half-way, on a disk that then lost a bit.
        let mut newest = fs::read(kept.data(slot)).unwrap();
        let middle = newest.len() / 2;
        newest[middle] ^= 1;
        let other = if slot == "slot-a" { "slot-b" } else { "slot-a" };
        for (name, bytes) in [(slot, &newest), (other, &older[0]), ("floor", &older[1])] {
            fs::write(kept.data(name), bytes).unwrap();
        }
        let host = kept.serve(&[]).await;
        assert_eq!(kept.told(&host).await, (1, 1), "the older slot is served");
        assert_eq!(host.get("/readyz", None).await.text(), "degraded\n");
        assert!(kept.metrics(&host).await.contains("\nbootlace_degraded 1\n"));
        let error = host.log.iter().find(|line| line["level"] == "ERROR").expect("an error in the log");
        assert!(error["reason"].as_str().unwrap().contains(slot), "{error}");
        // The next push writes both slots, and the doubt is gone.
        kept.push_to(&host, 2, 1).await;
        assert_eq!(host.get("/readyz", None).await.text(), "ready\n");
        assert!(kept.metrics(&host).await.contains("\nbootlace_degraded 0\n"));
        host.kill();
        assert_eq!(kept.told(&kept.serve(&[]).await).await, (2, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_what_was_seen_is_refused_but_for_an_operators_override() {
    let kept = Kept::at(1).await;
    let older = kept.read("slot-a", "slot-b");
    kept.push(2).await;
    fs::write(kept.data("slot-a"), &older[0]).unwrap();
    fs::write(kept.data("slot-b"), &older[1]).unwrap();
    let refusal = kept.refusal(&[]).await;
    assert!(refusal.contains("is at revision 1, but 2 was seen"), "{refusal}");

    let words: Vec<_> = refusal.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "sequence").expect("the sequence is named");
    let sequence: u64 = words[at + 1].trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    let allow = |name: &str, key: &OperatorKey, revision| {
        let signed = FloorOverride::sign(key, kept.site.ids.workspace, Revision(revision), sequence);
        kept.premises.write(name, &signed.to_string());
        kept.premises.path(name).to_str().unwrap().to_owned()
    };
    let stranger = allow("stranger", &OperatorKey::new(Zeroizing::new([7; 32])), 1);
    let other = allow("other", &kept.site.operator_key(), 0);
    let right = allow("right", &kept.site.operator_key(), 1);
    for wrong in [stranger, other] {
        assert!(kept.refusal(&["--allow-older", &wrong]).await.contains("2 was seen"));
    }
    let host = kept.serve(&["--allow-older", &right]).await;
    assert_eq!(kept.told(&host).await, (1, 1));
    assert_eq!(host.get("/readyz", None).await.text(), "degraded\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_before_a_token_was_revoked_is_refused_but_for_an_operators_override() {
    let kept = Kept::at(1).await;
    let older = fs::read(kept.data("ledger.redb")).unwrap();
    let host = kept.serve(&[]).await;
    let get = |path| http::request(host.admin, "GET", path, Some(&kept.operator), &[], Vec::new());
    let listed = get("/api/v1/tokens?workspace=acme").await.json();
    let id = listed["tokens"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/tokens/{id}?workspace=acme");
    let revoked = http::request(host.admin, "DELETE", &path, Some(&kept.operator), &[], Vec::new()).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    // However it ended, the next start writes down how far it had come.
    host.kill();
    kept.serve(&[]).await.kill();
    fs::write(kept.data("ledger.redb"), &older).unwrap();
    let refusal = kept.refusal(&[]).await;
    assert!(refusal.contains("the ledger is at revision"), "{refusal}");

    // The refusal says what to sign.
    let (_, command) = refusal.split_once("bootlace snapshot allow-older ").expect("the command is named");
    let mut words: Vec<_> = command.split('`').next().unwrap().split_whitespace().collect();
    kept.premises.write("alice.key", &kept.site.operator_key().to_file());
    let (key, permission) = (kept.premises.path("alice.key"), kept.premises.path("allow"));
    let more = ["--signer", key.to_str().unwrap(), "--out", permission.to_str().unwrap()];
    words.extend(more);
    let mut sign = bootlace();
    sign.args(["snapshot", "allow-older"]).args(&words);
    let signed = blocking(|| finish(sign)).await;
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let host = kept.serve(&["--allow-older", permission.to_str().unwrap()]).await;
    assert_eq!(kept.told(&host).await, (1, 1), "the revoked token works again: that was accepted");
    assert_eq!(host.get("/readyz", None).await.text(), "degraded\n");
    host.kill();
    let host = kept.serve(&[]).await;
    assert_eq!(host.get("/readyz", None).await.text(), "ready\n", "once is enough");
    // And once is all: the permission does not bring the same ledger back again.
    let revoked = http::request(host.admin, "DELETE", &path, Some(&kept.operator), &[], Vec::new()).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    host.kill();
    kept.serve(&[]).await.kill();
    fs::write(kept.data("ledger.redb"), &older).unwrap();
    let refusal = kept.refusal(&["--allow-older", permission.to_str().unwrap()]).await;
    assert!(refusal.contains("the ledger is at revision"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_on_the_same_data_directory_is_refused() {
    let kept = Kept::at(1).await;
    let host = kept.serve(&[]).await;
    let refusal = kept.refusal(&[]).await;
    assert!(refusal.contains("in use by another process"), "{refusal}");
    assert_eq!(kept.told(&host).await, (1, 1), "the first one does not mind");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_key_is_refused_and_spoils_nothing() {
    let kept = Kept::at(1).await;
    let right = fs::read_to_string(kept.premises.path("root.key")).unwrap();
    let wrong = RootKey::new(Zeroizing::new([9; 32]));
    kept.premises.write("root.key", &wrong.to_file());
    let refusal = kept.refusal(&[]).await;
    assert!(refusal.contains(&kept.site.root_key().id().to_string()), "{refusal}");
    assert!(refusal.contains("does not hold") && !refusal.contains(wrong.to_file().trim()), "{refusal}");
    kept.premises.write("root.key", &right);
    assert_eq!(kept.told(&kept.serve(&[]).await).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_snapshot_is_not_pushed_but_served_after_a_restart() {
    let world = World::with(Site::small(3)).await;
    world.clock.advance(UnixSeconds(NOON.0 + 7 * 86_400));
    let late = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!((late.status, late.code().as_str()), (422, "invalid"), "{}", late.text());
    assert_eq!(world.get_boot("/readyz", None).await.text(), "degraded\n", "without a restart, too");
    let world = world.restart().await;
    assert_eq!(told("production", &world.environment("production").await), 3);
    assert_eq!(world.get_boot("/readyz", None).await.text(), "degraded\n");
    // A commit that has nothing to do with it.
    let host = Arc::clone(&world.host);
    let request = MintRequest { scope: Scope::Operator, principal: "ada".into(), expires_in: None };
    blocking(move || drop(host.mint(&Author::process("the tests"), request).unwrap())).await;
    assert_eq!(world.get_boot("/readyz", None).await.text(), "degraded\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_whose_blob_is_corrupt_is_not_served_until_it_is_pushed_anew() {
    let kept = Kept::at(1).await;
    for entry in fs::read_dir(kept.data("blobs")).unwrap().map(Result::unwrap) {
        let mut bytes = fs::read(entry.path()).unwrap();
        // The host's own state is JSON.
        if bytes[0] != b'{' {
            bytes[0] ^= 1;
            fs::write(entry.path(), bytes).unwrap();
        }
    }
    let host = kept.serve(&[]).await;
    let error = host.log.iter().find(|line| line["level"] == "ERROR").expect("an error in the log");
    assert!(error["reason"].as_str().unwrap().contains("acme is not served"), "{error}");
    assert_eq!(host.get("/v1/boot", Some(&kept.token)).await.status, 503);
    kept.push_to(&host, 2, 1).await;
    assert_eq!(kept.told(&host).await, (2, 2));
    assert_eq!(host.get("/readyz", None).await.text(), "ready\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_push_a_host_is_alive_and_not_ready() {
    let site = Site::small(1);
    let premises = Premises::new(&site);
    let host = blocking({
        let command = premises.command(&[]);
        || Program::start(command)
    })
    .await;
    let operator = premises.operator();
    let token = host.mint("production", &operator).await;
    for listener in [host.boot, host.admin] {
        let get = |path| http::request(listener, "GET", path, None, &[], Vec::new());
        assert_eq!(get("/livez").await.status, 200);
        let ready = get("/readyz").await;
        assert_eq!((ready.status, ready.code().as_str()), (503, "not-ready"));
        assert!(!ready.header("retry-after").is_empty());
    }
    let boot = host.get("/v1/boot", Some(&token)).await;
    assert_eq!((boot.status, boot.code().as_str()), (503, "not-ready"), "never an empty configuration");
    let pushed = host.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    assert_eq!(host.get("/readyz", None).await.text(), "ready\n");
    assert_eq!(host.get("/v1/boot", Some(&token)).await.status, 200);
}

/// A data directory with a history, and nobody who serves it.
struct Kept {
    site: Site,
    premises: Premises,
    operator: String,
    token: String,
}

impl Kept {
    /// At revision 1, which tells `number`.
    async fn at(number: u64) -> Self {
        let site = Site::small(number);
        let premises = Premises::new(&site);
        let kept = Self { site, premises, operator: String::new(), token: String::new() };
        let host = kept.serve(&[]).await;
        let operator = kept.premises.operator();
        let token = host.mint("production", &operator).await;
        let kept = Self { operator, token, ..kept };
        kept.push_to(&host, number, 0).await;
        host.kill();
        kept
    }

    async fn serve(&self, more: &[&str]) -> Program {
        let command = self.premises.command(more);
        blocking(|| Program::start(command)).await
    }

    async fn refusal(&self, more: &[&str]) -> String {
        blocking(self.premises.refusal(more)).await
    }

    /// Starts a host for one push on top of what is there.
    async fn push(&self, number: u64) {
        let host = self.serve(&[]).await;
        self.push_to(&host, number, number - 1).await;
        host.kill();
    }

    async fn push_to(&self, host: &Program, number: u64, parent: u64) {
        let directory = self.site.telling(number);
        let pushed = host.push(&self.site.bundle_for_today(&directory, parent), parent, &self.operator).await;
        assert_eq!(pushed.status, 200, "{}", pushed.text());
    }

    async fn boot(&self, host: &Program) -> Answer {
        let answer = host.get("/v1/boot", Some(&self.token)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// The revision that is served, and the number that it tells.
    async fn told(&self, host: &Program) -> (u64, u64) {
        let answer = self.boot(host).await;
        let revision = answer.header("bootlace-revision").parse().unwrap();
        (revision, told("production", &answer.environment()))
    }

    async fn metrics(&self, host: &Program) -> String {
        let answer =
            http::request(host.admin, "GET", "/metrics", Some(&self.operator), &[], Vec::new()).await;
        answer.text().to_owned()
    }

    fn data(&self, name: &str) -> PathBuf {
        self.premises.data().join(name)
    }

    fn read(&self, first: &str, second: &str) -> [Vec<u8>; 2] {
        [first, second].map(|name| fs::read(self.data(name)).unwrap())
    }
}
