//! `bootlace health`: whether a host is up, for health checks where there is no other HTTP client.

use super::{block_on, connection::BootHost, output::Output};
use crate::client::{Limits, Request};

/// Say whether a host is ready
///
/// Asks once, without a token. Prints `ready`, or `degraded` for a host that serves what it has
/// doubts about.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0 ready or degraded, 1 not ready, 3 unreachable

Examples:
  bootlace health
  bootlace health --live                              alive is enough
  HEALTHCHECK CMD [\"bootlace\", \"health\"]              in a Containerfile")]
pub struct Args {
    /// Ask whether it is alive, not whether it has something to serve
    #[arg(long)]
    live: bool,

    #[command(flatten)]
    host: BootHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let client = self.host.stranger(Limits { retries: 0, ..Limits::default() })?;
        let request = Request::get(&[if self.live { "livez" } else { "readyz" }]);
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        if output.is_json() {
            let text = String::from_utf8_lossy(&answer.body);
            return Ok(output.json(&serde_json::json!({ "status": text.trim() }))?);
        }
        Ok(output.raw(&answer.body)?)
    }
}
