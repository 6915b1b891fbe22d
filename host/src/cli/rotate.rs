//! `bootlace rotate`: new and old valid together, then the old one revoked, step by step. Every step looks at
//! what the host says now, so that whoever is stopped in between goes on where they were.

mod canary;
mod drain;
pub(super) mod due;
mod secret;
mod service;
mod steps;

use std::{path::PathBuf, time::Duration};

use self::drain::Patience;
use super::{
    exit::Misuse,
    output::Output,
    run::pace::{interval, span},
    var::place::Target,
};
use crate::id::{ServiceId, VariableName};

/// Rotate a secret or a service's credential: the new one beside the old one, for everybody, then alone
///
/// The steps are: set the new version beside the old one; with --canary, give it to a share of the instances
/// and stop there, or go on after --soak; give it to all; wait until no lease holds the old one, saying who
/// still does; revoke it. Whatever ends this in between loses nothing: say it again with --continue, or
/// without a new value, and it goes on from what is live.
///
/// With --service it is the credential of a data service, by two roles that take turns: that of --user is handed
/// out from now on, and it is waited until no lease holds the other one's, which can be dropped then: unless boots
/// without a lease were given that, too, and nobody says with --accept-unproven that they are over.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace rotate -d checkout -e staging STRIPE_KEY < new.txt
  bootlace rotate -d checkout -e staging STRIPE_KEY --continue                where it was stopped
  bootlace rotate -d checkout -e staging STRIPE_KEY --canary 10 < new.txt     then --continue
  bootlace rotate -d checkout -e production STRIPE_KEY --canary 10 --soak 30m --confirm production < new.txt
  bootlace rotate -d checkout -e staging STRIPE_KEY --continue --accept-unproven
  bootlace rotate --all-deployments -e production SMTP_KEY --confirm production < new.txt
  bootlace rotate -d checkout -e production STRIPE_KEY --every 90d            a reminder, and nothing now
  bootlace rotate --service orders -e production --every 90d                  the same of a service's credential
  bootlace rotate --due                                                       what is to be rotated by now
  bootlace rotate --service orders -e production --user orders_b --password --confirm production < new.txt")]
pub struct Args {
    /// The secret
    #[arg(value_name = "KEY")]
    key: Option<VariableName>,

    /// The credential of this data service, in the environment that owns the instance
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["key", "deployment", "all_deployments", "canary"])]
    service: Option<ServiceId>,

    /// Who connects from now on; the role before stays as it is until nobody connects as it
    #[arg(long, value_name = "NAME", requires = "service", conflicts_with = "go_on")]
    user: Option<String>,

    /// Change the password of the role that there is, in place: boots are given one that does not work from the
    /// database's change to this one, or the other way about, and whatever runs with the old one cannot connect again
    #[arg(long, requires = "service", conflicts_with = "user")]
    same_role: bool,

    /// Ask for the new password, or read it from standard input; so it does without saying so, too
    #[arg(long, requires = "service", conflicts_with = "go_on")]
    password: bool,

    /// List what is to be rotated by now, everywhere or in a deployment or an environment, and do nothing
    #[arg(long, conflicts_with_all = ["key", "service", "canary", "go_on", "all_deployments"])]
    due: bool,

    /// Say after how many days the secret or the credential is to be rotated, or never, and do nothing now
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["canary", "go_on", "from_file", "due", "user", "same_role", "password"], value_parser = due::days)]
    every: Option<due::Every>,

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

    /// Though boots without a lease were given the old version: you know that none of them runs any more; the host
    /// records it, and how many there were
    #[arg(long)]
    accept_unproven: bool,

    #[command(flatten)]
    target: Target,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        if self.due {
            return due::list(&self, output);
        }
        if let Some(service) = &self.service {
            let Some(environment) = self.target.place.environment() else {
                let advice = "name the environment that owns the instance with --environment";
                return Err(Misuse(advice.into()).into());
            };
            if let Some(due::Every(days)) = self.every {
                return due::every_credential(&self, (service, environment), days, output);
            }
            return service::Rotation { service, environment, args: &self, output }.run();
        }
        let Some(key) = &self.key else {
            return Err(Misuse("name the secret that is to be rotated".into()).into());
        };
        self.target.named()?.takes_secrets()?;
        if let Some(due::Every(days)) = self.every {
            return due::every(&self, key, days, output);
        }
        secret::Rotation { key, args: &self, output }.run()
    }

    fn patience(&self) -> Patience {
        Patience { interval: self.interval, timeout: self.timeout }
    }
}

/// `version 1`, or `versions 1, 2`.
fn listed(numbers: &[u64]) -> String {
    let all: Vec<_> = numbers.iter().map(u64::to_string).collect();
    format!("version{} {}", if all.len() == 1 { "" } else { "s" }, all.join(", "))
}
