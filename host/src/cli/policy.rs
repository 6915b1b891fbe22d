//! `bootlace policy`: a policy author's tools, on the author's own machine; and the policies of a host.

pub mod attach;
pub mod check;
pub mod fixture;
pub mod list;
pub mod new;
pub mod push;
pub mod recorded;
pub mod test;

use std::{fs::File, io::Read as _, path::Path};

use anyhow::Context as _;
use clap::Subcommand;

use super::{exit::Misuse, output::Output};
use crate::{
    id::PolicyName,
    model::question::Attribute,
    policy::{Engine, EngineSettings, Memory},
    upload::{Compiler, Trial},
    validate::limits,
};

/// Write, check, test, push and attach Wasm policies
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy new region-affinity
  bootlace policy check region-affinity.wasm
  bootlace policy test region-affinity.wasm --fixtures fixtures --setting variables=DATABASE_URL
  bootlace policy test region-affinity.wasm --recorded -d checkout -e production
  bootlace policy push region-affinity.wasm --fallback previous
  bootlace policy attach region-affinity -d checkout -e staging --setting variables=DATABASE_URL
  bootlace policy show region-affinity")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Start a policy in Rust: its source, its build, its tests and fixtures
    ///
    /// The SDK and the contract are written beside it, so that it builds without this repository.
    New(new::Args),
    /// Check a policy as a host does at upload; list every violation
    ///
    /// FILE.wasm is a component, or a core module with embedded interface types, of which a host
    /// makes one. Checked are its size and form, its structure, imports and exports, that it
    /// compiles within a host's limits, that it describes itself, takes the settings, and answers
    /// the same question twice in the same way for the same fuel.
    Check(check::Args),
    /// Ask a policy the questions of fixtures, or of boots that a host was asked for
    ///
    /// Each question is put twice, to a fresh instance under a host's limits: the same answer for
    /// the same fuel, or the fixture fails. What is not expected must not happen: a variable that
    /// is not named keeps the plan's choice, and there are no warnings. A fixture's own settings
    /// come before those of --setting. With --recorded, the questions are those of a host's boots.
    Test(test::Args),
    /// Upload a policy to a host, or another version of it
    ///
    /// The host takes it the whole way in before it changes anything; where the policy is attached, the
    /// new version runs from then on. What a workspace directory names is pushed with that.
    Push(push::Args),
    /// List the policies of a workspace
    List(list::List),
    /// Show a policy, its versions and where it is attached
    Show(list::Show),
    /// Delete a policy that is attached nowhere
    Delete(push::Delete),
    /// Attach a policy to a deployment, an environment or the workspace, or tell it something else there
    Attach(attach::Attach),
    /// Detach a policy
    Detach(attach::Detach),
}

/// What an attachment would tell the policy.
#[derive(Debug, Default, clap::Args)]
pub struct SettingArgs {
    /// What the policy is told; may be repeated
    #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = super::facts::key_value)]
    pub settings: Vec<(String, String)>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self.action {
            Action::New(args) => args.run(output),
            Action::Check(args) => args.run(output),
            Action::Test(args) => args.run(output),
            Action::Push(args) => args.run(output),
            Action::List(args) => args.run(output),
            Action::Show(args) => args.run(output),
            Action::Delete(args) => args.run(output),
            Action::Attach(args) => args.run(output),
            Action::Detach(args) => args.run(output),
        }
    }
}

impl SettingArgs {
    /// In key order, as a host tells them; of a key given twice the last.
    fn attributes(&self) -> Vec<Attribute> {
        let by_key: std::collections::BTreeMap<_, _> = self.settings.iter().cloned().collect();
        by_key.into_iter().map(|(key, value)| Attribute { key, value }).collect()
    }
}

/// Takes a file the way in, with a host's engine, limits and compiling child.
fn trial(file: &Path) -> anyhow::Result<Trial> {
    let settings = EngineSettings { memory: Memory::OnDemand, ..EngineSettings::default() };
    let engine = Engine::new(&settings)?;
    let compiler = Compiler::this_program().context("cannot find this program to compile with")?;
    let uploaded = read(file, engine.limits().component_bytes)?;
    Trial::new(&engine, &compiler, &uploaded)
        .with_context(|| format!("a host would not take {}", file.display()))
}

/// The policy's name: the one that is given, or the file's, as cargo writes it: with `_` where a policy's has `-`.
fn named_after(file: &Path, given: Option<&PolicyName>) -> anyhow::Result<PolicyName> {
    if let Some(name) = given {
        return Ok(name.clone());
    }
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let misuse = || Misuse(format!("{} does not name a policy; give --name", file.display()));
    stem.replace('_', "-").parse().with_context(misuse)
}

/// A component as it is sent to a host.
fn component(file: &Path) -> anyhow::Result<Vec<u8>> {
    let component = read(file, limits::COMPONENT_BYTES)?;
    if component.len() > limits::COMPONENT_BYTES {
        let rule = format!("{} is larger than {} bytes", file.display(), limits::COMPONENT_BYTES);
        return Err(Misuse(rule).into());
    }
    Ok(component)
}

/// One byte more than may be, so that too much is seen and not read.
fn read(file: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let unreadable = || Misuse(format!("cannot read {}", file.display()));
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(unreadable)?;
    opened.take(limit as u64 + 1).read_to_end(&mut bytes).with_context(unreadable)?;
    Ok(bytes)
}
