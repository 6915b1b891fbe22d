//! `bootlace demo`: a whole workspace on loopback, made, pushed and booted before your eyes.

mod report;
mod stage;

use std::{io, path::PathBuf};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::{hardening, output::Output, serve::runtime};
use stage::Stage;

/// Show a whole workspace at work on this machine
///
/// Makes the workspace that `bootlace init` makes, pushes it to a host on loopback, and boots its
/// deployment `checkout` in three environments, side by side: what each is given (secrets masked),
/// what the policies decided and why, how long each boot took. Keeps serving until interrupted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Files in DIR, complete before the demo says that it is ready:
  boot.url, admin.url            where it listens
  tokens/production.token        an instance's, for deployment checkout; also staging.token and
                                 preview-pr-42.token
  tokens/operator.token, tokens/tenant.token
  workspace/                     the directory that it was built from
  keys/                          root.key, operator.key and operator.key.pub

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

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        // A sandbox may forbid it; the demo's secrets are nobody's.
        drop(hardening::forbid_dumps());
        let temporary;
        let dir = match &self.dir {
            Some(dir) => dir.as_path(),
            None => {
                temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
                temporary.path()
            }
        };
        runtime()?.block_on(async {
            let stage = Stage::set(dir, output).await?;
            let boots = stage.boot_everywhere().await?;
            if output.is_json() {
                output.json(&report::json(&boots))?;
            } else {
                let mut page = output.page();
                report::render(&boots, &mut page);
                output.show(&page)?;
            }
            if !self.once {
                stage.announce(self.dir.is_some(), output)?;
                interrupted().await.context("cannot wait for an interrupt")?;
            }
            stage.strike().await;
            Ok(())
        })
    }
}

async fn interrupted() -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
