//! `bootlace token`: credentials of instances, tenants and operators.

mod manage;
mod mint;
mod offline;

use clap::Subcommand;

use super::output::Output;

/// Mint, list and revoke tokens
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace token mint instance -d checkout -e production --out checkout.token
  bootlace token mint tenant --role developer -e staging --principal alice@acme.example
  bootlace token mint operator --principal deploy-bot --days 30
  bootlace token mint --offline instance -d checkout -e staging --out t >> acme/bootstrap.toml
  bootlace token list
  bootlace token revoke 4f1c2d009b07")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Mint a token; it is shown once and never again
    Mint(mint::Args),
    /// List the tokens that work; what is listed cannot be used
    List(manage::List),
    /// Revoke a token; it has stopped working when this returns
    Revoke(manage::Revoke),
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.action {
            Action::Mint(args) => args.run(output),
            Action::List(args) => args.run(output),
            Action::Revoke(args) => args.run(output),
        }
    }
}
