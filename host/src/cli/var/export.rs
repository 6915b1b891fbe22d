//! `bootlace var export`: plain values for other programs. A secret is a boot's alone.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::{place::Place, wire::Values};
use crate::{
    cli::{
        choice::one_of,
        exit::Misuse,
        output::{MASK, Output},
    },
    format::{self, Format},
};

/// Print plain values in a format that other programs read, secrets masked
///
/// This is a request for plain values as a whole, which the host's audit log records. What an instance
/// is given, secrets included, is printed by `bootlace boot`, with the instance's own token.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace var export -d checkout -e staging                              as JSON
  bootlace var export -d checkout -e staging --format dotenv > .env.staging
  bootlace var export -e staging --format dotenv                          what everybody is given there
  bootlace var export -d checkout -e staging --format docker --without-secrets
  bootlace var export -d checkout -e staging --format k8s-secret --name checkout-plain --without-secrets")]
pub struct Args {
    /// How to print them
    #[arg(long, short, value_name = "FORMAT", default_value = "json", value_parser = one_of::<Format>(Format::ALL.map(Format::as_str)))]
    format: Format,

    /// Leave secrets out, instead of printing a mask in their place
    #[arg(long)]
    without_secrets: bool,

    /// What the Kubernetes secret is called; not as one that holds real ones
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        if output.is_json() && self.format != Format::Json {
            return Err(Misuse("--json and another --format cannot both be had".into()).into());
        }
        if self.format == Format::K8sSecret && self.name.is_none() {
            return Err(Misuse("say what the Kubernetes secret is called, with --name NAME".into()).into());
        }
        let values: Values = self.place.everything(true)?;
        let exported = Exported::of(&values, self.without_secrets);
        if !exported.left_out.is_empty() {
            let names = exported.left_out.join(", ");
            output.warning(&format!("{names}: put together when an instance boots, and left out here"));
        }
        if self.format == Format::Json {
            let env: Map<_, _> =
                exported.variables.into_iter().map(|(name, value)| (name, value.into())).collect();
            return Ok(output.json(&json!({
                "deployment": self.place.deployment(), "environment": self.place.environment(),
                "revision": values.revision, "env": env, "masked": exported.masked,
            }))?);
        }
        let mut text = Vec::new();
        format::write(self.format, self.name.as_deref().unwrap_or_default(), &exported.variables, &mut text)?;
        output.raw(&text)?;
        if !exported.masked.is_empty() {
            output.note(&format!("{} secrets are masked; a boot alone is given them", exported.masked.len()));
        }
        Ok(())
    }
}

/// What is printed.
#[derive(Debug, PartialEq, Eq)]
struct Exported {
    variables: BTreeMap<String, String>,
    /// Those of them that are a mask.
    masked: Vec<String>,
    /// Those that have no value before a boot.
    left_out: Vec<String>,
}

impl Exported {
    fn of(values: &Values, without_secrets: bool) -> Self {
        let mut exported = Self { variables: BTreeMap::new(), masked: Vec::new(), left_out: Vec::new() };
        for one in &values.variables {
            let name = one.name.clone();
            match one.whole() {
                Some(whole) => drop(exported.variables.insert(name, whole.to_owned())),
                None if !one.is_secret => exported.left_out.push(name),
                None if without_secrets => {}
                None => {
                    exported.masked.push(name.clone());
                    exported.variables.insert(name, MASK.to_owned());
                }
            }
        }
        exported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_mask_or_nothing_and_a_template_has_no_value_yet() {
        let answer = r#"{"revision":5,"variables":[
            {"name":"KEY","is_secret":true,"layer":"x","version":2,"value":"leaked"},
            {"name":"ODD","is_secret":false,"layer":"x","version":1,"value":"(template)"},
            {"name":"PLAIN","is_secret":false,"layer":"x","version":1,"value":"a b"},
            {"name":"URL","is_secret":false,"layer":"x","version":null,"value":"(template)"}]}"#;
        let values: Values = serde_json::from_str(answer).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let plain = [pair("ODD", "(template)"), pair("PLAIN", "a b")];
        let masked = Exported::of(&values, false);
        assert_eq!(masked.variables, [&[pair("KEY", MASK)][..], &plain].concat().into_iter().collect());
        assert_eq!((masked.masked, masked.left_out), (vec!["KEY".to_owned()], vec!["URL".to_owned()]));
        assert_eq!(Exported::of(&values, true).variables, plain.into());
    }
}
