//! Many writers at once against the real program: nobody's change is lost, revisions have no gaps,
//! what was acknowledged is there after `kill -9`, and who changes something else meets nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::audit::records;
use crate::world::{
    Answer, blocking,
    http::{Connection, prepared},
    program::{Program, Ready},
};

const WRITERS: usize = 8;
/// What all of them change.
const KEYS: [&str; 3] = ["COUNTER_A", "COUNTER_B", "COUNTER_C"];
/// How long they fight for the same keys before the host is killed under them.
const FIGHTING: Duration = Duration::from_secs(60);
/// How often each changes what is its own.
const CHANGES: u64 = 40;
/// Somebody who is told of another this often in a row gets nowhere.
const MOST_CONFLICTS: u64 = 10_000;

const ENV: &str = "/api/v1/deployments/checkout/env";

#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_of_the_same_keys_lose_nothing_and_leave_no_gap() {
    let Ready { host, operator, premises, .. } = Ready::new(&[]).await;
    let mut setup = Writer::new(host.admin, &operator).await;
    let mut made = Vec::new();
    for key in KEYS {
        let set = setup.set(&staging(key, 1), ("if-none-match", "*")).await.unwrap();
        made.push(Change { key, counter: 1, revision: revision(&set) });
    }
    drop(setup);
    let before = made[0].revision - 1;

    let fighters = (0..WRITERS).map(|at| {
        let (operator, admin) = (operator.clone(), host.admin);
        tokio::spawn(async move { Writer::new(admin, &operator).await.fight(at).await })
    });
    let fighters: Vec<_> = fighters.collect();
    tokio::time::sleep(FIGHTING).await;
    // In the middle of what they do; whoever is not answered any more stops.
    blocking(|| host.kill()).await;
    let (mut conflicts, mut unanswered) = (0, 0);
    for fighter in fighters {
        let fought = fighter.await.unwrap();
        assert!(fought.made.len() > 1, "somebody got nowhere");
        made.extend(fought.made);
        conflicts += fought.conflicts;
        unanswered += u64::from(fought.unanswered);
    }
    assert_eq!(unanswered, WRITERS as u64, "the host was killed under each of them");

    let command = premises.command(&[]);
    let host = blocking(|| Program::start(command)).await;
    let mut reader = Writer::new(host.admin, &operator).await;
    let (last, found) = reader.read().await.unwrap();
    let mut told = BTreeMap::new();
    for key in KEYS {
        // A version each time it was set: the host's own count.
        let versions = reader.versions(key).await;
        assert_eq!(versions.last_key_value().unwrap().0, &found[key].counter, "{key}");
        told.insert(key, versions);
    }
    let logged = recorded(&premises.data());
    assert_eq!(logged, (before + 1..=last).collect::<Vec<_>>(), "each change is in the audit log, and once");
    let counted = sound(&made, before);
    let sum: u64 = found.values().map(|one| one.counter).sum();
    let acknowledged = made.len() as u64;
    assert_eq!(last - before, sum, "as many revisions as there were changes: none is lost, none came twice");
    assert!(
        acknowledged <= sum && sum <= acknowledged + unanswered,
        "{acknowledged} acknowledged, {sum} made"
    );
    for key in KEYS {
        assert!(found[key].counter >= counted[key], "{key}: {} acknowledged, {:?}", counted[key], found[key]);
    }
    for change in &made {
        if let Some(revision) = told[change.key].get(&change.counter) {
            assert_eq!(*revision, change.revision, "{change:?}");
        }
    }
    println!(
        "{WRITERS} writers of {} keys in {FIGHTING:?}: {acknowledged} changes acknowledged, {conflicts} \
         conflicts told, revisions {} to {last} without a gap; of {unanswered} requests under way at the kill, \
         {} had been made",
        KEYS.len(),
        before + 1,
        sum - acknowledged
    );
    assert!(acknowledged > 300 && conflicts > acknowledged / 4, "too little was seen to prove anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_different_resources_never_collide() {
    let ready = Ready::new(&[]).await;
    let first = Writer::new(ready.host.admin, &ready.operator).await.read().await.unwrap().0;
    let began = Instant::now();
    let writers = (0..WRITERS).map(|at| {
        let (operator, admin) = (ready.operator.clone(), ready.host.admin);
        tokio::spawn(async move { Writer::new(admin, &operator).await.own(at).await })
    });
    let writers: Vec<_> = writers.collect();
    let mut revisions = BTreeSet::new();
    for writer in writers {
        for revision in writer.await.unwrap() {
            assert!(revisions.insert(revision), "revision {revision} was answered twice");
        }
    }
    let made = WRITERS as u64 * CHANGES;
    assert_eq!(revisions, (first + 1..=first + made).collect(), "revisions have no gaps");
    println!(
        "{WRITERS} writers of {WRITERS} resources: {made} changes in {:?}, no conflict",
        began.elapsed()
    );
}

/// Among what was acknowledged, each revision and each count came once, and both grew together;
/// gives the highest count of each key.
fn sound(made: &[Change], before: u64) -> BTreeMap<&'static str, u64> {
    let by_revision: BTreeMap<_, _> = made.iter().map(|change| (change.revision, change)).collect();
    assert_eq!(by_revision.len(), made.len(), "a revision was answered twice");
    let newest = by_revision.last_key_value().map_or(before, |(revision, _)| *revision);
    let missing = (before + 1..=newest).filter(|revision| !by_revision.contains_key(revision)).count();
    assert!(missing <= WRITERS, "{missing} revisions up to {newest} are nobody's");
    let mut counted = BTreeMap::new();
    for change in by_revision.values() {
        let before = counted.insert(change.key, change.counter).unwrap_or(0);
        assert!(change.counter > before, "an update was lost: {before}, then {change:?}");
    }
    let counts: BTreeSet<_> = made.iter().map(|change| (change.key, change.counter)).collect();
    assert_eq!(counts.len(), made.len(), "an update was lost: two writers made the same of one value");
    counted
}

/// The revisions of the changes that the audit log has, in order.
fn recorded(data: &Path) -> Vec<u64> {
    let records = records(data).into_iter();
    let changes = records.filter(|record| record["kind"] == "change" && record["outcome"] == "done");
    let mut revisions: Vec<_> =
        changes.map(|record| record["details"]["revision"].as_u64().unwrap()).collect();
    revisions.sort_unstable();
    revisions
}

/// One acknowledged change.
#[derive(Debug, Clone, Copy)]
struct Change {
    key: &'static str,
    counter: u64,
    revision: u64,
}

/// A value as it is listed.
#[derive(Debug)]
struct Entry {
    counter: u64,
    etag: String,
}

/// What a writer came to.
#[derive(Default)]
struct Fought {
    made: Vec<Change>,
    conflicts: u64,
    /// Whether it never heard what became of its last change.
    unanswered: bool,
}

struct Writer {
    connection: Connection,
    operator: String,
}

impl Writer {
    async fn new(admin: SocketAddr, operator: &str) -> Self {
        Self { connection: Connection::open(admin).await, operator: operator.to_owned() }
    }

    /// Reads, adds one, and writes if nobody else did; until the host is gone.
    async fn fight(mut self, at: usize) -> Fought {
        let mut fought = Fought::default();
        for key in KEYS.iter().cycle().skip(at) {
            for conflicts in 0.. {
                assert!(conflicts < MOST_CONFLICTS, "{key} is never free");
                let Some((_, found)) = self.read().await else {
                    fought.unanswered = true;
                    return fought;
                };
                let Entry { counter, etag } = &found[key];
                let counter = counter + 1;
                let Some(answer) = self.set(&staging(key, counter), ("if-match", etag)).await else {
                    fought.unanswered = true;
                    return fought;
                };
                match answer.status {
                    200 => {
                        fought.made.push(Change { key, counter, revision: revision(&answer) });
                        break;
                    }
                    409 => fought.conflicts += 1,
                    _ => panic!("{}", answer.text()),
                }
            }
        }
        unreachable!("the keys are gone through again and again")
    }

    /// Changes what is this writer's alone, each time from what the last answer told.
    async fn own(mut self, at: usize) -> Vec<u64> {
        let environment = format!("of-writer-{at}");
        let name = format!("OF_WRITER_{at}");
        let mine = |counter: u64| match at % 4 {
            0 => json!({ "environment": "staging", "name": name, "value": counter }),
            1 => json!({ "environment": "production", "name": name, "value": counter }),
            2 => json!({ "name": name, "value": counter }),
            _ => json!({ "labels": { "counter": counter.to_string() } }),
        };
        let (method, path) = match at % 4 {
            3 => ("PATCH", format!("/api/v1/environments/{environment}")),
            _ => ("POST", ENV.to_owned()),
        };
        let mut revisions = Vec::new();
        for counter in 1..=CHANGES {
            let tag = revisions.last().map(|revision| format!("\"{revision}\""));
            let answer = match (&tag, method) {
                (None, "PATCH") => {
                    let body = json!({ "name": environment, "type": "test" });
                    self.send("POST", "/api/v1/environments", &body, &[]).await
                }
                (None, _) => self.send(method, &path, &mine(counter), &[("if-none-match", "*")]).await,
                (Some(tag), _) => self.send(method, &path, &mine(counter), &[("if-match", tag)]).await,
            };
            let answer = answer.unwrap();
            assert_eq!(answer.status, 200, "writer {at} was in somebody's way: {}", answer.text());
            revisions.push(revision(&answer));
        }
        revisions
    }

    /// The live revision and every counter of the same generation.
    async fn read(&mut self) -> Option<(u64, BTreeMap<&'static str, Entry>)> {
        let path = format!("{ENV}?environment=staging&reveal=true");
        let answer = self.send("GET", &path, &Value::Null, &[]).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let listed = answer.json();
        let variables = listed["variables"].as_array().unwrap();
        let entries = KEYS.iter().filter_map(|key| {
            let found = variables.iter().find(|one| one["name"] == *key)?;
            let counter = found["value"].as_str().unwrap().parse().unwrap();
            Some((*key, Entry { counter, etag: found["etag"].as_str().unwrap().to_owned() }))
        });
        Some((listed["revision"].as_u64().unwrap(), entries.collect()))
    }

    /// The revisions that made the versions of `key` that are still told of.
    async fn versions(&mut self, key: &str) -> BTreeMap<u64, u64> {
        let path = format!("{ENV}/{key}/versions?environment=staging");
        let answer = self.send("GET", &path, &Value::Null, &[]).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let listed = answer.json();
        let number = |value: &Value| value.as_u64().unwrap();
        let versions = listed["versions"].as_array().unwrap().iter();
        versions.map(|one| (number(&one["version"]), number(&one["set"]["revision"]))).collect()
    }

    async fn set(&mut self, body: &Value, precondition: (&str, &str)) -> Option<Answer> {
        self.send("POST", ENV, body, &[precondition]).await
    }

    /// Nothing when the host does not answer any more.
    async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Option<Answer> {
        let path = format!("{path}{}workspace=acme", if path.contains('?') { '&' } else { '?' });
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.connection.try_send(prepared(method, &path, Some(&self.operator), headers, body)).await
    }
}

fn staging(key: &str, counter: u64) -> Value {
    json!({ "environment": "staging", "name": key, "value": counter })
}

fn revision(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["revision"].as_u64().unwrap()
}
