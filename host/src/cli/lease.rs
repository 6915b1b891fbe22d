//! `bootlace lease`: who holds which versions of secrets, and that somebody is gone.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use super::{
    connection::AdminHost,
    output::{Output, Page, Table},
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName},
};

/// Say which instances hold what they were given, and report those that are gone
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace lease list -d checkout -e production
  bootlace lease gone -d checkout 5f0c8a2b9d3e4f60718293a4b5c6d7e8")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the leases of a deployment
    List(List),
    /// Report that an instance is gone, so that it holds nothing any more
    Gone(Gone),
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace lease list -d checkout
  bootlace lease list -d checkout -e production --json | jq '.leases[] | select(.state == \"lost\")'")]
struct List {
    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The environment; without it, all that you see
    #[arg(long, short, value_name = "NAME")]
    environment: Option<EnvironmentName>,

    #[command(flatten)]
    host: AdminHost,
}

/// For an instance that the host has not heard of any more. One that runs on, runs on with what may be
/// revoked then.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace lease gone -d checkout 5f0c8a2b9d3e4f60718293a4b5c6d7e8")]
struct Gone {
    /// The lease, as `lease list` and a refused revocation show it
    #[arg(value_name = "LEASE")]
    lease: String,

    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    #[command(flatten)]
    host: AdminHost,
}

/// `GET /api/v1/deployments/{id}/leases`; members may be added.
#[derive(Debug, Deserialize)]
struct Leases {
    leases: Vec<Lease>,
}

#[derive(Debug, Deserialize)]
struct Lease {
    id: String,
    environment: String,
    instance: Option<String>,
    principal: String,
    since: String,
    /// When it is lost, or was.
    expires: String,
    state: String,
    secrets: Vec<Held>,
    #[serde(default)]
    credentials: Vec<Credential>,
}

#[derive(Debug, Deserialize)]
struct Credential {
    service: String,
    environment: String,
    version: u64,
}

#[derive(Debug, Deserialize)]
struct Held {
    name: String,
    version: u64,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.verb {
            Verb::List(args) => args.run(output),
            Verb::Gone(args) => args.run(output),
        }
    }
}

impl List {
    fn run(&self, output: &Output) -> anyhow::Result<()> {
        let request = Request::get(&["api", "v1", "deployments", self.deployment.as_str(), "leases"]);
        let environment = self.environment.as_ref().map(EnvironmentName::as_str);
        let answer = self.host.list(request.query_if("environment", environment), "leases")?;
        if output.is_json() {
            return Ok(output.json(&answer)?);
        }
        let mut page = output.page();
        list(&serde_json::from_value(answer)?, &mut page);
        Ok(output.show(&page)?)
    }
}

impl Gone {
    fn run(&self, output: &Output) -> anyhow::Result<()> {
        let path = ["api", "v1", "deployments", self.deployment.as_str(), "leases", &self.lease];
        self.host.ask(Request::delete(&path))?;
        if output.is_json() {
            return Ok(output.json(&json!({ "gone": self.lease }))?);
        }
        let mut page = output.page();
        page.heading(&format!("lease {}", self.lease), "its instance is gone");
        Ok(output.show(&page)?)
    }
}

fn list(Leases { leases }: &Leases, page: &mut Page) {
    let mut table =
        Table::new(&["LEASE", "ENVIRONMENT", "INSTANCE", "PRINCIPAL", "SINCE", "STATE", "EXPIRES", "HOLDS"]);
    for one in leases {
        let mut held: Vec<_> =
            one.secrets.iter().map(|held| format!("{} {}", held.name, held.version)).collect();
        let credential = |one: &Credential| format!("{} of {} {}", one.service, one.environment, one.version);
        held.extend(one.credentials.iter().map(credential));
        let instance = one.instance.as_deref().unwrap_or("");
        let Lease { id, environment, principal, since, state, expires, .. } = one;
        table.row(&[id, environment, instance, principal, since, state, expires, &held.join(", ")]);
    }
    page.table(&table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    #[test]
    fn a_lease_says_who_holds_which_versions() {
        let answer = r#"{"leases":[{"id":"5f0c","environment":"staging","instance":null,"principal":"pod",
            "since":"2026-11-22T12:00:00Z","expires":"2026-11-22T12:01:00Z","state":"lost",
            "secrets":[{"name":"A","version":2},{"name":"B","version":1}],
            "credentials":[{"service":"orders","environment":"staging","version":3}]}]}"#;
        let mut page = Page::new(Layout::Pipe);
        list(&serde_json::from_str(answer).unwrap(), &mut page);
        let expected = "\
LEASE\tENVIRONMENT\tINSTANCE\tPRINCIPAL\tSINCE\tSTATE\tEXPIRES\tHOLDS
5f0c\tstaging\t\tpod\t2026-11-22T12:00:00Z\tlost\t2026-11-22T12:01:00Z\tA 2, B 1, orders of staging 3
";
        assert_eq!(page.as_str(), expected);
    }
}
