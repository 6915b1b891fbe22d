//! `bootlace rollback`: one environment's release, back to the one before.

use serde_json::json;

use super::{change::report, connection::AdminHost, output::Output};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName},
};

/// Run the release again that ran before in an environment
///
/// At once, for this environment alone. Values stay as they are: what runs is the environment's own plan. A
/// second rollback goes on behind the first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace rollback -d checkout -e production
  bootlace rollback -d checkout -e production --to 12      the release of the activation of that number
  bootlace what-if -d checkout -e production --release 17  whose boots it would change, first")]
pub struct Args {
    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The environment
    #[arg(long, short, value_name = "NAME")]
    environment: EnvironmentName,

    /// The number of the activation to go back to; without it, what ran before
    #[arg(long, value_name = "ACTIVATION", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,

    #[command(flatten)]
    host: AdminHost,
}

/// The part of the answer that is told; members may be added.
#[derive(serde::Deserialize)]
struct RolledBack {
    from: u64,
    to: u64,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let body = json!({ "environment": self.environment.as_str(), "activation": self.to });
        let request = Request::post(&["api", "v1", "deployments", self.deployment.as_str(), "rollback"])
            .body("application/json", body.to_string());
        let answer = self.host.ask(request)?;
        let RolledBack { from, to } = answer.json()?;
        let what = format!("{} in {}: back from release {from} to {to}", self.deployment, self.environment);
        report(&answer, &what, output)
    }
}
