//! `bootlace demo`: a whole workspace on loopback. (Arguments; wired when the host is.)

use std::path::PathBuf;

/// Show a whole workspace at work on this machine
///
/// Builds a workspace with three environments and sample policies, serves it on loopback, and
/// boots the same deployment in each environment, side by side. Keeps serving until interrupted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Files in DIR, complete before the demo says that it is ready:
  boot.url, admin.url            where it listens
  tokens/production.token        an instance's, for deployment checkout; also staging.token and
                                 preview->pr-42.token
  tokens/operator.token, tokens/tenant.token
  workspace/                     the directory that it was built from

Examples:
  bootlace demo --once                       show the boots, then end
  bootlace demo --dir /tmp/demo              keep serving, and leave everything in a new directory
  BOOTLACE_URL=$(cat /tmp/demo/boot.url) BOOTLACE_TOKEN_FILE=/tmp/demo/tokens/staging.token bootlace boot")]
pub struct Args {
    /// End after showing the boots
    #[arg(long)]
    pub once: bool,

    /// Where to leave everything; new or empty
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
