//! `bootlace policy push` and `delete`: a host's policies, changed.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{component, named_after};
use crate::{
    cli::{block_on, connection::AdminHost, output::Output},
    client::{Answer, Request},
    id::PolicyName,
    model::Fallback,
};

/// How long the host may compile and rehearse: to give up on it is not to call it back.
const HOST_AT_WORK: Duration = Duration::from_secs(120);

/// Upload a policy to a host, or another version of it
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy push region-affinity.wasm --fallback previous
  bootlace policy push target/wasm32-unknown-unknown/release/near_zone.wasm --name near-zone
  bootlace policy push near-zone.wasm --confirm production     attached there, and that is protected")]
pub struct Args {
    /// The component or core module
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,

    /// The policy's name; the file's without it
    #[arg(long, value_name = "NAME")]
    pub name: Option<PolicyName>,

    /// When it keeps failing: refuse its boots, or put the previous version back
    #[arg(long, value_name = "refuse|previous", value_parser = fallback)]
    pub fallback: Option<Fallback>,

    /// What has to be confirmed
    #[command(flatten)]
    pub confirmed: ConfirmArgs,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// Delete a policy that is attached nowhere
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy delete near-zone")]
pub struct Delete {
    /// The policy
    #[arg(value_name = "NAME")]
    pub name: PolicyName,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// A change of what runs in protected environments.
#[derive(Debug, Default, clap::Args)]
pub struct ConfirmArgs {
    /// A protected environment that this runs in; once for each
    #[arg(long = "confirm", value_name = "ENVIRONMENT")]
    pub environments: Vec<String>,
}

/// The answer to a change.
#[derive(Debug, Deserialize)]
struct Changed {
    workspace: String,
    revision: u64,
    #[serde(default)]
    warnings: Vec<String>,
}

impl ConfirmArgs {
    /// The request, with what was confirmed.
    pub(super) fn tell(&self, request: Request) -> Request {
        self.environments.iter().fold(request, |request, name| request.query("confirm", name))
    }
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let name = named_after(&self.file, self.name.as_ref())?;
        let component = component(&self.file)?;
        let client = self.host.client()?;
        let request = Request::put(&["api", "v1", "policies", name.as_str()])
            .query_if("fallback", self.fallback.map(Fallback::as_str))
            .body("application/octet-stream", component)
            .patience(HOST_AT_WORK);
        let request = self.confirmed.tell(self.host.within(request));
        let progress = output.progress("the host compiles and rehearses it");
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        drop(progress);
        tell(&answer, &format!("policy {name}"), "pushed", output)
    }
}

impl Delete {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let client = self.host.client()?;
        let request = self.host.within(Request::delete(&["api", "v1", "policies", self.name.as_str()]));
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        tell(&answer, &format!("policy {}", self.name), "deleted", output)
    }
}

/// Says what a change came to.
pub(super) fn tell(answer: &Answer, what: &str, done: &str, output: &Output) -> anyhow::Result<()> {
    let Changed { workspace, revision, warnings } = answer.json()?;
    warnings.iter().for_each(|warning| output.warning(warning));
    if output.is_json() {
        return Ok(output.raw(&answer.body)?);
    }
    let mut page = output.page();
    page.heading(what, &format!("{done}; {workspace} is at revision {revision}"));
    Ok(output.show(&page)?)
}

fn fallback(text: &str) -> Result<Fallback, String> {
    text.parse().map_err(|_| "use refuse or previous".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_file_as_cargo_writes_it_names_the_policy() {
        for (file, more, name) in [
            ("target/release/near_zone.wasm", vec![], Some("near-zone")),
            ("near-zone.wasm", vec!["--name", "zones"], Some("zones")),
            ("Near Zone.wasm", vec![], None),
        ] {
            let line = ["push", file].into_iter().chain(more);
            let args = Line::parse_from(line).args;
            let named = named_after(&args.file, args.name.as_ref()).ok();
            assert_eq!(named.as_ref().map(PolicyName::as_str), name);
        }
    }
}
