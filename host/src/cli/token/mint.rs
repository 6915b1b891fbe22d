//! `bootlace token mint`: by a host, or without one for a directory's `bootstrap.toml`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::offline;
use crate::{
    cli::{block_on, connection::AdminHost, exit::Misuse, files, output::Output},
    client::Request,
    id::{DeploymentId, EnvironmentName},
    model::Role,
};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Mint a token; it is shown once and never again
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace token mint instance -d checkout -e production --out checkout.token
  bootlace token mint tenant --role developer -e staging --principal alice@acme.example
  bootlace token mint operator --principal deploy-bot --days 30
  bootlace token mint --offline instance -d checkout -e staging --out t >> acme/bootstrap.toml")]
pub struct Args {
    /// What it may
    #[command(subcommand)]
    pub scope: Scope,

    /// On whose behalf it acts; approvals compare principals
    #[arg(long, global = true, value_name = "WHO")]
    pub principal: Option<String>,

    /// When it stops working; never without it
    #[arg(long, global = true, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub days: Option<u32>,

    /// Write it to a new file that only its owner can read, instead of printing it
    #[arg(long, short, global = true, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Ask no host; print what goes into bootstrap.toml, which holds the token's hash
    #[arg(long, global = true)]
    pub offline: bool,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// What a token may.
#[derive(Debug, Clone, Subcommand)]
pub enum Scope {
    /// Boot as one deployment in one environment
    Instance {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
        /// The environment
        #[arg(long, short, value_name = "NAME")]
        environment: EnvironmentName,
    },
    /// Use the control API of one workspace
    Tenant {
        /// viewer, developer, releaser or admin
        #[arg(long)]
        role: Role,
        /// Limit it to this environment; may be repeated
        #[arg(long, short, value_name = "NAME")]
        environment: Vec<EnvironmentName>,
    },
    /// Run the host: push, roll back, mint and read metrics, in every workspace
    Operator,
}

/// The only answer that ever holds the token.
#[derive(Deserialize)]
struct Minted {
    id: String,
    token: String,
    #[serde(default)]
    expires: Option<String>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let principal = self.principal()?;
        if let Some(out) = self.out.as_ref().filter(|out| out.exists()) {
            // Before there is a token that could get lost.
            return Err(Misuse(format!("{} is there already, and is not overwritten", out.display())).into());
        }
        let expires_in = self.days.map(|days| u64::from(days) * SECONDS_PER_DAY);
        if self.offline {
            return offline::mint(&self.scope, principal, expires_in, self.out.as_deref(), output);
        }
        let client = self.host.client()?;
        let body = serde_json::to_vec(&wanted(&self.scope, &principal, expires_in))?;
        let request =
            self.host.within(Request::post(&["api", "v1", "tokens"]).body("application/json", body));
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        let minted: Minted = answer.json()?;
        if let Some(out) = &self.out {
            save(out, &minted.token)?;
        }
        if output.is_json() {
            let mut told: Value = answer.json()?;
            if let (Some(_), Some(told)) = (&self.out, told.as_object_mut()) {
                // It is in the file, and a log may keep what is printed.
                told.remove("token");
            }
            return Ok(output.json(&told)?);
        }
        if self.out.is_none() {
            output.raw(minted.token.as_bytes())?;
        }
        output.note(&format!("token {} for {principal}, {}", minted.id, until(minted.expires.as_deref())));
        Ok(())
    }

    /// An instance acts for nobody but itself.
    fn principal(&self) -> anyhow::Result<String> {
        match (&self.principal, &self.scope) {
            (Some(principal), _) => Ok(principal.clone()),
            (None, Scope::Instance { deployment, environment }) => {
                Ok(format!("{deployment} in {environment}"))
            }
            _ => Err(Misuse("say on whose behalf it acts, with --principal WHO".into()).into()),
        }
    }
}

/// `token` and a newline in a new file, mode 0600.
pub(super) fn save(out: &Path, token: &str) -> anyhow::Result<()> {
    let mut line = Zeroizing::new(String::with_capacity(token.len() + 1));
    line.push_str(token);
    line.push('\n');
    files::write_private(out, line.as_bytes())
}

/// What the host is asked for.
fn wanted(scope: &Scope, principal: &str, expires_in: Option<u64>) -> Value {
    let mut wanted = match scope {
        Scope::Instance { deployment, environment } => json!({
            "kind": "instance", "deployment": deployment.as_str(), "environment": environment.as_str(),
        }),
        Scope::Tenant { role, environment } => json!({
            "kind": "tenant", "role": role.as_str(),
            "environments": environment.iter().map(EnvironmentName::as_str).collect::<Vec<_>>(),
        }),
        Scope::Operator => json!({ "kind": "operator" }),
    };
    wanted["principal"] = json!(principal);
    if let Some(seconds) = expires_in {
        wanted["expires_in"] = json!(seconds);
    }
    wanted
}

pub(super) fn until(expires: Option<&str>) -> String {
    expires.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {at}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_asked_for_what_the_kind_needs_and_no_more() {
        let instance = Scope::Instance {
            deployment: "checkout".parse().unwrap(),
            environment: "preview/pr-42".parse().unwrap(),
        };
        assert_eq!(
            wanted(&instance, "checkout", Some(60)),
            json!({"kind": "instance", "deployment": "checkout", "environment": "preview/pr-42",
                   "principal": "checkout", "expires_in": 60})
        );
        let tenant = Scope::Tenant { role: Role::Admin, environment: Vec::new() };
        assert_eq!(
            wanted(&tenant, "ada", None),
            json!({"kind": "tenant", "role": "admin", "environments": [], "principal": "ada"})
        );
        assert_eq!(wanted(&Scope::Operator, "bot", None), json!({"kind": "operator", "principal": "bot"}));
    }
}
