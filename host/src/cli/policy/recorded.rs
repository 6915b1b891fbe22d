//! `bootlace policy test --recorded`: a policy, tried on the boots that a host was asked for.

use std::{collections::BTreeMap, path::Path};

use anyhow::bail;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{SettingArgs, component, named_after};
use crate::{
    cli::{connection::AdminHost, exit::Misuse, output::Output, what_if},
    client::Request,
    id::{DeploymentId, EnvironmentName, PolicyName},
};

/// What it is tried on.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Recorded boots")]
pub struct RecordedArgs {
    /// Instead of fixtures, try it on the boots that a host was asked for since it started
    ///
    /// The host takes it the way in, puts its boots to it in place of the policy of that name, and lists
    /// whose answer would change. It is not kept. Fails where a boot would be refused that is not.
    #[arg(long, requires_all = ["deployment", "environment"])]
    pub recorded: bool,

    /// The deployment whose boots these are
    #[arg(long, short, value_name = "NAME", requires = "recorded")]
    pub deployment: Option<DeploymentId>,

    /// The environment that they booted in
    #[arg(long, short, value_name = "NAME", requires = "recorded")]
    pub environment: Option<EnvironmentName>,

    /// The policy that it would replace; of the file's name without it
    #[arg(long, value_name = "NAME", requires = "recorded")]
    pub name: Option<PolicyName>,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

impl RecordedArgs {
    pub(super) fn run(self, file: &Path, told: &SettingArgs, output: &Output) -> anyhow::Result<()> {
        let (Some(deployment), Some(environment)) = (&self.deployment, &self.environment) else {
            return Err(Misuse("name the deployment and the environment with -d and -e".into()).into());
        };
        let name = named_after(file, self.name.as_ref())?;
        let settings: BTreeMap<_, _> = told.settings.iter().cloned().collect();
        let settings = (!settings.is_empty()).then_some(settings);
        let component = BASE64_STANDARD.encode(component(file)?);
        let body = json!({ "policy": name.as_str(), "component": component, "settings": settings });
        let request = Request::post(&["api", "v1", "deployments", deployment.as_str(), "what-if"])
            .query("environment", environment.as_str())
            .body("application/json", body.to_string())
            .patience(what_if::HOST_AT_WORK);
        let progress = output.progress("the host compiles it, and puts its boots to it");
        let answer = self.host.ask(request)?;
        drop(progress);
        let told = what_if::show(&answer, output)?;
        match told.refused {
            0 => Ok(()),
            refused => bail!("{refused} questions that are answered would be refused"),
        }
    }
}
