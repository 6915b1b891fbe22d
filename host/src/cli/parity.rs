//! `bootlace parity`: whether environments have the same keys.

use std::{collections::BTreeMap, process::ExitCode};

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

/// Say whether environments have the same keys
///
/// A key may be missing from an environment, be in one alone, or differ in type or secrecy. Values are
/// meant to differ, and are not compared.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace parity -d checkout                           all that it uses
  bootlace parity -d checkout staging production
  bootlace parity -d checkout --exit-code               for a pipeline: 1 where they differ")]
pub struct Args {
    /// The environments; without any, all that the deployment uses
    #[arg(value_name = "ENVIRONMENT")]
    environments: Vec<EnvironmentName>,

    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// Exit with 1 where they differ
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    host: AdminHost,
}

/// `GET /api/v1/deployments/{id}/parity`; members may be added.
#[derive(Debug, Deserialize)]
struct Parity {
    deployment: String,
    revision: u64,
    environments: Vec<String>,
    same: bool,
    compared: usize,
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Key {
    name: String,
    differs: Vec<String>,
    environments: BTreeMap<String, Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    #[serde(rename = "type")]
    kind: String,
    secret: bool,
    value: Option<String>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let client = self.host.client()?;
        let names: Vec<_> = self.environments.iter().map(EnvironmentName::as_str).collect();
        let named = (!names.is_empty()).then(|| names.join(","));
        let request = Request::get(&["api", "v1", "deployments", self.deployment.as_str(), "parity"])
            .query_if("environments", named.as_deref());
        let request = self.host.within(request);
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        let told: Parity = answer.json()?;
        if output.is_json() {
            output.raw(&answer.body)?;
        } else {
            let mut page = output.page();
            render(&told, &mut page);
            output.show(&page)?;
        }
        Ok(exit::differs(self.exit_code && !told.same))
    }
}

fn render(told: &Parity, page: &mut Page) {
    let mut table = Table::new(&["KEY", "DIFFERS IN", "ENVIRONMENT", "TYPE", "VALUE"]);
    for key in &told.keys {
        let differs = key.differs.join(", ");
        for environment in &told.environments {
            let told = key.environments.get(environment);
            let (kind, value) = told.map_or(("missing".to_owned(), "-"), Told::shown);
            table.row(&[&key.name, &differs, environment, &kind, value]);
        }
    }
    page.table(&table);
    let Parity { deployment, revision, compared, .. } = told;
    let differ = if told.same { "none differs".to_owned() } else { format!("{} differ", told.keys.len()) };
    let places = told.environments.join(", ");
    page.line(&format!("{deployment} in {places}, revision {revision}: {compared} keys, {differ}"));
}

impl Told {
    /// A secret is masked here whatever the host sent.
    fn shown(&self) -> (String, &str) {
        if self.secret {
            (format!("{}, secret", self.kind), MASK)
        } else {
            (self.kind.clone(), self.value.as_deref().unwrap_or("(no value)"))
        }
    }
}
