//! What `run --supervise` starts of itself. A process that has just been forked may do very little
//! in safe code; one that has just been executed may do anything, so that both of these are this
//! program again, under a hidden verb.

use std::{
    ffi::OsString,
    io::{BufRead as _, stdin},
};

use anyhow::bail;
use rustix::process::{
    Pid, Signal, getpid, getppid, kill_process, kill_process_group, set_parent_process_death_signal,
};

use super::become_command;

/// Becomes the command, and is killed when its supervisor dies.
#[derive(Debug, clap::Args)]
pub struct Become {
    /// The supervisor
    #[arg(long)]
    supervisor: i32,

    /// The command, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Become {
    /// Returns only when the command does not start. The environment is the command's already.
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        // Kept when another program is executed, but for one that changes its user.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Pid::from_raw(self.supervisor) {
            bail!("the supervisor died before its command could start");
        }
        // The supervisor lets us go on when the guard knows of us.
        kill_process(getpid(), Signal::STOP)?;
        become_command(&self.command, std::env::vars_os().collect())
    }
}

/// Reads process groups, a line each, and kills the last one when there are no more lines: then
/// whoever wrote them is dead, and could not do it. A 0 stands for none.
///
/// The death signal alone is not enough: it reaches the command, and not what the command started.
pub(in crate::cli) fn guard() -> anyhow::Result<()> {
    let mut last = None;
    for line in stdin().lock().lines() {
        last = line?.parse().ok().and_then(Pid::from_raw);
    }
    if let Some(group) = last {
        // Nobody there is what is wanted.
        let _ = kill_process_group(group, Signal::KILL);
    }
    Ok(())
}
