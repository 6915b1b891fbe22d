//! `bootlace serve`: the host. (Arguments; wired when the host is.)

use std::{net::SocketAddr, path::PathBuf};

use clap::ValueEnum;

/// Serve boots and the control API
///
/// Without TLS a listener binds loopback addresses only. The first start on an empty data
/// directory writes operator.token there (mode 0600). SIGTERM ends it: readiness goes off, what
/// runs is finished within --drain-deadline.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace serve --data /var/lib/bootlace --root-key root.key --trust alice.key.pub
  bootlace serve --data data --root-key root.key --trust alice.key.pub --bootstrap acme.bundle
  bootlace serve --data data --root-key root.key --trust alice.key.pub \\
      --boot 0.0.0.0:7300 --tls-cert host.pem --tls-key host.key --audit strict")]
pub struct Args {
    /// Where snapshots, control state and the audit log are kept
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,

    /// A root key (mode 0600), for the environments it wraps; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub root_key: Vec<PathBuf>,

    /// A signer whose pushes count; may be repeated
    #[arg(long, value_name = "SIGNER-FILE")]
    pub trust: Vec<PathBuf>,

    /// A bundle to start from, where the data directory has no snapshot of its workspace
    #[arg(long, value_name = "FILE")]
    pub bootstrap: Option<PathBuf>,

    /// How boots are recorded before a secret leaves
    #[arg(long, value_enum, default_value_t)]
    pub audit: Audit,

    /// How many decisions of policies are remembered; 0 for none
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub decision_memory: usize,

    /// Where and how to listen
    #[command(flatten)]
    pub listen: Listen,

    /// What bounds clients
    #[command(flatten)]
    pub limits: Limits,

    /// What to say, and how
    #[command(flatten)]
    pub log: Log,
}

/// Where and how to listen. Port 0 takes any free port.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Listeners")]
pub struct Listen {
    /// Where instances boot
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7300")]
    pub boot: SocketAddr,

    /// Where tenants and operators work
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7301")]
    pub admin: SocketAddr,

    /// The certificate chain, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Its private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Listen in the clear on addresses that are not loopback
    ///
    /// Everyone on the way can read tokens and secrets.
    #[arg(long, conflicts_with = "tls_cert")]
    pub insecure_plaintext: bool,
}

/// What bounds clients. More than these are refused early, so that the others do not wait.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Connections at once, on each listener
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub max_connections: usize,

    /// Boots at work at once
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub max_boots: usize,

    /// A pushed bundle
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub max_bundle: usize,

    /// A request, from its first byte to its last
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub request_timeout: u64,

    /// What is at work when the host is told to end
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub drain_deadline: u64,
}

/// What to say, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub struct Log {
    /// What to log: error, warn, info, debug, trace, or a filter for each module
    #[arg(long, env = "BOOTLACE_LOG", hide_env_values = true, value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// How to write it, on stderr
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// How boots are recorded before a secret leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Audit {
    /// Handed to the kernel first, on the disk at most 50 ms later: survives a killed host
    #[default]
    Kernel,
    /// On the disk first: survives a power loss, too
    Strict,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For a person
    #[default]
    Text,
    /// One object a line
    Json,
}
