//! What an instance says about itself. Claims for policies to choose by, never authorization.

use clap::Args;

use crate::client::Request;

/// The facts of a boot.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Facts")]
pub struct FactArgs {
    /// The region the instance runs in
    #[arg(long, env = "BOOTLACE_REGION", hide_env_values = true)]
    region: Option<String>,

    /// The zone the instance runs in
    #[arg(long, env = "BOOTLACE_ZONE", hide_env_values = true)]
    zone: Option<String>,

    /// The instance's own name
    #[arg(long, env = "BOOTLACE_INSTANCE", hide_env_values = true, value_name = "NAME")]
    instance: Option<String>,

    /// Anything else a policy may ask for; may be repeated
    #[arg(long = "attr", value_name = "KEY=VALUE", value_parser = key_value)]
    attributes: Vec<(String, String)>,
}

impl FactArgs {
    /// The request, with the facts as its query.
    #[must_use]
    pub fn tell(&self, request: Request) -> Request {
        let facts = [("region", &self.region), ("zone", &self.zone), ("instance", &self.instance)];
        // Set but empty is how a container file leaves a variable out.
        let told = facts.into_iter().filter_map(|(name, fact)| Some((name, fact.as_deref()?)));
        let told = told.filter(|(_, fact)| !fact.is_empty());
        let request = told.fold(request, |request, (name, fact)| request.query(name, fact));
        let attributes = self.attributes.iter();
        attributes.fold(request, |request, (key, value)| request.query(&format!("attr.{key}"), value))
    }
}

/// Reads `KEY=VALUE`; the value may be empty and may hold more `=`.
pub(super) fn key_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE"),
    }
}
