//! `bootlace policy check`: the way in, as a host would walk it.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::{SettingArgs, trial};
use crate::{
    cli::{files, output::Output},
    upload::{Trial, UploadError, rehearse},
};

/// Check a policy as a host does at upload; list every violation
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace policy check region-affinity.wasm
  bootlace policy check rotation-canary.wasm --setting variable=STRIPE_KEY --setting percent=10
  bootlace policy check target/wasm32-unknown-unknown/release/near_region.wasm --out near-region.wasm")]
pub struct Args {
    /// The component or core module
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,

    /// What the policy is told
    #[command(flatten)]
    pub settings: SettingArgs,

    /// Write the component to this file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let progress = output.progress("compiling");
        let shown = self.file.display();
        let refused = || format!("a host would not take {shown}");
        let trial = trial(&self.file)?;
        progress.now("rehearsing");
        let name = trial.loaded.descriptor().name.clone();
        let rehearsed = rehearse(&trial.loaded, &name, &self.settings.attributes());
        let rehearsed = rehearsed.map_err(UploadError::from).with_context(refused)?;
        drop(progress);
        if let Some(out) = &self.out {
            files::replace(out, &trial.component)?;
        }
        show(&self, &trial, rehearsed, output)
    }
}

fn show(args: &Args, trial: &Trial, fuel: Option<u64>, output: &Output) -> anyhow::Result<()> {
    let described = trial.loaded.descriptor();
    let size = fs::metadata(&args.file).map_or(0, |file| file.len());
    let limits = trial.loaded.engine().limits();
    let (kind, vary) = (trial.loaded.kind().as_str(), described.vary.names());
    if output.is_json() {
        return Ok(output.json(&json!({
            "kind": kind, "name": described.name, "version": described.version, "vary": vary,
            "digest": trial.loaded.digest().to_string(), "bytes": size, "component_bytes": trial.component.len(),
            "core_module": trial.was_module, "imports": trial.surface.imports, "exports": trial.surface.exports,
            "compile_ms": trial.compiling.as_secs_f64() * 1e3, "code_bytes": trial.code_bytes, "fuel": fuel,
            "out": args.out,
        }))?);
    }
    let none = |list: &[String]| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    let vary: Vec<_> = vary.iter().map(|fact| (*fact).to_owned()).collect();
    let made = if trial.was_module { ", of a core module" } else { "" };
    let mut page = output.page();
    page.heading(&args.file.display().to_string(), "a host would take it");
    page.fields(&[
        ("kind", kind.to_owned()),
        ("name", described.name.clone()),
        ("version", described.version.clone()),
        ("vary", none(&vary)),
        ("imports", none(&trial.surface.imports)),
        ("size", format!("{size} bytes of {}", limits.component_bytes)),
        ("component", format!("{} bytes{made}", trial.component.len())),
        (
            "compiled",
            format!("in {:.0} ms, to {} bytes", trial.compiling.as_secs_f64() * 1e3, trial.code_bytes),
        ),
        ("fuel", fuel.map(|fuel| format!("{fuel} of {} for the rehearsal", limits.fuel)).unwrap_or_default()),
        ("written", args.out.as_ref().map(|out| out.display().to_string()).unwrap_or_default()),
    ]);
    Ok(output.show(&page)?)
}
