//! `bootlace snapshot inspect`: what a bundle says about itself, and what is in it.

use std::path::PathBuf;

use serde_json::json;

use super::content;
use crate::{
    bundle::{BundleError, BundleForm, Header},
    canonical::sha256,
    cli::output::{Output, Page, Table},
    clock::{Clock, rfc3339},
    id::UnixSeconds,
    manifest::PlanManifest,
};

/// Show a bundle's header, signer and content, without values
///
/// The content is shown if a signer that you trust signed it: the one that `init` pinned on this
/// machine, or those of --trust.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot inspect acme.bundle
  bootlace snapshot inspect acme.bundle --trust alice.key.pub --json | jq '.plans[].keys[].name'")]
pub struct Args {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub bundle: PathBuf,

    /// A signer whose bundles count, instead of those pinned here; may be repeated
    #[arg(long, value_name = "SIGNER-FILE")]
    pub trust: Vec<PathBuf>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let bytes = content::bundle_bytes(&self.bundle)?;
        let header = content::header(&self.bundle, &bytes)?;
        let plans = match content::opened(&bytes, &self.trust) {
            Ok(configuration) => Some(content::manifests(&configuration, |_, _| None)?),
            // Whoever asked for a signer by name wants to hear that it is not that one.
            Err(error) if self.trust.is_empty() && is_strangers(&error, &header) => None,
            Err(error) => {
                return Err(error.context(format!("{} is not to be trusted", self.bundle.display())));
            }
        };
        let digest = sha256(&bytes).to_string();
        if output.is_json() {
            return Ok(output.json(&json!({
                "workspace": header.workspace.as_str(), "id": header.uid.to_string(),
                "parent": header.parent.0, "created": rfc3339(header.created),
                "not_after": rfc3339(header.not_after), "signer": header.signer.to_string(),
                "trusted": plans.is_some(), "bytes": bytes.len(), "bundle": digest, "plans": plans,
            }))?);
        }
        let mut page = output.page();
        page.heading(&self.bundle.display().to_string(), &format!("workspace {}", header.workspace));
        page.fields(&fields(&header, plans.is_some(), &digest, Clock::system().now()));
        page.gap();
        if let Some(plans) = &plans {
            list(plans, &mut page);
        }
        Ok(output.show(&page)?)
    }
}

fn is_strangers(error: &anyhow::Error, header: &Header) -> bool {
    let unknown = matches!(error.downcast_ref(), Some(BundleError::UnknownSigner { .. }));
    unknown || header.form == BundleForm::Stored
}

fn fields(header: &Header, trusted: bool, digest: &str, now: UnixSeconds) -> Vec<(&'static str, String)> {
    let counts = &header.counts;
    let expired =
        if header.form == BundleForm::Input && now >= header.not_after { ", which is past" } else { "" };
    let believed = match (trusted, header.form) {
        (true, _) => "trusted, the signature holds",
        (false, BundleForm::Input) => "not trusted here, the signature was not checked; see --trust",
        (false, BundleForm::Stored) => "a host, for what it keeps itself",
    };
    vec![
        ("id", header.uid.to_string()),
        ("follows", format!("revision {}", header.parent)),
        ("created", rfc3339(header.created)),
        ("push before", format!("{}{expired}", rfc3339(header.not_after))),
        ("signer", format!("{}  {believed}", header.signer)),
        (
            "holds",
            format!(
                "{} environments, {} deployments, {} services, {} policies, {} values",
                counts.environments, counts.deployments, counts.services, counts.policies, counts.values
            ),
        ),
        ("bundle", digest.to_owned()),
    ]
}

fn list(plans: &[PlanManifest], page: &mut Page) {
    let mut table = Table::new(&["DEPLOYMENT", "ENVIRONMENT", "KEYS", "SECRETS", "POLICIES"]);
    for plan in plans {
        let secrets = plan.keys.iter().filter(|key| key.secret).count();
        let policies: Vec<_> =
            plan.policies.iter().map(|policy| policy.split('@').next().unwrap_or(policy)).collect();
        table.row(&[
            &plan.deployment,
            &plan.environment,
            &plan.keys.len().to_string(),
            &secrets.to_string(),
            &policies.join(", "),
        ]);
    }
    page.table(&table);
}
