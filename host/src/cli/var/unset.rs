//! `bootlace var unset`.

use super::place::Target;
use crate::{
    cli::{
        change::{Etag, report},
        output::Output,
    },
    client::Request,
    id::VariableName,
};

/// Unset a value, so that what it overrode is in force again
///
/// Refused where that would leave a required key without a value.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace var unset -d checkout -e staging LOG_LEVEL
  bootlace var unset -d checkout -e staging LOG_LEVEL --if-match 42     only if nobody set it since
  bootlace var unset -d checkout PAGE_SIZE                              in its base
  bootlace var unset --all-deployments -e staging LOG_LEVEL             of everybody in staging
  bootlace var unset --all-deployments TZ --confirm production          of everybody everywhere")]
pub struct Args {
    /// The variable
    #[arg(value_name = "NAME")]
    name: VariableName,

    /// Only if it still has this etag, which `var list` tells
    #[arg(long, value_name = "ETAG")]
    if_match: Option<Etag>,

    #[command(flatten)]
    target: Target,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let place = self.target.named()?;
        let mut request = place.here(Request::delete(&place.below(&[self.name.as_str()])));
        if let Some(Etag(revision)) = self.if_match {
            request = request.if_match(revision);
        }
        let answer = self.target.ask(request)?;
        report(&answer, &format!("{} of {} is unset", self.name, place), output)
    }
}
