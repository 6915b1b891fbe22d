//! `bootlace audit query`: records by page, out of a data directory or from a host.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Place,
    read::{Filter, reading},
};
use crate::{
    audit::{Cursor, MAX_PAGE, RecordPage},
    cli::{
        block_on,
        connection::{AdminHost, AdminListener},
        output::{Output, Table},
    },
    client::{Client, Request},
    clock::rfc3339,
    id::UnixSeconds,
};

/// The most records that a host gives on one page.
const MAX_HOST_PAGE: usize = 200;

/// Show records, the newest first
///
/// Out of a host's data directory, or a copy of the directory `audit` in it; or, with --host, as the
/// host itself tells them to a tenant's or an operator's token: of one workspace, and only of the
/// environments that the token sees.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace audit query --data /var/lib/bootlace --key-name DATABASE_URL -e production
  bootlace audit query --host -e production --kind boot --since 2026-03-01T12:00:00Z
  bootlace audit query --host --kind reveal --limit 500 --json | jq '.records[].principal'
  bootlace audit query --host --workspace acme --after 7-102400        where a page ended")]
pub struct Args {
    /// A host's data directory, or a copy of the directory `audit` in it
    #[arg(long, value_name = "DIR", required_unless_present = "host")]
    data: Option<PathBuf>,

    /// Ask a host
    #[arg(long, conflicts_with = "data")]
    host: bool,

    #[command(flatten)]
    filter: Filter,

    /// How many records at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=MAX_PAGE as i64))]
    limit: u16,

    /// Go on where a page ended
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,

    #[command(flatten)]
    listener: AdminListener,
}

/// Records, the newest first, and where older ones are.
#[derive(Debug, Deserialize)]
struct Page {
    records: Vec<Value>,
    next: Option<String>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let Self { data, filter, limit, after, listener, .. } = self;
        let limit = usize::from(limit);
        let page = match data {
            Some(data) => read(&Place { data }, &filter, after, limit)?,
            None => {
                let host = listener.with_workspace(filter.workspace.clone())?;
                let progress = output.progress("asking for records");
                let page = ask(&host, &filter, after, limit)?;
                drop(progress);
                page
            }
        };
        show(&page, output)
    }
}

fn read(place: &Place, filter: &Filter, after: Option<Cursor>, limit: usize) -> anyhow::Result<Page> {
    let directory = place.directory()?;
    let page = filter.query().page(&directory, after, limit);
    let RecordPage { records, next } = page.with_context(|| reading(&directory))?;
    Ok(Page { records, next: next.map(|next| next.to_string()) })
}

/// As many records as are wanted, of as many pages as that takes: a page that a host had to read much for
/// is short, or even empty.
fn ask(host: &AdminHost, filter: &Filter, after: Option<Cursor>, limit: usize) -> anyhow::Result<Page> {
    let client: Client = host.client()?;
    block_on(async {
        let mut all = Page { records: Vec::new(), next: after.map(|after| after.to_string()) };
        loop {
            let rest = (limit - all.records.len()).min(MAX_HOST_PAGE);
            let request = host.within(filter.ask(Request::get(&["api", "v1", "audit"])));
            let request = request.query("limit", &rest.to_string()).query_if("cursor", all.next.as_deref());
            let page: Page = client.send(&request).await?.json()?;
            all.records.extend(page.records.into_iter().take(rest));
            all.next = page.next;
            if all.next.is_none() || all.records.len() == limit {
                return Ok(all);
            }
        }
    })
}

fn show(page: &Page, output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        return Ok(output.json(&json!({ "records": page.records, "next": page.next }))?);
    }
    let mut table = Table::new(&["TIME", "WHAT", "OUTCOME", "PRINCIPAL", "ENVIRONMENT", "ID"]);
    for record in &page.records {
        let text = |name: &str| record[name].as_str().or(record["details"][name].as_str()).unwrap_or("");
        // The log counts seconds; a host writes them out.
        let at = record["at"].as_i64().map(|at| rfc3339(UnixSeconds(at)));
        let at = at.unwrap_or_else(|| text("time").to_owned());
        let id = if text("id").is_empty() { text("token") } else { text("id") };
        table.row(&[&at, text("kind"), text("outcome"), text("principal"), text("environment"), id]);
    }
    let mut shown = output.page();
    shown.table(&table);
    output.show(&shown)?;
    if let Some(next) = &page.next {
        output.note(&format!("older records: --after {next}"));
    }
    Ok(())
}
