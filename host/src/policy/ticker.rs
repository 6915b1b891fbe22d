//! The engine's clock: the only clock that policies are measured with.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// One tick of the clock.
const TICK: Duration = Duration::from_millis(1);

/// Starts a thread that moves `engine`'s epoch once a millisecond, and the returned count with it.
/// The thread holds the engine weakly and ends when the engine is gone.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn start(engine: &wasmtime::Engine) -> io::Result<Arc<AtomicU64>> {
    let weak = engine.weak();
    let ticks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&ticks);
    thread::Builder::new().name("policy-clock".into()).spawn(move || {
        loop {
            thread::sleep(TICK);
            let Some(engine) = weak.upgrade() else { return };
            counted.fetch_add(1, Ordering::Relaxed);
            engine.increment_epoch();
        }
    })?;
    Ok(ticks)
}
