//! Boots over HTTP beside a bare hyper server that answers the same bytes: one run, one client,
//! the same runtime, in turns. `cargo bench --bench http`, or with `-- --smoke` in two seconds.
//!
//! The servers live in this process, on a quarter of the machine's cores (or `--workers`); the client
//! in a child, on half of them and without an HTTP library, so that it is never what is measured.

#[path = "../common/mod.rs"]
mod common;

mod bare;
mod client;
mod report;

use std::{net::SocketAddr, thread, time::Duration};

use bootlace::{
    serve::listener::ListenerLimits,
    server::{Server, ServerSettings},
};
use common::{Bed, FACTS};

use bare::Bare;
use client::Job;
use report::Table;

/// How much is measured.
struct Extent {
    rounds: usize,
    warm: Duration,
    measured: Duration,
}

/// A server and how to ask it.
struct Contender {
    name: &'static str,
    address: SocketAddr,
    request: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if given(client::ARGUMENT) {
        return client::main();
    }
    // `--test` is what `cargo bench -- --test` gives every bench.
    let extent = if given("--smoke") || given("--test") {
        Extent { rounds: 1, warm: Duration::from_millis(50), measured: Duration::from_millis(200) }
    } else {
        Extent { rounds: 7, warm: Duration::from_millis(200), measured: Duration::from_millis(1000) }
    };
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)
    };
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let workers = value("--workers").and_then(|number| number.parse().ok()).unwrap_or((cores / 4).max(1));
    let clients = (cores / 2).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.expect("a runtime");

    let remembered = Bed::starter(1024);
    let one_policy = Bed::one_policy(0);
    let three_policies = Bed::starter(0);
    let mut contenders = Vec::new();
    let hosts = [
        ("boots, decision remembered", &remembered),
        ("boots, one fresh instance each", &one_policy),
        ("boots, three fresh instances each", &three_policies),
    ];
    let mut running = Vec::new();
    for (name, bed) in hosts {
        let server = runtime.block_on(Server::start(bed.host.clone(), loopback())).expect("it listens");
        contenders.push(Contender { name, address: server.boot, request: request(bed) });
        running.push(server);
    }
    let sample = client::sample(&contenders[0]);
    let bytes = sample.bytes;
    let bare = runtime.block_on(Bare::start(sample));
    let request = contenders[0].request.clone();
    contenders.insert(0, Contender { name: "bare hyper", address: bare.address, request });

    // For a profiler: `--only remembered` leaves the others alone.
    let only = value("--only");
    contenders.retain(|contender| only.is_none_or(|only| contender.name.contains(only.as_str())));

    let mut table = Table::new(&contenders, [workers, clients], bytes);
    for _ in 0..extent.rounds {
        for (row, contender) in contenders.iter().enumerate() {
            table.add(row, client::run(&Job::new(contender, clients, &extent)));
        }
    }
    print!("{table}");
    for server in running {
        runtime.block_on(server.stop(Duration::ZERO));
    }
}

fn request(bed: &Bed) -> String {
    let token = bed.site.token("production");
    format!("GET /v1/boot?{FACTS} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n")
}

fn loopback() -> ServerSettings {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    ServerSettings {
        boot: free,
        admin: free,
        tls: None,
        insecure_plaintext: false,
        limits: ListenerLimits::default(),
    }
}
