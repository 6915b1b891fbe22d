//! `bootlace var revoke`.

use super::place::Target;
use crate::{
    cli::{
        change::{Etag, report},
        output::Output,
    },
    client::Request,
    id::VariableName,
};

/// Revoke an earlier version of a value, so that nothing hands it out again
///
/// It is neither handed out nor shown again; its sealed bytes stay in the revisions that can be looked at, until
/// the oldest are forgotten. The version that is handed out is not revoked: set a new one first.
/// Nor is one that an instance holds a lease of: the refusal names those that do.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace var versions -d checkout -e staging STRIPE_KEY                 which there are
  bootlace var revoke -d checkout -e staging STRIPE_KEY --version 2
  bootlace var revoke --all-deployments -e production SMTP_KEY --version 1 --confirm production")]
pub struct Args {
    /// The variable
    #[arg(value_name = "NAME")]
    name: VariableName,

    /// The version's number, which `var versions` tells
    #[arg(long, value_name = "NUMBER")]
    version: u64,

    /// Though boots without a lease were given it: you know that none of them runs any more; recorded
    #[arg(long)]
    accept_unproven: bool,

    /// Only if the value still has this etag, which `var list` tells
    #[arg(long, value_name = "ETAG")]
    if_match: Option<Etag>,

    #[command(flatten)]
    target: Target,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let place = self.target.named()?;
        let version = self.version.to_string();
        let path = place.below(&[self.name.as_str(), "versions", &version, "revoke"]);
        let accepted = self.accept_unproven.then_some("true");
        let mut request = place.here(Request::post(&path)).query_if("accept_unproven", accepted);
        if let Some(Etag(revision)) = self.if_match {
            request = request.if_match(revision);
        }
        let answer = self.target.ask(request)?;
        report(&answer, &format!("version {version} of {} of {place} is revoked", self.name), output)
    }
}
