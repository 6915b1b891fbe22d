//! Where a value stands, and on which host.

use std::fmt;

use super::wire::Values;
use crate::{
    cli::{connection::AdminHost, exit::Misuse},
    client::Request,
    id::{DeploymentId, EnvironmentName},
    plan::LayerName,
};

/// A deployment's base, or one of its environments.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    pub(super) deployment: DeploymentId,

    /// The environment; without it, the deployment's base, which all of its environments share
    #[arg(long, short, value_name = "NAME")]
    pub(super) environment: Option<EnvironmentName>,

    /// Which host
    #[command(flatten)]
    pub(super) host: AdminHost,
}

impl Place {
    /// The path of its values.
    pub(super) fn path(&self) -> [&str; 5] {
        ["api", "v1", "deployments", self.deployment.as_str(), "env"]
    }

    /// `request`, about this environment.
    pub(super) fn here(&self, request: Request) -> Request {
        request.query_if("environment", self.environment())
    }

    pub(super) fn environment(&self) -> Option<&str> {
        self.environment.as_ref().map(EnvironmentName::as_str)
    }

    /// Asks for everything that is in force here; `reveal` for plain values as a whole, which the host
    /// records.
    pub(super) fn values(&self, reveal: bool) -> Request {
        self.here(Request::get(&self.path())).query_if("reveal", reveal.then_some("true"))
    }

    /// All of it, however many pages that is.
    pub(super) fn everything(&self, reveal: bool) -> anyhow::Result<Values> {
        Ok(serde_json::from_value(self.host.list(self.values(reveal), "variables")?)?)
    }

    /// The layer that is changed here.
    pub(super) fn layer(&self) -> LayerName {
        match self.environment {
            Some(_) => LayerName::DeploymentInEnvironment,
            None => LayerName::Deployment,
        }
    }

    /// Refuses a secret where none can stand, before somebody types it.
    pub(super) fn takes_secrets(&self) -> anyhow::Result<()> {
        match self.environment {
            Some(_) => Ok(()),
            None => {
                Err(Misuse("a secret belongs to an environment; name one with --environment".into()).into())
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.environment {
            Some(environment) => write!(f, "{} in {environment}", self.deployment),
            None => write!(f, "{} in every environment", self.deployment),
        }
    }
}
