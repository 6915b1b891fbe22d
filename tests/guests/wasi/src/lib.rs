//! A policy from another toolchain: it imports WASI, and annotates what the host lets it see there,
//! so that the host's tests can show a context that is closed and always the same.

use std::collections::hash_map::RandomState;
use std::env;
use std::fs;
use std::hash::BuildHasher;
use std::io::{Read, stdin};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bootlace_policy::{Outcome, PolicyError, Request, Resolution, resolve_policy};

resolve_policy!(
    name: "wasi",
    version: "0.1.0",
    vary: [],
    settings: ["mode"],
    decide: decide,
);

/// Annotates what it sees; with the setting `mode`, misuses WASI: `print-flood` writes without end,
/// `sleep` waits for a minute, `exit` ends the process.
pub fn decide(request: &Request) -> Result<Outcome, PolicyError> {
    match request.settings().get("mode") {
        Some("print-flood") => loop {
            println!("{}", "x".repeat(1024));
        },
        Some("sleep") => std::thread::sleep(std::time::Duration::from_secs(60)),
        Some("exit") => std::process::exit(7),
        _ => {}
    }
    let mut resolution = Resolution::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    resolution.annotate("wall-clock-ns", now.map_or(0, |now| now.as_nanos()).to_string());
    let start = Instant::now();
    let passed = (0..1_000).map(|_| start.elapsed()).max();
    resolution.annotate("elapsed-ns", passed.unwrap_or_default().as_nanos().to_string());
    resolution.annotate("random", format!("{:016x}", RandomState::new().hash_one(0)));
    resolution.annotate("arguments", env::args().count().to_string());
    resolution.annotate("environment", env::vars_os().count().to_string());
    resolution.annotate("file", outcome(fs::read("/etc/passwd")));
    resolution.annotate("directory", outcome(fs::read_dir("/")));
    let mut input = Vec::new();
    resolution.annotate("stdin", outcome(stdin().read_to_end(&mut input)));
    resolution.annotate("stdin-bytes", input.len().to_string());
    println!("standard output of {}", request.deployment());
    eprintln!("standard error of {}", request.deployment());
    Ok(resolution.into())
}

fn outcome<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "open".into(),
        Err(error) => format!("refused: {:?}", error.kind()),
    }
}
