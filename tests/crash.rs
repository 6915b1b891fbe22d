//! `kill -9` at any moment of a push: after a restart exactly the old or the new generation is
//! served, whole; what was acknowledged is never lost, and neither is the record of a boot that
//! handed out secrets.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use bootlace::{
    audit::{Report, Verifier},
    entropy::fresh,
    source::Directory,
    system::entropy,
};

use crate::audit::records;
use crate::world::{
    Site, blocking,
    http::{self, Connection, prepared},
    program::{Premises, Program, Ready, Running},
    small::{digest, told},
};

const KILLS: usize = 300;
/// Contents that are pushed in turn; neighbours differ, which is what counts.
const CONTENTS: u64 = 16;
/// One kill in so many hits a host that is still starting.
const STARTING: u64 = 6;
/// Set to a number that a failed run printed, to take the same moments again.
const SEED: &str = "BOOTLACE_CRASH_SEED";

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_leaves_the_old_or_the_new_generation() {
    let given = std::env::var(SEED).ok().map(|text| text.parse().unwrap());
    let seed = given.unwrap_or_else(|| u64::from_le_bytes(fresh(&mut entropy)));
    println!("{SEED}={seed}");
    let site = Site::small(0);
    let contents = (0..CONTENTS).map(|number| Content::new(site.telling(number))).collect();
    let premises = Premises::new(&site);
    let first = started(&premises).await;
    let operator = premises.operator();
    let token = first.mint("production", &operator).await;
    let mut run = Run {
        operator,
        token,
        at: State { revision: 0, number: CONTENTS - 1 },
        seen: 0,
        boots: BTreeSet::new(),
        pushes: BTreeSet::new(),
        site,
        contents,
    };
    let mut moments = Moments(seed);
    let (began, mut host) = (Instant::now(), first);
    let (mut start, mut starts) = (Duration::from_millis(50), Duration::ZERO);
    let (mut old, mut new, mut starting) = (0, 0, 0);
    // The first push takes longer than a later one, and a kill before it would leave nothing.
    run.push_once(&host).await;
    let mut push = run.push_once(&host).await;
    for kill in 0..KILLS {
        // Anywhere in the first three pushes.
        let moment = push.mul_f64(moments.fraction() * 3.0);
        let in_flight = run.work_until_killed(host, moment).await;
        if moments.next().is_multiple_of(STARTING) {
            kill_while_starting(&premises, start.mul_f64(moments.fraction())).await;
            starting += 1;
        }
        let restart = Instant::now();
        host = started(&premises).await;
        start = restart.elapsed();
        starts += start;
        match run.check(&host, in_flight).await {
            true => new += 1,
            false => old += 1,
        }
        if kill % 16 == 0 {
            push = run.push_once(&host).await;
        }
    }
    host.kill();
    let report = sound(&premises.data());
    assert!(report.files > KILLS as u64, "{report:#?}");
    let (boots, pushes) = recorded(&premises.data().join("audit"));
    let lost: Vec<_> = run.boots.difference(&boots).collect();
    assert!(lost.is_empty(), "{} of {} boots left no record: {lost:?}", lost.len(), run.boots.len());
    let lost: Vec<_> = (1..=run.at.revision).filter(|revision| !pushes.contains(revision)).collect();
    assert!(lost.is_empty(), "revisions left no record, acknowledged or not: {lost:?}");
    println!(
        "{KILLS} kills in {:?}: {old} left the old generation, {new} the new one unacknowledged; {starting} more \
         hit a start; {} pushes and {} boots acknowledged; a push took {push:?}, a start {:?}",
        began.elapsed(),
        run.pushes.len(),
        run.boots.len(),
        starts / u32::try_from(KILLS).unwrap()
    );
    assert!(old > KILLS / 20, "the kills hit no push before it was durable");
}

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    revision: u64,
    number: u64,
}

/// Something to push, and the digest that boots then carry.
struct Content {
    directory: Directory,
    digest: String,
}

impl Content {
    fn new(directory: Directory) -> Self {
        // This host was started without activations.
        let digest = digest(&directory, "production", None);
        Self { directory, digest }
    }
}

struct Run {
    site: Site,
    contents: Vec<Content>,
    operator: String,
    token: String,
    /// The newest that was acknowledged or seen.
    at: State,
    /// The highest revision that a boot was answered with.
    seen: u64,
    /// Records that acknowledged boots must have left.
    boots: BTreeSet<String>,
    /// Revisions of acknowledged pushes.
    pushes: BTreeSet<u64>,
}

impl Run {
    /// Pushes and boots until the host is killed, after `moment`; gives the push that was under way.
    async fn work_until_killed(&mut self, host: Program, moment: Duration) -> State {
        let (admin, token) = (host.admin, self.token.clone());
        let booting = boot_until_broken(host.boot, &token);
        let pushing = self.push_until_broken(admin);
        let killing = async move {
            tokio::time::sleep(moment).await;
            blocking(|| host.kill()).await;
        };
        let ((mut boots, seen), in_flight, ()) = tokio::join!(booting, pushing, killing);
        self.boots.append(&mut boots);
        self.seen = self.seen.max(seen);
        in_flight
    }

    async fn push_until_broken(&mut self, admin: SocketAddr) -> State {
        let mut connection = Connection::try_open(admin).await;
        loop {
            let next = self.next();
            let Some(open) = &mut connection else { return next };
            if self.push(open, next).await.is_none() {
                return next;
            }
        }
    }

    fn next(&self) -> State {
        State { revision: self.at.revision + 1, number: (self.at.number + 1) % CONTENTS }
    }

    async fn push(&mut self, connection: &mut Connection, next: State) -> Option<()> {
        let content = &self.contents[usize::try_from(next.number).unwrap()];
        let parent = self.at.revision;
        let bundle = self.site.bundle_for_today(&content.directory, parent);
        let parent = format!("\"{parent}\"");
        let headers = [("if-match", parent.as_str())];
        let request = prepared("PUT", "/api/v1/snapshot", Some(&self.operator), &headers, bundle);
        let answer = connection.try_send(request).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["revision"], next.revision);
        self.pushes.insert(next.revision);
        self.at = next;
        Some(())
    }

    async fn push_once(&mut self, host: &Program) -> Duration {
        let mut connection = Connection::open(host.admin).await;
        let began = Instant::now();
        let next = self.next();
        self.push(&mut connection, next).await.unwrap();
        began.elapsed()
    }

    /// The first boot after a restart; whether it is the push under way that is served.
    async fn check(&mut self, host: &Program, in_flight: State) -> bool {
        let answer = host.get("/v1/boot", Some(&self.token)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        let number = told("production", &answer.environment());
        let found = State { revision: body["revision"].as_u64().unwrap(), number };
        assert!(found.revision >= self.seen, "revision {} was served before, now {found:?}", self.seen);
        assert!(found == self.at || found == in_flight, "{:?}, {in_flight:?}, but {found:?}", self.at);
        assert_eq!(body["digest"], self.contents[usize::try_from(number).unwrap()].digest);
        let ready = host.get("/readyz", None).await;
        assert_eq!(ready.text(), "ready\n", "a crash is no damage");
        self.boots.insert(answer.header("bootlace-boot").to_owned());
        let is_new = found != self.at;
        self.at = found;
        is_new
    }
}

/// Boots until the host is gone; gives the ids of the boots and the highest revision.
async fn boot_until_broken(address: SocketAddr, token: &str) -> (BTreeSet<String>, u64) {
    let (mut boots, mut highest) = (BTreeSet::new(), 0);
    let mut connection = Connection::try_open(address).await;
    loop {
        let request = prepared("GET", "/v1/boot", Some(token), &[], Vec::new());
        let Some(open) = &mut connection else { return (boots, highest) };
        let Some(answer) = open.try_send(request).await else { return (boots, highest) };
        assert_eq!(answer.status, 200, "{}", answer.text());
        told("production", &answer.environment());
        boots.insert(answer.header("bootlace-boot").to_owned());
        highest = highest.max(answer.header("bootlace-revision").parse().unwrap());
        // Leaves the machine to the push, which is to be hit.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn started(premises: &Premises) -> Program {
    let command = premises.command(&[]);
    blocking(|| Program::start(command)).await
}

async fn kill_while_starting(premises: &Premises, moment: Duration) {
    let mut command = premises.command(&[]);
    let child = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    tokio::time::sleep(moment).await;
    // Dropping it kills it.
    drop(child);
}

/// However often the host was killed, its log is one chain.
pub(crate) fn sound(data: &Path) -> Report {
    let key = fs::read_to_string(data.join("audit-verifier-00000001.key")).unwrap();
    let signer = fs::read_to_string(data.join("audit.signer")).unwrap();
    let verifier =
        Verifier { key: Some(key.parse().unwrap()), signer: Some(signer.parse().unwrap()), kept: Vec::new() };
    let report = verifier.verify(&data.join("audit")).unwrap();
    assert!(report.is_sound(), "{report:#?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_a_kill_kept_out_of_the_log_is_recorded_at_the_next_start() {
    let Ready { mut host, operator, premises, .. } = Ready::new(&[]).await;
    let (data, aside) = (premises.data(), premises.path("aside"));
    let body = br#"{ "environment": "staging", "name": "LIMIT", "value": 5 }"#.to_vec();
    let changes = [
        ("change", "/api/v1/deployments/checkout/env?workspace=acme", body),
        ("token-mint", "/api/v1/tokens?workspace=acme", mint_request()),
        // A commit of the slots, as a push is one.
        ("rollback", "/api/v1/snapshot/rollback?workspace=acme", br#"{ "revision": 1 }"#.to_vec()),
    ];
    for (kind, path, body) in changes {
        // As the disk is between the ledger's commit and the log's line: the ledger of after, the log
        // of before.
        copy_log(&data, &aside);
        let parent: &[_] = if kind == "rollback" { &[("if-match", "\"2\"")] } else { &[] };
        let made = http::request(host.admin, "POST", path, Some(&operator), parent, body).await;
        assert!(made.status < 300, "{}", made.text());
        blocking(|| host.kill()).await;
        let last = |data: &Path| {
            let records = records(data).into_iter();
            records.filter(|record| record["kind"] == kind && record["outcome"] == "done").collect::<Vec<_>>()
        };
        let told = last(&data);
        copy_log(&aside, &data);
        assert_eq!(last(&data), told[..told.len() - 1], "the log of before");
        for start in ["finds it missing", "finds it there"] {
            blocking({
                let program = premises.command(&[]);
                || Program::start(program).kill()
            })
            .await;
            assert_eq!(last(&data), told, "a start that {start}");
        }
        sound(&data);
        host = started(&premises).await;
    }
}

fn mint_request() -> Vec<u8> {
    br#"{ "kind": "instance", "principal": "x", "deployment": "checkout", "environment": "staging" }"#
        .to_vec()
}

/// The audit log, and nothing that was begun in `to` after it.
fn copy_log(from: &Path, to: &Path) {
    let log = to.join("audit");
    if log.exists() {
        fs::remove_dir_all(&log).unwrap();
    }
    fs::create_dir_all(&log).unwrap();
    for file in fs::read_dir(from.join("audit")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), log.join(file.file_name())).unwrap();
    }
    fs::copy(from.join("audit.state"), to.join("audit.state")).unwrap();
}

/// The allowed boots and the pushes that the audit log has. Only a file's last line may be cut.
fn recorded(audit: &Path) -> (BTreeSet<String>, BTreeSet<u64>) {
    let (mut boots, mut pushes) = (BTreeSet::new(), BTreeSet::new());
    for file in fs::read_dir(audit).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let record: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            match (record["kind"].as_str().unwrap(), record["outcome"].as_str()) {
                ("boot", Some("allowed")) => {
                    let fresh = boots.insert(record["id"].as_str().unwrap().to_owned());
                    assert!(fresh, "a boot's id was given twice: {record}");
                }
                ("push", Some("done")) => {
                    pushes.insert(record["details"]["revision"].as_u64().unwrap());
                }
                _ => {}
            }
        }
    }
    (boots, pushes)
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same seed, the same moments.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
    }
}
