//! What a person names: a workspace directory, or a bundle of somebody trusted.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    bundle::{self, BundleForm, BundleLimits, Expected, Header, MAX_BUNDLE_BYTES},
    cli::{directory, exit::Misuse, signers},
    id::{DeploymentId, EnvironmentName, UnixSeconds},
    manifest::{self, PlanManifest},
    model::{Configuration, InputValue},
    plan::{Chains, Plan, PlanError},
};

/// Reads the configuration in a directory, or in a bundle whose signature holds.
pub(super) fn read(path: &Path, trust: &[PathBuf]) -> anyhow::Result<Configuration<InputValue>> {
    if path.is_dir() {
        return Ok(directory::load(path)?.configuration);
    }
    let bytes = bundle_bytes(path)?;
    opened(&bytes, trust).with_context(|| format!("cannot look into {}", path.display()))
}

/// A bundle's bytes, of which nothing is believed yet.
pub(super) fn bundle_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || Misuse(format!("cannot read the bundle {}", path.display()));
    let file = File::open(path).with_context(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_BUNDLE_BYTES as u64 + 1).read_to_end(&mut bytes).with_context(unreadable)?;
    Ok(bytes)
}

/// A bundle's header, believed by nobody.
pub(super) fn header(path: &Path, bytes: &[u8]) -> anyhow::Result<Header> {
    let unusable = || Misuse(format!("{} is no bundle", path.display()));
    bundle::inspect(bytes, &BundleLimits::default()).with_context(unusable)
}

/// What is in a bundle, once its signature holds. Parent and expiry matter to a host only.
pub(super) fn opened(bytes: &[u8], trust: &[PathBuf]) -> anyhow::Result<Configuration<InputValue>> {
    let limits = BundleLimits::default();
    let header = bundle::inspect(bytes, &limits)?;
    if header.form == BundleForm::Stored {
        let advice = "it is what a host keeps, sealed under its own keys; look at what was pushed instead";
        return Err(Misuse(advice.into()).into());
    }
    let trusted = signers::trusted_set(trust, header.uid)?;
    let expected = Expected { workspace: header.uid, revision: header.parent, now: UnixSeconds(i64::MIN) };
    Ok(bundle::open_input(bytes, &trusted, &limits, expected)?.configuration)
}

/// Every plan's names and value ids, each with the release that `active` names.
///
/// # Errors
/// When the configuration is inconsistent, which it is not once it was validated.
pub(super) fn manifests(
    configuration: &Configuration<InputValue>,
    active: impl Fn(&DeploymentId, &EnvironmentName) -> Option<u64>,
) -> Result<Vec<PlanManifest>, PlanError> {
    let chains = Chains::of(configuration);
    let mut manifests = Vec::new();
    for (deployment, app) in &configuration.deployments {
        for environment in app.environments.keys() {
            // What is active on a host may be none of the releases here.
            let release = active(deployment, environment).filter(|number| app.releases.contains_key(number));
            let plan = Plan::merge_with(configuration, &chains, deployment, environment, release)?;
            manifests.push(manifest::of_plan(&plan));
        }
    }
    Ok(manifests)
}
