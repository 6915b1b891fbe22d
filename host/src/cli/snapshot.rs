//! `bootlace snapshot`: a workspace's configuration as signed bytes, and its way to a host.
//! (Arguments; wired when the library is.)

use std::path::PathBuf;

use clap::Subcommand;

use super::connection::AdminHost;

/// Build, push and compare a workspace's configuration
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot build acme --signer alice.key --parent 41 --out acme.bundle
  bootlace snapshot inspect acme.bundle
  bootlace snapshot diff acme.bundle                  against what the host serves
  bootlace snapshot push acme.bundle
  bootlace snapshot rollback --to 41")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with snapshots.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Build a workspace directory into a signed bundle
    ///
    /// Errors name file, line and key. The same directory builds to the same content.
    Build {
        /// The workspace directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Signs the bundle
        #[arg(long, value_name = "FILE")]
        signer: PathBuf,
        /// The bundle
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
        /// The revision that it is meant to follow; 0 for a new workspace
        #[arg(long, value_name = "REVISION")]
        parent: u64,
        /// How long it may be pushed
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        valid_for: u32,
    },
    /// Push a bundle; refused unless its parent is current
    Push {
        /// The bundle
        #[arg(value_name = "FILE")]
        bundle: PathBuf,
        /// Where to
        #[command(flatten)]
        host: AdminHost,
    },
    /// Show a bundle's header, signer and content, values masked
    Inspect {
        /// The bundle
        #[arg(value_name = "FILE")]
        bundle: PathBuf,
        /// A signer whose bundles count; may be repeated
        #[arg(long, value_name = "SIGNER-FILE")]
        trust: Vec<PathBuf>,
    },
    /// Show what a bundle changes, values masked
    Diff {
        /// The bundle
        #[arg(value_name = "FILE")]
        bundle: PathBuf,
        /// What to compare with; what the host serves without it
        #[arg(value_name = "OTHER")]
        other: Option<PathBuf>,
        /// Which host
        #[command(flatten)]
        host: AdminHost,
    },
    /// Serve an earlier snapshot's content again, under a new revision
    Rollback {
        /// The revision whose content to take
        #[arg(long, value_name = "REVISION")]
        to: u64,
        /// Which host
        #[command(flatten)]
        host: AdminHost,
    },
}
