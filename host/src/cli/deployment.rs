//! `bootlace deployment`: deployments, the environments they use and what these give them.

pub mod settings;

use std::collections::BTreeMap;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use self::settings::{Required, Settings};
use super::{
    connection::AdminHost,
    output::{Output, Page, Table},
    pinned::Pinned,
    resource::{self, Making, Owned},
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName},
};

/// List, make, change and delete deployments, with their domains, namespaces and tools
///
/// What a workspace directory names is changed there. `set` makes one change for each kind of thing that it
/// is told, in this order: environments and requirements, domains, namespaces, tools.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace deployment list
  bootlace deployment create shop -e staging -e production --confirm production
  bootlace deployment set shop --domain acme.example --domain staging=qa.acme.example
  bootlace deployment set shop --namespace threads --namespace memory=MEMORY
  bootlace deployment set shop --namespace preview/pr-42:threads=of:staging
  bootlace deployment set shop --tool staging:webhook --tool staging:webhook.token=HOOK_TOKEN
  bootlace deployment set shop --require PORT=port --require DATABASE_URL=url
  bootlace deployment show shop
  bootlace deployment delete shop")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// What can be done with deployments.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the deployments
    List,
    /// Show a deployment, with what is injected where
    Show {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
    },
    /// Make a deployment
    Create {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
        /// An environment that it uses; may be repeated
        #[arg(long, short, value_name = "NAME", required = true)]
        environment: Vec<EnvironmentName>,
        /// What no instance starts without, and of which form; may be repeated
        #[arg(long, value_name = "KEY[=FORM]")]
        require: Vec<Required>,
        /// How
        #[command(flatten)]
        making: Making,
    },
    /// Change a deployment; what is not said stays
    Set {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
        /// What
        #[command(flatten)]
        settings: Settings,
        /// How
        #[command(flatten)]
        making: Making,
    },
    /// Delete a deployment with everything that was set in it, and not while it is in use
    Delete {
        /// The deployment
        #[arg(value_name = "DEPLOYMENT")]
        id: DeploymentId,
        /// How
        #[command(flatten)]
        making: Making,
    },
}

#[derive(Deserialize)]
struct Deployments {
    deployments: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    environments: Vec<String>,
    #[serde(flatten)]
    owned: Owned,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    environments: BTreeMap<String, Vec<Injected>>,
    #[serde(default)]
    pinned: BTreeMap<String, Pinned>,
    required: BTreeMap<String, serde_json::Value>,
    #[serde(flatten)]
    owned: Owned,
}

#[derive(Deserialize)]
struct Injected {
    name: String,
    source: String,
    value: Option<String>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let (host, all) = (&self.host, ["api", "v1", "deployments"]);
        match self.action {
            Action::List => resource::list(host, &all, "deployments", output, list),
            Action::Show { id } => resource::show(host, &at(&id), output, show),
            Action::Create { id, environment, require, making } => {
                let environments: Vec<_> = environment.iter().map(EnvironmentName::as_str).collect();
                let body = json!({
                    "name": id.as_str(), "environments": environments, "required": settings::forms(&require),
                });
                let request = resource::with(Request::post(&all), &body)?;
                resource::change(host, &making, request, &format!("deployment {id} is made"), output)
            }
            Action::Set { id, settings, making } => settings.set(host, &making, &id, output),
            Action::Delete { id, making } => {
                let done = format!("deployment {id} is deleted");
                resource::change(host, &making, Request::delete(&at(&id)), &done, output)
            }
        }
    }
}

fn at(id: &DeploymentId) -> [&str; 4] {
    ["api", "v1", "deployments", id.as_str()]
}

fn list(Deployments { deployments }: &Deployments, page: &mut Page) {
    let mut table = Table::new(&["DEPLOYMENT", "ENVIRONMENTS", "OWNER"]);
    for one in deployments {
        table.row(&[&one.name, &one.environments.join(", "), &one.owned.shown()]);
    }
    page.table(&table);
}

fn show(one: &Entry, page: &mut Page) {
    let required: Vec<_> = one.required.keys().map(String::as_str).collect();
    page.heading(&format!("deployment {}", one.name), "");
    page.fields(&[("owner", one.owned.shown()), ("requires", required.join(", "))]);
    for (environment, injected) in &one.environments {
        page.gap();
        page.heading(environment, "");
        if let Some(pinned) = one.pinned.get(environment) {
            page.line(&pinned.told());
        }
        for Injected { name, source, value } in injected {
            let value = value.as_deref().map(|value| format!(" = {value}")).unwrap_or_default();
            page.line(&format!("{name}{value}, {source}"));
        }
    }
}
