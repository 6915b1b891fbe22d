//! Which records are meant; `bootlace audit export` and `checkpoint`.

use std::io::{self, BufWriter, Write as _};

use anyhow::{Context as _, anyhow};

use super::Place;
use crate::{
    audit,
    cli::output::Output,
    client::Request,
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

    /// What was done: boot, push, rollback, change, reveal, token-mint, token-revoke, start
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,

    /// The workspace; of a host, an operator names one
    #[arg(long, value_name = "NAME")]
    pub(super) workspace: Option<WorkspaceId>,

    /// Not before this time, such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<UnixSeconds>,

    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<UnixSeconds>,
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
    /// The same, asked of a host; the workspace is asked for apart.
    pub(super) fn ask(&self, request: Request) -> Request {
        let time = |time: Option<UnixSeconds>| time.map(rfc3339);
        request
            .query_if("principal", self.principal.as_deref())
            .query_if("key", self.key_name.as_ref().map(VariableName::as_str))
            .query_if("environment", self.environment.as_ref().map(EnvironmentName::as_str))
            .query_if("kind", self.kind.as_deref())
            .query_if("since", time(self.since).as_deref())
            .query_if("until", time(self.until).as_deref())
    }

    pub(super) fn query(&self) -> audit::Query {
        audit::Query {
            principal: self.principal.clone(),
            key: self.key_name.clone(),
            environment: self.environment.clone(),
            workspace: self.workspace.clone(),
            kind: self.kind.clone(),
            boot: None,
            within: None,
            without: std::collections::BTreeSet::new(),
            since: self.since,
            until: self.until,
        }
    }
}

pub(super) fn reading(directory: &std::path::Path) -> String {
    format!("cannot read the audit log in {}", directory.display())
}

fn time(text: &str) -> Result<UnixSeconds, String> {
    let stamp = text.parse::<jiff::Timestamp>();
    stamp.map(|stamp| UnixSeconds(stamp.as_second())).map_err(|error| error.to_string())
}
