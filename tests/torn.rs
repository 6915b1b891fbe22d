//! Everything in one answer comes from one generation, however fast generations change.

use std::{
    collections::BTreeMap,
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bootlace::{id::Revision, source::Directory};

use crate::world::{
    Site, World,
    http::{Connection, prepared},
    site::component,
    small::{digest, told},
};

const GENERATIONS: u64 = 200;
const WRITERS: usize = 2;
/// Connections of instances; half of them boot in each environment.
const READERS: usize = 6;
const MOST_BOOTS_OF_ONE_READER: usize = 100_000;
const PATIENCE: Duration = Duration::from_secs(240);

/// What one connection was told: by revision, the generation's number and the digest.
type Seen = BTreeMap<u64, (u64, String)>;

#[tokio::test(flavor = "multi_thread")]
async fn no_torn_environment() {
    let mut site = Site::small(0);
    // A policy, so that remembered decisions have their chance to outlive their generation.
    let policies = "[policies.region-affinity]\ncomponent = \"policies/region-affinity.wasm\"\n\
                    [[attachments]]\npolicy = \"region-affinity\"\ndeployment = \"checkout\"\n";
    site.write("policies.toml", policies);
    site.write("policies/region-affinity.wasm", component("region-affinity"));
    let told_first = site.directory();
    let others = (1..=GENERATIONS).map(|number| site.telling(number));
    let directories = iter::once(told_first).chain(others).collect();
    let run = Arc::new(Run {
        world: World::with(site).await,
        directories,
        next: AtomicU64::new(1),
        current: AtomicU64::new(1),
        pushed: Mutex::new(BTreeMap::from([(1, 0)])),
        done: AtomicBool::new(false),
        began: Instant::now(),
    });
    let readers: Vec<_> = (0..READERS).map(|at| tokio::spawn(Arc::clone(&run).read(at))).collect();
    let writers: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(Arc::clone(&run).write())).collect();
    let mut conflicts = 0;
    for writer in writers {
        conflicts += writer.await.unwrap();
    }
    run.done.store(true, Ordering::Relaxed);

    let pushed = run.pushed.lock().unwrap().clone();
    assert_eq!(pushed.keys().copied().collect::<Vec<_>>(), (1..=GENERATIONS + 1).collect::<Vec<_>>());
    let (mut boots, mut generations) = (0, BTreeMap::new());
    for (at, reader) in readers.into_iter().enumerate() {
        let (seen, count) = reader.await.unwrap();
        boots += count;
        for (revision, (number, given)) in seen {
            assert_eq!(pushed[&revision], number, "revision {revision} is not what was pushed as that");
            let environment = environment(at);
            let active = bootlace::source::starter::ACTIVE.iter().find(|(name, _)| *name == environment);
            let directory = &run.directories[usize::try_from(number).unwrap()];
            assert_eq!(given, digest(directory, environment, active.map(|(_, release)| *release)));
            generations.insert(revision, number);
        }
    }
    println!(
        "{boots} boots over {READERS} connections saw {} of {} generations while {WRITERS} writers pushed \
         ({conflicts} conflicts), {:?}",
        generations.len(),
        GENERATIONS + 1,
        run.began.elapsed()
    );
    assert_eq!(generations.last_key_value().unwrap().0, &(GENERATIONS + 1));
    assert!(generations.len() > 50 && boots > 1000, "too little was seen to prove anything");
}

struct Run {
    world: World,
    /// By number.
    directories: Vec<Directory>,
    next: AtomicU64,
    current: AtomicU64,
    /// The number that each revision tells.
    pushed: Mutex<BTreeMap<u64, u64>>,
    done: AtomicBool,
    began: Instant,
}

impl Run {
    /// Pushes numbers until there are none left; gives the count of pushes that came too late.
    async fn write(self: Arc<Self>) -> u64 {
        let mut conflicts = 0;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(directory) = self.directories.get(usize::try_from(number).unwrap()) else {
                return conflicts;
            };
            loop {
                assert!(self.began.elapsed() < PATIENCE, "the writers do not come to an end");
                let parent = self.current.load(Ordering::Relaxed);
                let bundle = self.world.site.bundle_of(directory, Revision(parent));
                let answer = self.world.push(&bundle, parent).await;
                let revision = answer.json()["revision"].as_u64().unwrap();
                self.current.fetch_max(revision, Ordering::Relaxed);
                match answer.status {
                    200 => {
                        assert_eq!(self.pushed.lock().unwrap().insert(revision, number), None);
                        break;
                    }
                    409 => conflicts += 1,
                    _ => panic!("{}", answer.text()),
                }
            }
        }
    }

    /// Boots on one connection until all is pushed, and once more.
    async fn read(self: Arc<Self>, at: usize) -> (Seen, usize) {
        let environment = environment(at);
        let token = self.world.site.token(environment);
        let mut connection = Connection::open(self.world.boot_address()).await;
        let (mut seen, mut boots, mut latest) = (Seen::new(), 0, 0);
        loop {
            let last = self.done.load(Ordering::Relaxed) || boots >= MOST_BOOTS_OF_ONE_READER;
            if boots >= MOST_BOOTS_OF_ONE_READER {
                // Enough of them; what is left is to see the end.
                while !self.done.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            // Some regions that are remembered, and now and then one that is not.
            let region = if boots % 10 == 0 { boots } else { boots % 3 };
            let path = format!("/v1/boot?region=region-{region}");
            let answer = connection.send(prepared("GET", &path, Some(token), &[], Vec::new())).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            boots += 1;

            let number = told(environment, &answer.environment());
            let body = answer.json();
            let (revision, digest) = (body["revision"].as_u64().unwrap(), body["digest"].as_str().unwrap());
            assert_eq!(answer.header("bootlace-revision"), revision.to_string());
            assert_eq!(body["environment"], environment);
            assert!(revision >= latest, "{latest} was served before {revision}");
            latest = revision;
            let known = seen.entry(revision).or_insert_with(|| (number, digest.to_owned()));
            assert_eq!((known.0, known.1.as_str()), (number, digest), "two contents of revision {revision}");
            if last {
                return (seen, boots);
            }
        }
    }
}

fn environment(reader: usize) -> &'static str {
    ["production", "staging"][reader % 2]
}
