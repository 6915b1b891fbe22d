//! The supervisor's own process for the case that it is killed and can do nothing any more.

use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{ChildStdin, Command, Stdio},
};

use rustix::process::Pid;

use super::family::{THIS_PROGRAM, pid_of};

/// A process that holds the other end of a pipe. The kernel closes ours however we end; then what
/// it was told last is killed, and it ends.
pub(super) struct Guard {
    pub(super) pid: Pid,
    tell: ChildStdin,
}

impl Guard {
    /// Starts one. It knows nothing: no environment, no arguments but what to do.
    pub(super) fn start() -> io::Result<Self> {
        let mut child = Command::new(THIS_PROGRAM)
            .arg0("bootlace")
            .arg("run-guard")
            .env_clear()
            // What is typed on the terminal, or sent to our group, is not for it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let tell = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { pid: pid_of(&child), tell })
    }

    /// What to kill from now on. A guard that is gone is noticed as a child that ended.
    pub(super) fn watch(&mut self, group: Option<Pid>) {
        let group = Pid::as_raw(group);
        let _ = writeln!(self.tell, "{group}");
    }
}
