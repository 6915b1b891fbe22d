//! `bootlace env create`.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    cli::{change::report, choice::one_of, connection::AdminHost, facts::key_value, output::Output},
    client::Request,
    id::{DeploymentId, EnvironmentName},
    model::EnvironmentType,
};

/// Make an environment
///
/// A deployment that requires keys needs values for them first, in its base for example: nothing is
/// made that could not boot.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace env create qa/eu --type test --deployment checkout --label region=eu
  bootlace env create load/big --type test --deployment checkout --deployment search
  bootlace env create live-eu --type production --promotes-to production
  bootlace env create sandbox --type production --protected=false")]
pub struct Args {
    /// What it is called
    #[arg(value_name = "NAME")]
    name: EnvironmentName,

    /// What it is for
    #[arg(long = "type", value_name = "TYPE", value_parser = types())]
    kind: EnvironmentType,

    /// Whether changes want an admin and its name said twice; those of type production are, if
    /// nothing is said
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    protected: Option<bool>,

    /// The environment that releases go to from here
    #[arg(long, value_name = "ENVIRONMENT")]
    promotes_to: Option<EnvironmentName>,

    /// Something that is to be known about it; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    labels: Vec<(String, String)>,

    /// A deployment that uses it; may be repeated
    #[arg(long = "deployment", short, value_name = "NAME")]
    deployments: Vec<DeploymentId>,

    /// Which host
    #[command(flatten)]
    host: AdminHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let labels: BTreeMap<_, _> = self.labels.into_iter().collect();
        let deployments: Vec<_> = self.deployments.iter().map(DeploymentId::as_str).collect();
        let wanted = json!({
            "name": self.name.as_str(), "type": self.kind.as_str(), "protected": self.protected,
            "promotes_to": self.promotes_to.as_ref().map(EnvironmentName::as_str),
            "labels": labels, "deployments": deployments,
        });
        let request = Request::post(&["api", "v1", "environments"]);
        let answer = self.host.ask(request.body("application/json", wanted.to_string()))?;
        report(&answer, &format!("environment {} is made", self.name), output)
    }
}

fn types() -> impl clap::builder::TypedValueParser<Value = EnvironmentType> {
    one_of(EnvironmentType::ALL.map(EnvironmentType::as_str))
}
