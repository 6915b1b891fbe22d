//! The closed world of policies that were built by a toolchain that insists on WASI 0.2: clocks
//! that stand still, randomness that is the same every time, no files, no network, nothing to
//! read.

use std::time::Duration;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    clocks::{WasiClocksCtxView, WasiClocksView as _},
    p2::{
        DynPollable,
        bindings::clocks::monotonic_clock::{self, Duration as Nanoseconds, Instant},
        pipe::MemoryOutputPipe,
    },
};

use super::{
    call::{Call, CallState, add_log},
    failure::LogLevel,
    limits::Limits,
};

/// The interfaces that may be imported, each in any patch version of 0.2.
pub const INTERFACES: [&str; 19] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
    "wasi:random/insecure-seed",
];

/// The most random bytes that one call returns.
const RANDOM_BYTES: u64 = 4096;

/// What a store holds for a policy that imports WASI.
pub(super) struct WasiCall {
    call: Call,
    wasi: WasiCtx,
    table: ResourceTable,
    output: MemoryOutputPipe,
}

impl WasiCall {
    pub(super) fn new(limits: &Limits) -> Self {
        let output = MemoryOutputPipe::new(limits.log_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self { call: Call::new(limits), wasi: closed(&output), table, output }
    }
}

impl CallState for WasiCall {
    fn call(&mut self) -> &mut Call {
        &mut self.call
    }

    fn finish(&mut self) {
        for line in String::from_utf8_lossy(&self.output.contents()).lines() {
            self.call.log.push(LogLevel::Info, line.to_owned());
        }
    }
}

impl WasiView for WasiCall {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn closed(output: &MemoryOutputPipe) -> WasiCtx {
    // Anything fixed will do: it is for hash tables, and must not be for keys.
    let bytes = || Deterministic::new((0..=255).rev().collect());
    WasiCtxBuilder::new()
        .wall_clock(Stopped)
        .monotonic_clock(Stopped)
        .secure_random(bytes())
        .insecure_random(bytes())
        .insecure_random_seed(0x626f_6f74_6c61_6365)
        .max_random_size(RANDOM_BYTES)
        .stdout(output.clone())
        .stderr(output.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// A clock that stands at zero.
struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

/// The linker of policies that import WASI: all of it, of which [`INTERFACES`] may be imported,
/// with timers replaced.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<WasiCall>> {
    let mut linker = Linker::<WasiCall>::new(engine);
    add_log(&mut linker)?;
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, Timers>(&mut linker, |call| NoTimers(call.clocks()))?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// Timers that are over at once: a guest asleep uses neither fuel nor epochs, and would hold its
/// slot as long as it likes.
struct Timers;

impl HasData for Timers {
    type Data<'a> = NoTimers<'a>;
}

struct NoTimers<'a>(WasiClocksCtxView<'a>);

impl monotonic_clock::Host for NoTimers<'_> {
    fn now(&mut self) -> wasmtime::Result<Instant> {
        self.0.now()
    }

    fn resolution(&mut self) -> wasmtime::Result<Instant> {
        self.0.resolution()
    }

    fn subscribe_instant(&mut self, _: Instant) -> wasmtime::Result<Resource<DynPollable>> {
        self.0.subscribe_duration(0)
    }

    fn subscribe_duration(&mut self, _: Nanoseconds) -> wasmtime::Result<Resource<DynPollable>> {
        self.0.subscribe_duration(0)
    }
}
