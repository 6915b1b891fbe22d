//! `bootlace var`: variables and secrets, in every layer.

mod export;
mod import;
mod list;
pub(super) mod place;
mod require;
mod revoke;
mod set;
mod unset;
mod versions;
mod wire;

use clap::Subcommand;

pub(super) use self::import::Unread;
use super::output::Output;

/// List, set and import variables and secrets
///
/// A value stands in a deployment's base, which all of its environments share, or with --environment in
/// one of them, where it goes before the base. With --all-deployments it is everybody's: in every
/// environment, or in one. The narrower goes before: everybody's base, a deployment's base, everybody's in
/// an environment, a deployment's there. A secret always belongs to an environment, is never an argument,
/// and is never shown again. What a workspace directory names is changed there, not here.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace var list -d checkout -e staging
  bootlace var set -d checkout -e staging LOG_LEVEL=debug WORKERS=4
  bootlace var set --all-deployments -e staging LOG_LEVEL=debug
  bootlace var set -d checkout -e staging STRIPE_KEY --secret --description 'calls Stripe' < key.txt
  bootlace var unset -d checkout -e staging LOG_LEVEL
  bootlace var versions -d checkout -e staging STRIPE_KEY
  bootlace var require -d checkout -e staging STRIPE_KEY PORT=port
  bootlace var revoke -d checkout -e staging STRIPE_KEY --version 1
  bootlace var import -d checkout -e staging .env --dialect docker --secret STRIPE_KEY,'*_TOKEN'
  bootlace var export -d checkout -e staging --format dotenv")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with variables.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List them, masked, with the layers they come from
    List(list::Args),
    /// Set one, or several plain ones at once
    Set(set::Args),
    /// Unset one, so that what it overrode is in force again
    Unset(unset::Args),
    /// Show how one came to be, without values
    Versions(versions::Args),
    /// Let no instance start without one, or with another form
    Require(require::Args),
    /// Revoke an earlier version of one
    Revoke(revoke::Args),
    /// Set everything that a dotenv file sets
    Import(import::Args),
    /// Print plain values in a format that other programs read, secrets masked
    Export(export::Args),
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.action {
            Action::List(args) => args.run(output),
            Action::Set(args) => args.run(output),
            Action::Unset(args) => args.run(output),
            Action::Versions(args) => args.run(output),
            Action::Require(args) => args.run(output),
            Action::Revoke(args) => args.run(output),
            Action::Import(args) => args.run(output),
            Action::Export(args) => args.run(output),
        }
    }
}
