//! `bootlace var versions`.

use serde::Deserialize;

use super::place::Place;
use crate::{
    cli::output::{Output, Page, Table},
    client::Request,
    id::VariableName,
};

/// Show how a value came to be: its versions, the newest first, without values
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace var versions -d checkout -e staging STRIPE_KEY
  bootlace var versions -e staging LOG_LEVEL                     of everybody in staging
  bootlace var versions -d checkout -e staging STRIPE_KEY --json | jq '.versions[0].set'")]
pub struct Args {
    /// The variable
    #[arg(value_name = "NAME")]
    name: VariableName,

    #[command(flatten)]
    place: Place,
}

/// `GET …/env/{name}/versions`.
#[derive(Debug, Deserialize)]
struct Versions {
    name: String,
    #[serde(default)]
    owner: String,
    /// Of a secret with an interval.
    #[serde(default)]
    rotation_due: Option<String>,
    versions: Vec<Version>,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: u64,
    current: bool,
    /// Of a host that does not tell, the current one alone.
    #[serde(default)]
    live: bool,
    is_secret: bool,
    /// None where a directory owns it.
    #[serde(default)]
    set: Option<Change>,
    /// None where it was not revoked.
    #[serde(default)]
    revoked: Option<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    revision: u64,
    at: String,
    by: String,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let path = self.place.below(&[self.name.as_str(), "versions"]);
        let answer = self.place.host.ask(self.place.here(Request::get(&path)))?;
        if output.is_json() {
            return Ok(output.raw(&answer.body)?);
        }
        let mut page = output.page();
        list(&answer.json()?, &mut page);
        Ok(output.show(&page)?)
    }
}

fn list(told: &Versions, page: &mut Page) {
    let due = told.rotation_due.as_ref().map(|at| format!(", to be rotated by {at}")).unwrap_or_default();
    page.heading(&told.name, &format!("owned by the {}{due}", told.owner));
    let mut table = Table::new(&["CURRENT", "VERSION", "KIND", "REVISION", "SET", "BY", "REVOKED", "BY"]);
    for one in &told.versions {
        let current = match (one.current, one.live) {
            (true, _) => "*",
            (false, true) => "live",
            (false, false) => "",
        };
        let kind = if one.is_secret { "secret" } else { "plain" };
        let revision = one.set.as_ref().map(|set| set.revision.to_string()).unwrap_or_default();
        let [(at, by), (revoked, revoker)] = [&one.set, &one.revoked].map(|change| {
            change.as_ref().map_or(("", ""), |change| (change.at.as_str(), change.by.as_str()))
        });
        table.row(&[current, &one.version.to_string(), kind, &revision, at, by, revoked, revoker]);
    }
    page.table(&table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    #[test]
    fn the_current_one_is_marked_and_a_directorys_says_nothing_of_who() {
        let answer = r#"{"name":"KEY","owner":"api","etag":"\"5\"","rotate_every":90,
            "rotation_due":"2027-02-20T12:00:00Z","versions":[
            {"version":2,"current":true,"is_secret":true,"set":{"revision":5,"at":"2026-11-22T12:00:00Z","by":"ada"}},
            {"version":1,"current":false,"is_secret":false,"set":null,
             "revoked":{"revision":6,"at":"2026-11-22T13:00:00Z","by":"eve"}}]}"#;
        let mut page = Page::new(Layout::Pipe);
        list(&serde_json::from_str(answer).unwrap(), &mut page);
        let expected = "\
KEY  owned by the api, to be rotated by 2027-02-20T12:00:00Z
CURRENT\tVERSION\tKIND\tREVISION\tSET\tBY\tREVOKED\tBY
*\t2\tsecret\t5\t2026-11-22T12:00:00Z\tada\t\t
\t1\tplain\t\t\t\t2026-11-22T13:00:00Z\teve
";
        assert_eq!(anstream::adapter::strip_str(page.as_str()).to_string(), expected);
    }
}
