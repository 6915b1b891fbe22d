//! Services as they are asked for and shown. A password is read here and never written.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::{
        body::named as parsed,
        values::{Every, Owned},
    },
    change::{InstanceChange, SealedChange},
    id::EnvironmentName,
    model::{Endpoint, ServiceKind, Tls},
    secret::Secret,
    serve::respond::Problem,
};

/// A service that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireCreate {
    pub(super) name: String,
    #[schema(pattern = "^(postgres|redis|bucket|generic)$")]
    pub(super) kind: String,
    /// By the environment that owns each.
    #[serde(default)]
    pub(super) instances: BTreeMap<String, WireInstance>,
}

/// What is to change; instances that are not named stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WirePatch {
    /// Null where there is to be no instance any more.
    #[schema(value_type = BTreeMap<String, WireInstance>)]
    pub(super) instances: BTreeMap<String, Option<WireInstance>>,
}

/// A service in one environment. What is not said stays; of a new one, it is empty.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireInstance {
    user: Option<String>,
    /// The password; never shown. Null for none.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    credential: Option<Option<String>>,
    /// After how many days the password is to be rotated, from when it was set; null for never.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u32>)]
    rotate_every: Option<Option<u32>>,
    /// All of them: at least one.
    endpoints: Option<Vec<WireEndpoint>>,
    /// Other environments that may bind it.
    shared_with: Option<BTreeSet<String>>,
}

/// One place where a service listens.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireEndpoint {
    #[serde(default = "primary")]
    role: String,
    region: Option<String>,
    zone: Option<String>,
    host: String,
    port: u16,
    #[serde(default)]
    database: String,
    #[serde(default = "verify")]
    #[schema(pattern = "^(verify|require|disable)$")]
    tls: String,
    /// TLS and pool options, for the URL's query.
    #[serde(default)]
    options: BTreeMap<String, String>,
    /// For policies.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// The services that the token sees.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Services {
    pub(super) services: Vec<ServiceEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A service.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ServiceEntry {
    pub(super) name: String,
    #[schema(pattern = "^(postgres|redis|bucket|generic)$")]
    pub(super) kind: &'static str,
    /// By the environment that owns each; those that the token sees.
    pub(super) instances: BTreeMap<String, InstanceEntry>,
    #[serde(flatten)]
    pub(super) owned: Owned,
}

/// A service in one environment.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct InstanceEntry {
    pub(super) user: String,
    /// The number of the password's version in use; null where there is no password.
    pub(super) credential_version: Option<u64>,
    #[serde(flatten)]
    pub(super) every: Every,
    pub(super) endpoints: Vec<WireEndpoint>,
    pub(super) shared_with: Vec<String>,
    /// Where its URL is injected, and under which name.
    pub(super) injected: Vec<InjectedAs>,
}

/// Where something is injected.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct InjectedAs {
    pub(in crate::admin) deployment: String,
    pub(in crate::admin) environment: String,
    pub(in crate::admin) variable: String,
}

/// Tells null from nothing.
#[allow(clippy::option_option, reason = "none is something that can be said")]
pub(in crate::admin) fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

pub(in crate::admin) fn sealed_change(said: Option<Option<String>>) -> SealedChange {
    match said {
        None => SealedChange::Keep,
        Some(None) => SealedChange::Remove,
        Some(Some(text)) => SealedChange::Set(Secret::from(text)),
    }
}

impl WireInstance {
    pub(super) fn change(self) -> Result<InstanceChange, Problem> {
        let endpoints = self.endpoints.map(|all| all.into_iter().map(WireEndpoint::endpoint).collect());
        let shared_with: Option<Result<BTreeSet<EnvironmentName>, _>> =
            self.shared_with.map(|all| all.iter().map(|name| parsed(name)).collect());
        Ok(InstanceChange {
            endpoints: endpoints.transpose()?,
            user: self.user,
            credential: sealed_change(self.credential),
            rotate_every: self.rotate_every,
            shared_with: shared_with.transpose()?,
        })
    }
}

impl WireEndpoint {
    fn endpoint(self) -> Result<Endpoint, Problem> {
        let Self { role, region, zone, host, port, database, tls, options, labels } = self;
        let tls = match tls.as_str() {
            "verify" => Tls::Verify,
            "require" => Tls::Require,
            "disable" => Tls::Disable,
            _ => return Err(Problem::invalid("`tls` is no TLS mode; use verify, require or disable")),
        };
        Ok(Endpoint { role, region, zone, host, port, database, tls, options, labels })
    }

    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let Endpoint { role, region, zone, host, port, database, tls, options, labels } = endpoint.clone();
        let tls = match tls {
            Tls::Verify => "verify",
            Tls::Require => "require",
            Tls::Disable => "disable",
        };
        Self { role, region, zone, host, port, database, tls: tls.to_owned(), options, labels }
    }
}

fn primary() -> String {
    "primary".to_owned()
}

fn verify() -> String {
    "verify".to_owned()
}

const KINDS: [(&str, ServiceKind); 4] = [
    ("postgres", ServiceKind::Postgres),
    ("redis", ServiceKind::Redis),
    ("bucket", ServiceKind::Bucket),
    ("generic", ServiceKind::Generic),
];

pub(super) fn kind_of(word: &str) -> Result<ServiceKind, Problem> {
    let found = KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
    found.ok_or_else(|| {
        Problem::invalid("`kind` is no kind of service; use postgres, redis, bucket or generic")
    })
}

pub(super) fn word_of(kind: ServiceKind) -> &'static str {
    KINDS.iter().find(|(_, known)| *known == kind).map_or("generic", |(word, _)| word)
}
