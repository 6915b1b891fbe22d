//! `bootlace var import`: a dotenv file, read as one named program reads it, and everything that it
//! sets in as few changes as the host takes.

mod compare;
mod file;
mod send;

use std::path::PathBuf;

use serde_json::{Value, json};

use self::{
    compare::{Item, compare},
    file::Named,
};
use super::{place::Target, wire::Values};
use crate::{
    cli::{
        choice::one_of,
        hardening::forbid_dumps,
        output::{Output, Table},
    },
    dotenv::{Dialect, Warning},
};
pub(crate) use file::Unread;

/// Set everything that a dotenv file sets
///
/// There is no one dotenv format: what is a quote to one program belongs to the value for another. So
/// the program is named that the file was written for; without one, only what all read alike is
/// taken, and the lines on which they part are listed. Nothing is ever deleted. A value is replaced
/// only if it still is what it was when this began. A file with more values than the host takes at
/// once is set in several changes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Dialects:
  common    what all of them read alike
  docker    docker run --env-file
  compose   .env and env_file of docker compose
  python    python-dotenv
  node      dotenv for Node

Examples:
  bootlace var import -d checkout -e staging .env                            if nothing is in doubt
  bootlace var import -d checkout -e staging .env --dialect compose --dry-run
  bootlace var import -d checkout -e staging .env --dialect node --secret STRIPE_KEY,'*_TOKEN'
  bootlace var import -d checkout -e staging .env --dialect python --all-secret --description 'from Heroku'
  bootlace var import --all-deployments -e staging common.env                of everybody in staging
  decrypt prod.env | bootlace var import -d checkout -e production - --dialect docker --all-secret")]
pub struct Args {
    /// The file; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The program that the file was written for
    #[arg(long, value_name = "DIALECT", default_value = "common", value_parser = one_of::<Dialect>(Dialect::ALL.map(Dialect::as_str)))]
    dialect: Dialect,

    /// What is a secret: names, and patterns such as '*_KEY'; the rest is plain
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "all_secret")]
    secret: Vec<Named>,

    /// Everything is a secret
    #[arg(long)]
    all_secret: bool,

    /// What new ones are for; new secrets have the file's name if nothing is said
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Leave alone what is set there already
    #[arg(long)]
    keep_existing: bool,

    /// Show what would be set, and set nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    target: Target,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let _dumps_off = forbid_dumps()?;
        let place = self.target.named()?;
        if self.all_secret || !self.secret.is_empty() {
            place.takes_secrets()?;
        }
        let (assignments, warnings) = file::read(&self.file, self.dialect, &self.secrets())?;
        if !output.is_json() {
            warnings.iter().for_each(|warning| output.warning(&warning.to_string()));
        }
        let there: Values = place.everything(false)?;
        let items = compare(assignments, &there, place.layer(), self.keep_existing)?;
        if self.dry_run || items.iter().all(|item| item.kept) {
            return self.tell(&items, &warnings, output);
        }
        let revision = send::send(&self.target, &items, &self.described(), output)?;
        self.done(&items, &warnings, revision, output)
    }

    fn secrets(&self) -> Vec<Named> {
        if self.all_secret { vec![Named::everything()] } else { self.secret.clone() }
    }

    /// What a new value is said to be for: by a person, or else where it came from.
    fn described(&self) -> send::Described {
        let origin = match self.file.file_name() {
            Some(name) if self.file.as_os_str() != "-" => format!("imported from {}", name.display()),
            _ => "imported".to_owned(),
        };
        send::Described { said: self.description.clone(), origin }
    }

    /// What would be done.
    fn tell(&self, items: &[Item], warnings: &[Warning], output: &Output) -> anyhow::Result<()> {
        if output.is_json() {
            let values: Vec<_> = items
                .iter()
                .map(|item| json!({ "name": item.name.as_str(), "secret": item.is_secret(), "action": item.action() }))
                .collect();
            return Ok(output.json(&json!({ "values": values, "warnings": told(warnings) }))?);
        }
        let mut table = Table::new(&["NAME", "KIND", "ACTION", "LINE"]);
        for item in items {
            let kind = if item.is_secret() { "secret" } else { "plain" };
            table.row(&[item.name.as_str(), kind, item.action(), &item.line.to_string()]);
        }
        let mut page = output.page();
        page.table(&table);
        output.show(&page)?;
        output.note(&format!("nothing is changed of {}", self.target.place));
        Ok(())
    }

    fn done(
        &self,
        items: &[Item],
        warnings: &[Warning],
        revision: u64,
        output: &Output,
    ) -> anyhow::Result<()> {
        let (kept, set): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.kept);
        if output.is_json() {
            let names = |items: &[&Item]| items.iter().map(|item| item.name.to_string()).collect::<Vec<_>>();
            return Ok(output.json(&json!({
                "revision": revision, "set": names(&set), "kept": names(&kept), "warnings": told(warnings),
            }))?);
        }
        let secrets = set.iter().filter(|item| item.is_secret()).count();
        let counted = |count: usize| if count == 0 { String::new() } else { count.to_string() };
        let mut page = output.page();
        page.heading(
            &format!("revision {revision}"),
            &format!("{} of {} set", values(set.len()), self.target.place),
        );
        page.fields(&[("secrets", counted(secrets)), ("kept as they were", counted(kept.len()))]);
        Ok(output.show(&page)?)
    }
}

fn values(count: usize) -> String {
    if count == 1 { "1 value".to_owned() } else { format!("{count} values") }
}

fn told(warnings: &[Warning]) -> Value {
    warnings.iter().map(ToString::to_string).collect()
}
