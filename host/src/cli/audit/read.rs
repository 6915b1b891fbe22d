//! `bootlace audit query`, `export` and `checkpoint`.

use std::io::{self, BufWriter, Write as _};

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use super::Place;
use crate::{
    audit::{self, Cursor, MAX_PAGE, RecordPage},
    cli::output::{Output, Table},
    clock::rfc3339,
    id::{EnvironmentName, UnixSeconds, VariableName, WorkspaceId},
};

/// Which records.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// On whose behalf
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,

    /// Boots that were given this key, and changes of it
    #[arg(long, value_name = "KEY")]
    key_name: Option<VariableName>,

    /// The environment
    #[arg(long, short, value_name = "NAME")]
    environment: Option<EnvironmentName>,

    /// What was done: boot, push, rollback, token-mint, token-revoke, start
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,

    /// The workspace
    #[arg(long, value_name = "NAME")]
    workspace: Option<WorkspaceId>,

    /// Not before this time, such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<UnixSeconds>,

    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<UnixSeconds>,
}

/// Arguments of `query`.
#[derive(Debug, clap::Args)]
pub struct Query {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    filter: Filter,

    /// How many records at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=MAX_PAGE as i64))]
    limit: u16,

    /// Go on where a page ended
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
}

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub struct Export {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    filter: Filter,
}

/// Arguments of `checkpoint`.
#[derive(Debug, clap::Args)]
pub struct Checkpoint {
    #[command(flatten)]
    place: Place,
}

impl Query {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let directory = self.place.directory()?;
        let page = self.filter.query().page(&directory, self.after, usize::from(self.limit));
        let RecordPage { records, next, .. } = page.with_context(|| reading(&directory))?;
        let records: Vec<Value> =
            records.iter().filter_map(|record| serde_json::from_str(record).ok()).collect();
        let next = next.map(|next| next.to_string());
        if output.is_json() {
            return Ok(output.json(&json!({ "records": records, "next": next }))?);
        }
        let mut table = Table::new(&["TIME", "WHAT", "OUTCOME", "PRINCIPAL", "ENVIRONMENT", "ID"]);
        for record in &records {
            let text = |name: &str| record[name].as_str().or(record["details"][name].as_str()).unwrap_or("");
            let at = rfc3339(UnixSeconds(record["at"].as_i64().unwrap_or_default()));
            let id = if text("id").is_empty() { text("token") } else { text("id") };
            table.row(&[&at, text("kind"), text("outcome"), text("principal"), text("environment"), id]);
        }
        let mut page = output.page();
        page.table(&table);
        output.show(&page)?;
        if let Some(next) = next {
            output.note(&format!("older records: --after {next}"));
        }
        Ok(())
    }
}

impl Export {
    pub(super) fn run(self, _: &Output) -> anyhow::Result<()> {
        let directory = self.place.directory()?;
        let mut out = BufWriter::new(io::stdout().lock());
        let written = self.filter.query().export(&directory, &mut out).and_then(|_| out.flush());
        // A pipe that closes is found as such, without a context in front of it.
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(error.into()),
            written => written.with_context(|| reading(&directory)),
        }
    }
}

impl Checkpoint {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let directory = self.place.directory()?;
        let newest = audit::newest_checkpoint(&directory).with_context(|| reading(&directory))?;
        let newest =
            newest.ok_or_else(|| anyhow!("the log has no checkpoint yet; there is one every minute"))?;
        Ok(output.raw(newest.to_string().as_bytes())?)
    }
}

impl Filter {
    fn query(&self) -> audit::Query {
        audit::Query {
            principal: self.principal.clone(),
            key: self.key_name.clone(),
            environment: self.environment.clone(),
            workspace: self.workspace.clone(),
            kind: self.kind.clone(),
            boot: None,
            within: None,
            since: self.since,
            until: self.until,
        }
    }
}

fn reading(directory: &std::path::Path) -> String {
    format!("cannot read the audit log in {}", directory.display())
}

fn time(text: &str) -> Result<UnixSeconds, String> {
    let stamp = text.parse::<jiff::Timestamp>();
    stamp.map(|stamp| UnixSeconds(stamp.as_second())).map_err(|error| error.to_string())
}
