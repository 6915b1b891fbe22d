//! `bootlace workspace`: the tenants of a host.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    block_on,
    connection::AdminHost,
    output::{Output, Table},
};
use crate::{client::Request, id::WorkspaceId};

/// List and make workspaces
///
/// A workspace that is made here has the environments development, staging and production, in a chain,
/// and is changed by API and by this command. One that lives in a directory comes to be with its first
/// `bootlace snapshot push`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace workspace list
  bootlace workspace create acme                            with an operator's token
  bootlace token mint tenant --role admin --workspace acme --principal ada")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the workspaces that the token sees
    #[command(after_long_help = "Examples:\n  bootlace workspace list\n  bootlace workspace list --json")]
    List {
        #[command(flatten)]
        host: AdminHost,
    },
    /// Make one
    #[command(after_long_help = "Examples:\n  bootlace workspace create acme")]
    Create {
        /// Its name: lower-case letters, digits and dashes
        name: WorkspaceId,

        #[command(flatten)]
        host: AdminHost,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    workspace: String,
    revision: u64,
    created: String,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.action {
            Action::List { host } => list(&host, output),
            Action::Create { name, host } => create(&name, &host, output),
        }
    }
}

fn list(host: &AdminHost, output: &Output) -> anyhow::Result<()> {
    let client = host.client()?;
    let whole = block_on(async {
        Ok(client.list(&Request::get(&["api", "v1", "workspaces"]), "workspaces").await?)
    })?;
    if output.is_json() {
        return Ok(output.json(&whole)?);
    }
    let entries: Vec<Entry> = serde_json::from_value(whole["workspaces"].clone())?;
    let mut table = Table::new(&["WORKSPACE", "REVISION", "SINCE"]);
    for entry in entries {
        table.row(&[&entry.workspace, &entry.revision.to_string(), &entry.created]);
    }
    let mut page = output.page();
    page.table(&table);
    Ok(output.show(&page)?)
}

fn create(name: &WorkspaceId, host: &AdminHost, output: &Output) -> anyhow::Result<()> {
    let client = host.client()?;
    let wanted = json!({ "name": name.as_str() }).to_string();
    let request = Request::post(&["api", "v1", "workspaces"]).body("application/json", wanted);
    let answer = block_on(async { Ok(client.send(&request).await?) })?;
    if output.is_json() {
        return Ok(output.raw(&answer.body)?);
    }
    let mut page = output.page();
    page.line(&format!("workspace {name} made, with development, staging and production"));
    page.line(&format!(
        "next: `bootlace token mint tenant --workspace {name} …` for its people, `bootlace deployment create` for its apps"
    ));
    Ok(output.show(&page)?)
}
