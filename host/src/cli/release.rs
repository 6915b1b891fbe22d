//! `bootlace release`: the numbered versions of a deployment.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use super::{
    connection::AdminHost,
    exit::Misuse,
    facts::key_value,
    files,
    output::{Output, Page, Table},
    resource::{self, Owned},
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName, VariableName},
};

/// The longest file of names, in bytes.
const MAX_NAMES_BYTES: u64 = 1024 * 1024;

/// Register and list releases
///
/// A release is a number, the digest of what was released, labels, and the keys that it reads. It stays as it
/// was registered. Where an environment takes releases by itself, it is active by that; elsewhere somebody
/// promotes it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace release create -d checkout --digest sha256:4f1c… --label commit=4f1c2d0
  bootlace release create -d checkout --number 19 --digest sha256:4f1c… --key DATABASE_URL --key LOG_LEVEL
  bootlace release create -d checkout --digest sha256:4f1c… --keys keys.txt      one name a line
  bootlace release list -d checkout
  bootlace release activations -d checkout -e production    what ran there, since when, and why")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// What can be done with releases.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List a deployment's releases, the newest first, and where each is active
    List {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
    },
    /// List what runs and what ran before, the newest first: since when, on whose behalf and why
    Activations {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
        /// In this environment only
        #[arg(long, short, value_name = "NAME")]
        environment: Option<EnvironmentName>,
    },
    /// Register a release; the same one twice is registered once
    Create {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
        /// Its number; the next, where none is given
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
        number: Option<u64>,
        /// The digest of what was released, such as an image's
        #[arg(long, value_name = "DIGEST")]
        digest: String,
        /// Something that is to be known about it; may be repeated
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
        labels: Vec<(String, String)>,
        /// A key that it reads; may be repeated
        #[arg(long = "key", value_name = "NAME")]
        keys: Vec<VariableName>,
        /// A file with more of them, one a line
        #[arg(long = "keys", value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// `GET /api/v1/deployments/{id}/releases`; members may be added.
#[derive(Deserialize)]
struct Releases {
    releases: Vec<Release>,
}

#[derive(Deserialize)]
struct Release {
    number: u64,
    digest: String,
    created: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    active_in: Vec<String>,
    #[serde(flatten)]
    owned: Owned,
}

/// `GET /api/v1/deployments/{id}/activations`; members may be added.
#[derive(Deserialize)]
struct Activations {
    activations: Vec<Activation>,
}

#[derive(Deserialize)]
struct Activation {
    environment: String,
    number: u64,
    release: u64,
    active: bool,
    since: String,
    by: Option<String>,
    why: String,
    pinned_to: Option<u64>,
}

/// What a registration is answered with; members may be added.
#[derive(Deserialize)]
struct Registered {
    release: Release,
    #[serde(default)]
    existed: bool,
    #[serde(default)]
    activated: Vec<String>,
    #[serde(default)]
    not_activated: Vec<Unfit>,
}

#[derive(Deserialize)]
struct Unfit {
    environment: String,
    reason: String,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.action {
            Action::List { deployment } => {
                resource::list(&self.host, &of(&deployment), "releases", output, list)
            }
            Action::Activations { deployment, environment } => {
                let path = ["api", "v1", "deployments", deployment.as_str(), "activations"];
                let environment = environment.as_ref().map(EnvironmentName::as_str);
                let request = Request::get(&path).query_if("environment", environment);
                let answer = self.host.list(request, "activations")?;
                if output.is_json() {
                    return Ok(output.json(&answer)?);
                }
                let mut page = output.page();
                activations(&serde_json::from_value(answer)?, &mut page);
                Ok(output.show(&page)?)
            }
            Action::Create { deployment, number, digest, labels, mut keys, file } => {
                if let Some(file) = file {
                    keys.extend(names(&files::text_of(&file, MAX_NAMES_BYTES)?)?);
                }
                let labels: BTreeMap<_, _> = labels.into_iter().collect();
                let keys: Vec<_> = keys.iter().map(VariableName::as_str).collect();
                let body = json!({ "number": number, "digest": digest, "labels": labels, "keys": keys });
                let request = Request::post(&of(&deployment)).body("application/json", body.to_string());
                let answer = self.host.ask(request)?;
                if output.is_json() {
                    return Ok(output.raw(&answer.body)?);
                }
                let mut page = output.page();
                let registered: Registered = answer.json()?;
                told(&registered, &deployment, &mut page);
                output.show(&page)?;
                for Unfit { environment, reason } in &registered.not_activated {
                    output.warning(&format!("not active in {environment}: {reason}"));
                }
                Ok(())
            }
        }
    }
}

fn of(deployment: &DeploymentId) -> [&str; 5] {
    ["api", "v1", "deployments", deployment.as_str(), "releases"]
}

/// The names in a file, one a line.
fn names(text: &str) -> anyhow::Result<Vec<VariableName>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let names = lines.map(|line| line.parse().map_err(|error| Misuse(format!("{line}: {error}")).into()));
    names.collect()
}

fn list(Releases { releases }: &Releases, page: &mut Page) {
    let mut table = Table::new(&["RELEASE", "DIGEST", "CREATED", "ACTIVE IN", "LABELS", "OWNER"]);
    for Release { number, digest, created, labels, active_in, owned } in releases {
        let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let (number, active_in) = (number.to_string(), active_in.join(", "));
        table.row(&[&number, digest, created, &active_in, &labels.join(" "), &owned.shown()]);
    }
    page.table(&table);
}

fn activations(Activations { activations }: &Activations, page: &mut Page) {
    let mut table = Table::new(&["ENVIRONMENT", "NUMBER", "RELEASE", "SINCE", "BY", "WHY", "STATE"]);
    for one in activations {
        let Activation { environment, number, release, active, since, by, why, pinned_to } = one;
        let mut state = vec![];
        state.extend(active.then(|| "active".to_owned()));
        state.extend(pinned_to.map(|number| format!("pinned to {number}")));
        let (number, release) = (number.to_string(), release.to_string());
        let by = by.as_deref().unwrap_or_default();
        table.row(&[environment, &number, &release, since, by, why, &state.join(", ")]);
    }
    page.table(&table);
}

fn told(registered: &Registered, deployment: &DeploymentId, page: &mut Page) {
    let Registered { release, existed, activated, .. } = registered;
    let was = if *existed { "was registered before" } else { "is registered" };
    page.heading(&format!("release {} of {deployment} {was}", release.number), &release.digest);
    if !activated.is_empty() {
        page.fields(&[("active in", activated.join(", "))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Layout;

    #[test]
    fn a_release_is_told_with_where_it_is_active() {
        let entry = r#"{"number":19,"digest":"sha256:aa","created":"2026-11-22T12:00:00Z","labels":{"commit":"4f1"},
            "keys":["A"],"active_in":["development"],"owner":"api","etag":"\"7\"","added-later":1}"#;
        let all: Releases =
            serde_json::from_str(&format!(r#"{{"releases":[{entry}],"next":null}}"#)).unwrap();
        let made = format!(r#"{{"release":{entry},"existed":false,"activated":["development"]}}"#);
        let mut page = Page::new(Layout::Pipe);
        list(&all, &mut page);
        assert_eq!(
            page.as_str(),
            "RELEASE\tDIGEST\tCREATED\tACTIVE IN\tLABELS\tOWNER\n19\tsha256:aa\t2026-11-22T12:00:00Z\tdevelopment\tcommit=4f1\tapi 7\n"
        );
        told(&serde_json::from_str(&made).unwrap(), &"checkout".parse().unwrap(), &mut page);
        let told = page.as_str();
        assert!(
            told.contains("release 19 of checkout is registered")
                && told.ends_with("active in\tdevelopment\n"),
            "{told}"
        );
    }

    #[test]
    fn what_ran_is_told_with_the_number_that_a_rollback_takes() {
        let entry = r#"{"environment":"staging","number":3,"release":17,"active":true,"since":"2026-11-22T12:00:00Z",
            "until":null,"by":"ada","why":"rollback","revision":9,"pinned_to":1,"added-later":1}"#;
        let all = serde_json::from_str(&format!(r#"{{"activations":[{entry}],"next":null}}"#)).unwrap();
        let mut page = Page::new(Layout::Pipe);
        activations(&all, &mut page);
        assert_eq!(
            page.as_str(),
            "ENVIRONMENT\tNUMBER\tRELEASE\tSINCE\tBY\tWHY\tSTATE\n\
             staging\t3\t17\t2026-11-22T12:00:00Z\tada\trollback\tactive, pinned to 1\n"
        );
    }

    #[test]
    fn a_file_of_names_has_one_a_line() {
        let names = names("DATABASE_URL\n\n# a comment\n  LOG_LEVEL \n").unwrap();
        assert_eq!(names.iter().map(VariableName::as_str).collect::<Vec<_>>(), ["DATABASE_URL", "LOG_LEVEL"]);
        assert!(super::names("not a name").is_err());
    }
}
