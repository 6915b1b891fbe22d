//! The command line: one file for each verb, and what they share.
//!
//! A verb is a struct of arguments with a `run` method. To add one, write its file, then name it
//! in [`Verb`] and in `Verb::run`; a verb that is not wired is not listed, so that help never
//! promises what does not work.

pub mod approve;
pub mod audit;
pub mod binding;
pub mod boot;
pub(crate) mod change;
pub mod check;
pub(crate) mod choice;
pub mod completions;
pub(crate) mod confirm;
pub mod connection;
pub mod demo;
pub mod deployment;
pub mod diff;
pub(crate) mod directory;
pub mod env;
pub mod exit;
pub mod explain;
pub mod facts;
pub(crate) mod files;
pub mod hardening;
pub mod health;
pub mod init;
pub mod keygen;
pub mod lease;
pub mod output;
pub mod parity;
pub(crate) mod pinned;
pub mod policy;
pub mod promote;
pub mod release;
pub mod resource;
pub mod rollback;
pub mod rotate;
pub mod run;
pub mod seal;
pub mod serve;
pub mod service;
pub(crate) mod signers;
pub mod snapshot;
pub mod status;
pub mod token;
pub mod tool;
pub mod unpin;
pub mod usage;
pub(crate) mod value;
pub mod var;
pub mod what_if;
pub mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::{Color, Output};
use crate::upload::compile_child_main;

/// Hands every runtime instance the right configuration at the moment it boots
///
/// A deployment ships one variable name, DATABASE_URL; Bootlace puts in the value that belongs to
/// the environment the instance boots in, after asking the tenant's own policy, a sandboxed
/// WebAssembly component.
#[derive(Debug, Parser)]
#[command(name = "bootlace", version, arg_required_else_help = true, after_long_help = NOTES)]
pub struct Cli {
    /// Print JSON: the host's answer as it came, and errors as one object on stderr
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,

    /// When to use colours
    ///
    /// `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = "Output")]
    pub color: Color,

    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What `bootlace` can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show a whole workspace at work on this machine
    Demo(demo::Args),
    /// Start a workspace directory, with its keys
    Init(init::Args),
    /// Make a key
    Keygen(keygen::Args),
    /// Seal a secret to an environment
    Seal(seal::Args),
    /// List, make, change and delete environments
    Env(env::Args),
    /// List, set and import a deployment's variables and secrets
    Var(var::Args),
    /// List and make workspaces
    Workspace(workspace::Args),
    /// Build, push and compare a workspace's configuration
    Snapshot(snapshot::Args),
    /// Mint, list and revoke tokens
    Token(token::Args),
    /// List, make, change and delete deployments, with their domains, namespaces and tools
    Deployment(deployment::Args),
    /// List, make, change and delete data services
    Service(service::Args),
    /// Bind services to deployments
    Binding(binding::Args),
    /// Register and list releases of a deployment
    Release(release::Args),
    /// List, make, change and delete tools that deployments call
    Tool(tool::Args),
    /// Serve boots and the control API
    Serve(serve::Args),
    /// Say whether a host is ready
    Health(health::Args),
    /// Fetch this instance's configuration and print it
    Boot(boot::Args),
    /// Fetch this instance's configuration and become a command that has it, or stay with it
    Run(run::Args),
    /// Say where a value comes from, and why
    Explain(explain::Args),
    /// Say what differs between two environments, or two revisions of one
    Diff(diff::Args),
    /// Say whether environments have the same keys
    Parity(parity::Args),
    /// Say whose boots would change if another release were active
    WhatIf(what_if::Args),
    /// Promote a release to an environment, and look at promotions
    Promote(promote::Args),
    /// Approve a promotion that waits for it
    Approve(approve::Args),
    /// Report what a check found of a release, and list what was reported
    Check(check::Args),
    /// Run the release again that ran before in an environment
    Rollback(rollback::Args),
    /// Let what was changed since a rollback with its configuration apply
    Unpin(unpin::Args),
    /// Rotate a secret, until nobody holds the old one and it is revoked
    Rotate(rotate::Args),
    /// Show who is where on its way to production, and what waits for whom
    Status(status::Args),
    /// Say how each environment is used
    Usage(usage::Args),
    /// Say which instances hold what they were given
    Lease(lease::Args),
    /// Read and verify a host's audit log
    Audit(audit::Args),
    /// Write, check, test, push and attach Wasm policies
    Policy(policy::Args),
    /// Print a shell's completion script
    Completions(completions::Args),
    /// What `run --supervise` starts, which becomes the command
    #[command(hide = true)]
    RunBecome(run::inner::Become),
    /// What kills the command's process group when its supervisor is killed
    #[command(hide = true)]
    RunGuard,
    /// What a host runs to compile one policy, apart from itself
    #[command(hide = true)]
    CompilePolicy {
        /// The job and its limits
        job: Vec<String>,
    },
}

const NOTES: &str = "\
Environment:
  BOOTLACE_URL          where instances boot (http://127.0.0.1:7300)
  BOOTLACE_ADMIN_URL    where tenants and operators work (http://127.0.0.1:7301)
  BOOTLACE_TOKEN_FILE   a file that holds the token
  BOOTLACE_TOKEN        the token itself, where a file is not possible
  NO_COLOR              no colours, unless --color always

Exit status:
  0   done
  1   refused by the host
  2   wrong usage
  3   the host cannot be reached
  `bootlace run` exits as its command does, 128 + N where signal N killed it; 127 if there is no
  such command, 126 if it cannot run.

Examples:
  bootlace boot --format dotenv
  bootlace run -- ./checkout --port 8080
  bootlace explain DATABASE_URL --deployment checkout --environment production";

/// Parses the command line, does what it says, reports what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { json, color, verb } = Cli::parse();
    let output = Output::new(json, color);
    if let Verb::CompilePolicy { job } = &verb {
        return compile_child_main(job);
    }
    match verb.run(&output) {
        Ok(code) => code,
        // Whoever read our output had enough: `bootlace boot | head -1`.
        Err(error) if exit::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output.failure(&error);
            exit::code(&error).into()
        }
    }
}

impl Verb {
    fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        match self {
            // Its exit code may be its command's.
            Self::Run(args) => return args.run(output),
            Self::RunBecome(args) => args.run(),
            Self::RunGuard => run::inner::guard(),
            Self::Demo(args) => args.run(output),
            Self::Init(args) => args.run(output),
            Self::Keygen(args) => args.run(output),
            Self::Seal(args) => args.run(output),
            Self::Env(args) => args.run(output),
            Self::Var(args) => args.run(output),
            Self::Workspace(args) => args.run(output),
            Self::Snapshot(args) => return args.run(output),
            Self::Token(args) => args.run(output),
            Self::Deployment(args) => args.run(output),
            Self::Service(args) => args.run(output),
            Self::Binding(args) => args.run(output),
            Self::Release(args) => args.run(output),
            Self::Tool(args) => args.run(output),
            Self::Serve(args) => args.run(output),
            Self::Health(args) => args.run(output),
            Self::Boot(args) => args.run(output),
            Self::Explain(args) => args.run(output),
            Self::Diff(args) => return args.run(output),
            Self::Parity(args) => return args.run(output),
            Self::WhatIf(args) => return args.run(output),
            Self::Promote(args) => return args.run(output),
            Self::Approve(args) => args.run(output),
            Self::Check(args) => args.run(output),
            Self::Rollback(args) => args.run(output),
            Self::Unpin(args) => args.run(output),
            Self::Rotate(args) => args.run(output),
            Self::Status(args) => args.run(output),
            Self::Usage(args) => args.run(output),
            Self::Lease(args) => args.run(output),
            Self::Audit(args) => args.run(output),
            Self::Policy(args) => args.run(output),
            Self::Completions(args) => args.run(output),
            // Answered before: its exit code is its own.
            Self::CompilePolicy { .. } => Ok(()),
        }
        .map(|()| ExitCode::SUCCESS)
    }
}

/// Waits for `future` on this thread. For verbs that talk to a host; `serve` builds its own.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    /// Every verb that help lists.
    fn verbs() -> Vec<Command> {
        let cli = Cli::command();
        let shown = cli.get_subcommands().filter(|verb| !verb.is_hide_set());
        shown.cloned().collect()
    }

    #[test]
    fn every_verb_is_well_formed_and_shows_examples() {
        /// What can be done is shown where it is explained, or a verb above it.
        fn check(path: &str, mut verb: Command, above: &str) {
            let help = format!("{above}{}", verb.render_long_help());
            assert!(help.contains("Examples:\n") && help.contains(&format!("  bootlace {path}")), "{path}");
            verb.clone().debug_assert();
            for below in verb.get_subcommands().filter(|below| below.get_name() != "help") {
                check(&format!("{path} {}", below.get_name()), below.clone(), &help);
            }
        }
        Cli::command().debug_assert();
        for verb in verbs() {
            let name = verb.get_name().to_owned();
            check(&name, verb, "");
        }
    }

    #[test]
    fn help_never_shows_what_the_environment_holds() {
        fn check(command: &Command) {
            for arg in command.get_arguments().filter(|arg| arg.get_env().is_some()) {
                assert!(arg.is_hide_env_values_set(), "{} of {}", arg.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        verbs().iter().for_each(check);
    }
}
