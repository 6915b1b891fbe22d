//! `bootlace keygen environment`: the key pairs in a directory's `keys.toml`, and the signature
//! over their public halves.
//!
//! Signing vouches for every key in the file, not only for the new ones, so what was there must
//! be proven first: by the old signature, or by the root key, which unwraps none but its own.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde_json::json;

use crate::{
    cli::{directory, exit::Misuse, files, output::Output, signers},
    entropy::Entropy,
    id::EnvironmentName,
    keyring::{RootKey, RootKeys, new_environment_keys, unwrap_environment_key},
    signing::{OperatorKey, sign_environment_keys},
    source::Directory,
    system,
};

/// Seals to an environment; the private half travels wrapped, in the workspace directory
///
/// Removes the keys of environments that are gone, and signs what is there; without a name, no
/// more than that.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace directory
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// The environments that need a key
    #[arg(value_name = "NAME")]
    pub names: Vec<EnvironmentName>,

    /// Wraps the private halves
    #[arg(long, value_name = "FILE")]
    pub root_key: PathBuf,

    /// Signs the public halves, so that nobody can swap them in a pull request
    #[arg(long, value_name = "FILE")]
    pub signer: PathBuf,

    /// A signer whose keys in the directory are kept; may be repeated [default: those pinned here]
    #[arg(long, value_name = "SIGNER-FILE")]
    pub trust: Vec<PathBuf>,

    /// Replace a key that is there; what was sealed to it has to be sealed again
    #[arg(long)]
    pub replace: bool,
}

/// What happened to the file.
struct Renewed {
    text: String,
    removed: Vec<EnvironmentName>,
    replaced: Vec<EnvironmentName>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let root: RootKey = files::private_key(&self.root_key)?;
        let operator: OperatorKey = files::private_key(&self.signer)?;
        let directory = directory::parse(&self.dir)?;
        let mut trusted = signers::trusted(&self.trust, directory.configuration.uid)?;
        trusted.push(operator.verifying_key());
        let vouched = signers::vouched(&directory, &trusted).is_ok();
        let renewed = self.renew(directory, root, &operator, vouched, &mut system::entropy)?;
        let path = self.dir.join("keys.toml");
        files::replace(&path, renewed.text.as_bytes())?;
        self.report(&path, &operator, &renewed, output)
    }

    fn renew(
        &self,
        mut directory: Directory,
        root: RootKey,
        operator: &OperatorKey,
        vouched: bool,
        entropy: &mut Entropy<'_>,
    ) -> anyhow::Result<Renewed> {
        let workspace = directory.configuration.uid;
        let environments = directory.configuration.environments.clone();
        let keys = &mut directory.keys.environments;
        let gone = |name: &&EnvironmentName| !environments.contains_key(*name);
        let removed: Vec<_> = keys.keys().filter(gone).cloned().collect();
        keys.retain(|name, _| environments.contains_key(name));

        let mut replaced = Vec::new();
        for name in &self.names {
            let Some(environment) = environments.get(name) else {
                let file = self.dir.join(format!("environments/{name}.toml"));
                return Err(Misuse(format!(
                    "there is no environment {name}; write {} first",
                    file.display()
                ))
                .into());
            };
            let new = new_environment_keys(&root, workspace, environment.uid, entropy);
            if keys.insert(name.clone(), new).is_some() {
                replaced.push(name.clone());
            }
        }
        if !self.replace && !replaced.is_empty() {
            return Err(Misuse(format!(
                "{} has a key already, and what was sealed to it would not open any more; say --replace if you mean it",
                list(&replaced)
            ))
            .into());
        }
        let roots = RootKeys::new([root]);
        let unproven = directory.keys.environments.iter().filter(|(name, keys)| {
            !vouched && unwrap_environment_key(keys, workspace, environments[*name].uid, &roots).is_err()
        });
        let unproven: Vec<_> = unproven.map(|(name, _)| name.clone()).collect();
        if !unproven.is_empty() {
            return Err(anyhow!(
                "nobody trusted on this machine vouches for the key of {}, and this root key does not unwrap it; \
                 find out who changed keys.toml, name its signer with --trust, or replace the key",
                list(&unproven)
            ));
        }
        let published = signers::published(&directory)?;
        let signature = sign_environment_keys(operator, workspace, &published);
        directory.keys.signature = Some((operator.verifying_key().to_bytes(), signature.0));
        Ok(Renewed { text: directory.keys.to_toml(), removed, replaced })
    }

    fn report(
        &self,
        path: &Path,
        operator: &OperatorKey,
        renewed: &Renewed,
        output: &Output,
    ) -> anyhow::Result<()> {
        let signer = operator.verifying_key().id().to_string();
        if !renewed.replaced.is_empty() {
            output.warning(&format!(
                "what was sealed to the old key of {} does not open any more; seal it again",
                list(&renewed.replaced)
            ));
        }
        if output.is_json() {
            let names = |names: &[EnvironmentName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            return Ok(output.json(&json!({
                "file": path, "signer": signer, "environments": names(&self.names),
                "replaced": names(&renewed.replaced), "removed": names(&renewed.removed),
            }))?);
        }
        let mut page = output.page();
        page.heading(&path.display().to_string(), "signed");
        page.fields(&[
            ("new keys", list(&self.names)),
            ("removed", list(&renewed.removed)),
            ("signer", signer),
        ]);
        Ok(output.show(&page)?)
    }
}

fn list(names: &[EnvironmentName]) -> String {
    names.iter().map(EnvironmentName::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::init::workspace::{Scaffold, scaffold},
        entropy::fresh_key,
        id::UnixSeconds,
        source,
    };

    fn acme() -> Scaffold {
        scaffold(&"acme".parse().unwrap(), UnixSeconds(1_800_000_000), &mut system::entropy).unwrap()
    }

    fn args(names: &[&str], replace: bool) -> Args {
        let names = names.iter().map(|name| name.parse().unwrap()).collect();
        let (dir, file) = (PathBuf::from("acme"), PathBuf::new());
        Args { dir, names, root_key: file.clone(), signer: file, trust: Vec::new(), replace }
    }

    fn renew(args: &Args, directory: Directory, root: RootKey, vouched: bool) -> anyhow::Result<Renewed> {
        let operator = OperatorKey::new(fresh_key(&mut system::entropy));
        args.renew(directory, root, &operator, vouched, &mut system::entropy)
    }

    #[test]
    fn a_key_is_replaced_only_when_that_is_meant() {
        let Scaffold { tree, root_key, .. } = acme();
        let directory = source::parse(&tree).unwrap();
        let root = |key: &RootKey| key.to_file().parse::<RootKey>().ok().unwrap();
        let plain = renew(&args(&["staging"], false), directory.clone(), root(&root_key), true);
        assert!(plain.err().unwrap().is::<Misuse>());
        let replaced = renew(&args(&["staging"], true), directory, root(&root_key), true).unwrap();
        assert_eq!(list(&replaced.replaced), "staging");
    }

    #[test]
    fn a_swapped_key_is_not_vouched_for_by_signing_another() {
        let (ours, attackers) = (acme(), acme());
        let mut directory = source::parse(&ours.tree).unwrap();
        let theirs = source::parse(&attackers.tree).unwrap();
        let production: EnvironmentName = "production".parse().unwrap();
        let swapped = theirs.keys.environments[&production].clone();
        directory.keys.environments.insert(production, swapped);
        let error = renew(&args(&["staging"], true), directory, ours.root_key, false).err().unwrap();
        assert!(error.to_string().contains("production"), "{error}");
    }

    #[test]
    fn keys_of_what_is_gone_are_removed_and_the_rest_is_signed_again() {
        let Scaffold { mut tree, root_key, .. } = acme();
        tree.remove("environments/development.toml");
        let renewed = renew(&args(&[], false), source::parse(&tree).unwrap(), root_key, false).unwrap();
        assert_eq!(list(&renewed.removed), "development");
        assert!(!renewed.text.contains("development"));
    }
}
