//! `bootlace audit verify`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::Place;
use crate::{
    audit::{KeptCheckpoint, Report, Verifier},
    cli::{exit::Misuse, files, output::Output},
};

/// The most that is read of a file of kept checkpoints, in bytes.
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,

    /// The chain's first key (mode 0600), which the host's first start left for whoever audits
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// The public key of the host's checkpoints (its `audit.signer`, kept elsewhere)
    #[arg(long, value_name = "SIGNER-FILE")]
    signer: Option<PathBuf>,

    /// Checkpoints that were kept elsewhere, one a line; may be repeated
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let verifier = self.verifier()?;
        let directory = self.place.directory()?;
        let reading = || format!("cannot read the audit log in {}", directory.display());
        let report = verifier.verify(&directory).with_context(reading)?;
        if output.is_json() {
            output.json(&as_json(&report))?;
        } else {
            show(&report, output)?;
        }
        if verifier.key.is_none() && verifier.kept.is_empty() {
            output.warning(
                "without --key or --checkpoint a log that was rewritten as a whole looks like a true one",
            );
        }
        if !report.is_sound() {
            bail!("the audit log is not what the host wrote: {} findings", count(&report));
        }
        Ok(())
    }

    fn verifier(&self) -> anyhow::Result<Verifier> {
        let mut kept = Vec::new();
        for path in &self.checkpoint {
            let unusable = || Misuse(format!("cannot take checkpoints from {}", path.display()));
            let length = std::fs::metadata(path).with_context(unusable)?.len();
            if length > MAX_KEPT_BYTES {
                return Err(Misuse(format!("{} is longer than 64 MiB", path.display())).into());
            }
            let text = std::fs::read_to_string(path).with_context(unusable)?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let read = lines.map(|line| line.parse::<KeptCheckpoint>().with_context(unusable));
            kept.extend(read.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Verifier {
            key: self.key.as_deref().map(files::private_key).transpose()?,
            signer: self.signer.as_deref().map(files::parsed).transpose()?,
            kept,
        })
    }
}

fn show(report: &Report, output: &Output) -> anyhow::Result<()> {
    let mut page = output.page();
    for finding in &report.findings {
        page.line(&format!("  - {finding}"));
    }
    let sum = if report.is_sound() { "sound" } else { "not what the host wrote" };
    let mut fields = vec![
        ("log", sum.to_owned()),
        ("files", report.files.to_string()),
        ("lines", report.lines.to_string()),
        ("last seal", report.seals.to_string()),
    ];
    for (name, count) in [
        ("findings", count(report)),
        ("removed by retention, up to file", report.retired),
        ("files of before the chain", report.unchained),
        ("lines sealed after a crash", report.killed),
        ("lines not sealed yet", report.open),
    ] {
        if count > 0 {
            fields.push((name, count.to_string()));
        }
    }
    page.fields(&fields);
    Ok(output.show(&page)?)
}

fn as_json(report: &Report) -> serde_json::Value {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| json!({ "file": finding.file, "line": finding.line, "detail": finding.to_string() }))
        .collect();
    json!({
        "sound": report.is_sound(), "findings": findings, "more": report.more, "files": report.files,
        "lines": report.lines, "seals": report.seals, "unchained": report.unchained,
        "retired": report.retired, "killed": report.killed, "open": report.open, "closed": report.closed,
    })
}

fn count(report: &Report) -> u64 {
    report.findings.len() as u64 + report.more
}
