//! `bootlace token`: credentials of instances, tenants and operators. (Arguments; wired when the
//! control API is.)

use std::path::PathBuf;

use clap::Subcommand;

use super::connection::AdminHost;
use crate::{
    id::{DeploymentId, EnvironmentName},
    model::Role,
};

/// Mint tokens
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace token mint instance -d checkout -e production --out checkout.token
  bootlace token mint tenant --role developer -e staging --principal alice@acme.example
  bootlace token mint operator --principal deploy-bot --days 30")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Mint a token; it is shown once and never again
    Mint(Mint),
}

/// Mint a token; it is shown once and never again
#[derive(Debug, clap::Args)]
pub struct Mint {
    /// What it may
    #[command(subcommand)]
    pub scope: Scope,

    /// On whose behalf it acts; approvals compare principals
    #[arg(long, global = true, value_name = "WHO")]
    pub principal: Option<String>,

    /// When it stops working
    #[arg(long, global = true, value_name = "DAYS")]
    pub days: Option<u32>,

    /// Write it to a new file that only its owner can read, instead of printing it
    #[arg(long, short, global = true, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// What a token may.
#[derive(Debug, Subcommand)]
pub enum Scope {
    /// Boot as one deployment in one environment
    Instance {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
        /// The environment
        #[arg(long, short, value_name = "NAME")]
        environment: EnvironmentName,
    },
    /// Use the control API of one workspace
    Tenant {
        /// viewer, developer, releaser or admin
        #[arg(long)]
        role: Role,
        /// Limit it to this environment; may be repeated
        #[arg(long, short, value_name = "NAME")]
        environment: Vec<EnvironmentName>,
    },
    /// Run the host: push, roll back, mint and read metrics, in every workspace
    Operator,
}
