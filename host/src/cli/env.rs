//! `bootlace env`: a workspace's environments.

mod clone;
mod create;
mod expiry;
mod read;
mod write;

use std::collections::BTreeMap;

use clap::Subcommand;
use serde::Deserialize;

use super::{change::Etag, connection::AdminHost, output::Output};
use crate::id::EnvironmentName;

/// List, make, change and delete environments
///
/// What a workspace directory names is changed there, not here. A change is made only if the
/// environment still is what it was when this looked at it, or what --if-match says.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace env list
  bootlace env show preview/pr-42
  bootlace env create qa/eu --type test --deployment checkout --label region=eu
  bootlace env create live-eu --type production --promotes-to production
  bootlace env create preview/pr-7                          a clone of the preview template
  bootlace env clone staging qa --permissions --expires 7d
  bootlace env set qa/eu --deprecated --label team=payments
  bootlace env delete qa/eu
  bootlace env delete live-eu --confirm live-eu             where nobody can be asked")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with environments.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the environments that the token sees
    List(read::List),
    /// Show one, with the etag that a change may name
    Show(read::Show),
    /// Make one
    Create(create::Args),
    /// Make one after another
    Clone(clone::Args),
    /// Change one: protected, deprecated, its labels, type, expiry or place in the chain
    Set(write::Set),
    /// Delete one, with everything that was set in it
    Delete(write::Delete),
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.action {
            Action::List(args) => args.run(output),
            Action::Show(args) => args.run(output),
            Action::Create(args) => args.run(output),
            Action::Clone(args) => args.run(output),
            Action::Set(args) => args.run(output),
            Action::Delete(args) => args.run(output),
        }
    }
}

/// Whether an environment is protected, so that whoever changes it says its name.
pub(super) fn is_protected(host: &AdminHost, name: &EnvironmentName) -> anyhow::Result<bool> {
    Ok(read::current(host, name)?.protected)
}

/// `GET /api/v1/environments/{env}`. What is optional here may be left out or null; members may be
/// added.
#[derive(Debug, Deserialize)]
struct Environment {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    protected: bool,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    promotes_to: Option<String>,
    #[serde(default)]
    trigger: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    deployments: Vec<String>,
    #[serde(default)]
    owner: String,
    /// Of what was made by API.
    #[serde(default)]
    etag: Option<Etag>,
}
