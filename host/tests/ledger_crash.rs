//! `kill -9` of a process in the middle of its transactions, again and again: what was acknowledged is
//! there, nothing is there by half, no revision is used twice. This test is its own child, as the host
//! is for compiling.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bootlace::{
    entropy::fresh,
    id::Digest,
    ledger::{
        Blob, Compare, Key, Ledger, Operation, Outcome, Read, Record, RedbLedger, RedbSettings, Span,
        StoreRevision, Transaction, Value,
    },
    system::entropy,
};
use futures_util::StreamExt as _;

const VERB: &str = "write";
const KILLS: usize = 60;
const WRITERS: u64 = 3;
/// A child is killed after at most so many acknowledgements, and up to so long after that.
const ACKNOWLEDGEMENTS: u64 = 30;
const LONGEST: Duration = Duration::from_millis(4);
/// Set to a number that a failed run printed, to take similar moments again.
const SEED: &str = "BOOTLACE_CRASH_SEED";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let [verb, directory] = arguments.as_slice()
        && verb == VERB
    {
        return runtime.block_on(write_until_killed(Path::new(directory)));
    }
    runtime.block_on(a_kill_at_any_moment_loses_nothing_and_leaves_nothing_by_half());
    println!("a_kill_at_any_moment_loses_nothing_and_leaves_nothing_by_half ... ok");
}

async fn a_kill_at_any_moment_loses_nothing_and_leaves_nothing_by_half() {
    let given = env::var(SEED).ok().map(|text| text.parse().expect("a number"));
    let seed = given.unwrap_or_else(|| u64::from_le_bytes(fresh(&mut entropy)));
    println!("{SEED}={seed}");
    let mut moments = Moments(seed);
    let directory = tempfile::tempdir().expect("a directory");
    let (mut known, mut acknowledged, mut unacknowledged) = (State::default(), 0, 0);
    let began = Instant::now();
    for _ in 0..KILLS {
        let told = killed_after(directory.path(), &mut moments);
        acknowledged += told.len();
        let found = State::read(directory.path()).await;
        unacknowledged += found.check(&known, &told);
        known = found;
    }
    println!(
        "{KILLS} kills in {:?}: {acknowledged} transactions acknowledged, {unacknowledged} durable without that",
        began.elapsed()
    );
    assert!(acknowledged > KILLS);
}

/// What a child acknowledged: who, which of theirs, at which revision.
type Acknowledged = Vec<(u64, u64, u64)>;

/// Runs a child for a while; gives what it acknowledged before it was killed.
fn killed_after(directory: &Path, moments: &mut Moments) -> Acknowledged {
    let program = env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.arg(VERB).arg(directory).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = Running(command.spawn().expect("a child"));
    let mut lines = BufReader::new(child.0.stdout.take().expect("its output")).lines();
    let mut told = Vec::new();
    for _ in 0..=moments.below(ACKNOWLEDGEMENTS) {
        told.push(lines.next().expect("it goes on until it is killed").expect("a line"));
    }
    // Not to wait for anything: to be anywhere in what comes next.
    thread::sleep(LONGEST.mul_f64(moments.below(1000) as f64 / 1000.0));
    child.0.kill().expect("it runs");
    child.0.wait().expect("it ends");
    // What it had said by then, it had said, though the last line may be cut short.
    told.extend(lines.map_while(Result::ok));
    told.iter().filter_map(|line| acknowledgement(line)).collect()
}

fn acknowledgement(line: &str) -> Option<(u64, u64, u64)> {
    let mut words = line.strip_prefix("done ")?.strip_suffix(" .")?.split(' ').map(str::parse);
    let mut number = || words.next()?.ok();
    Some((number()?, number()?, number()?))
}

/// A child that does not outlive this test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything that a ledger holds, as far as it can be checked against itself.
#[derive(Default)]
struct State {
    revision: u64,
    /// How many transactions of each writer there are.
    counts: BTreeMap<u64, u64>,
}

impl State {
    async fn read(directory: &Path) -> Self {
        let ledger = RedbLedger::open(directory, RedbSettings::default()).expect("it opens");
        let (revision, records) = everything(&ledger).await;
        let mut counts = BTreeMap::new();
        for writer in 0..WRITERS {
            let count = of_one_writer(&ledger, &records, writer).await;
            counts.insert(writer, count);
        }
        told_is_what_is_there(&ledger, revision, &records).await;
        Self { revision: revision.0, counts }
    }

    /// Gives how many transactions were durable though nobody was told.
    fn check(&self, before: &Self, told: &Acknowledged) -> u64 {
        let highest = told.iter().map(|(_, _, revision)| *revision).max().unwrap_or(0);
        assert!(self.revision >= highest.max(before.revision), "a revision went back");
        let mut untold = 0;
        for (writer, count) in &self.counts {
            let known = before.counts.get(writer).copied().unwrap_or(0);
            let last = told.iter().filter(|(who, _, _)| who == writer).map(|(_, number, _)| *number).max();
            let last = last.unwrap_or(known);
            // One is under way at a time.
            assert!((last..=last + 1).contains(count), "writer {writer}: {last} acknowledged, {count} there");
            untold += count - last;
        }
        untold
    }
}

/// A writer's records agree with each other, back to the first.
async fn of_one_writer(ledger: &RedbLedger, records: &BTreeMap<String, Record>, writer: u64) -> u64 {
    let Some(last) = records.get(&format!("writer/{writer}")) else { return 0 };
    let count = number(last);
    for which in ["a", "b"] {
        let half = &records[&format!("half/{writer}/{which}")];
        assert_eq!((number(half), half.modified), (count, last.modified), "by half");
    }
    let logged = records.range(format!("log/{writer}/")..format!("log/{writer}0"));
    assert_eq!(logged.map(|(_, record)| number(record)).collect::<Vec<_>>(), (1..=count).collect::<Vec<_>>());
    for kind in ["small", "large"] {
        let named = records[&format!("{kind}/{writer}")].value.as_bytes();
        ledger.blob(Digest(named.try_into().expect("a digest"))).await.expect("what is named is there");
    }
    count
}

/// The history says the same as the records, revision by revision.
async fn told_is_what_is_there(
    ledger: &RedbLedger,
    revision: StoreRevision,
    records: &BTreeMap<String, Record>,
) {
    let mut watch = ledger.watch(Span::prefix(""), StoreRevision(0)).await.expect("few enough to remember");
    let mut told = BTreeMap::new();
    for expected in 1..=revision.0 {
        let changes = watch.next().await.expect("no end").expect("no error");
        assert_eq!(changes.revision.0, expected);
        for change in changes.changes {
            told.insert(change.key.to_string(), change.record.expect("nothing is deleted"));
        }
    }
    assert!(told == *records);
}

async fn everything(ledger: &RedbLedger) -> (StoreRevision, BTreeMap<String, Record>) {
    let mut page = ledger.range(Read::newest(Span::prefix(""))).await.expect("it reads");
    let mut records = BTreeMap::new();
    loop {
        records.extend(page.records.into_iter().map(|record| (record.key.to_string(), record)));
        match page.rest {
            Some(rest) => page = ledger.range(rest).await.expect("it reads on"),
            None => return (page.revision, records),
        }
    }
}

fn number(record: &Record) -> u64 {
    u64::from_le_bytes(record.value.as_bytes().try_into().expect("eight bytes"))
}

/// The child: writers that go on from where they were, each with one transaction at a time.
async fn write_until_killed(directory: &Path) {
    let ledger = Arc::new(RedbLedger::open(directory, RedbSettings::default()).expect("it opens"));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move { write(&*ledger, writer).await })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer writes until it is killed");
    }
}

async fn write(ledger: &dyn Ledger, writer: u64) {
    let name = |kind: &str, more: &str| Key::new(format!("{kind}/{writer}{more}")).expect("a key");
    let own = name("writer", "");
    let before = ledger.get(&own).await.expect("it reads");
    let (mut count, mut modified) =
        before.map_or((0, None), |record| (number(&record), Some(record.modified)));
    loop {
        count += 1;
        let small = Blob::new(format!("{writer}/{count}")).expect("a small blob");
        let large = Blob::new(vec![(count % 4) as u8; 300_000]).expect("a large blob");
        let compare = match modified {
            Some(revision) => Compare::ModifiedAt(own.clone(), revision),
            None => Compare::Absent(own.clone()),
        };
        let put = |key, bytes: &[u8]| Operation::put(key, Value::new(bytes.to_vec()).expect("a value"));
        let text = count.to_le_bytes();
        let changes = vec![
            put(own.clone(), &text),
            put(name("half", "/a"), &text),
            put(name("half", "/b"), &text),
            put(name("log", &format!("/{count:08}")), &text),
            put(name("small", ""), &small.digest().0),
            put(name("large", ""), &large.digest().0),
        ];
        let held = ledger.put_blobs(vec![large]).await.expect("a blob is put");
        let transaction = Transaction::new(vec![compare], changes).expect("within the limits");
        let transaction = transaction.with_blobs(vec![small]).expect("within the limits");
        match ledger.transact(transaction).await.expect("the disk is well") {
            Outcome::Committed { revision } => modified = Some(revision),
            conflict @ Outcome::Conflict { .. } => panic!("{conflict:?}, with nobody else there"),
        }
        drop(held);
        let mut out = std::io::stdout().lock();
        writeln!(out, "done {writer} {count} {} .", modified.map_or(0, |revision| revision.0))
            .expect("a reader");
        out.flush().expect("a reader");
    }
}

/// SplitMix64.
struct Moments(u64);

impl Moments {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
