//! `bootlace policy attach` and `detach`: where a host's policies run, and what they are told there.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    SettingArgs,
    push::{ConfirmArgs, tell},
};
use crate::{
    cli::{block_on, connection::AdminHost, output::Output},
    client::Request,
    id::{DeploymentId, EnvironmentName, PolicyName},
    model::{Attachment, Place},
};

/// Attach a policy to a deployment, an environment or the workspace, or tell it something else there
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy attach near-zone -d checkout -e staging --setting variables=DATABASE_URL
  bootlace policy attach near-zone -e production --confirm production
  bootlace policy attach near-zone --confirm production         everywhere; production is protected")]
pub struct Attach {
    /// Which policy, and where
    #[command(flatten)]
    pub at: PlaceArgs,

    /// What the policy is told there, all of it
    #[command(flatten)]
    pub settings: SettingArgs,

    /// What has to be confirmed
    #[command(flatten)]
    pub confirmed: ConfirmArgs,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// Detach a policy
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy detach near-zone -d checkout -e staging
  bootlace policy detach near-zone --confirm production         from the workspace itself")]
pub struct Detach {
    /// Which policy, and where
    #[command(flatten)]
    pub at: PlaceArgs,

    /// What has to be confirmed
    #[command(flatten)]
    pub confirmed: ConfirmArgs,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// A policy and a place; with neither deployment nor environment, the workspace.
#[derive(Debug, clap::Args)]
pub struct PlaceArgs {
    /// The policy
    #[arg(value_name = "NAME")]
    pub policy: PolicyName,

    /// This deployment; without one, every deployment
    #[arg(long, short, value_name = "NAME")]
    pub deployment: Option<DeploymentId>,

    /// This environment; without one, every environment
    #[arg(long, short, value_name = "NAME")]
    pub environment: Option<EnvironmentName>,
}

impl PlaceArgs {
    fn attachment(&self, settings: BTreeMap<String, String>) -> Attachment {
        let place = match (self.deployment.clone(), self.environment.clone()) {
            (Some(deployment), environment) => Place::Deployment(deployment, environment),
            (None, Some(environment)) => Place::Environment(environment),
            (None, None) => Place::Workspace,
        };
        Attachment { policy: self.policy.clone(), place, settings }
    }
}

impl Attach {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let attachment = self.at.attachment(self.settings.settings.iter().cloned().collect());
        let mut place = json!({});
        if let Some(deployment) = &self.at.deployment {
            place["deployment"] = json!(deployment.as_str());
        }
        if let Some(environment) = &self.at.environment {
            place["environment"] = json!(environment.as_str());
        }
        let policy = attachment.policy.as_str();
        let body = json!({ "policy": policy, "place": place, "settings": attachment.settings });
        let client = self.host.client()?;
        let request = Request::put(&["api", "v1", "attachments", &attachment.id()])
            .body("application/json", serde_json::to_vec(&body)?);
        let request = self.confirmed.tell(self.host.within(request));
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        tell(&answer, &format!("policy {policy}"), &format!("attached to {}", attachment.place), output)
    }
}

impl Detach {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let attachment = self.at.attachment(BTreeMap::new());
        let client = self.host.client()?;
        let request = Request::delete(&["api", "v1", "attachments", &attachment.id()]);
        let request = self.confirmed.tell(self.host.within(request));
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        let done = format!("detached from {}", attachment.place);
        tell(&answer, &format!("policy {}", attachment.policy), &done, output)
    }
}
