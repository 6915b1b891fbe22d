//! `bootlace diff`: what differs between two environments of a deployment, or two revisions of one.

use std::process::ExitCode;

use serde::Deserialize;

use super::{
    block_on,
    connection::AdminHost,
    exit,
    output::{MASK, Output, Page, Table},
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName},
};

/// Say what differs between two environments, or two revisions of one
///
/// Key by key: the layer, the version, the form that is required, whether it is a secret. Plain values
/// are previews; a secret is never shown, and whether two of them are equal is not told.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace diff -d checkout staging production
  bootlace diff -d checkout -e staging 41 42            what two revisions of staging differ in
  bootlace diff -d checkout staging production --exit-code --json | jq '.keys[].name'")]
pub struct Args {
    /// An environment; with --environment, a revision
    from: String,

    /// The same
    to: String,

    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The environment whose revisions are compared
    #[arg(long, short, value_name = "NAME")]
    environment: Option<EnvironmentName>,

    /// Exit with 1 where they differ
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    host: AdminHost,
}

/// `GET /api/v1/deployments/{id}/diff`; members may be added.
#[derive(Debug, Deserialize)]
pub(super) struct Difference {
    deployment: String,
    same: bool,
    from: Side,
    to: Side,
    about: Vec<String>,
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Side {
    environment: String,
    revision: u64,
    #[serde(rename = "type")]
    kind: String,
    release: Option<u64>,
    policies: Vec<Policy>,
    missing: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    name: String,
    layer: String,
}

#[derive(Debug, Deserialize)]
struct Key {
    name: String,
    change: String,
    differs: Vec<String>,
    value: Option<String>,
    from: Option<Told>,
    to: Option<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    layer: String,
    version: Option<u64>,
    secret: bool,
    value: Option<String>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let client = self.host.client()?;
        let request = Request::get(&["api", "v1", "deployments", self.deployment.as_str(), "diff"])
            .query_if("environment", self.environment.as_ref().map(EnvironmentName::as_str))
            .query("from", &self.from)
            .query("to", &self.to);
        let request = self.host.within(request);
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        let told: Difference = answer.json()?;
        if output.is_json() {
            output.raw(&answer.body)?;
        } else {
            let mut page = output.page();
            told.render(&mut page);
            output.show(&page)?;
        }
        Ok(exit::differs(self.exit_code && !told.same))
    }
}

impl Difference {
    fn render(&self, page: &mut Page) {
        let count = match (self.keys.len(), self.same) {
            (_, true) => "no difference".to_owned(),
            (1, _) => "1 key differs".to_owned(),
            (count, _) => format!("{count} keys differ"),
        };
        let side = |side: &Side| format!("{} at revision {}", side.environment, side.revision);
        page.heading(&format!("{}: {} -> {}", self.deployment, side(&self.from), side(&self.to)), &count);
        self.tables(page);
    }

    /// The keys that differ, and what differs beside them.
    pub(super) fn tables(&self, page: &mut Page) {
        let mut table = Table::new(&["", "KEY", "FROM", "TO", "VALUES", "DIFFERS IN"]);
        for key in &self.keys {
            let sign = match key.change.as_str() {
                "added" => "+",
                "removed" => "-",
                _ => "~",
            };
            let equality = key.value.as_deref().map_or_else(|| "-".to_owned(), |told| told.replace('-', " "));
            table.row(&[
                sign,
                &key.name,
                &shown(key.from.as_ref()),
                &shown(key.to.as_ref()),
                &equality,
                &key.differs.join(", "),
            ]);
        }
        page.table(&table);
        let mut beside = Table::new(&["BESIDE THE KEYS", "FROM", "TO"]);
        for about in &self.about {
            beside.row(&[about, &self.from.about(about), &self.to.about(about)]);
        }
        page.table(&beside);
    }
}

/// A secret is masked here whatever the host sent.
fn shown(told: Option<&Told>) -> String {
    let Some(told) = told else { return "-".to_owned() };
    let value = if told.secret { MASK } else { told.value.as_deref().unwrap_or("(no value)") };
    let version = told.version.map(|version| format!(", v{version}")).unwrap_or_default();
    format!("{value} ({}{version})", told.layer)
}

impl Side {
    fn about(&self, what: &str) -> String {
        match what {
            "type" => self.kind.clone(),
            "release" => self.release.map_or_else(|| "none".to_owned(), |number| number.to_string()),
            "policies" => {
                let names = self.policies.iter().map(|one| format!("{} ({})", one.name, one.layer));
                names.collect::<Vec<_>>().join(", ")
            }
            "missing" => self.missing.join(", "),
            _ => String::new(),
        }
    }
}
