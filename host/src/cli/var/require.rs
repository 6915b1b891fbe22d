//! `bootlace var require`.

use serde_json::{Value, json};

use super::place::Target;
use crate::{
    cli::{
        change::report,
        deployment::settings::{Required, forms},
        output::Output,
    },
    client::Request,
};

/// Let no instance start without a key, and say of which form it is
///
/// Refused where an instance would be without it, or with another form. What one deployment requires in all
/// of its environments is said with `bootlace deployment set --require`. Only an admin says this.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Forms: any, url, port, integer, boolean, pattern:REGEX

Examples:
  bootlace var require -d checkout -e staging STRIPE_KEY PORT=port
  bootlace var require --all-deployments -e staging SENTRY_DSN=url
  bootlace var require --all-deployments LOG_LEVEL='pattern:debug|info|warn|error' --confirm production
  bootlace var require -d checkout -e staging STRIPE_KEY --off             not any more")]
pub struct Args {
    /// Keys, each with its form; any text, where none is said
    #[arg(value_name = "NAME[=FORM]", required = true)]
    what: Vec<Required>,

    /// They are not required any more
    #[arg(long)]
    off: bool,

    #[command(flatten)]
    target: Target,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let place = self.target.named()?;
        let Value::Object(forms) = forms(&self.what) else { return Ok(()) };
        let (names, wanted): (Vec<_>, Vec<_>) = forms
            .into_iter()
            .map(|(name, form)| {
                let form = if self.off { Value::Bool(false) } else { form };
                let wanted = json!({ "environment": place.said(), "name": name, "required": form });
                (name, wanted)
            })
            .unzip();
        let request = Request::post(&place.path()).body("application/json", serde_json::to_vec(&wanted)?);
        let answer = self.target.ask(request)?;
        let done = if self.off { "not required any more" } else { "required" };
        report(&answer, &format!("{} of {place}: {done}", names.join(", ")), output)
    }
}
