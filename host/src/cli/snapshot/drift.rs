//! `bootlace snapshot drift`: what a host serves against what a workspace directory says.

mod fate;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::fate::{Fate, Judge};
use super::{
    changes::{self, Change},
    content, diff, host,
};
use crate::{
    cli::{
        block_on,
        connection::AdminHost,
        directory,
        exit::{self, Misuse},
        output::{Output, Page, Table},
    },
    client::{Client, Request},
    id::WorkspaceId,
};

/// Entries on one page, the most that a host gives.
const PAGE: &str = "1000";

/// Show how what is served has drifted from a directory
///
/// What was made by API, by whom and when, and what becomes of it when the directory is pushed: it stays,
/// the directory takes it over, or it has no place there. Then what a push would add, remove or change.
/// Prints nothing where there is no difference.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot drift acme
  bootlace snapshot drift acme --exit-code              for a pipeline: 1 where there is any
  bootlace snapshot drift acme --json | jq '.made[] | select(.fate != \"stays\")'")]
pub struct Args {
    /// The workspace directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Exit with 1 where there is any
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    host: AdminHost,
}

/// A page of `GET /api/v1/drift`.
#[derive(Debug, Deserialize)]
struct Drift {
    made: Vec<Entry>,
    next: Option<String>,
}

/// Something that was made by API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) subject: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) deployment: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) with: Vec<String>,
    changed: Changed,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Changed {
    revision: u64,
    at: String,
    by: String,
}

/// `GET /api/v1/snapshot`.
#[derive(Debug, Deserialize)]
struct Live {
    environments: BTreeMap<String, String>,
    deployments: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Judged {
    #[serde(flatten)]
    entry: Entry,
    fate: Fate,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let said = directory::load(&self.directory)?.configuration;
        let client = self.host.client().context(Misuse("this compares with a host".into()))?;
        let (served, live, entries) = block_on(async {
            let served = host::served(&client, &self.host, &said.workspace).await?;
            let live = self.host.within_or(Request::get(&["api", "v1", "snapshot"]), &said.workspace);
            let live: Live = client.send(&live).await?.json()?;
            Ok((served, live, self.entries(&client, &said.workspace).await?))
        })?;
        let judge = Judge::new(&said, &entries);
        let plans =
            content::manifests(&said, |deployment, environment| served.active(deployment, environment))?;
        let mut changes = changes::between(&served.plans, &plans);
        changes.retain(|change| !judge.explains(change, &served.plans));
        let pruned = judge.pruned(&live.environments.into_keys().collect::<Vec<_>>(), &live.deployments);
        let made: Vec<_> =
            entries.iter().map(|entry| Judged { fate: judge.fate(entry), entry: entry.clone() }).collect();
        let is_any = !(made.is_empty() && pruned.is_empty() && changes.is_empty());
        if output.is_json() {
            output.json(&json!({
                "revision": served.revision, "drifted": is_any, "made": made, "pruned": pruned, "changes": changes,
            }))?;
        } else if is_any {
            let mut page = output.page();
            render(&made, &pruned, &changes, &mut page);
            page.line(&format!("{} against revision {}", self.directory.display(), served.revision));
            output.show(&page)?;
        }
        Ok(exit::differs(self.exit_code && is_any))
    }

    /// Every page.
    async fn entries(&self, client: &Client, workspace: &WorkspaceId) -> anyhow::Result<Vec<Entry>> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let request = Request::get(&["api", "v1", "drift"]).query("limit", PAGE);
            let request = request.query_if("cursor", cursor.as_deref());
            let mut page: Drift = client.send(&self.host.within_or(request, workspace)).await?.json()?;
            all.append(&mut page.made);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}

fn render(made: &[Judged], pruned: &[String], changes: &[Change], page: &mut Page) {
    let mut table = Table::new(&["MADE BY API", "AT A PUSH", "BY", "AT", "REVISION"]);
    for Judged { entry, fate } in made {
        let Changed { revision, at, by } = &entry.changed;
        table.row(&[&entry.subject, fate.words(), by, at, &revision.to_string()]);
    }
    page.table(&table);
    diff::list(changes, page);
    for one in pruned {
        page.line(&format!("- {one}, which the directory does not have"));
    }
}
