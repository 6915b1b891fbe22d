//! The narrowed engine: wasmtime with everything off that a policy does not need.
//!
//! Much of what is turned off here is *on* by default in wasmtime 48, and some of it only while a
//! Cargo feature is there to have the setter (`gc`, `threads`): the tests below ask for each
//! proposal and expect to be refused.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures,
    component::Linker,
};

use super::{
    artefact::Artefact,
    call::{self, Call},
    limits::Limits,
    memory::{MemoryObserver, ObservedMemories},
    ticker,
    wasi::{self, WasiCall},
};
use crate::{canonical::Canonical, id::Digest};

/// The exact version of the runtime; part of every key under which something compiled or decided
/// is kept.
pub const RUNTIME_VERSION: &str = "wasmtime 48.0.8";

/// How an engine is set up.
#[derive(Clone)]
pub struct EngineSettings {
    /// What policies may cost.
    pub limits: Limits,
    /// Questions that may run at once, of all tenants together; each holds one slot of the pool.
    pub slots: u32,
    /// Where instances live.
    pub memory: Memory,
}

/// Where instances live.
#[derive(Clone)]
pub enum Memory {
    /// In a pool of slots, reserved at start: what a host serves from.
    Pool,
    /// Mapped for each question: slower by about 35 microseconds; for the process that compiles
    /// and for the command line.
    OnDemand,
    /// Mapped for each question and handed to the observer when the question is over: for tests
    /// and `policy check`, which look for what must not be there.
    Observed(MemoryObserver),
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { limits: Limits::default(), slots: 256, memory: Memory::Pool }
    }
}

/// Where instances really live; a host that asked for a pool and did not get one says so in its
/// log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allocation {
    /// In a pool of this many slots.
    Pool {
        /// How many.
        slots: u32,
    },
    /// Mapped for each question, as asked.
    OnDemand,
    /// Mapped for each question, although a pool was asked for.
    Fallback {
        /// Why there is no pool.
        reason: String,
    },
}

/// The engine cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the policy engine")]
pub struct EngineError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// A component does not compile.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(String);

/// The engine: cheap to clone, one for all tenants.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasmtime: wasmtime::Engine,
    ticks: Arc<AtomicU64>,
    plain: Linker<Call>,
    wasi: Linker<WasiCall>,
    limits: Limits,
    allocation: Allocation,
    configuration: Digest,
}

impl Engine {
    /// Sets the engine up and starts its clock, a thread that ends with the engine.
    ///
    /// # Errors
    /// When wasmtime refuses the configuration, or the clock's thread cannot be started. A pool
    /// that does not fit into the address space is not an error: see [`Engine::allocation`].
    pub fn new(settings: &EngineSettings) -> Result<Self, EngineError> {
        let (wasmtime, allocation) = build(settings)?;
        let configuration = configuration_digest(&wasmtime);
        let ticks = ticker::start(&wasmtime).map_err(|error| EngineError(error.into()))?;
        let plain = call::linker(&wasmtime).map_err(|error| EngineError(error.into()))?;
        let wasi = wasi::linker(&wasmtime).map_err(|error| EngineError(error.into()))?;
        let limits = settings.limits.clone();
        Ok(Self(Arc::new(Inner { wasmtime, ticks, plain, wasi, limits, allocation, configuration })))
    }

    /// Where instances really live.
    #[must_use]
    pub fn allocation(&self) -> &Allocation {
        &self.0.allocation
    }

    /// The limits it was set up with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The digest of everything that compiled code depends on: the runtime's version, the
    /// compiler's flags, the features, the tunables.
    #[must_use]
    pub fn configuration(&self) -> Digest {
        self.0.configuration
    }

    /// Compiles a component in this process. For bytes that nobody trusts this belongs into a
    /// process of its own: see [`crate::upload`].
    ///
    /// # Errors
    /// When the component is invalid or uses what is turned off; the text says where.
    pub fn compile(&self, component: &[u8]) -> Result<Artefact, CompileError> {
        match self.0.wasmtime.precompile_component(component) {
            Ok(bytes) => Ok(Artefact::from_compiler(bytes)),
            Err(error) => Err(CompileError(format!("{error:#}"))),
        }
    }

    /// Milliseconds, roughly, since the engine was set up: what the wall clock of a question is
    /// measured with.
    pub(super) fn ticks(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    pub(super) fn plain_linker(&self) -> &Linker<Call> {
        &self.0.plain
    }

    pub(super) fn wasi_linker(&self) -> &Linker<WasiCall> {
        &self.0.wasi
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({:?}, {})", self.0.allocation, self.0.configuration)
    }
}

fn build(settings: &EngineSettings) -> Result<(wasmtime::Engine, Allocation), EngineError> {
    let limits = &settings.limits;
    let mut config = narrowed(limits);
    match &settings.memory {
        Memory::Pool => {
            config.allocation_strategy(pool(settings));
            match room_for(settings)
                .and_then(|()| wasmtime::Engine::new(&config).map_err(|e| format!("{e:#}")))
            {
                Ok(engine) => return Ok((engine, Allocation::Pool { slots: settings.slots })),
                Err(reason) => {
                    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
                    let engine = wasmtime::Engine::new(&config).map_err(|error| EngineError(error.into()))?;
                    return Ok((engine, Allocation::Fallback { reason }));
                }
            }
        }
        Memory::OnDemand => {}
        Memory::Observed(observer) => {
            // Images are mapped, and only wasmtime's own memories can be mapped into: this code
            // is not interchangeable with that of other engines, as its digest says.
            config.memory_init_cow(false);
            config.with_host_memory(Arc::new(ObservedMemories::new(Arc::clone(observer))));
        }
    }
    let engine = wasmtime::Engine::new(&config).map_err(|error| EngineError(error.into()))?;
    Ok((engine, Allocation::OnDemand))
}

/// The part of the configuration that compiled code depends on: the same for every engine, or an
/// artefact of one would not load in the other.
fn narrowed(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .gc_support(false)
        .wasm_function_references(false)
        .wasm_gc(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .wasm_stack_switching(false)
        .concurrency_support(false)
        .wasm_features(component_model_extensions(), false);
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(limits.stack_bytes)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Small reservations keep the pool's addresses at 10 GB instead of 1 TB; the guards stay.
        .memory_reservation(limits.memory_bytes as u64)
        .memory_may_move(false);
    config
}

fn component_model_extensions() -> WasmFeatures {
    WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_MORE_ASYNC_BUILTINS
        | WasmFeatures::CM_ASYNC_STACKFUL
        | WasmFeatures::CM_THREADING
        | WasmFeatures::CM_ERROR_CONTEXT
        | WasmFeatures::CM_GC
        | WasmFeatures::CM_MAP
        | WasmFeatures::CM64
        | WasmFeatures::CM_FIXED_LENGTH_LISTS
        | WasmFeatures::CM_IMPLEMENTS
}

fn pool(settings: &EngineSettings) -> PoolingAllocationConfig {
    let limits = &settings.limits;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(settings.slots)
        .total_core_instances(settings.slots.saturating_mul(limits.core_instances))
        .total_memories(settings.slots)
        .total_tables(settings.slots.saturating_mul(limits.tables))
        .total_stacks(0)
        .total_gc_heaps(0)
        .max_core_instances_per_component(limits.core_instances)
        .max_memories_per_component(1)
        .max_memories_per_module(1)
        .max_tables_per_component(limits.tables)
        .max_tables_per_module(limits.tables)
        .max_memory_size(limits.memory_bytes)
        .table_elements(limits.table_elements)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(8 << 10)
        // Scanning the page map pays for big memories and costs small ones a microsecond.
        .pagemap_scan(Enabled::No)
        .max_unused_warm_slots(settings.slots);
    pool
}

/// Half of the address space stays free for everything else: a pool that just fits would only
/// move the failure to the next allocation.
fn room_for(settings: &EngineSettings) -> Result<(), String> {
    const GUARD_BYTES: u64 = 32 << 20;
    let slot = settings.limits.memory_bytes as u64 + GUARD_BYTES;
    let needed = slot.saturating_mul(u64::from(settings.slots) + 1);
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    match limit {
        Some(limit) if needed.saturating_mul(2) > limit => Err(format!(
            "the pool needs {} MiB of addresses twice over, and this process may have {} MiB",
            needed >> 20,
            limit >> 20
        )),
        _ => Ok(()),
    }
}

fn configuration_digest(engine: &wasmtime::Engine) -> Digest {
    let mut hasher = HashBytes(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let environment: [u8; 32] = hasher.0.finalize().into();
    Canonical::new("bootlace policy engine 1").text(RUNTIME_VERSION).bytes(&environment).finish()
}

/// wasmtime describes its configuration as something to hash; a 64-bit hash could collide.
struct HashBytes(Sha256);

impl Hasher for HashBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
