//! The processes under a supervisor: the command, what it started, and the guard.
//!
//! Children are reaped here and nowhere else: a supervisor also inherits the orphans of its
//! command, so that "any child" is asked for, and two who ask would take each other's answers.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    time::Duration,
};

use anyhow::Context as _;
use rustix::{
    io::retry_on_intr,
    process::{
        Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, getpid, kill_process,
        kill_process_group, set_child_subreaper, wait, waitid,
    },
};
use tokio::{
    signal::unix::{Signal as Stream, SignalKind, signal},
    time::{Instant, timeout_at},
};

use super::{environment::Environment, guard::Guard};
use crate::cli::{exit::NotStarted, output::Output};

/// This program as it runs, even when its file was replaced meanwhile by an upgrade.
pub(super) const THIS_PROGRAM: &str = "/proc/self/exe";
/// How long orphans that were killed may take to be gone.
const SWEEP: Duration = Duration::from_secs(2);
/// How often a guard that is gone is replaced.
const MAX_GUARDS: usize = 16;
/// Waits, and leaves an end to be reaped where ends are.
const STOPPED_OR_ENDED: WaitIdOptions =
    WaitIdOptions::STOPPED.union(WaitIdOptions::EXITED).union(WaitIdOptions::NOWAIT);

/// A command that runs, and everything under it.
pub(super) struct Family<'a> {
    command: &'a [OsString],
    output: &'a Output,
    /// Leads the process group of the same number; ourselves until there is one.
    leader: Pid,
    guard: Option<Guard>,
    guards: usize,
    /// Children from before: whoever executed us had them, and they are none of our business.
    strangers: Vec<Pid>,
    stirred: Stream,
}

impl<'a> Family<'a> {
    /// Starts the command in a process group of its own.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(
        command: &'a [OsString],
        environment: Environment,
        output: &'a Output,
    ) -> anyhow::Result<Self> {
        let stirred = signal(SignalKind::child())?;
        set_child_subreaper(Some(getpid())).context("cannot take in the orphans of the command")?;
        let strangers = children();
        let mut family =
            Self { command, output, leader: getpid(), guard: None, guards: 0, strangers, stirred };
        family.post_guard(None);
        family.renew(environment)?;
        Ok(family)
    }

    /// Starts the command again, once it has ended.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) fn renew(&mut self, environment: Environment) -> anyhow::Result<()> {
        self.leader = launch(self.command, environment)?;
        // It stops before it becomes the command, and so starts nothing that the guard does not
        // know of. If it ended instead, that is found out like any other end.
        let _ = retry_on_intr(|| waitid(WaitId::Pid(self.leader), STOPPED_OR_ENDED));
        self.brief_guard(Some(self.leader));
        self.tell(Signal::CONT);
        Ok(())
    }

    /// Sends a signal to the command alone.
    pub(super) fn tell(&self, signal: Signal) {
        // Who is gone already is reaped in a moment.
        let _ = kill_process(self.leader, signal);
    }

    /// Sends a signal to the command and all of its process group.
    pub(super) fn tell_all(&self, signal: Signal) {
        let _ = kill_process_group(self.leader, signal);
    }

    /// Resolves when some child has ended, or might have.
    pub(super) async fn stirred(&mut self) {
        self.stirred.recv().await;
    }

    /// Reaps whoever ended, and tells how the command did if it is among them.
    pub(super) fn reap(&mut self) -> Option<WaitStatus> {
        let mut ended = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == self.leader {
                ended = Some(status);
            } else if self.guard.as_ref().is_some_and(|guard| guard.pid == pid) {
                self.post_guard(Some(self.leader));
            }
        }
        ended
    }

    /// Kills what the command left behind: its process group, and the orphans that came to us,
    /// which are the daemons that left the group.
    pub(super) async fn sweep(&mut self) {
        self.tell_all(Signal::KILL);
        let deadline = Instant::now() + SWEEP;
        loop {
            self.reap();
            let orphans = self.orphans();
            if orphans.is_empty() || Instant::now() >= deadline {
                break;
            }
            for orphan in orphans {
                let _ = kill_process(orphan, Signal::KILL);
            }
            let _ = timeout_at(deadline, self.stirred.recv()).await;
        }
        // The number may now be given to somebody else.
        self.brief_guard(None);
    }

    fn orphans(&self) -> Vec<Pid> {
        let guard = self.guard.as_ref().map(|guard| guard.pid);
        let ours = |pid: &Pid| Some(*pid) != guard && !self.strangers.contains(pid);
        children().into_iter().filter(ours).collect()
    }

    fn post_guard(&mut self, group: Option<Pid>) {
        self.guards += 1;
        // Not a loop without an end, where it cannot live.
        let started = if self.guards > MAX_GUARDS { None } else { Some(Guard::start()) };
        self.guard = match started {
            Some(Ok(guard)) => Some(guard),
            Some(Err(error)) => {
                self.output.warning(&format!("cannot start the guard ({error}); {UNGUARDED}"));
                None
            }
            None => {
                self.output.warning(&format!("the guard does not stay alive; {UNGUARDED}"));
                None
            }
        };
        self.brief_guard(group);
    }

    fn brief_guard(&mut self, group: Option<Pid>) {
        if let Some(guard) = &mut self.guard {
            guard.watch(group);
        }
    }
}

const UNGUARDED: &str =
    "if this supervisor is killed, the command dies with it, but what it started may stay";

/// The process that becomes the command.
fn launch(command: &[OsString], environment: Environment) -> anyhow::Result<Pid> {
    // The death signal is tied to the thread that starts it, which is this one, the main one.
    let launched = Command::new(THIS_PROGRAM)
        .arg0("bootlace")
        .arg("run-become")
        .arg(format!("--supervisor={}", Pid::as_raw(Some(getpid()))))
        .arg("--")
        .args(command)
        .env_clear()
        .envs(environment)
        .process_group(0)
        .spawn();
    launched.map(|child| pid_of(&child)).map_err(|source| {
        let command = command.first().map(|name| name.to_string_lossy().into_owned());
        NotStarted { command: command.unwrap_or_default(), source }.into()
    })
}

/// Dropping a [`Child`] does nothing to its process, and neither reaps it.
pub(super) fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Our children, as the kernel lists them for the main thread, to which orphans come, too.
fn children() -> Vec<Pid> {
    let pid = Pid::as_raw(Some(getpid()));
    let listed: io::Result<String> = fs::read_to_string(format!("/proc/self/task/{pid}/children"));
    let listed = listed.unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
