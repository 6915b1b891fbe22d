//! `bootlace run`: fetch, then *become* the command. There is no process left between the command
//! and whoever started it, so signals, exit code and resource limits are its own. With
//! `--supervise` there is one, which stays for as long as the command runs.

mod conversation;
mod environment;
mod family;
mod guard;
pub mod inner;
mod lease;
pub(super) mod pace;
mod signals;
mod supervise;
mod watch;

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use self::{
    conversation::{Boot, Conversation},
    environment::{Environment, Kept},
    supervise::Supervision,
};
use super::{
    block_on, connection::BootHost, exit::NotStarted, facts::FactArgs, hardening::forbid_dumps,
    output::Output,
};
use crate::client::Limits;

/// Fetch this instance's configuration and become a command that has it
///
/// The command replaces bootlace (exec). Fetched variables go before inherited ones of the same
/// name. Nothing is started when a required key has no value, when a policy refuses, or when a
/// value cannot be an environment variable. BOOTLACE_TOKEN and BOOTLACE_TOKEN_FILE are not passed
/// on.
///
/// With --supervise, bootlace stays as the command's parent: it forwards signals, exits as the
/// command does and leaves no process behind, not even when it is killed itself. It does not start
/// a command again that ended: a service manager does that better. With --watch it asks the host
/// for changes. A change that the host refuses, or a host that is away, leaves the command alone.
/// While it stays it holds a lease: nobody revokes a version of a secret that the command was given
/// unseen. The lease ends with the command.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Signals under --supervise:
  INT, TERM, QUIT and WINCH go to the command and all of its process group, HUP, USR1 and USR2 to
  the command alone. The command has no terminal to read from. What it leaves behind when it ends
  is killed.

Exit status:
  the command's own, once it runs (128 + N where signal N killed it); before that 1 refused by the
  host, 2 wrong usage, 3 unreachable, 126 the command cannot be executed, 127 there is no such
  command

Examples:
  bootlace run -- ./checkout --port 8080
  bootlace run --clean -- node server.js              nothing inherited but the basics
  bootlace run --region eu-west -- sh -c 'echo \"$DATABASE_URL\"'
  bootlace run --supervise --watch -- ./checkout      start again when the configuration changes
  bootlace run --supervise --watch --on-change signal:HUP -- ./checkout
  ENTRYPOINT [\"bootlace\", \"run\", \"--\"]              in a Containerfile")]
pub struct Args {
    #[command(flatten)]
    kept: Kept,

    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    supervision: Supervision,

    #[command(flatten)]
    facts: FactArgs,

    #[command(flatten)]
    host: BootHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let dumps_off = forbid_dumps()?;
        let mut conversation = Conversation::open(&self.host, &self.facts, Limits::default())?;
        if self.supervision.supervise {
            conversation.wants_lease(self.supervision.lease);
            // Who stays is still not dumpable; the command gets the limit that it would have had.
            dumps_off.undo()?;
            return block_on(supervise::supervise(&self, conversation, output));
        }
        let boot = block_on(conversation.boot())?;
        let environment = self.environment(boot, output)?;
        // A connection's descriptors close on exec; what else was ours is gone with the memory.
        drop(conversation);
        dumps_off.undo()?;
        become_command(&self.command, environment)
    }

    fn environment(&self, boot: Boot, output: &Output) -> anyhow::Result<Environment> {
        self.kept.with(std::env::vars_os(), boot.told(output))
    }
}

/// Returns only when the command does not start.
fn become_command<T>(command: &[OsString], environment: Environment) -> anyhow::Result<T> {
    let (program, arguments) = command.split_first().expect("clap requires a command");
    let source = Command::new(program).args(arguments).env_clear().envs(environment).exec();
    Err(NotStarted { command: program.to_string_lossy().into_owned(), source }.into())
}
