//! One call of one policy: a fresh store, a fresh instance, and nothing left afterwards.

use wasmtime::{
    ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline,
    component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower, WasmStr},
};

use super::{
    bindings::{LOG, Level},
    engine::Engine,
    failure::{FailureKind, LogLevel, LogLine, TooManyHostCalls, classify},
    limits::Limits,
};

/// What one call came to.
pub(super) struct Called<R> {
    pub(super) result: Result<R, FailureKind>,
    pub(super) fuel: u64,
    pub(super) log: Vec<LogLine>,
    pub(super) dropped_lines: u32,
}

/// Instantiates, calls `export` with `params` and drops the instance.
///
/// A store is never used again: after a trap its memory is whatever the guest left, and before
/// one it is what the last question left.
pub(super) fn call<T, P, R>(
    engine: &Engine,
    component: &InstancePre<T>,
    export: &ComponentExportIndex,
    data: T,
    wall_ms: u64,
    params: P,
) -> Called<R>
where
    T: CallState,
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let limits = engine.limits();
    let mut store = Store::new(engine.wasmtime(), data);
    let result = enter(limits, &mut store, component, export, wall_ms, params);
    let left = store.get_fuel().unwrap_or(0);
    let mut data = store.into_data();
    data.finish();
    let call = data.call();
    let result = result.map_err(|error| classify(&error, call.memory.refused, limits, wall_ms));
    Called {
        result,
        fuel: limits.fuel.saturating_sub(left),
        log: std::mem::take(&mut call.log.lines),
        dropped_lines: call.log.dropped,
    }
}

/// How long a policy may take to be looked at and to say what it is, in milliseconds. Fuel bounds
/// it; nobody waits but an upload or a start, and a busy machine is a reason against neither.
pub(super) const UNHURRIED_MS: u64 = 1_000;

/// Whether `export` has these types; the component is instantiated, and the function not called.
pub(super) fn check<T, P, R>(
    engine: &Engine,
    component: &InstancePre<T>,
    export: &ComponentExportIndex,
    data: T,
) -> wasmtime::Result<()>
where
    T: CallState,
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let mut store = Store::new(engine.wasmtime(), data);
    bound(engine.limits(), &mut store, engine.limits().wall_ms.max(UNHURRIED_MS))?;
    let instance = component.instantiate(&mut store)?;
    instance.get_typed_func::<P, R>(&mut store, export).map(drop)
}

fn enter<T, P, R>(
    limits: &Limits,
    store: &mut Store<T>,
    component: &InstancePre<T>,
    export: &ComponentExportIndex,
    wall_ms: u64,
    params: P,
) -> wasmtime::Result<R>
where
    T: CallState,
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    bound(limits, store, wall_ms)?;
    let instance = component.instantiate(&mut *store)?;
    let function = instance.get_typed_func::<P, R>(&mut *store, export)?;
    function.call(&mut *store, params)
}

fn bound<T: CallState>(limits: &Limits, store: &mut Store<T>, wall_ms: u64) -> wasmtime::Result<()> {
    store.limiter(|data| &mut data.call().memory);
    store.set_fuel(limits.fuel)?;
    // The current tick is partly over: without one more, a question could get almost none.
    store.set_epoch_deadline(wall_ms.saturating_add(1));
    store.epoch_deadline_callback(overtime(wall_ms));
    store.set_hostcall_fuel(limits.answer_bytes);
    store.set_max_component_handles(limits.handles);
    Ok(())
}

/// Milliseconds that an interrupted thread may wait for a core, for each millisecond that its question
/// may take.
const WAITING: u64 = 20;

/// Stops a question whose time is over, unless it was the machine that took the time: a thread that
/// waits for a core has done nothing wrong. It may then use its own time once more, as the processor
/// counts it, and no host call can make it wait meanwhile.
fn overtime<T>(wall_ms: u64) -> impl FnMut(StoreContextMut<'_, T>) -> wasmtime::Result<UpdateDeadline> {
    let mut began = None;
    let mut ticks_left = wall_ms.saturating_mul(WAITING);
    move |_| {
        let used_ms = processor_ms();
        let since = *began.get_or_insert(used_ms);
        if used_ms - since > wall_ms || ticks_left == 0 {
            return Err(Trap::Interrupt.into());
        }
        ticks_left -= 1;
        Ok(UpdateDeadline::Continue(1))
    }
}

/// What this thread has used of the processor, in milliseconds.
pub(super) fn processor_ms() -> u64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.tv_sec.unsigned_abs() * 1000 + used.tv_nsec.unsigned_abs() / 1_000_000
}

/// What a store holds for one call.
pub(super) trait CallState: Send + 'static {
    /// The part that every policy has.
    fn call(&mut self) -> &mut Call;
    /// Turns what was captured elsewhere into log lines.
    fn finish(&mut self) {}
}

/// What a store holds for a policy that imports nothing but the log.
pub(super) struct Call {
    memory: Memory,
    pub(super) log: Log,
}

impl Call {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory: Memory {
                left: limits.memory_bytes,
                growing: 0,
                refused: false,
                table_elements: limits.table_elements,
                instances: limits.core_instances as usize,
                tables: limits.tables as usize,
            },
            log: Log {
                lines: Vec::new(),
                lines_left: limits.log_lines,
                bytes_left: limits.log_bytes,
                dropped: 0,
                calls_left: limits.host_calls,
            },
        }
    }
}

impl CallState for Call {
    fn call(&mut self) -> &mut Call {
        self
    }
}

/// The linker of policies that import nothing but the log.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Call>> {
    let mut linker = Linker::new(engine);
    add_log(&mut linker)?;
    Ok(linker)
}

/// Adds `log`.
pub(super) fn add_log<T: CallState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.instance(LOG)?.func_wrap(
        "emit",
        |mut store: StoreContextMut<'_, T>, (level, message): (Level, WasmStr)| {
            if !store.data_mut().call().log.wants_line()? {
                return Ok(());
            }
            let text = message.to_str(&store)?.into_owned();
            store.data_mut().call().log.push(level.into(), text);
            Ok(())
        },
    )
}

/// Lines up to a bound; those beyond are dropped and counted, since a chatty policy is a nuisance
/// and not a fault. Calling the host without end is one.
pub(super) struct Log {
    lines: Vec<LogLine>,
    lines_left: usize,
    bytes_left: usize,
    dropped: u32,
    calls_left: u32,
}

impl Log {
    fn wants_line(&mut self) -> Result<bool, TooManyHostCalls> {
        self.calls_left = self.calls_left.checked_sub(1).ok_or(TooManyHostCalls)?;
        let wanted = self.lines_left > 0 && self.bytes_left > 0;
        self.dropped += u32::from(!wanted);
        Ok(wanted)
    }

    pub(super) fn push(&mut self, level: LogLevel, text: String) {
        match self.bytes_left.checked_sub(text.len()) {
            Some(left) if self.lines_left > 0 => {
                self.bytes_left = left;
                self.lines_left -= 1;
                self.lines.push(LogLine { level, text });
            }
            _ => self.dropped += 1,
        }
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// Bounds the *sum* of a store's memories, and remembers that it refused: to wasmtime a refused
/// minimum is an error of the module, and a refused growth no error at all.
struct Memory {
    left: usize,
    growing: usize,
    refused: bool,
    table_elements: usize,
    instances: usize,
    tables: usize,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let growing = desired.saturating_sub(current);
        match self.left.checked_sub(growing) {
            Some(left) => {
                self.left = left;
                self.growing = growing;
                Ok(true)
            }
            None => {
                self.refused = true;
                Ok(false)
            }
        }
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.left += std::mem::take(&mut self.growing);
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.table_elements;
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        1
    }
}
