//! `bootlace var set`: plain values as arguments, everything else from standard input or a file.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    str,
};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{place::Target, wire::Values};
use crate::{
    change::MAX_EDITS,
    cli::{
        change::{Etag, report},
        exit::Misuse,
        hardening::forbid_dumps,
        output::Output,
        rotate::due::{Every, days},
        value,
    },
    client::Request,
    id::VariableName,
};

/// Set one variable, or several plain ones at once
///
/// NAME=VALUE is for plain values: every user of the machine can read arguments. With NAME alone the
/// value comes from standard input or a file, or is asked for. Several are set all or none.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace var set -d checkout -e staging LOG_LEVEL=debug WORKERS=4
  bootlace var set -d checkout PAGE_SIZE=20 --description 'of lists'         in its base
  bootlace var set --all-deployments -e staging LOG_LEVEL=debug              of everybody in staging
  bootlace var set --all-deployments TZ=UTC --confirm production             of everybody everywhere
  bootlace var set -d checkout -e staging STRIPE_KEY --secret --description 'calls Stripe'
  bootlace var set -d checkout -e staging STRIPE_KEY --secret < key.txt      a new version of it
  bootlace var set -d checkout -e staging STRIPE_KEY --keep < key.txt        beside the one before
  bootlace var set -d checkout -e staging CA_BUNDLE --from-file ca.pem --keep-newline
  bootlace var set -d checkout -e staging CACHE_DSN --template 'redis://:${CACHE_KEY|percent}@cache/0'
  bootlace var set -d checkout -e staging LOG_LEVEL=debug --if-match 42      only if nobody set it since")]
pub struct Args {
    /// What to set
    #[arg(value_name = "NAME[=VALUE]", required = true)]
    what: Vec<String>,

    /// It is a secret: it is asked for, or read from standard input or a file
    #[arg(long)]
    secret: bool,

    /// Read the value from this file
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,

    /// Put it together at each boot, from text with ${NAME} or ${NAME|percent} for other variables
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["secret", "from_file"])]
    template: Option<String>,

    /// The version before it stays live beside it, for a policy to choose, until it is revoked
    #[arg(long, conflicts_with = "template")]
    keep: bool,

    /// After how many days the secret is to be rotated, or never: a reminder
    #[arg(long, value_name = "DAYS", value_parser = days, conflicts_with = "template")]
    rotate_every: Option<Every>,

    /// Keep the newline at the end of what is read
    #[arg(long)]
    keep_newline: bool,

    /// What it is for; every secret has one, and what it has stays
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Only if it still has this etag, which `var list` tells
    #[arg(long, value_name = "ETAG", conflicts_with = "if_absent")]
    if_match: Option<Etag>,

    /// Only if it is not set there yet
    #[arg(long)]
    if_absent: bool,

    #[command(flatten)]
    target: Target,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let _dumps_off = forbid_dumps()?;
        let place = self.target.named()?;
        let body = match self.what.as_slice() {
            [name] if !name.contains('=') => match &self.template {
                Some(template) => self.template(name, template)?,
                None => self.read(name)?,
            },
            several => self.given(several)?,
        };
        let what = match body.as_slice() {
            [(name, _)] => format!("{name} of {} is set", place),
            several => format!("{} values of {} are set", several.len(), place),
        };
        let body: Vec<_> = body.into_iter().map(|(_, wanted)| wanted).collect();
        let body = serde_json::to_vec(&body)?;
        let mut request = Request::post(&place.path()).body("application/json", body);
        if let Some(Etag(revision)) = self.if_match {
            request = request.if_match(revision);
        }
        if self.if_absent {
            request = request.if_absent();
        }
        let answer = self.target.ask(request)?;
        report(&answer, &what, output)
    }

    /// One that is made of others.
    fn template(&self, name: &str, template: &str) -> anyhow::Result<Vec<(VariableName, Value)>> {
        let name = parsed(name)?;
        let wanted = json!({
            "environment": self.target.place.said(), "name": name.as_str(), "template": template,
            "description": self.description,
        });
        Ok(vec![(name, wanted)])
    }

    /// One value that is no argument.
    fn read(&self, name: &str) -> anyhow::Result<Vec<(VariableName, Value)>> {
        let name = parsed(name)?;
        if self.secret {
            self.target.place.takes_secrets()?;
        } else if self.from_file.is_none() && io::stdin().is_terminal() {
            let advice =
                format!("give {name}=VALUE, or a file with --from-file, or say --secret to be asked for it");
            return Err(Misuse(advice).into());
        }
        let what = format!("{name} of {}", self.target.place);
        let value = value::read(self.from_file.as_deref(), self.keep_newline, &what, "--from-file")?;
        let value = Zeroizing::new(str::from_utf8(&value).map(str::to_owned).map_err(|_| {
            Misuse(format!("the value of {name} is not UTF-8 text; encode it, as base64 for example"))
        })?);
        // Without the word it stays what it is: a secret that gets its next version.
        let wanted = self.wanted(&name, &value, self.secret.then_some(true));
        Ok(vec![(name, wanted)])
    }

    /// Values that are arguments.
    fn given(&self, several: &[String]) -> anyhow::Result<Vec<(VariableName, Value)>> {
        let misuse = |advice: String| anyhow::Error::new(Misuse(advice));
        if self.template.is_some() {
            return Err(misuse("a template is set for one NAME, without `=`".to_owned()));
        }
        if self.secret || self.from_file.is_some() {
            let advice =
                "a value that is secret or comes from a file is no argument: give one NAME, without `=`";
            return Err(misuse(advice.to_owned()));
        }
        if several.len() > MAX_EDITS {
            return Err(misuse(format!(
                "at most {MAX_EDITS} are set at once; `bootlace var import` sets more"
            )));
        }
        if several.len() > 1 && self.if_match.is_some() {
            return Err(misuse("--if-match is about one variable; set it alone".to_owned()));
        }
        let pairs = several.iter().map(|text| {
            let advice = "several at once are written as NAME=VALUE each; what is to be read is set alone";
            let (name, value) = text.split_once('=').ok_or_else(|| misuse(advice.to_owned()))?;
            Ok((parsed(name)?, value))
        });
        let pairs: Vec<(VariableName, &str)> = pairs.collect::<anyhow::Result<_>>()?;
        let there: Values = self.target.place.everything(false)?;
        let is_secret = |name: &VariableName| {
            there.variables.iter().any(|one| one.is_secret && one.name == name.as_str())
        };
        if let Some((name, _)) = pairs.iter().find(|(name, _)| is_secret(name)) {
            return Err(misuse(format!(
                "{name} is a secret, and every user of this machine can read arguments: give {name} without \
                 `=`, and its value on standard input or with --from-file"
            )));
        }
        Ok(pairs
            .into_iter()
            .map(|(name, value)| {
                let wanted = self.wanted(&name, value, None);
                (name, wanted)
            })
            .collect())
    }

    fn wanted(&self, name: &VariableName, value: &str, is_secret: Option<bool>) -> Value {
        let mut wanted = json!({
            "environment": self.target.place.said(), "name": name.as_str(), "value": value,
            "is_secret": is_secret, "description": self.description,
        });
        if self.keep {
            wanted["keep"] = true.into();
        }
        if let Some(Every(days)) = self.rotate_every {
            wanted["rotate_every"] = json!(days);
        }
        wanted
    }
}

/// A name. What is none is not quoted: it may be a value in the wrong place.
fn parsed(name: &str) -> anyhow::Result<VariableName> {
    name.parse().map_err(|error| Misuse(format!("{error}")).into())
}
