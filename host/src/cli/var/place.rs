//! Where a value stands, and on which host.

use std::fmt;

use super::wire::Values;
use crate::{
    cli::{connection::AdminHost, exit::Misuse},
    client::{Answer, Request},
    id::{DeploymentId, EnvironmentName},
    model,
    plan::LayerName,
};

/// A layer: of one deployment or of all, in one environment or in all.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Place {
    /// The deployment
    #[arg(long, short, value_name = "NAME", conflicts_with = "all_deployments")]
    deployment: Option<DeploymentId>,

    /// What every deployment is given, where its own value does not go before; a change says so
    #[arg(long)]
    all_deployments: bool,

    /// The environment; without it, the base, which all environments share
    #[arg(long, short, value_name = "NAME")]
    environment: Option<EnvironmentName>,

    /// Which host
    #[command(flatten)]
    pub(in crate::cli) host: AdminHost,
}

/// Where something is changed: said in so many words where it comes to every deployment.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Target {
    /// Where
    #[command(flatten)]
    pub(in crate::cli) place: Place,

    /// The protected environments that a change for all deployments comes to, to say that it is meant
    #[arg(long, value_name = "ENVIRONMENT", value_delimiter = ',')]
    confirm: Vec<EnvironmentName>,
}

impl Target {
    /// The place, if it is named. Who forgets the deployment means one, and not all of them.
    pub(in crate::cli) fn named(&self) -> anyhow::Result<&Place> {
        let place = &self.place;
        if place.deployment.is_some() || place.all_deployments {
            return Ok(place);
        }
        let advice =
            format!("name a deployment with --deployment, or say --all-deployments to change it for {place}");
        Err(Misuse(advice).into())
    }

    /// `request`, confirmed as far as that was said.
    pub(in crate::cli) fn confirmed(&self, request: Request) -> Request {
        let names: Vec<_> = self.confirm.iter().map(EnvironmentName::as_str).collect();
        request.query_if("confirm", (!names.is_empty()).then(|| names.join(",")).as_deref())
    }

    /// What confirms the same on the command line, behind other words; nothing where nothing was confirmed.
    pub(in crate::cli) fn confirm_words(&self) -> String {
        let names: Vec<_> = self.confirm.iter().map(EnvironmentName::as_str).collect();
        if names.is_empty() { String::new() } else { format!(" --confirm {}", names.join(",")) }
    }

    /// Asks for a change.
    pub(in crate::cli) fn ask(&self, request: Request) -> anyhow::Result<Answer> {
        self.place.host.ask(self.confirmed(request))
    }
}

impl Place {
    /// The path of its values.
    pub(in crate::cli) fn path(&self) -> Vec<&str> {
        match (&self.deployment, &self.environment) {
            (Some(deployment), _) => vec!["api", "v1", "deployments", deployment.as_str(), "env"],
            (None, Some(environment)) => vec!["api", "v1", "environments", environment.as_str(), "env"],
            (None, None) => vec!["api", "v1", "env"],
        }
    }

    /// The path of what is below its values.
    pub(in crate::cli) fn below<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&self.path(), more].concat()
    }

    /// `request`, about this environment, where the path does not say so.
    pub(in crate::cli) fn here(&self, request: Request) -> Request {
        request.query_if("environment", self.said())
    }

    /// The environment, where the path does not say it.
    pub(in crate::cli) fn said(&self) -> Option<&str> {
        self.environment().filter(|_| self.deployment.is_some())
    }

    pub(in crate::cli) fn environment(&self) -> Option<&str> {
        self.environment.as_ref().map(EnvironmentName::as_str)
    }

    pub(in crate::cli) fn deployment(&self) -> Option<&str> {
        self.deployment.as_ref().map(DeploymentId::as_str)
    }

    /// Asks for everything that is in force here; `reveal` for plain values as a whole, which the host
    /// records.
    pub(in crate::cli) fn values(&self, reveal: bool) -> Request {
        self.here(Request::get(&self.path())).query_if("reveal", reveal.then_some("true"))
    }

    /// All of it, however many pages that is.
    pub(super) fn everything(&self, reveal: bool) -> anyhow::Result<Values> {
        Ok(serde_json::from_value(self.host.list(self.values(reveal), "variables")?)?)
    }

    /// The layer that is changed here.
    pub(in crate::cli) fn layer(&self) -> LayerName {
        let environment = self.environment.clone();
        LayerName::of(&match (&self.deployment, environment) {
            (Some(deployment), environment) => model::Place::Deployment(deployment.clone(), environment),
            (None, Some(environment)) => model::Place::Environment(environment),
            (None, None) => model::Place::Workspace,
        })
    }

    /// Refuses a secret where none can stand, before somebody types it.
    pub(in crate::cli) fn takes_secrets(&self) -> anyhow::Result<()> {
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
        let deployment = self.deployment().unwrap_or("every deployment");
        let environment = self.environment().unwrap_or("every environment");
        write!(f, "{deployment} in {environment}")
    }
}
