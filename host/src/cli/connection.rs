//! How verbs find a host and prove who they are. A token is never an argument: every user of the
//! machine can read another process's arguments.
//!
//! The options are global within a verb: they may stand before or behind its subcommand.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, anyhow};
use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
use serde_json::Value;

use super::{block_on, exit::Misuse};
use crate::{
    client::{Access, Answer, BearerToken, Client, Limits, Request, Roots},
    id::WorkspaceId,
};

/// The listener where instances boot.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct BootHost {
    /// Where instances boot
    #[arg(long, env = "BOOTLACE_URL", hide_env_values = true, value_name = "URL")]
    #[arg(default_value = "http://127.0.0.1:7300")]
    url: String,

    #[command(flatten)]
    credentials: Credentials,
}

/// The listener where tenants and operators work.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct AdminListener {
    /// Where tenants and operators work
    #[arg(long, global = true, env = "BOOTLACE_ADMIN_URL", hide_env_values = true, value_name = "URL")]
    #[arg(default_value = "http://127.0.0.1:7301")]
    admin_url: String,

    #[command(flatten)]
    credentials: Credentials,
}

/// The same, and a workspace there.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct AdminHost {
    #[command(flatten)]
    listener: AdminListener,

    /// The workspace, for operators; a tenant's token implies its own
    #[arg(long, global = true, env = WORKSPACE, hide_env_values = true, value_name = "NAME")]
    workspace: Option<WorkspaceId>,
}

const WORKSPACE: &str = "BOOTLACE_WORKSPACE";

/// Who asks, and whom to believe.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
struct Credentials {
    /// A file that holds the token; goes before BOOTLACE_TOKEN
    #[arg(long, global = true, env = "BOOTLACE_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    #[arg(value_parser = maybe_empty())]
    token_file: Option<PathBuf>,

    /// Trust the certificates of this PEM file, instead of the machine's authorities
    #[arg(long, global = true, env = "BOOTLACE_CA_CERT", hide_env_values = true, value_name = "FILE")]
    #[arg(value_parser = maybe_empty())]
    ca_cert: Option<PathBuf>,

    /// Send the token in the clear to a host that is not on this machine
    ///
    /// Everyone on the way can read the token and every secret of the answer.
    #[arg(long, global = true)]
    insecure_plaintext: bool,
}

/// A path where an empty one means none: `BOOTLACE_TOKEN_FILE=` is how a compose file or a unit
/// unsets what it inherits, and clap's own parser of paths refuses it.
fn maybe_empty() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

impl BootHost {
    /// A client for the boot listener.
    ///
    /// # Errors
    /// The address, the token or the certificates are not usable: wrong usage.
    pub fn client(&self) -> anyhow::Result<Client> {
        self.client_within(Limits::default())
    }

    /// The same, within limits of the caller's own. Token and certificates are read anew.
    ///
    /// # Errors
    /// As [`BootHost::client`].
    pub fn client_within(&self, limits: Limits) -> anyhow::Result<Client> {
        let token = Some(self.credentials.token()?);
        self.credentials.client("BOOTLACE_URL", &self.url, token, limits)
    }

    /// A client that shows no token, for what everybody may ask.
    ///
    /// # Errors
    /// The address or the certificates are not usable: wrong usage.
    pub fn stranger(&self, limits: Limits) -> anyhow::Result<Client> {
        self.credentials.client("BOOTLACE_URL", &self.url, None, limits)
    }
}

impl AdminListener {
    /// A client for the admin listener.
    ///
    /// # Errors
    /// As [`BootHost::client`].
    pub fn client(&self) -> anyhow::Result<Client> {
        self.client_within(Limits::default())
    }

    /// The same, within limits of the caller's own.
    ///
    /// # Errors
    /// As [`BootHost::client`].
    pub fn client_within(&self, limits: Limits) -> anyhow::Result<Client> {
        let token = Some(self.credentials.token()?);
        self.credentials.client("BOOTLACE_ADMIN_URL", &self.admin_url, token, limits)
    }

    /// This listener, and the workspace that was named: by an option of the verb's own, or else as
    /// [`AdminHost`] takes it.
    ///
    /// # Errors
    /// `BOOTLACE_WORKSPACE` is no name: wrong usage.
    pub fn with_workspace(self, workspace: Option<WorkspaceId>) -> anyhow::Result<AdminHost> {
        let inherited = env::var(WORKSPACE).ok().filter(|_| workspace.is_none());
        let misuse = || Misuse(format!("cannot take a workspace's name from {WORKSPACE}"));
        let inherited = inherited.map(|name| name.parse().with_context(misuse));
        Ok(AdminHost { workspace: workspace.or(inherited.transpose()?), listener: self })
    }
}

impl AdminHost {
    /// A client for the admin listener.
    ///
    /// # Errors
    /// As [`BootHost::client`].
    pub fn client(&self) -> anyhow::Result<Client> {
        self.listener.client()
    }

    /// The same, within limits of the caller's own.
    ///
    /// # Errors
    /// As [`AdminHost::client`].
    pub fn client_within(&self, limits: Limits) -> anyhow::Result<Client> {
        self.listener.client_within(limits)
    }

    /// Sends one request, in the workspace that an operator named, over a connection of its own: one
    /// that waited while somebody typed may be gone.
    ///
    /// # Errors
    /// As [`AdminHost::client`], and as [`Client::send`].
    pub fn ask(&self, request: Request) -> anyhow::Result<Answer> {
        let (client, request) = (self.client()?, self.within(request));
        block_on(async { Ok(client.send(&request).await?) })
    }

    /// Asks for a whole list, however many pages it comes in; `name` is what its entries are called.
    ///
    /// # Errors
    /// As [`AdminHost::client`], and as [`Client::list`].
    pub fn list(&self, request: Request, name: &str) -> anyhow::Result<Value> {
        let (client, request) = (self.client()?, self.within(request));
        block_on(async { Ok(client.list(&request, name).await?) })
    }

    /// The request, in the workspace that an operator named.
    #[must_use]
    pub fn within(&self, request: Request) -> Request {
        request.query_if("workspace", self.workspace.as_ref().map(WorkspaceId::as_str))
    }

    /// The request, in the workspace that an operator named, or else in `workspace`, which what is
    /// at hand belongs to.
    #[must_use]
    pub fn within_or(&self, request: Request, workspace: &WorkspaceId) -> Request {
        request.query("workspace", self.workspace.as_ref().unwrap_or(workspace).as_str())
    }
}

impl Credentials {
    fn client(
        &self,
        variable: &str,
        url: &str,
        token: Option<BearerToken>,
        limits: Limits,
    ) -> anyhow::Result<Client> {
        let url = url.parse().map_err(|error| Misuse(format!("{variable} (or its option): {error}")))?;
        let ca_cert = self.ca_cert.clone().filter(|file| !file.as_os_str().is_empty());
        let roots = ca_cert.map_or(Roots::System, Roots::File);
        let access = Access { url, token, roots, insecure_plaintext: self.insecure_plaintext };
        Client::with_limits(access, limits)
            .map_err(|error| anyhow!(error).context(Misuse("cannot set up TLS".into())))
    }

    fn token(&self) -> anyhow::Result<BearerToken> {
        if let Some(file) = self.token_file.as_ref().filter(|file| !file.as_os_str().is_empty()) {
            let misuse = || Misuse(format!("cannot take a token from {}", file.display()));
            return fs::read_to_string(file).with_context(misuse)?.parse().with_context(misuse);
        }
        let token = env::var("BOOTLACE_TOKEN").unwrap_or_default();
        if token.is_empty() {
            let advice =
                "no token: name its file with --token-file or BOOTLACE_TOKEN_FILE, or set BOOTLACE_TOKEN";
            return Err(Misuse(advice.into()).into());
        }
        token.parse().context(Misuse("cannot take the token from BOOTLACE_TOKEN".into()))
    }
}
