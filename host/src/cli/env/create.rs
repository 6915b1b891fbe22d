//! `bootlace env create`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::expiry::expires;
use crate::{
    cli::{
        change::report, choice::one_of, connection::AdminHost, exit::Misuse, facts::key_value, output::Output,
    },
    client::Request,
    id::{DeploymentId, EnvironmentName},
    model::{EnvironmentType, Trigger},
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
  bootlace env create gate --type test --trigger approval --deployment checkout
  bootlace env create preview/pr-7 --expires 3d
  bootlace env create sandbox --type production --protected=false")]
pub struct Args {
    /// What it is called
    #[arg(value_name = "NAME")]
    name: EnvironmentName,

    /// What it is for; left out, preview/NAME is a clone of the preview template
    #[arg(long = "type", value_name = "TYPE", value_parser = types())]
    kind: Option<EnvironmentType>,

    /// Whether changes want an admin and its name said twice; those of type production are, if
    /// nothing is said
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    protected: Option<bool>,

    /// The environment that releases go to from here
    #[arg(long, value_name = "ENVIRONMENT")]
    promotes_to: Option<EnvironmentName>,

    /// How a release comes to it; left out, what its type makes of it
    #[arg(long, value_name = "TRIGGER", value_parser = triggers())]
    trigger: Option<Trigger>,

    /// Something that is to be known about it; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    labels: Vec<(String, String)>,

    /// When it stops serving, such as 7d or 2026-12-24T12:00:00Z; a preview's clone after a week
    #[arg(long, value_name = "WHEN", value_parser = expires)]
    expires: Option<Value>,

    /// A deployment that uses it; may be repeated
    #[arg(long = "deployment", short, value_name = "NAME")]
    deployments: Vec<DeploymentId>,

    /// Which host
    #[command(flatten)]
    host: AdminHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        if self.kind.is_none() && !self.name.is_preview() {
            return Err(Misuse("say what it is for, with --type TYPE".into()).into());
        }
        let labels: BTreeMap<_, _> = self.labels.into_iter().collect();
        let deployments: Vec<_> = self.deployments.iter().map(DeploymentId::as_str).collect();
        // What nothing is said of is for the host to decide.
        let wanted = json!({
            "name": self.name.as_str(), "type": self.kind.map(EnvironmentType::as_str),
            "protected": self.protected, "expires": self.expires,
            "promotes_to": self.promotes_to.as_ref().map(EnvironmentName::as_str),
            "trigger": self.trigger.map(Trigger::as_str),
            "labels": (!labels.is_empty()).then_some(labels),
            "deployments": (!deployments.is_empty()).then_some(deployments),
        });
        let request = Request::post(&["api", "v1", "environments"]);
        let answer = self.host.ask(request.body("application/json", wanted.to_string()))?;
        report(&answer, &format!("environment {} is made", self.name), output)
    }
}

pub(super) fn types() -> impl clap::builder::TypedValueParser<Value = EnvironmentType> {
    one_of(EnvironmentType::ALL.map(EnvironmentType::as_str))
}

pub(super) fn triggers() -> impl clap::builder::TypedValueParser<Value = Trigger> {
    one_of(Trigger::ALL.map(Trigger::as_str))
}
