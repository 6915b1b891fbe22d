//! `bootlace env set` and `delete`: a look at what is there, a question where it is protected, and
//! then the change, if it still is what was looked at.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Environment,
    create::{triggers, types},
    expiry::expires,
    read::current,
};
use crate::{
    cli::{
        change::{Etag, report},
        confirm::Confirm,
        connection::AdminHost,
        facts::key_value,
        output::Output,
    },
    client::Request,
    id::EnvironmentName,
    model::{EnvironmentType, Trigger},
};

/// Change an environment
///
/// What is not named stays as it is.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["protected", "deprecated", "enable", "labels", "remove_labels", "kind", "expires", "promotes_to", "promotes_nowhere", "trigger", "admins_only"]), after_long_help = "\
Examples:
  bootlace env set qa/eu --deprecated
  bootlace env set qa/eu --enable --promotes-to staging --expires 30d
  bootlace env set qa/eu --label team=payments --remove-label owner
  bootlace env set live-eu --protected=false --confirm live-eu
  bootlace env set qa/eu --protected --if-match 42            only if it is as `env show` told it")]
pub struct Set {
    /// Whether changes want an admin and its name said twice
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    protected: Option<bool>,

    /// Whether nothing new may come to it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    deprecated: Option<bool>,

    /// It is not deprecated any more
    #[arg(long, conflicts_with = "deprecated")]
    enable: bool,

    /// What it is for; one that comes to be of type production is protected, if nothing is said
    #[arg(long = "type", value_name = "TYPE", value_parser = types())]
    kind: Option<EnvironmentType>,

    /// When it stops serving, such as 7d or 2026-12-24T12:00:00Z; or never
    #[arg(long, value_name = "WHEN", value_parser = expires)]
    expires: Option<Value>,

    /// The environment that releases go to from here
    #[arg(long, value_name = "ENVIRONMENT")]
    promotes_to: Option<EnvironmentName>,

    /// Releases end here
    #[arg(long, conflicts_with = "promotes_to")]
    promotes_nowhere: bool,

    /// How a release comes to it
    #[arg(long, value_name = "TRIGGER", value_parser = triggers())]
    trigger: Option<Trigger>,

    /// Whether only admins see it, and those whose token names it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    admins_only: Option<bool>,

    /// Something that is to be known about it; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    labels: Vec<(String, String)>,

    /// A label that is to go; may be repeated
    #[arg(long = "remove-label", value_name = "KEY")]
    remove_labels: Vec<String>,

    #[command(flatten)]
    target: Target,
}

/// Delete an environment, with everything that was set in it
///
/// Not while something counts on it: a token, a service, a tool, another that promotes to it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace env delete qa/eu
  bootlace env delete live-eu                                 asks for the name, at a terminal
  bootlace env delete live-eu --confirm live-eu               elsewhere")]
pub struct Delete {
    #[command(flatten)]
    target: Target,
}

/// Which environment, and what must be true of it.
#[derive(Debug, clap::Args)]
struct Target {
    /// The environment
    #[arg(value_name = "NAME")]
    name: EnvironmentName,

    /// Only if it is still the one with this etag, which `env show` tells; else as it is found now
    #[arg(long, value_name = "ETAG")]
    if_match: Option<Etag>,

    #[command(flatten)]
    confirm: Confirm,

    /// Which host
    #[command(flatten)]
    host: AdminHost,
}

impl Set {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let Self { target, labels, remove_labels, .. } = self;
        let found = current(&target.host, &target.name)?;
        let next = self.promotes_to.map(|next| json!(next.as_str()));
        let told = [
            ("protected", self.protected.map(Value::from)),
            ("deprecated", self.enable.then_some(false).or(self.deprecated).map(Value::from)),
            ("type", self.kind.map(|kind| json!(kind.as_str()))),
            ("expires", self.expires),
            ("promotes_to", next.or(self.promotes_nowhere.then_some(Value::Null))),
            ("trigger", self.trigger.map(|trigger| json!(trigger.as_str()))),
            ("admins_only", self.admins_only.map(Value::from)),
        ];
        let told = told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut patch: Map<_, _> = told.collect();
        if !labels.is_empty() || !remove_labels.is_empty() {
            let labels = relabelled(&found.labels, labels, &remove_labels);
            patch.insert("labels".to_owned(), json!(labels));
        }
        let request = Request::patch(&target.path()).body("application/json", Value::from(patch).to_string());
        let answer = target.host.ask(target.conditions(request, &found, "change it")?)?;
        report(&answer, &format!("environment {} is changed", target.name), output)
    }
}

impl Delete {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let Self { target } = self;
        let found = current(&target.host, &target.name)?;
        let request = target.conditions(Request::delete(&target.path()), &found, "delete it")?;
        let answer = target.host.ask(request)?;
        report(&answer, &format!("environment {} is deleted", target.name), output)
    }
}

impl Target {
    fn path(&self) -> [&str; 4] {
        ["api", "v1", "environments", self.name.as_str()]
    }

    /// The request, if the environment is still the one that was looked at and somebody confirms it.
    fn conditions(&self, request: Request, found: &Environment, what: &str) -> anyhow::Result<Request> {
        let request = request.query_if("confirm", self.confirm.of(&self.name, found.protected, what)?);
        // What a directory owns has no etag, and the host says whose it is.
        let etag = self.if_match.or(found.etag);
        Ok(etag.map_or(request.clone(), |Etag(revision)| request.if_match(revision)))
    }
}

/// All labels as they are to be: the host takes them as a whole.
fn relabelled(
    before: &BTreeMap<String, String>,
    added: Vec<(String, String)>,
    removed: &[String],
) -> BTreeMap<String, String> {
    let mut labels = before.clone();
    labels.retain(|key, _| !removed.contains(key));
    labels.extend(added);
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_not_named_stay() {
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let before = labels(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let after =
            relabelled(&before, vec![("b".into(), "x".into()), ("d".into(), "4".into())], &["c".into()]);
        assert_eq!(after, labels(&[("a", "1"), ("b", "x"), ("d", "4")]));
    }
}
