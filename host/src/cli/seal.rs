//! `bootlace seal`: a secret for a workspace directory. (Arguments; wired when the library is.)

use std::path::PathBuf;

use clap::ArgGroup;

use crate::id::{DeploymentId, EnvironmentName, ServiceId, VariableName};

/// Seal a secret to an environment
///
/// Reads the secret from standard input, or from a file, never from an argument. Prints
/// `sealed:1:…` text that only a host of that environment can open, and only at the place it was
/// sealed for. The environment's public key must be signed by a signer that you trust. One newline
/// at the end is removed, unless --exact.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true).args(["name", "credential"]), after_long_help = "\
Examples:
  bootlace seal STRIPE_KEY -e production -d checkout --dir acme --trust alice.key.pub < stripe.txt
  bootlace seal TLS_KEY -e staging --dir acme --trust alice.key.pub --from key.pem --exact
  bootlace seal --credential orders-db -e production --dir acme --trust alice.key.pub")]
pub struct Args {
    /// The variable
    pub name: Option<VariableName>,

    /// Instead of a variable: the credential of this service's instance
    #[arg(long, value_name = "SERVICE", conflicts_with = "deployment")]
    pub credential: Option<ServiceId>,

    /// The environment
    #[arg(long, short, value_name = "NAME")]
    pub environment: EnvironmentName,

    /// The deployment; every deployment in the environment without it
    #[arg(long, short, value_name = "NAME")]
    pub deployment: Option<DeploymentId>,

    /// Which version of the value this is
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub version: u64,

    /// The workspace directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// A signer whose public keys count; may be repeated
    #[arg(long, value_name = "SIGNER-FILE", required = true)]
    pub trust: Vec<PathBuf>,

    /// Read the secret from this file
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Keep the newline at the end
    #[arg(long)]
    pub exact: bool,
}
