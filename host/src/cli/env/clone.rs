//! `bootlace env clone`.

use serde_json::{Map, Value, json};

use super::{create::types, expiry::expires, read::current};
use crate::{
    cli::{change::report, confirm::Confirm, connection::AdminHost, output::Output},
    client::Request,
    id::{DeploymentId, EnvironmentName},
    model::EnvironmentType,
};

/// Make an environment after another, independent of it afterwards
///
/// Every value is sealed again for the new one. What is not shared with it, such as a service's
/// instance, is left out, and told.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace env clone staging qa                        its admins' alone
  bootlace env clone staging qa --permissions          for whoever may staging
  bootlace env clone staging load/big --type test --deployment checkout --expires 7d
  bootlace env clone production drill --confirm production")]
pub struct Args {
    /// The environment to clone
    #[arg(value_name = "SOURCE")]
    source: EnvironmentName,

    /// What the clone is called
    #[arg(value_name = "NAME")]
    name: EnvironmentName,

    /// What it is for; as the source, if nothing is said
    #[arg(long = "type", value_name = "TYPE", value_parser = types())]
    kind: Option<EnvironmentType>,

    /// A deployment that uses it; may be repeated; all that use the source, if none is named
    #[arg(long = "deployment", short, value_name = "NAME")]
    deployments: Vec<DeploymentId>,

    /// Whoever may the source may the clone, too; else it is its admins' alone
    #[arg(long)]
    permissions: bool,

    /// When it stops serving, such as 7d or 2026-12-24T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = expires)]
    expires: Option<Value>,

    #[command(flatten)]
    confirm: Confirm,

    /// Which host
    #[command(flatten)]
    host: AdminHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let found = current(&self.host, &self.source)?;
        let mut wanted = Map::new();
        wanted.insert("name".into(), json!(self.name.as_str()));
        wanted.insert("permissions".into(), json!(self.permissions));
        wanted.extend(self.kind.map(|kind| ("type".into(), json!(kind.as_str()))));
        wanted.extend(self.expires.map(|expires| ("expires".into(), expires)));
        if !self.deployments.is_empty() {
            let names: Vec<_> = self.deployments.iter().map(DeploymentId::as_str).collect();
            wanted.insert("deployments".into(), json!(names));
        }
        let path = ["api", "v1", "environments", self.source.as_str(), "clone"];
        let confirmed = self.confirm.of(&self.source, found.protected, "clone it")?;
        let request = Request::post(&path).query_if("confirm", confirmed);
        let answer = self.host.ask(request.body("application/json", Value::from(wanted).to_string()))?;
        report(&answer, &format!("environment {} is a clone of {}", self.name, self.source), output)
    }
}
