//! `bootlace var unset`.

use super::place::Place;
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
  bootlace var unset -d checkout PAGE_SIZE                              in the base")]
pub struct Args {
    /// The variable
    #[arg(value_name = "NAME")]
    name: VariableName,

    /// Only if it still has this etag, which `var list` tells
    #[arg(long, value_name = "ETAG")]
    if_match: Option<Etag>,

    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let [api, version, deployments, id, values] = self.place.path();
        let path = [api, version, deployments, id, values, self.name.as_str()];
        let mut request = self.place.here(Request::delete(&path));
        if let Some(Etag(revision)) = self.if_match {
            request = request.if_match(revision);
        }
        let answer = self.place.host.ask(request)?;
        report(&answer, &format!("{} of {} is unset", self.name, self.place), output)
    }
}
