//! `bootlace usage`: who still boots where, and which keys anybody still reads.

use serde::{Deserialize, Serialize};

use super::{
    block_on,
    connection::AdminHost,
    output::{Output, Table},
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName},
};

/// Deployments in environments on one page, the most that a host gives.
const PAGE: &str = "200";

/// Say how each environment is used
///
/// Boots, refusals and reads since the host was started; what was before, `bootlace audit query` tells.
/// A boot that has the current configuration already counts as unchanged, and reads nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace usage
  bootlace usage -e production
  bootlace usage -d checkout -e production --keys           when each key was last handed out
  bootlace usage --json | jq '.usage[] | select(.last_boot == null)'")]
pub struct Args {
    /// This deployment alone
    #[arg(long, short, value_name = "NAME")]
    deployment: Option<DeploymentId>,

    /// This environment alone
    #[arg(long, short, value_name = "NAME")]
    environment: Option<EnvironmentName>,

    /// Show each key, with its last read
    #[arg(long)]
    keys: bool,

    #[command(flatten)]
    host: AdminHost,
}

/// `GET /api/v1/usage`, one page of it, or all pages as one.
#[derive(Debug, Serialize, Deserialize)]
struct Usage {
    since: String,
    usage: Vec<Pair>,
    next: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Pair {
    deployment: String,
    environment: String,
    boots: u64,
    unchanged: u64,
    denials: u64,
    refusals: u64,
    last_boot: Option<String>,
    keys: Vec<Key>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Key {
    name: String,
    last_read: Option<String>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let progress = output.progress("asking how environments are used");
        let mut told = self.ask()?;
        drop(progress);
        told.usage
            .retain(|pair| self.deployment.as_ref().is_none_or(|only| only.as_str() == pair.deployment));
        if output.is_json() {
            return Ok(output.json(&told)?);
        }
        let mut page = output.page();
        page.table(&if self.keys { keys(&told) } else { pairs(&told) });
        page.line(&format!("since {}, when the host was started", told.since));
        Ok(output.show(&page)?)
    }

    /// Every page.
    fn ask(&self) -> anyhow::Result<Usage> {
        let client = self.host.client()?;
        block_on(async {
            let mut all: Option<Usage> = None;
            loop {
                let cursor = all.as_ref().and_then(|all| all.next.as_deref());
                let request = Request::get(&["api", "v1", "usage"]).query("limit", PAGE);
                let request = request
                    .query_if("environment", self.environment.as_ref().map(EnvironmentName::as_str))
                    .query_if("cursor", cursor);
                let mut page: Usage = client.send(&self.host.within(request)).await?.json()?;
                if let Some(mut before) = all {
                    before.usage.append(&mut page.usage);
                    page.usage = before.usage;
                }
                if page.next.is_none() {
                    return Ok(page);
                }
                all = Some(page);
            }
        })
    }
}

fn pairs(told: &Usage) -> Table {
    let mut table =
        Table::new(&["DEPLOYMENT", "ENVIRONMENT", "BOOTS", "UNCHANGED", "DENIED", "REFUSED", "LAST BOOT"]);
    for pair in &told.usage {
        let counts = [pair.boots, pair.unchanged, pair.denials, pair.refusals].map(|count| count.to_string());
        let [boots, unchanged, denials, refusals] = counts.each_ref().map(String::as_str);
        let last = at(pair.last_boot.as_deref());
        table.row(&[&pair.deployment, &pair.environment, boots, unchanged, denials, refusals, last]);
    }
    table
}

fn keys(told: &Usage) -> Table {
    let mut table = Table::new(&["DEPLOYMENT", "ENVIRONMENT", "KEY", "LAST READ"]);
    for pair in &told.usage {
        for key in &pair.keys {
            table.row(&[&pair.deployment, &pair.environment, &key.name, at(key.last_read.as_deref())]);
        }
    }
    table
}

fn at(time: Option<&str>) -> &str {
    time.unwrap_or("never")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{Layout, Page};

    #[test]
    fn each_environment_and_each_key_is_a_row() {
        let answer = r#"{"since":"2026-11-22T12:00:00Z","next":null,"usage":[
            {"deployment":"checkout","environment":"production","boots":3,"unchanged":2,"denials":1,"refusals":0,
             "last_boot":"2026-11-22T12:30:00Z","keys":[{"name":"KEY","last_read":null}],"added-later":1}]}"#;
        let told: Usage = serde_json::from_str(answer).unwrap();
        let mut page = Page::new(Layout::Pipe);
        page.table(&pairs(&told));
        page.table(&keys(&told));
        let expected = "\
DEPLOYMENT\tENVIRONMENT\tBOOTS\tUNCHANGED\tDENIED\tREFUSED\tLAST BOOT
checkout\tproduction\t3\t2\t1\t0\t2026-11-22T12:30:00Z
DEPLOYMENT\tENVIRONMENT\tKEY\tLAST READ
checkout\tproduction\tKEY\tnever
";
        assert_eq!(page.as_str(), expected);
    }
}
