//! `bootlace policy`: a policy author's tools. (Arguments; wired when the engine is.)

use std::path::PathBuf;

use clap::Subcommand;

/// Write, check and test Wasm policies
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy new region-affinity
  bootlace policy check region-affinity.wasm
  bootlace policy test region-affinity.wasm --fixtures fixtures --setting fallback=primary")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with policies on this machine.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Start a policy in Rust: its source, its build, its fixtures
    New {
        /// The directory; new or empty. Its name becomes the policy's
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Check a component as a host does at upload; list every violation
    Check {
        /// The component
        #[arg(value_name = "FILE.wasm")]
        component: PathBuf,
    },
    /// Run a component on fixtures, twice each: same answer, same fuel, within the limits
    Test {
        /// The component
        #[arg(value_name = "FILE.wasm")]
        component: PathBuf,
        /// A directory of questions and the answers expected
        #[arg(long, value_name = "DIR")]
        fixtures: Option<PathBuf>,
        /// What the policy is told; may be repeated
        #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = super::facts::key_value)]
        settings: Vec<(String, String)>,
    },
}
