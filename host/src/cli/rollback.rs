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
///
/// With --configuration the whole set comes back that the release began with then: values, bindings, policies and
/// their settings. The deployment is pinned to it in this environment. What is changed meanwhile is held back
/// until the next promotion, or `bootlace unpin`; nobody else's layers change.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace rollback -d checkout -e production
  bootlace release activations -d checkout -e production   what ran there, and since when
  bootlace rollback -d checkout -e production --activation 12    the release of that one
  bootlace rollback -d checkout -e production --configuration    with the values and policies that it had
  bootlace what-if -d checkout -e production --release 17  whose boots it would change, first")]
pub struct Args {
    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The environment
    #[arg(long, short, value_name = "NAME")]
    environment: EnvironmentName,

    /// The number of the activation to go back to, as `release activations` lists it; without it, what ran before
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    activation: Option<u64>,

    /// Go back to the whole set that the release began with, too
    #[arg(long)]
    configuration: bool,

    #[command(flatten)]
    host: AdminHost,
}

/// The part of the answer that is told; members may be added.
#[derive(serde::Deserialize)]
struct RolledBack {
    from: u64,
    to: u64,
    activation: u64,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let body = json!({
            "environment": self.environment.as_str(), "activation": self.activation, "configuration": self.configuration,
        });
        let request = Request::post(&["api", "v1", "deployments", self.deployment.as_str(), "rollback"])
            .body("application/json", body.to_string());
        let answer = self.host.ask(request)?;
        let RolledBack { from, to, activation } = answer.json()?;
        let mut what =
            format!("{} in {}: back from release {from} to {to}", self.deployment, self.environment);
        if self.configuration {
            what = format!("{what}, pinned to the set of activation {activation}");
        }
        report(&answer, &what, output)
    }
}
