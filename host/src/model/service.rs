use std::collections::{BTreeMap, BTreeSet};

use super::{Days, Interval, Version};
use crate::id::{EnvironmentName, ServiceId, UnixSeconds};

/// A data service: bound, never provisioned. One instance for each environment that has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Service<V> {
    /// Its name.
    pub id: ServiceId,
    /// What it is; decides how its URL is written.
    pub kind: ServiceKind,
    /// Its instances, by the environment that owns each.
    pub instances: BTreeMap<EnvironmentName, Instance<V>>,
}

/// The kinds of service, each with its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceKind {
    /// `postgres://user:password@host:port/database?sslmode=…` (libpq's connection URI).
    Postgres,
    /// `redis://user:password@host:port/database`, `rediss://` with TLS (IANA's provisional
    /// registrations).
    Redis,
    /// `https://key:secret@host:port/bucket?region=…`.
    Bucket,
    /// `<scheme>://user:password@host:port/database?…`, the scheme from the option `scheme`.
    Generic,
}

impl ServiceKind {
    /// As written in files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Bucket => "bucket",
            Self::Generic => "generic",
        }
    }
}

/// A service in one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance<V> {
    /// Where it listens, at least one. The first with the role `primary` is the default choice.
    pub endpoints: Vec<Endpoint>,
    /// Who connects; empty for nobody in particular.
    pub user: String,
    /// The password's live versions, oldest first; empty for a service without a password.
    pub credential: Vec<Version<V>>,
    /// The version of the credential in use.
    pub current: u64,
    /// When that version was set, where it is known.
    pub set: Option<UnixSeconds>,
    /// After how many days from then it is to be rotated, where that was said.
    pub rotate_every: Option<Days>,
    /// Other environments that may bind this instance.
    pub shared_with: BTreeSet<EnvironmentName>,
}

impl<V> Instance<V> {
    /// After which time its credential is to be rotated; of one that there is.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        let every = self.rotate_every.filter(|_| !self.credential.is_empty())?;
        Some(Interval { every, since: self.set? })
    }
}

/// One place where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `primary`, `replica`, or a word of the tenant's.
    pub role: String,
    /// The region it is in.
    pub region: Option<String>,
    /// The availability zone it is in.
    pub zone: Option<String>,
    /// Host name or address; an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database name, number or bucket; empty for none.
    pub database: String,
    /// Whether and how the connection is encrypted.
    pub tls: Tls,
    /// TLS and pool options, added to the URL's query in key order.
    pub options: BTreeMap<String, String>,
    /// More labels for policies; `role`, `region` and `zone` are always there.
    pub labels: BTreeMap<String, String>,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tls {
    /// In the clear.
    Disable,
    /// Encrypted; the server is not verified.
    Require,
    /// Encrypted, the server's certificate and name verified.
    Verify,
}
