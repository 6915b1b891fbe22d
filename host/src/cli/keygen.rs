//! `bootlace keygen`: one key, one role. (Arguments; wired when the library is.)

use std::path::PathBuf;

use clap::Subcommand;

use crate::id::EnvironmentName;

/// Make a key
///
/// Private keys are written with mode 0600 to files that must not exist yet, and never printed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace keygen root --out root.key
  bootlace keygen operator --out alice.key           and alice.key.pub, for `serve --trust`
  bootlace keygen environment production --dir acme --root-key root.key --signer alice.key")]
pub struct Args {
    /// What the key is for
    #[command(subcommand)]
    pub role: Role,
}

/// The roles of keys.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Wraps a host's data keys; whoever has it and a snapshot can open everything
    Root {
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Signs what an operator pushes; the public half goes to FILE.pub
    Operator {
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Seals to an environment; the private half travels wrapped, in the workspace directory
    Environment {
        /// The environment
        environment: EnvironmentName,
        /// The workspace directory
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
        /// Wraps the private half
        #[arg(long, value_name = "FILE")]
        root_key: PathBuf,
        /// Signs the public half, so that nobody can swap it in a pull request
        #[arg(long, value_name = "FILE")]
        signer: PathBuf,
    },
}
