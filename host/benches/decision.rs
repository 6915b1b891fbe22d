//! One policy decision, fresh and remembered: 40 variables, 48 candidates.
//!
//! The bar: 14 microseconds fresh on one thread, at most 1.3 times that on two at once.

use std::{
    fs,
    hint::black_box,
    path::Path,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use bootlace::{
    id::Digest,
    model::question::Facts,
    policy::{
        Chain, Decisions, Engine, EngineSettings, Limits, Link, Loaded, decisions::Key, fixtures::subject,
    },
};
use criterion::{Criterion, criterion_group, criterion_main};

criterion_group!(benches, fresh, two_threads, remembered);
criterion_main!(benches);

const GUESTS: [&str; 2] = ["least-privilege", "region-affinity"];

fn fresh(c: &mut Criterion) {
    for guest in GUESTS {
        let chain = chain(guest);
        let facts = facts();
        println!("{guest}: fuel {}", chain.decide(&facts).expect("an answer").fuel());
        c.bench_function(&format!("decision/fresh/{guest}"), |b| {
            b.iter(|| black_box(chain.decide(black_box(&facts))));
        });
    }
}

/// Not criterion's business: two threads have to run for the same time. One and two take turns, and
/// each turn has a ratio of its own, because a machine that others use changes its pace meanwhile.
fn two_threads(_: &mut Criterion) {
    for guest in GUESTS {
        let chain = Arc::new(chain(guest));
        let mut turns: Vec<_> =
            (0..TURNS).map(|_| [1, 2].map(|threads| per_decision(&chain, threads))).collect();
        turns.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let median = &turns[TURNS / 2];
        let [one, two] = median;
        println!("decision/threads/{guest}: one {one:?}, two {two:?} each, ratio {:.2}", ratio(median));
    }
}

const TURNS: usize = 21;

fn ratio([one, two]: &[Duration; 2]) -> f64 {
    two.as_secs_f64() / one.as_secs_f64()
}

fn per_decision(chain: &Arc<Chain>, threads: usize) -> Duration {
    const DECISIONS: u32 = 5_000;
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let facts = facts();
                    barrier.wait();
                    let started = Instant::now();
                    for _ in 0..DECISIONS {
                        let _ = black_box(chain.decide(black_box(&facts)));
                    }
                    started.elapsed() / DECISIONS
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().expect("no panic")).max().unwrap_or_default()
    })
}

fn remembered(c: &mut Criterion) {
    let chain = chain("region-affinity");
    let facts = facts();
    let verdict = Arc::new(chain.decide(&facts).expect("an answer"));
    let decisions = Decisions::new(1024, |_| 1024);
    let key = |facts: &Facts| Key { pair: 1, chain: chain.digest(), facts: chain.vary().narrow(facts) };
    decisions.remember(key(&facts), verdict);
    c.bench_function("decision/remembered", |b| {
        b.iter(|| black_box(decisions.recall(&key(black_box(&facts)))));
    });
}

fn facts() -> Facts {
    Facts { region: Some("us-east-1".into()), zone: Some("us-east-1a".into()), ..Facts::default() }
}

fn chain(guest: &str) -> Chain {
    let limits = Limits { wall_ms: 1_000, chain_wall_ms: 1_000, ..Limits::default() };
    let engine = Engine::new(&EngineSettings { limits, ..EngineSettings::default() }).expect("an engine");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let component = fs::read(root.join(format!("policies/dist/{guest}.wasm"))).expect("a guest");
    let code = engine.compile(&component).expect("the sample compiles");
    let loaded = Loaded::new(&engine, Digest([0; 32]), &code).expect("the sample is a policy");
    let link = Link { loaded, settings: Vec::new(), name: guest.into(), tally: Arc::default() };
    Chain::new(&engine, vec![link], subject(8, 32)).expect("a chain of one")
}
