//! `bootlace token list` and `revoke`.

use serde::Deserialize;
use serde_json::json;

use crate::{
    cli::{
        block_on,
        connection::AdminHost,
        exit::Misuse,
        output::{Output, Page, Table},
    },
    client::Request,
};

/// List the tokens that work; what is listed cannot be used
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace token list
  bootlace token list --workspace acme --json | jq -r '.tokens[].id'")]
pub struct List {
    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// Revoke a token; it has stopped working when this returns
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace token revoke 4f1c2d009b07")]
pub struct Revoke {
    /// Its id, as `token list` shows it; never the token itself
    #[arg(value_name = "ID")]
    pub id: String,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    tokens: Vec<Entry>,
}

/// What is optional here depends on the kind.
#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
    kind: String,
    principal: String,
    #[serde(default)]
    deployment: Option<String>,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    environments: Vec<String>,
    #[serde(default)]
    created: String,
    #[serde(default)]
    expires: Option<String>,
    #[serde(default)]
    last_used: Option<String>,
}

impl List {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let client = self.host.client()?;
        let request = self.host.within(Request::get(&["api", "v1", "tokens"]));
        let answer = block_on(async { Ok(client.list(&request, "tokens").await?) })?;
        if output.is_json() {
            return Ok(output.json(&answer)?);
        }
        let mut page = output.page();
        list(&serde_json::from_value(answer)?, &mut page);
        Ok(output.show(&page)?)
    }
}

impl Revoke {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        // Whoever pastes a token here has shown it to every user of the machine.
        if self.id.starts_with("bl_") {
            let advice = "that is a token, not an id: every user of this machine can read arguments, so revoke \
                          it, by the id that `bootlace token list` shows";
            return Err(Misuse(advice.into()).into());
        }
        let client = self.host.client()?;
        let request = self.host.within(Request::delete(&["api", "v1", "tokens", &self.id]));
        block_on(async { Ok(client.send(&request).await?) })?;
        if output.is_json() {
            return Ok(output.json(&json!({ "revoked": self.id }))?);
        }
        let mut page = output.page();
        page.heading(&format!("token {}", self.id), "revoked");
        Ok(output.show(&page)?)
    }
}

fn list(Tokens { tokens }: &Tokens, page: &mut Page) {
    let mut table = Table::new(&["ID", "KIND", "PRINCIPAL", "MAY", "CREATED", "EXPIRES", "LAST USED"]);
    for token in tokens {
        let expires = token.expires.as_deref().unwrap_or("never");
        let used = token.last_used.as_deref().unwrap_or("not since the host's start");
        table.row(&[&token.id, &token.kind, &token.principal, &may(token), &token.created, expires, used]);
    }
    page.table(&table);
}

fn may(token: &Entry) -> String {
    match (&token.deployment, &token.environment, &token.role) {
        (Some(deployment), Some(environment), _) => format!("boot {deployment} in {environment}"),
        (_, _, Some(role)) if token.environments.is_empty() => format!("{role} everywhere"),
        (_, _, Some(role)) => format!("{role} in {}", token.environments.join(", ")),
        _ => "run the host".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    #[test]
    fn every_kind_says_what_it_may() {
        let answer = r#"{"tokens":[
            {"id":"a1","kind":"instance","principal":"checkout","workspace":"acme","deployment":"checkout",
             "environment":"staging","created":"2026-11-01T09:00:00Z","expires":null},
            {"id":"b2","kind":"tenant","principal":"ada","role":"admin","environments":[],
             "created":"2026-11-01T09:00:00Z","expires":"2027-11-01T09:00:00Z",
             "last_used":"2026-11-02T09:00:00Z","added-later":1},
            {"id":"c3","kind":"tenant","principal":"bob","role":"viewer","environments":["a","b"]}]}"#;
        let mut page = Page::new(Layout::Pipe);
        list(&serde_json::from_str(answer).unwrap(), &mut page);
        let expected = "\
ID\tKIND\tPRINCIPAL\tMAY\tCREATED\tEXPIRES\tLAST USED
a1\tinstance\tcheckout\tboot checkout in staging\t2026-11-01T09:00:00Z\tnever\tnot since the host's start
b2\ttenant\tada\tadmin everywhere\t2026-11-01T09:00:00Z\t2027-11-01T09:00:00Z\t2026-11-02T09:00:00Z
c3\ttenant\tbob\tviewer in a, b\t\tnever\tnot since the host's start
";
        assert_eq!(page.as_str(), expected);
    }
}
