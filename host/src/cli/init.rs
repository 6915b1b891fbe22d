//! `bootlace init`: a workspace directory to start from. (Arguments; wired when the library is.)

pub mod workspace;

use std::path::PathBuf;

use crate::id::WorkspaceId;

/// Start a workspace directory, with its keys
///
/// Writes development, staging and production in a chain, one deployment, and the keys to seal
/// with. Private keys go to a directory of their own beside it, never into it: the workspace
/// directory is made to be committed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace init acme                          ./acme, and its keys in ./acme-keys
  bootlace init config/acme --workspace acme --keys ~/.config/bootlace/acme")]
pub struct Args {
    /// The directory; new or empty
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// The workspace's name; the directory's by default
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<WorkspaceId>,

    /// Where private keys go; DIR-keys by default
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}
