//! `bootlace policy`: a policy author's tools, on the author's own machine.

pub mod check;
pub mod fixture;
pub mod new;
pub mod test;

use std::{fs::File, io::Read as _, path::Path};

use anyhow::Context as _;
use clap::Subcommand;

use super::{exit::Misuse, output::Output};
use crate::{
    model::{
        PolicyKind,
        question::{Attribute, Vary},
    },
    policy::{Engine, EngineSettings, Memory},
    upload::{Compiler, Trial},
};

/// Write, check and test Wasm policies
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy new region-affinity
  bootlace policy check region-affinity.wasm
  bootlace policy test region-affinity.wasm --fixtures fixtures --setting variables=DATABASE_URL")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with policies on this machine.
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
    /// Ask a policy the questions of fixtures, and compare its answers
    ///
    /// Each question is put twice, to a fresh instance under a host's limits: the same answer for
    /// the same fuel, or the fixture fails. What is not expected must not happen: a variable that
    /// is not named keeps the plan's choice, and there are no warnings. A fixture's own settings
    /// come before those of --setting.
    Test(test::Args),
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

/// One byte more than may be, so that too much is seen and not read.
fn read(file: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let unreadable = || Misuse(format!("cannot read {}", file.display()));
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(unreadable)?;
    opened.take(limit as u64 + 1).read_to_end(&mut bytes).with_context(unreadable)?;
    Ok(bytes)
}

fn kind(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Resolve => "resolve",
        PolicyKind::Promotion => "promotion",
    }
}

/// As the contract spells them.
fn vary(vary: Vary) -> Vec<&'static str> {
    let facts = [
        ("region", vary.region),
        ("zone", vary.zone),
        ("instance-id", vary.instance_id),
        ("instance-attributes", vary.instance_attributes),
        ("release-labels", vary.release_labels),
    ];
    facts.into_iter().filter(|(_, declared)| *declared).map(|(fact, _)| fact).collect()
}
