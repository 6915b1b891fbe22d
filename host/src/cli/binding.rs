//! `bootlace binding`: services bound to deployments.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use super::{
    connection::AdminHost,
    output::{Output, Page, Table},
    resource::{self, Making, Owned},
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName, ServiceId, VariableName},
};

/// Bind services to deployments
///
/// A binding injects a service's URL, credential included, under a variable's name in one environment.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace binding list -d checkout
  bootlace binding add -d checkout -e staging DATABASE_URL orders-db
  bootlace binding add -d checkout -e preview/pr-42 REDIS_URL cache --of staging
  bootlace binding remove -d checkout -e staging DATABASE_URL")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// What can be done with bindings.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List a deployment's bindings
    List {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
    },
    /// Bind a service, or another one under the same name
    Add {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
        /// The environment
        #[arg(long, short, value_name = "NAME")]
        environment: EnvironmentName,
        /// The variable that the URL is injected under
        #[arg(value_name = "NAME")]
        name: VariableName,
        /// The service
        #[arg(value_name = "SERVICE")]
        service: ServiceId,
        /// Whose instance: another environment's, which shares it with this one
        #[arg(long, value_name = "ENVIRONMENT")]
        of: Option<EnvironmentName>,
        /// For a person
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// How
        #[command(flatten)]
        making: Making,
    },
    /// Unbind a service
    Remove {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
        /// The environment
        #[arg(long, short, value_name = "NAME")]
        environment: EnvironmentName,
        /// The variable
        #[arg(value_name = "NAME")]
        name: VariableName,
        /// How
        #[command(flatten)]
        making: Making,
    },
}

#[derive(Deserialize)]
struct Bindings {
    bindings: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    environment: String,
    name: String,
    service: String,
    of: String,
    #[serde(default)]
    description: String,
    #[serde(flatten)]
    owned: Owned,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.action {
            Action::List { deployment } => resource::show(&self.host, &of(&deployment), output, list),
            Action::Add { deployment, environment, name, service, of: owner, description, making } => {
                let body = json!({
                    "environment": environment.as_str(), "name": name.as_str(), "service": service.as_str(),
                    "of": owner.as_ref().map(EnvironmentName::as_str), "description": description,
                });
                let request = resource::with(Request::post(&of(&deployment)), &body)?;
                let done = format!("{name} of {deployment} in {environment} is {service}");
                resource::change(&self.host, &making, request, &done, output)
            }
            Action::Remove { deployment, environment, name, making } => {
                let id = format!("{name}@{environment}");
                let path = [&of(&deployment)[..], &[&id]].concat();
                let done = format!("{name} of {deployment} in {environment} is bound no more");
                resource::change(&self.host, &making, Request::delete(&path), &done, output)
            }
        }
    }
}

fn of(deployment: &DeploymentId) -> [&str; 5] {
    ["api", "v1", "deployments", deployment.as_str(), "bindings"]
}

fn list(Bindings { bindings }: &Bindings, page: &mut Page) {
    let mut table = Table::new(&["ENVIRONMENT", "NAME", "SERVICE", "OF", "OWNER", "DESCRIPTION"]);
    for Entry { environment, name, service, of, description, owned } in bindings {
        table.row(&[environment, name, service, of, &owned.shown(), description]);
    }
    page.table(&table);
}
