//! Keeps secrets out of core dumps and away from debuggers, before the first one arrives.

use std::io;

use anyhow::Context;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Dumps are off in this process. [`DumpsOff::undo`] gives a command that replaces us the limit
/// it would have had.
#[must_use = "dropping this is fine, undoing it is for those who exec"]
pub struct DumpsOff {
    core: Rlimit,
}

/// Forbids core dumps and attaching, for `serve`, `boot` and `run`.
///
/// `PR_SET_DUMPABLE=0` does both, also where a pipe in `core_pattern` ignores the limit; the limit
/// covers what the flag does not: it is reset when a process executes another.
///
/// # Errors
/// The kernel or a sandbox forbids the calls; then secrets must not be fetched either.
pub fn forbid_dumps() -> anyhow::Result<DumpsOff> {
    let core = getrlimit(Resource::Core);
    (set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(io::Error::from))
        .and_then(|()| Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: core.maximum })?))
        .context("cannot keep secrets out of core dumps")?;
    Ok(DumpsOff { core })
}

impl DumpsOff {
    /// Restores the limit; the kernel itself makes a newly executed program dumpable again. Only
    /// the soft limit was lowered, so this needs no privilege.
    ///
    /// # Errors
    /// The kernel refuses, which is not known to happen.
    pub fn undo(self) -> anyhow::Result<()> {
        setrlimit(Resource::Core, self.core).context("cannot restore the limit of core dumps")
    }
}
