//! `bootlace keygen`: one key, one role.

mod environment;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{files, output::Output};
use crate::{entropy::fresh_key, keyring::RootKey, signing::OperatorKey, system};

/// Make a key
///
/// Private keys are written with mode 0600 to files that must not exist yet, and never printed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace keygen root --out root.key
  bootlace keygen operator --out alice.key           and alice.key.pub, for `serve --trust`
  bootlace keygen environment acme production --root-key root.key --signer alice.key")]
pub struct Args {
    /// What the key is for
    #[command(subcommand)]
    pub role: Role,
}

/// The roles of keys.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Wraps a host's data keys; whoever has it and a snapshot can open everything
    Root {
        /// The file
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Signs what an operator pushes; the public half goes to FILE.pub
    Operator {
        /// The file
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Seals to an environment; the private half travels wrapped, in the workspace directory
    Environment(environment::Args),
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.role {
            Role::Root { out } => root(&out, output),
            Role::Operator { out } => operator(&out, output),
            Role::Environment(args) => args.run(output),
        }
    }
}

fn root(out: &Path, output: &Output) -> anyhow::Result<()> {
    let key = RootKey::new(fresh_key(&mut system::entropy));
    files::write_private(out, key.to_file().as_bytes())?;
    if output.is_json() {
        return Ok(output.json(&json!({ "key": key.id().to_string(), "file": out }))?);
    }
    let mut page = output.page();
    page.heading("root key", &key.id().to_string());
    page.fields(&[("file", format!("{}  mode 0600; keep a copy, without it nothing opens", out.display()))]);
    Ok(output.show(&page)?)
}

fn operator(out: &Path, output: &Output) -> anyhow::Result<()> {
    let key = OperatorKey::new(fresh_key(&mut system::entropy));
    let (public, signer) = (files::beside(out, ".pub"), key.verifying_key());
    // The public half first: an operator's key whose signer nobody can name would be of no use.
    files::write_public(&public, format!("{signer}\n").as_bytes())?;
    if let Err(error) = files::write_private(out, key.to_file().as_bytes()) {
        // Ours, just made: it must not pass for the public half of a key that was there before.
        drop(std::fs::remove_file(&public));
        return Err(error);
    }
    if output.is_json() {
        let shown = json!({ "signer": signer.id().to_string(), "file": out, "public": public });
        return Ok(output.json(&shown)?);
    }
    let mut page = output.page();
    page.heading("operator key", &signer.id().to_string());
    page.fields(&[
        ("file", format!("{}  mode 0600", out.display())),
        ("public", format!("{}  for --trust", public.display())),
    ]);
    Ok(output.show(&page)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{exit::Misuse, output::Color};

    #[test]
    fn a_key_is_never_overwritten_and_leaves_no_stray_half() {
        let output = Output::new(true, Color::Never);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("alice.key");
        operator(&path, &output).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(operator(&path, &output).unwrap_err().is::<Misuse>());
        assert_eq!(std::fs::read(&path).unwrap(), before);

        std::fs::remove_file(place.path().join("alice.key.pub")).unwrap();
        assert!(operator(&path, &output).unwrap_err().is::<Misuse>());
        assert!(!place.path().join("alice.key.pub").exists());
    }
}
