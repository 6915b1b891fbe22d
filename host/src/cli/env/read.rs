//! `bootlace env list` and `show`.

use serde::Deserialize;

use super::Environment;
use crate::{
    cli::{
        change::shown,
        connection::AdminHost,
        output::{Output, Page, Table},
    },
    client::Request,
    id::EnvironmentName,
};

/// List the environments that the token sees
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace env list
  bootlace env list --workspace acme --json | jq -r '.environments[].name'")]
pub struct List {
    /// Which host
    #[command(flatten)]
    host: AdminHost,
}

/// Show one, with the etag that a change may name
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace env show production
  bootlace env show preview/pr-42 --json | jq .labels")]
pub struct Show {
    /// The environment
    #[arg(value_name = "NAME")]
    name: EnvironmentName,

    /// Which host
    #[command(flatten)]
    host: AdminHost,
}

#[derive(Debug, Deserialize)]
struct Environments {
    environments: Vec<Environment>,
}

impl List {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let whole = self.host.list(Request::get(&["api", "v1", "environments"]), "environments")?;
        if output.is_json() {
            return Ok(output.json(&whole)?);
        }
        let mut page = output.page();
        list(&serde_json::from_value(whole)?, &mut page);
        Ok(output.show(&page)?)
    }
}

impl Show {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let answer = self.host.ask(one(&self.name))?;
        if output.is_json() {
            return Ok(output.raw(&answer.body)?);
        }
        let mut page = output.page();
        show(&answer.json()?, &mut page);
        Ok(output.show(&page)?)
    }
}

/// The environment as it is.
pub(super) fn current(host: &AdminHost, name: &EnvironmentName) -> anyhow::Result<Environment> {
    Ok(host.ask(one(name))?.json()?)
}

fn one(name: &EnvironmentName) -> Request {
    Request::get(&["api", "v1", "environments", name.as_str()])
}

fn list(Environments { environments }: &Environments, page: &mut Page) {
    let mut table =
        Table::new(&["NAME", "TYPE", "IS", "PROMOTES TO", "DEPLOYMENTS", "EXPIRES", "OWNER", "ETAG"]);
    for one in environments {
        let (deployments, expires) = (one.deployments.join(", "), one.expires.as_deref().unwrap_or("never"));
        let promotes_to = one.promotes_to.as_deref().unwrap_or_default();
        let (is, etag) = (qualities(one), shown(one.etag));
        table.row(&[&one.name, &one.kind, &is, promotes_to, &deployments, expires, &one.owner, &etag]);
    }
    page.table(&table);
}

fn show(one: &Environment, page: &mut Page) {
    page.heading(&one.name, &one.kind);
    let labels: Vec<_> = one.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    page.fields(&[
        ("is", qualities(one)),
        ("promotes to", one.promotes_to.clone().unwrap_or_default()),
        ("trigger", one.trigger.clone().unwrap_or_default()),
        ("deployments", one.deployments.join(", ")),
        ("labels", labels.join(" ")),
        ("expires", one.expires.clone().unwrap_or_else(|| "never".to_owned())),
        ("owner", one.owner.clone()),
        ("etag", shown(one.etag)),
    ]);
}

/// What is special about it, in words.
fn qualities(one: &Environment) -> String {
    let all = [(one.protected, "protected"), (one.deprecated, "deprecated")];
    let words: Vec<_> = all.into_iter().filter_map(|(holds, word)| holds.then_some(word)).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    const ANSWER: &str = r#"{"environments":[
        {"name":"production","type":"production","protected":true,"deprecated":false,"expires":null,
         "promotes_to":null,"labels":{},"deployments":["checkout","search"],"owner":"directory","etag":null},
        {"name":"qa/eu","type":"test","protected":false,"deprecated":true,"promotes_to":"production",
         "labels":{"team":"payments"},"deployments":[],"owner":"api","etag":"\"7\"","added-later":1}]}"#;

    #[test]
    fn a_list_tells_what_each_is_and_one_is_told_in_full() {
        let answer: Environments = serde_json::from_str(ANSWER).unwrap();
        let mut page = Page::new(Layout::Pipe);
        list(&answer, &mut page);
        show(&answer.environments[1], &mut page);
        let expected = "\
NAME\tTYPE\tIS\tPROMOTES TO\tDEPLOYMENTS\tEXPIRES\tOWNER\tETAG
production\tproduction\tprotected\t\tcheckout, search\tnever\tdirectory\t
qa/eu\ttest\tdeprecated\tproduction\t\tnever\tapi\t7
qa/eu  test
is\tdeprecated
promotes to\tproduction
labels\tteam=payments
expires\tnever
owner\tapi
etag\t7
";
        assert_eq!(anstream::adapter::strip_str(page.as_str()).to_string(), expected);
    }
}
