//! `bootlace audit`: a host's log, read from its data directory, where the host may run meanwhile, or
//! asked of the host.

mod query;
mod read;
mod verify;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use super::{exit::Misuse, output::Output};
use crate::audit;

/// Read and verify a host's audit log
///
/// Works on the data directory itself, or on a copy of its directory `audit`; `query --host` asks a host
/// that runs elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace audit verify --data /var/lib/bootlace --key audit-verifier-00000001.key
  bootlace audit verify --data copy/ --signer audit.signer --checkpoint kept.jsonl
  bootlace audit checkpoint --data /var/lib/bootlace >> kept.jsonl
  bootlace audit query --data /var/lib/bootlace --key-name DATABASE_URL -e production
  bootlace audit query --host --kind change --principal alice@acme.example
  bootlace audit export --data /var/lib/bootlace --since 2026-03-01T00:00:00Z > march.jsonl")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with a log.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Find what was changed, dropped, moved or cut off since it was written
    Verify(verify::Args),
    /// Show records, the newest first
    Query(query::Args),
    /// Write records as JSON lines, the oldest first
    Export(read::Export),
    /// Print the newest signed checkpoint, to be kept where the host cannot reach it
    Checkpoint(read::Checkpoint),
}

/// Where the log is.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The host's data directory, or a copy of the directory `audit` in it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl Place {
    fn directory(&self) -> anyhow::Result<PathBuf> {
        let within = self.data.join("audit");
        let directory = if within.is_dir() { within } else { self.data.clone() };
        let holds_log = audit::is_log(&directory)
            .with_context(|| Misuse(format!("cannot look into {}", directory.display())))?;
        if !holds_log {
            let place = directory.display();
            return Err(Misuse(format!(
                "{place} holds no audit log; name a host's data directory, or a copy of its directory audit"
            ))
            .into());
        }
        Ok(directory)
    }
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.action {
            Action::Verify(args) => args.run(output),
            Action::Query(args) => args.run(output),
            Action::Export(args) => args.run(output),
            Action::Checkpoint(args) => args.run(output),
        }
    }
}
