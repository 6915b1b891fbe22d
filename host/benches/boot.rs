//! The parts of a boot, and the whole of it without a socket, for the starter's production: 35
//! variables, 12 secrets, two of them in two versions or behind a URL, three policies.
#![allow(missing_docs, reason = "criterion's macros write functions without")]

mod common;

use std::{hint::black_box, time::Duration};

use bootlace::{
    audit::BootRecord,
    auth::{self, InstanceCaller},
    format::Format,
    generation::Generation,
    id::{DeploymentId, EnvironmentName},
    keyring::Keyring,
    model::question::{Facts, Sensitivity},
    permit::Permit,
    plan::{Plan, What},
    seal::{self, Buffer},
    serve::facts::from_query,
};
use common::{Bed, FACTS, NOON};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::future::join_all;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

/// Boots that come together.
const TOGETHER: usize = 32;

criterion_group!(benches, merge, authenticate, record, open, decide, boot);
criterion_main!(benches);

fn merge(c: &mut Criterion) {
    let bed = Bed::starter(1024);
    let live = bed.host.store.load_full();
    let caller = caller(&bed, &live);
    let configuration = &caller.served.snapshot.configuration;
    let (deployment, environment) = place();
    c.bench_function("plan/merge", |b| {
        b.iter(|| black_box(Plan::merge(black_box(configuration), &deployment, &environment, Some(17))));
    });
}

fn authenticate(c: &mut Criterion) {
    let bed = Bed::starter(1024);
    let live = bed.host.store.load_full();
    let request = bed.request("production");
    c.bench_function("auth/instance", |b| {
        b.iter(|| black_box(auth::instance(black_box(request.headers()), &live, NOON)).is_ok());
    });
    c.bench_function("facts/query", |b| b.iter(|| black_box(from_query(black_box(FACTS)))));
}

/// One record, handed to the kernel; many at once; and the ETag of what they record. The processor's
/// time is measured, with that of the thread that seals: what a busy machine does meanwhile is not theirs.
fn record(c: &mut Criterion) {
    let bed = Bed::starter(1024);
    let live = bed.host.store.load_full();
    let caller = caller(&bed, &live);
    let granted = caller.prepared.unasked.clone().expect("nothing required is missing");
    let permit = Permit::new(&caller, granted);
    let facts = facts();
    let append = async || {
        let record = BootRecord {
            id: bed.host.audit.next_boot(),
            at: NOON,
            outcome: "allowed",
            principal: &caller.token.principal,
            token: &caller.token.id,
            revision: caller.served.snapshot.revision,
            subject: &caller.prepared.audit_subject,
            basis: &caller.prepared.audit_basis,
            given: Some(permit.given()),
            facts: &facts,
            peer: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        bed.host.audit.append(black_box(&record)).await.expect("a disk");
    };
    let runtime = runtime();
    c.bench_function("audit/append", |b| {
        b.iter_custom(|times| {
            runtime.block_on(async {
                let began = processor_time();
                for _ in 0..times {
                    append().await;
                }
                processor_time() - began
            })
        });
    });
    let mut group = c.benchmark_group("audit");
    group.throughput(criterion::Throughput::Elements(TOGETHER as u64));
    group.bench_function(format!("append, {TOGETHER} at once"), |b| {
        b.iter_custom(|times| {
            runtime.block_on(async {
                let began = processor_time();
                for _ in 0..times {
                    join_all((0..TOGETHER).map(|_| append())).await;
                }
                processor_time() - began
            })
        });
    });
    group.finish();
    c.bench_function("etag", |b| b.iter(|| black_box(permit.etag(black_box(Format::Json)))));
}

fn open(c: &mut Criterion) {
    let bed = Bed::starter(1024);
    let live = bed.host.store.load_full();
    let caller = caller(&bed, &live);
    let granted = caller.prepared.unasked.clone().expect("nothing required is missing");
    let permit = Permit::new(&caller, granted);
    c.bench_function("open/capsule to body", |b| {
        b.iter(|| black_box(permit.open(Format::Json, live.capsule_key())));
    });
    let snapshot = &caller.served.snapshot;
    let keyring = Keyring::unwrap(snapshot.configuration.uid, &snapshot.keys, &bed.site.roots());
    let secrets = caller.prepared.plan.variables.iter().filter(|v| v.sensitivity == Sensitivity::Secret);
    let chosen = secrets.map(|variable| &caller.prepared.plan.candidates[variable.default as usize].what);
    let stored = chosen.filter_map(|what| match what {
        What::Stored { address, value } => Some((address, value)),
        _ => None,
    });
    let stored: Vec<_> = stored.collect();
    c.bench_function(&format!("open/{} secrets, one by one", stored.len()), |b| {
        b.iter(|| {
            let mut buffer = Buffer::with_capacity(stored.iter().map(|(_, value)| seal::room(value)).sum());
            for (address, value) in &stored {
                let key = keyring.key_for(address.environment, value).expect("the host has the key");
                black_box(seal::open_into(key, address, value, &mut buffer)).expect("it opens");
            }
        });
    });
}

/// A fresh instance of each policy; [`decision`](../decision.rs) measures one policy apart.
fn decide(c: &mut Criterion) {
    for (name, bed) in [("three policies", Bed::starter(0)), ("one policy", Bed::one_policy(0))] {
        let live = bed.host.store.load_full();
        let caller = caller(&bed, &live);
        let facts = facts();
        c.bench_function(&format!("decide/fresh, {name}"), |b| {
            b.iter(|| black_box(caller.prepared.chain.decide(black_box(&facts))));
        });
    }
}

fn boot(c: &mut Criterion) {
    let runtime = runtime();
    let beds = [
        ("remembered", Bed::starter(1024)),
        ("fresh, three policies", Bed::starter(0)),
        ("fresh, one policy", Bed::one_policy(0)),
    ];
    for (name, bed) in beds {
        let request = bed.request("production");
        c.bench_function(&format!("boot/{name}"), |b| {
            b.iter_batched(
                || request.clone(),
                |request| runtime.block_on(bed.boot(request)),
                criterion::BatchSize::SmallInput,
            );
        });
    }
}

fn caller<'a>(bed: &Bed, live: &'a Generation) -> InstanceCaller<'a> {
    let request = bed.request("production");
    auth::instance(request.headers(), live, NOON).expect("the token is the starter's")
}

fn place() -> (DeploymentId, EnvironmentName) {
    ("checkout".parse().expect("a name"), "production".parse().expect("a name"))
}

fn facts() -> Facts {
    from_query(FACTS).expect("a query").facts
}

/// What this process has had of the processors.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
