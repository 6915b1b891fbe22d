//! `bootlace policy list` and `show`: a host's policies.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    cli::{
        block_on,
        connection::AdminHost,
        output::{Output, Page, Table},
        resource,
    },
    client::Request,
    id::PolicyName,
};

/// List the policies of a workspace
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy list
  bootlace policy list --workspace acme --json | jq -r '.policies[].name'")]
pub struct List {
    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// Show a policy, its versions and where it is attached
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy show near-zone")]
pub struct Show {
    /// The policy
    #[arg(value_name = "NAME")]
    pub name: PolicyName,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

#[derive(Debug, Deserialize)]
struct Policies {
    policies: Vec<Policy>,
}

/// Members may be added.
#[derive(Debug, Deserialize)]
struct Policy {
    name: String,
    #[serde(default)]
    kind: Option<String>,
    digest: String,
    bytes: usize,
    fallback: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    vary: Vec<String>,
    owner: String,
    attachments: Vec<Attachment>,
    #[serde(default)]
    versions: Vec<Version>,
    #[serde(default)]
    asked: Option<Asked>,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    id: String,
    place: Place,
    settings: BTreeMap<String, String>,
    owner: String,
}

#[derive(Debug, Deserialize)]
struct Place {
    #[serde(default)]
    deployment: Option<String>,
    #[serde(default)]
    environment: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Version {
    digest: String,
    current: bool,
    failed: bool,
    set: Option<Set>,
}

#[derive(Debug, Deserialize)]
struct Set {
    at: String,
    by: String,
}

#[derive(Debug, Deserialize)]
struct Asked {
    asked: u64,
    denied: u64,
    failed: u64,
    median_fuel: Option<u64>,
    most_fuel: Option<u64>,
}

impl List {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        resource::list(&self.host, &["api", "v1", "policies"], "policies", output, list)
    }
}

impl Show {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let client = self.host.client()?;
        let request = self.host.within(Request::get(&["api", "v1", "policies", self.name.as_str()]));
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        if output.is_json() {
            return Ok(output.raw(&answer.body)?);
        }
        let mut page = output.page();
        show(&answer.json()?, &mut page);
        Ok(output.show(&page)?)
    }
}

fn list(Policies { policies }: &Policies, page: &mut Page) {
    let mut table = Table::new(&["NAME", "KIND", "VERSION", "FALLBACK", "OWNER", "ATTACHED"]);
    for policy in policies {
        let kind = policy.kind.as_deref().unwrap_or("-");
        let places: Vec<_> = policy.attachments.iter().map(|one| one.place.to_string()).collect();
        let places = if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") };
        let version = policy.version.as_deref().unwrap_or("-");
        table.row(&[&policy.name, kind, version, &policy.fallback, &policy.owner, &places]);
    }
    page.table(&table);
}

fn show(policy: &Policy, page: &mut Page) {
    let kind = policy.kind.as_deref().unwrap_or("policy");
    page.heading(&policy.name, &format!("{kind}, owned by {}", policy.owner));
    let titled = [&policy.title, &policy.version].into_iter().flatten().cloned().collect::<Vec<_>>();
    page.fields(&[
        ("component", format!("{}, {} bytes", policy.digest, policy.bytes)),
        ("says it is", titled.join(" ")),
        ("depends on", policy.vary.join(", ")),
        ("fallback", policy.fallback.clone()),
        ("asked", policy.asked.as_ref().map(ToString::to_string).unwrap_or_default()),
    ]);
    page.gap();
    let mut attached = Table::new(&["ATTACHED TO", "SETTINGS", "OWNER", "ID"]);
    for one in &policy.attachments {
        let settings: Vec<_> = one.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        attached.row(&[&one.place.to_string(), &settings.join(" "), &one.owner, &one.id]);
    }
    page.table(&attached);
    let mut versions = Table::new(&["COMPONENT", "SET", "BY", ""]);
    for one in &policy.versions {
        let (at, by) = one.set.as_ref().map_or(("-", "-"), |set| (&set.at, &set.by));
        let state = match (one.current, one.failed) {
            (true, _) => "served",
            (false, true) => "taken back, it kept failing",
            (false, false) => "",
        };
        versions.row(&[&one.digest, at, by, state]);
    }
    page.table(&versions);
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.deployment, &self.environment) {
            (Some(deployment), Some(environment)) => write!(f, "{deployment} in {environment}"),
            (Some(only), None) | (None, Some(only)) => f.write_str(only),
            (None, None) => f.write_str("the workspace"),
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { asked, denied, failed, median_fuel, most_fuel } = self;
        write!(f, "{asked} times, denied {denied}, failed {failed}")?;
        match (median_fuel, most_fuel) {
            (Some(median), Some(most)) => write!(f, "; fuel about {median}, at most {most}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    const SHOWN: &str = r#"{"name":"near-zone","kind":"resolve","digest":"sha256:aa","bytes":12,"fallback":"previous",
        "title":"near-zone","version":"0.1.0","vary":["zone"],"owner":"api","added-later":1,
        "attachments":[{"id":"00ff","policy":"near-zone","place":{"deployment":"checkout","environment":"staging"},
            "settings":{"a":"1","b":"2"},"owner":"api"}],
        "asked":{"asked":3,"denied":1,"failed":0,"median_fuel":1000,"most_fuel":2000},
        "versions":[{"digest":"sha256:aa","current":true,"failed":false,"set":{"revision":4,"at":"2026-11-01T09:00:00Z","by":"host"}},
            {"digest":"sha256:bb","current":false,"failed":true,"set":null}]}"#;

    #[test]
    fn a_policy_is_shown_with_its_places_and_versions() {
        let mut page = Page::new(Layout::Pipe);
        show(&serde_json::from_str(SHOWN).unwrap(), &mut page);
        let text = anstream::adapter::strip_str(page.as_str()).to_string();
        let expected = "\
near-zone  resolve, owned by api
component\tsha256:aa, 12 bytes
says it is\tnear-zone 0.1.0
depends on\tzone
fallback\tprevious
asked\t3 times, denied 1, failed 0; fuel about 1000, at most 2000
ATTACHED TO\tSETTINGS\tOWNER\tID
checkout in staging\ta=1 b=2\tapi\t00ff
COMPONENT\tSET\tBY\t
sha256:aa\t2026-11-01T09:00:00Z\thost\tserved
sha256:bb\t-\t-\ttaken back, it kept failing
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_list_says_where_each_runs() {
        let mut page = Page::new(Layout::Pipe);
        list(&serde_json::from_str(&format!("{{\"policies\":[{SHOWN}]}}")).unwrap(), &mut page);
        let expected = "\
NAME\tKIND\tVERSION\tFALLBACK\tOWNER\tATTACHED
near-zone\tresolve\t0.1.0\tprevious\tapi\tcheckout in staging
";
        assert_eq!(page.as_str(), expected);
    }
}
