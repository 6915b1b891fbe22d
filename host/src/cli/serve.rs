//! `bootlace serve`: the host.

mod log;
mod policies;
mod tls;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};

pub use self::policies::PolicyLimits;
use super::{directory, exit::Misuse, files, hardening, output::Output};
use crate::{
    audit::RETENTION_DAYS,
    bundle::{BundleLimits, MAX_BUNDLE_BYTES},
    clock::Clock,
    host::{Host, HostSettings},
    keyring::{RootKey, RootKeys},
    serve::listener::ListenerLimits,
    server::{Server, ServerSettings},
    signing::{TrustedSigners, VerifyingKey},
    state::State,
    upload::Compiler,
};

/// Threads of the runtime that answers; policies that are not known to be cheap have their own.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().thread_name("bootlace").build().context("cannot start the runtime")
}

/// Serve boots and the control API
///
/// Without TLS a listener binds loopback addresses only. The first start on an empty data
/// directory writes operator.token there (mode 0600). SIGTERM ends it: readiness goes off, what
/// runs is finished within --drain-deadline.
///
/// A limit of policies that is lowered holds for what is served already: a workspace whose
/// policies no longer fit is not served after the restart, and boots that ask one that takes more
/// are refused.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace serve --data /var/lib/bootlace --root-key root.key --trust alice.key.pub
  bootlace serve --data data --root-key root.key --trust alice.key.pub --bootstrap acme/
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

    /// A workspace directory whose bootstrap.toml brings the first tokens and active releases;
    /// taken once, when the workspace is new to this host; may be repeated
    #[arg(long, value_name = "DIR")]
    pub bootstrap: Vec<PathBuf>,

    /// A signed permission to load a revision older than the highest seen; may be repeated
    #[arg(long, value_name = "FILE")]
    pub allow_older: Vec<PathBuf>,

    /// How boots are recorded before a secret leaves
    #[arg(long, value_enum, default_value_t)]
    pub audit: Audit,

    /// How many days audit records are kept; files go once all of theirs are older
    #[arg(long, value_name = "DAYS", default_value_t = RETENTION_DAYS)]
    pub audit_days: u32,

    /// How many decisions of policies are remembered; 0 for none
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub decision_memory: usize,

    /// Where and how to listen
    #[command(flatten)]
    pub listen: Listen,

    /// What bounds clients
    #[command(flatten)]
    pub limits: Limits,

    /// What bounds tenants' policies
    #[command(flatten)]
    pub policies: PolicyLimits,

    /// What to say, and how
    #[command(flatten)]
    pub log: Log,
}

impl Args {
    pub(super) fn run(self, _: &Output) -> anyhow::Result<()> {
        // A sandbox may forbid the call; a host that stays down is then the worse of the two.
        let dumps = hardening::forbid_dumps();
        log::start(&self.log)?;
        if let Err(error) = dumps {
            tracing::warn!(error = %error, "core dumps could not be switched off");
        }
        let server = self.server_settings()?;
        let notice = Duration::from_secs(self.limits.drain_notice);
        let host = Host::open(self.host_settings()?)?;
        runtime()?.block_on(serve(host, server, notice))
    }

    fn host_settings(&self) -> anyhow::Result<HostSettings> {
        let roots: Vec<RootKey> =
            self.root_key.iter().map(|path| files::private_key(path)).collect::<Result<_, _>>()?;
        let base_root =
            roots.first().map(RootKey::id).ok_or_else(|| Misuse("give a --root-key".to_owned()))?;
        let signers: Vec<VerifyingKey> =
            self.trust.iter().map(|path| files::parsed(path)).collect::<Result<_, _>>()?;
        let overrides = self.allow_older.iter().map(|path| files::parsed(path));
        Ok(HostSettings {
            data: self.data.clone(),
            roots: RootKeys::new(roots),
            base_root,
            trusted: TrustedSigners::new(signers),
            bootstrap: self.bootstrap_state()?,
            compiler: Compiler::this_program()
                .context("cannot find this program, which compiles policies")?,
            bundle_limits: BundleLimits {
                bundle_bytes: MAX_BUNDLE_BYTES.min(self.limits.max_bundle << 20),
                ..BundleLimits::default()
            },
            policy_limits: self.policies.limits()?,
            lanes: self.policies.lanes(),
            decisions: self.decision_memory,
            strict_audit: self.audit == Audit::Strict,
            audit_days: self.audit_days,
            clock: Clock::system(),
            leases: crate::clock::Steady::system(),
            overrides: overrides.collect::<Result<_, _>>()?,
        })
    }

    fn bootstrap_state(&self) -> anyhow::Result<Option<State>> {
        let mut state = State::default();
        for path in &self.bootstrap {
            let loaded = directory::load(path)?;
            if let Some(bootstrap) = loaded.bootstrap {
                state.begin(&loaded.configuration.workspace, bootstrap.tokens, bootstrap.active);
            }
        }
        Ok((!self.bootstrap.is_empty()).then_some(state))
    }

    fn server_settings(&self) -> anyhow::Result<ServerSettings> {
        let listen = &self.listen;
        let tls = match (&listen.tls_cert, &listen.tls_key) {
            (Some(certificates), Some(key)) => Some(tls::acceptor(certificates, key)?),
            _ => None,
        };
        Ok(ServerSettings {
            boot: listen.boot,
            admin: listen.admin,
            tls,
            insecure_plaintext: listen.insecure_plaintext,
            limits: ListenerLimits {
                connections: self.limits.max_connections,
                head: Duration::from_secs(self.limits.head_timeout),
                drain: Duration::from_secs(self.limits.drain_deadline),
                ..ListenerLimits::default()
            },
        })
    }
}

async fn serve(host: Arc<Host>, settings: ServerSettings, notice: Duration) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::start(Arc::clone(&host), settings).await?;
    tracing::info!(boot = %server.boot, admin = %server.admin, "listening");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    host.drain();
    tracing::info!("ending: readiness is off, requests under way are finished");
    server.stop(notice).await;
    Ok(())
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

    /// A pushed bundle
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub max_bundle: usize,

    /// Sending a request's head, and a TLS handshake
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub head_timeout: u64,

    /// Between telling load balancers that the host ends and taking nothing new
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub drain_notice: u64,

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
    /// For a person on a terminal, JSON elsewhere
    #[default]
    Auto,
    /// For a person
    Text,
    /// One object a line
    Json,
}
