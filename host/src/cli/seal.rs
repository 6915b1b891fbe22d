//! `bootlace seal`: a secret for a workspace directory.

mod paste;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::ArgGroup;
use serde_json::json;

use self::paste::{Target, ToolCredential};
use super::{directory, exit::Misuse, hardening::forbid_dumps, output::Output, signers, value};
use crate::{
    entropy::Entropy,
    id::{DeploymentId, EnvironmentName, ServiceId, Uid, VariableName},
    model::{Address, SealedText},
    seal::{EnvironmentPublicKey, seal_text},
    source::Directory,
    system,
};

/// Seal a secret to an environment
///
/// Reads the secret from standard input, or from a file, never from an argument. Prints
/// `sealed:1:…` text that only a host of that environment can open, and only at the place it was
/// sealed for. The environment's public key must be signed by a signer that you trust: the one
/// that `init` pinned on this machine, or those of --trust. One newline at the end is removed.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true).args(["name", "credential", "tool"]), after_long_help = "\
Examples:
  bootlace seal acme -e production -d checkout STRIPE_KEY                       asks for it
  bootlace seal acme -e production -d checkout STRIPE_KEY < stripe.txt
  bootlace seal acme -e staging TLS_KEY --from key.pem --keep-newline
  bootlace seal acme -e production --tool webhook/token
  bootlace seal acme -e production --credential orders-db --trust alice.key.pub < password.txt")]
pub struct Args {
    /// The workspace directory
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// The variable
    #[arg(value_name = "NAME")]
    pub name: Option<VariableName>,

    /// Instead of a variable: the credential of this service's instance
    #[arg(long, value_name = "SERVICE", conflicts_with = "deployment")]
    pub credential: Option<ServiceId>,

    /// Instead of a variable: a credential of this tool's profile
    #[arg(long, value_name = "TOOL/CREDENTIAL", conflicts_with = "deployment")]
    pub tool: Option<ToolCredential>,

    /// The environment
    #[arg(long, short, value_name = "NAME")]
    pub environment: EnvironmentName,

    /// The deployment; every deployment in the environment without it
    #[arg(long, short, value_name = "NAME")]
    pub deployment: Option<DeploymentId>,

    /// Which version of the value this is
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub version: u64,

    /// A signer whose public keys count, instead of those pinned here; may be repeated
    #[arg(long, value_name = "SIGNER-FILE")]
    pub trust: Vec<PathBuf>,

    /// Read the secret from this file
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Keep the newline at the end
    #[arg(long)]
    pub keep_newline: bool,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let _dumps_off = forbid_dumps()?;
        let directory = directory::parse(&self.dir)?;
        let trusted = signers::trusted(&self.trust, directory.configuration.uid)?;
        // Before the secret is read: nobody should type one for a key that captures it.
        signers::vouched(&directory, &trusted).with_context(|| {
            format!("the keys in {} are not to be sealed to", self.dir.join("keys.toml").display())
        })?;
        let target = self.target()?;
        let (public, address) = self.place(&directory, &target)?;
        let what = format!("{target} in {}", self.environment);
        let value = value::read(self.from.as_deref(), self.keep_newline, &what, "--from")?;
        let sealed = sealed(&public, &address, &value, &mut system::entropy)?;
        self.report(&target, &sealed, output)
    }

    fn target(&self) -> anyhow::Result<Target<'_>> {
        match (&self.name, &self.credential, &self.tool) {
            (Some(name), None, None) => Ok(Target::Variable(name, self.deployment.as_ref())),
            (None, Some(service), None) => Ok(Target::Credential(service)),
            (None, None, Some(tool)) => Ok(Target::Tool(tool)),
            _ => {
                Err(Misuse("name a variable, a service with --credential, or a tool's with --tool".into())
                    .into())
            }
        }
    }

    /// The key to seal to, and what the text is bound to.
    fn place(
        &self,
        directory: &Directory,
        target: &Target<'_>,
    ) -> anyhow::Result<(EnvironmentPublicKey, Address)> {
        let configuration = &directory.configuration;
        let dir = self.dir.display();
        let unknown = |what: &str, name: &str| Misuse(format!("{dir} has no {what} {name}"));
        let environment = configuration.environments.get(&self.environment);
        let environment = environment.ok_or_else(|| unknown("environment", self.environment.as_str()))?;
        let keys = directory.keys.environments.get(&self.environment).ok_or_else(|| {
            Misuse(format!(
                "{} has no key to seal to; an operator makes one with `bootlace keygen environment {dir} {0} …`",
                self.environment
            ))
        })?;
        let (workspace, environment, version) = (configuration.uid, environment.uid, self.version);
        let public = EnvironmentPublicKey(keys.public);
        let address = match target {
            Target::Tool(one) => {
                let names = (&one.tool, &one.credential);
                Address::tool_credential(workspace, environment, names, version)
            }
            Target::Variable(name, None) => {
                Address::variable(workspace, (environment, Uid::NONE), name, version)
            }
            Target::Variable(name, Some(id)) => {
                let deployment = configuration.deployments.get(*id);
                let deployment = deployment.ok_or_else(|| unknown("deployment", id.as_str()))?;
                Address::variable(workspace, (environment, deployment.uid), name, version)
            }
            // A service that is still to be written may get its credential first.
            Target::Credential(service) => Address::credential(workspace, environment, service, version),
        };
        Ok((public, address))
    }

    fn report(&self, target: &Target<'_>, sealed: &SealedText, output: &Output) -> anyhow::Result<()> {
        let paste = target.paste(&self.environment, self.version, &sealed.0);
        if output.is_json() {
            return Ok(output.json(&json!({
                "sealed": &*sealed.0, "file": self.dir.join(&paste.file),
                "table": paste.table, "line": paste.line,
            }))?);
        }
        if !io::stdout().is_terminal() {
            return Ok(output.raw(sealed.0.as_bytes())?);
        }
        let mut page = output.page();
        page.heading(&self.dir.join(&paste.file).display().to_string(), &format!("under [{}]", paste.table));
        page.line(&paste.line);
        Ok(output.show(&page)?)
    }
}

fn sealed(
    public: &EnvironmentPublicKey,
    address: &Address,
    value: &[u8],
    entropy: &mut Entropy<'_>,
) -> anyhow::Result<SealedText> {
    // A host injects text; what is none would be refused at a boot, when it is too late.
    if std::str::from_utf8(value).is_err() || value.contains(&0) {
        let advice =
            format!("the value of {} is not UTF-8 text; encode it, as base64 for example", address.name);
        return Err(Misuse(advice).into());
    }
    Ok(seal_text(public, address, value, entropy)?)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{
            Cli, Verb,
            init::workspace::{Scaffold, scaffold},
            signers::{NotVouched, vouched},
        },
        id::UnixSeconds,
        keyring::{RootKeys, unwrap_environment_key},
        seal::open_text,
        source,
    };

    fn acme() -> Scaffold {
        scaffold(&"acme".parse().unwrap(), UnixSeconds(1_800_000_000), &mut system::entropy).unwrap()
    }

    fn args(line: &str) -> Args {
        let words = ["bootlace", "seal", "acme"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().verb {
            Verb::Seal(args) => args,
            _ => unreachable!("seal was parsed"),
        }
    }

    #[test]
    fn only_the_place_it_was_sealed_for_opens_it() {
        let Scaffold { tree, root_key, .. } = acme();
        let directory = source::parse(&tree).unwrap();
        let roots = RootKeys::new([root_key]);
        for line in [
            "-e staging -d checkout KEY",
            "-e staging KEY --version 3",
            "-e staging --credential cache",
            "-e staging --tool webhook/token",
        ] {
            let args = args(line);
            let (public, address) = args.place(&directory, &args.target().unwrap()).unwrap();
            let text = sealed(&public, &address, b"hunter2", &mut system::entropy).unwrap();
            let keys = &directory.keys.environments[&args.environment];
            let uid = directory.configuration.uid;
            let private = unwrap_environment_key(keys, uid, address.environment, &roots).unwrap();
            assert_eq!(open_text(&private, &address, &text).ok().unwrap().expose(), b"hunter2");
            let elsewhere = Address { version: address.version + 1, ..address };
            assert!(open_text(&private, &elsewhere, &text).is_err(), "{line}");
        }
    }

    #[test]
    fn keys_that_a_pull_request_swapped_are_not_sealed_to() {
        let (ours, attackers) = (acme(), acme());
        let signer = [ours.operator_key.verifying_key()];
        let directory = source::parse(&ours.tree).unwrap();
        assert!(vouched(&directory, &signer).is_ok());

        // The attacker's whole file, and our own with one key of theirs.
        let mut swapped = ours.tree.clone();
        swapped.insert("keys.toml".into(), attackers.tree["keys.toml"].clone());
        let swapped = source::parse(&swapped).unwrap();
        assert!(matches!(vouched(&swapped, &signer), Err(NotVouched::Stranger)));

        let mut one = directory.clone();
        let production: EnvironmentName = "production".parse().unwrap();
        let theirs = swapped.keys.environments[&production].clone();
        one.keys.environments.insert(production, theirs);
        assert!(matches!(vouched(&one, &signer), Err(NotVouched::Changed(_))));

        let mut unsigned = directory.clone();
        unsigned.keys.signature = None;
        assert!(matches!(vouched(&unsigned, &signer), Err(NotVouched::Unsigned)));
        assert!(matches!(vouched(&directory, &[]), Err(NotVouched::Stranger)));
    }

    #[test]
    fn what_is_not_there_is_named_and_bytes_that_are_no_text_are_refused() {
        let directory = source::parse(&acme().tree).unwrap();
        for (line, missing) in
            [("-e qa KEY", "environment qa"), ("-e staging -d shop KEY", "deployment shop")]
        {
            let args = args(line);
            let error = args.place(&directory, &args.target().unwrap()).unwrap_err();
            assert!(error.to_string().contains(missing), "{error}");
        }
        let args = args("-e staging KEY");
        let (public, address) = args.place(&directory, &args.target().unwrap()).unwrap();
        for bytes in [&b"\xff\xfe"[..], b"a\0b"] {
            assert!(sealed(&public, &address, bytes, &mut system::entropy).err().unwrap().is::<Misuse>());
        }
    }
}
