//! `bootlace snapshot`: a workspace's configuration as signed bytes, and its way to a host.

mod allow_older;
mod build;
mod changes;
mod content;
mod diff;
mod drift;
mod host;
mod inspect;
mod push;
mod transfer;

use std::process::ExitCode;

use clap::Subcommand;

use super::output::Output;

/// Build, push and compare a workspace's configuration
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot push acme --signer alice.key           build on what is current, and push
  bootlace snapshot build acme --signer alice.key --parent 41 --out acme.bundle
  bootlace snapshot inspect acme.bundle
  bootlace snapshot diff acme                              against what the host serves
  bootlace snapshot diff old.bundle acme                   from one to the other
  bootlace snapshot drift acme                             what was made by API, and what a push would do
  bootlace snapshot push acme.bundle
  bootlace snapshot rollback --to 41 --workspace acme
  bootlace snapshot export acme.export --workspace acme    everything, for another host
  bootlace snapshot import acme.export")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with snapshots.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Build a workspace directory into a signed bundle
    Build(build::Args),
    /// Show a bundle's header, signer and content, without values
    Inspect(inspect::Args),
    /// Show what would change, without values
    Diff(diff::Args),
    /// Show how what is served has drifted from a directory
    Drift(drift::Args),
    /// Push a bundle, or a directory that is built on the way
    Push(push::Args),
    /// Let a host load what is older than the newest that it has seen
    AllowOlder(allow_older::Args),
    /// Serve an earlier snapshot's content again, under a new revision
    Rollback(push::Rollback),
    /// Take a whole workspace out of a host, as a file for another
    Export(transfer::Export),
    /// Take in a workspace that another host exported
    Import(transfer::Import),
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::AllowOlder(args) => args.run(output),
            Action::Build(args) => args.run(output),
            Action::Inspect(args) => args.run(output),
            Action::Diff(args) => args.run(output),
            // Its exit code may tell of a difference.
            Action::Drift(args) => return args.run(output),
            Action::Push(args) => args.run(output),
            Action::Rollback(args) => args.run(output),
            Action::Export(args) => args.run(output),
            Action::Import(args) => args.run(output),
        }
        .map(|()| ExitCode::SUCCESS)
    }
}
