//! `bootlace unpin`: what a rollback with its configuration held back applies.

use serde_json::json;

use super::{change::report, connection::AdminHost, output::Output};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName},
};

/// Let what was changed since a rollback with --configuration apply
///
/// The release that runs stays; from now on it does so with what the layers make. `bootlace deployment show`
/// lists what is held back. The next promotion does the same.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace deployment show checkout                where it is pinned, and what is held back
  bootlace unpin -d checkout -e production")]
pub struct Args {
    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The environment
    #[arg(long, short, value_name = "NAME")]
    environment: EnvironmentName,

    #[command(flatten)]
    host: AdminHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let body = json!({ "environment": self.environment.as_str() });
        let request = Request::post(&["api", "v1", "deployments", self.deployment.as_str(), "unpin"])
            .body("application/json", body.to_string());
        let answer = self.host.ask(request)?;
        report(
            &answer,
            &format!("{} in {} is not pinned any more", self.deployment, self.environment),
            output,
        )
    }
}
