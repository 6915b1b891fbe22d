//! `bootlace rotate`: new and old valid together, then the old one revoked, step by step. Every step looks at
//! what the host says now, so that whoever is stopped in between goes on where they were.

mod canary;
mod drain;
mod secret;
mod steps;

use std::{path::PathBuf, time::Duration};

use self::drain::Patience;
use super::{
    exit::Misuse,
    output::Output,
    run::pace::{interval, span},
    var::place::Target,
};
use crate::id::VariableName;

/// Rotate a secret: set the new one beside the old one, let everybody take it, revoke the old one
///
/// The steps are: set the new version beside the old one; with --canary, give it to a share of the instances
/// and stop there, or go on after --soak; give it to all; wait until no lease holds the old one, saying who
/// still does; revoke it. Whatever ends this in between loses nothing: say it again with --continue, or
/// without a new value, and it goes on from what is live.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace rotate -d checkout -e staging STRIPE_KEY < new.txt
  bootlace rotate -d checkout -e staging STRIPE_KEY --continue                where it was stopped
  bootlace rotate -d checkout -e production STRIPE_KEY --canary 10 < new.txt  then --continue
  bootlace rotate -d checkout -e production STRIPE_KEY --canary 10 --soak 30m < new.txt
  bootlace rotate -d checkout -e staging STRIPE_KEY --continue --accept-unproven
  bootlace rotate --all-deployments -e production SMTP_KEY --confirm production < new.txt")]
pub struct Args {
    /// The secret
    #[arg(value_name = "KEY")]
    key: Option<VariableName>,

    /// Go on with a rotation that was begun: nothing new is set
    #[arg(long = "continue", conflicts_with = "from_file")]
    go_on: bool,

    /// Read the new value from this file
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,

    /// Keep the newline at the end of what is read
    #[arg(long)]
    keep_newline: bool,

    /// Give the new version to this share of the instances first; the policy rotation-canary has to be attached
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
    canary: Option<u8>,

    /// Go on by itself after this time with the share, and do not stop there
    #[arg(long, value_name = "TIME", requires = "canary", value_parser = span)]
    soak: Option<Duration>,

    /// Wait no longer than this for those that hold the old version
    #[arg(long, value_name = "TIME", value_parser = span)]
    timeout: Option<Duration>,

    /// How often to ask who holds it
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval)]
    interval: Duration,

    /// Though boots without a lease were given the old version: you know that none of them runs any more; recorded
    #[arg(long)]
    accept_unproven: bool,

    #[command(flatten)]
    target: Target,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let Some(key) = &self.key else {
            return Err(Misuse("name the secret that is to be rotated".into()).into());
        };
        self.target.named()?.takes_secrets()?;
        secret::Rotation { key, args: &self, output }.run()
    }

    fn patience(&self) -> Patience {
        Patience { interval: self.interval, timeout: self.timeout }
    }
}
