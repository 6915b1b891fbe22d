//! `bootlace tool`: tools that deployments call, with a profile for each environment that may.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    connection::AdminHost,
    exit::Misuse,
    output::{Output, Page, Table},
    resource::{self, Making, Owned},
};
use crate::{
    client::Request,
    id::{CredentialName, EnvironmentName, ToolName},
};

/// List, make, change and delete tools that deployments call
///
/// No environment uses another's profile. A credential comes from standard input or a file, and is never
/// shown again; which deployment calls a tool, `bootlace deployment set --tool` says.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace tool list
  bootlace tool create webhook -e staging --settings '{\"url\":\"https://sandbox.example\"}'
  bootlace tool set webhook -e staging --credential token           asks for it
  bootlace tool set webhook -e staging --credential token --from token.txt
  bootlace tool set webhook -e staging --remove-credential token
  bootlace tool show webhook
  bootlace tool delete webhook")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// What can be done with tools.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the tools
    List,
    /// Show a tool, with what is injected where
    Show {
        /// The tool
        #[arg(value_name = "TOOL")]
        id: ToolName,
    },
    /// Make a tool, with its first profile if an environment is named
    Create(Change),
    /// Make or change a tool's profile in one environment; what is not said stays
    Set {
        /// The change
        #[command(flatten)]
        change: Change,
        /// Take the profile away
        #[arg(long, conflicts_with_all = ["settings", "credential", "remove_credential"])]
        remove: bool,
    },
    /// Delete a tool, and not while a deployment calls it
    Delete {
        /// The tool
        #[arg(value_name = "TOOL")]
        id: ToolName,
        /// How
        #[command(flatten)]
        making: Making,
    },
}

/// A tool, or what is to change about one.
#[derive(Debug, clap::Args)]
pub struct Change {
    /// The tool
    #[arg(value_name = "TOOL")]
    id: ToolName,

    /// The environment that the profile is for
    #[arg(long, short, value_name = "NAME")]
    environment: Option<EnvironmentName>,

    /// For a person
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Plain settings, one JSON table; null for none
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,

    /// Ask for this credential, or read it from standard input
    #[arg(long, value_name = "NAME")]
    credential: Option<CredentialName>,

    /// Read the credential from this file
    #[arg(long, value_name = "FILE", requires = "credential")]
    from: Option<PathBuf>,

    /// Take this credential away; may be repeated
    #[arg(long, value_name = "NAME")]
    remove_credential: Vec<CredentialName>,

    /// How
    #[command(flatten)]
    making: Making,
}

#[derive(Deserialize)]
struct Tools {
    tools: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    description: String,
    profiles: BTreeMap<String, Profile>,
    #[serde(flatten)]
    owned: Owned,
}

#[derive(Deserialize)]
struct Profile {
    settings: bool,
    credentials: BTreeMap<String, u64>,
    used_by: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    deployment: String,
    injected: BTreeMap<String, String>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let (host, all) = (&self.host, ["api", "v1", "tools"]);
        match self.action {
            Action::List => resource::list(host, &all, "tools", output, list),
            Action::Show { id } => resource::show(host, &at(&id), output, show),
            Action::Create(change) => {
                let mut body = change.body(false)?;
                body["name"] = json!(change.id.as_str());
                let request = resource::with(Request::post(&all), &body)?;
                let done = format!("tool {} is made", change.id);
                resource::change(host, &change.making, request, &done, output)
            }
            Action::Set { change, remove } => {
                let request = resource::with(Request::patch(&at(&change.id)), &change.body(remove)?)?;
                let done = format!("tool {} is changed", change.id);
                resource::change(host, &change.making, request, &done, output)
            }
            Action::Delete { id, making } => {
                let done = format!("tool {id} is deleted");
                resource::change(host, &making, Request::delete(&at(&id)), &done, output)
            }
        }
    }
}

fn at(id: &ToolName) -> [&str; 4] {
    ["api", "v1", "tools", id.as_str()]
}

impl Change {
    /// What the host is asked for: what is said here and nothing else.
    fn body(&self, remove: bool) -> anyhow::Result<Value> {
        let mut body = json!({});
        if let Some(description) = &self.description {
            body["description"] = json!(description);
        }
        let profile = self.profile()?;
        match &self.environment {
            Some(name) if remove => body["profiles"] = resource::one(name, Value::Null),
            Some(name) => body["profiles"] = resource::one(name, Value::Object(profile)),
            None if remove || !profile.is_empty() => {
                return Err(Misuse("name the environment with --environment NAME".into()).into());
            }
            None => {}
        }
        Ok(body)
    }

    fn profile(&self) -> anyhow::Result<Map<String, Value>> {
        let mut profile = Map::new();
        if let Some(settings) = &self.settings {
            let settings: Value = serde_json::from_str(settings)
                .map_err(|error| Misuse(format!("--settings is not JSON: {error}")))?;
            profile.insert("settings".into(), settings);
        }
        let mut credentials = Map::new();
        for name in &self.remove_credential {
            credentials.insert(name.to_string(), Value::Null);
        }
        if let Some(name) = &self.credential {
            let what = format!("credential {name} of {}", self.id);
            credentials.insert(name.to_string(), json!(resource::secret(self.from.as_deref(), &what)?));
        }
        if !credentials.is_empty() {
            profile.insert("credentials".into(), Value::Object(credentials));
        }
        Ok(profile)
    }
}

fn list(Tools { tools }: &Tools, page: &mut Page) {
    let mut table = Table::new(&["TOOL", "PROFILES", "OWNER", "DESCRIPTION"]);
    for one in tools {
        let profiles: Vec<_> = one.profiles.keys().map(String::as_str).collect();
        table.row(&[&one.name, &profiles.join(", "), &one.owned.shown(), &one.description]);
    }
    page.table(&table);
}

fn show(tool: &Entry, page: &mut Page) {
    page.heading(&format!("tool {}", tool.name), &tool.description);
    page.fields(&[("owner", tool.owned.shown())]);
    for (environment, profile) in &tool.profiles {
        page.gap();
        page.heading(environment, if profile.settings { "with settings" } else { "" });
        for (name, version) in &profile.credentials {
            page.line(&format!("credential {name}, version {version}"));
        }
        for User { deployment, injected } in &profile.used_by {
            for (variable, what) in injected {
                page.line(&format!("{variable} of {deployment} is its {what}"));
            }
        }
    }
}
