//! One key is changed by API: validated, sealed, prepared against what is served, durable in the ledger
//! and swapped, in workspaces of 100, 1,000 and 10,000 deployments in three environments each; and what
//! boots notice of that, beside the same boots without it. Times are of `Host::change` as a whole, the syncs
//! of the disk included.

mod common;

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use bootlace::{
    change::{Edit, Precondition, Wanted},
    host::Author,
    id::WorkspaceId,
    made::ValueKey,
    model::{Place, question::Sensitivity},
    secret::Secret,
};
use common::{Bed, site::Site};
use hdrhistogram::Histogram;
use tokio::runtime::Builder;

/// Plain values of each deployment, beside those of the shared layers.
const VALUES: usize = 10;

fn main() {
    // `cargo test` and CI run this once over, for what it does and not for its figures.
    let smoke = std::env::args().any(|argument| argument == "--test");
    let (sizes, changes): (&[usize], usize) = if smoke { (&[3], 5) } else { (&[100, 1_000, 9_999], 1_000) };
    let boots = if smoke { 20 } else { 20_000 };
    for &size in sizes {
        let started = Instant::now();
        let bed = Bed::of(site(size), 1024);
        println!("{size} deployments x 3 environments, pushed in {:.1?}", started.elapsed());
        let mut times = histogram();
        for number in 0..changes {
            record(&mut times, || change(&bed, size, number));
        }
        println!("  a one-key change      {}", line(&times));
        if size <= 1_000 {
            boots_beside(&bed, size, boots);
        }
    }
}

/// Boots one after the other, quiet and then while another thread changes a key every 20 ms.
fn boots_beside(bed: &Bed, size: usize, boots: usize) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let run = |times: &mut Histogram<u64>| {
        for _ in 0..boots {
            record(times, || runtime.block_on(bed.boot(bed.request("production"))));
        }
    };
    let (mut quiet, mut beside) = (histogram(), histogram());
    run(&mut histogram());
    let mut changed = 0;
    // In turns, so that a machine whose pace changes does so for both.
    for _ in 0..5 {
        run(&mut quiet);
        let stop = AtomicBool::new(false);
        changed += std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    change(bed, size, number);
                    number += 1;
                    std::thread::park_timeout(Duration::from_millis(20));
                }
                number
            });
            run(&mut beside);
            stop.store(true, Ordering::Relaxed);
            writer.thread().unpark();
            writer.join().expect("no panic")
        });
    }
    let ratio = beside.value_at_quantile(0.99) as f64 / quiet.value_at_quantile(0.99) as f64;
    println!("  a boot, quiet         {}", line(&quiet));
    println!("  beside {changed:5} changes  {}  p99 is {ratio:.2} of quiet", line(&beside));
}

fn change(bed: &Bed, size: usize, number: usize) {
    let deployment = format!("app-{:05}", number % size).parse().expect("a name");
    let environment = "staging".parse().expect("a name");
    let key = ValueKey {
        place: Place::Deployment(deployment, Some(environment)),
        name: "CHANGED".parse().expect("a name"),
    };
    let wanted = Wanted::Value(Secret::from(format!("value {number}")));
    let edit =
        Edit::SetValue { key, wanted, sensitivity: Some(Sensitivity::Plain), description: None, keep: false };
    let workspace: WorkspaceId = "acme".parse().expect("a name");
    bed.host
        .change(&Author::process("ada"), &workspace, &[edit], Precondition::Any)
        .expect("the change is made");
}

/// The starter, with `size` deployments more.
fn site(size: usize) -> Site {
    let mut site = Site::starter();
    for number in 0..size {
        let mut file = format!("id = \"{:032x}\"\n[variables]\n", 0x1000 + number);
        for value in 0..VALUES {
            writeln!(file, "VALUE_{value} = \"value {value} of {number}\"").expect("memory");
        }
        for environment in ["production", "staging", "preview/pr-42"] {
            writeln!(file, "[environments.\"{environment}\".variables]\nWORKERS = {number}").expect("memory");
        }
        site.write(&format!("deployments/app-{number:05}.toml"), file);
    }
    site
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("up to a minute, three digits")
}

fn record(times: &mut Histogram<u64>, what: impl FnOnce()) {
    let started = Instant::now();
    what();
    times.saturating_record(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
}

fn line(times: &Histogram<u64>) -> String {
    let at = |quantile| Duration::from_nanos(times.value_at_quantile(quantile));
    format!("p50 {:8.1?}  p99 {:8.1?}  longest {:8.1?}", at(0.5), at(0.99), at(1.0))
}
