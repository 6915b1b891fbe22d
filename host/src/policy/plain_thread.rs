//! Threads that no async runtime owns. wasmtime-wasi's synchronous bindings block on a runtime of
//! their own, and panic on a thread that belongs to another one.

use std::{cell::Cell, panic, thread};

thread_local! {
    static PLAIN: Cell<bool> = const { Cell::new(false) };
}

/// Declares the calling thread to be plain, for as long as it lives: nothing else runs on it.
pub(super) fn declare() {
    PLAIN.set(true);
}

/// Runs `work` here if this thread is known to be plain, else on a thread of its own and waits.
pub(super) fn run<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if PLAIN.get() {
        return work();
    }
    let joined = thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}
