//! `bootlace snapshot build`: a directory becomes a bundle.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::{
    bundle::{self, Envelope},
    canonical::sha256,
    cli::{directory, files, output::Output, signers},
    clock::{Clock, rfc3339},
    id::{Revision, UnixSeconds},
    signing::OperatorKey,
    source::Directory,
};

/// Build a workspace directory into a signed bundle
///
/// Mistakes are listed all at once, each with file, line and key. The same directory builds to the
/// same content.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot build acme --signer alice.key                   for a new workspace
  bootlace snapshot build acme --signer alice.key --parent 41 --out acme.bundle")]
pub struct Args {
    /// The workspace directory
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// The bundle; the name of the workspace with .bundle by default; one that is there is replaced
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// The revision that it is meant to follow; 0 for a new workspace
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    pub parent: u64,

    /// Who signs, and for how long
    #[command(flatten)]
    pub signing: Signing,
}

/// Who signs a bundle, and for how long.
#[derive(Debug, clap::Args)]
pub struct Signing {
    /// The operator's key that signs the bundle
    #[arg(long, value_name = "FILE")]
    pub signer: PathBuf,

    /// How long it may be pushed
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub valid_for: u32,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let key: OperatorKey = files::private_key(&self.signing.signer)?;
        let progress = output.progress(&format!("reading {}", self.dir.display()));
        let directory = directory::load(&self.dir)?;
        progress.now("signing");
        let envelope = envelope(self.parent, self.signing.valid_for, Clock::system().now());
        let bytes = bundle::sign_input(&directory.configuration, envelope, &key)?;
        let out = self.out.unwrap_or_else(|| format!("{}.bundle", directory.configuration.workspace).into());
        files::replace(&out, &bytes)?;
        drop(progress);
        warn_of_unknown_keys(&self.dir, &directory, &key, output);
        report(&out, &bytes, &directory, envelope, &key, output)
    }
}

pub(super) fn envelope(parent: u64, hours: u32, now: UnixSeconds) -> Envelope {
    let not_after = UnixSeconds(now.0.saturating_add(i64::from(hours) * 3600));
    Envelope { parent: Revision(parent), created: now, not_after }
}

/// A host refuses keys that its root key did not wrap, so this stops nothing here; but who builds
/// should hear that somebody else may have changed them.
pub(super) fn warn_of_unknown_keys(dir: &Path, directory: &Directory, key: &OperatorKey, output: &Output) {
    let pinned = signers::trusted(&[], directory.configuration.uid).unwrap_or_default();
    let known: Vec<_> = pinned.into_iter().chain([key.verifying_key()]).collect();
    if let Err(reason) = signers::vouched(directory, &known) {
        output.warning(&format!("nobody vouches for {}: {reason}", dir.join("keys.toml").display()));
    }
}

fn report(
    out: &Path,
    bytes: &[u8],
    directory: &Directory,
    envelope: Envelope,
    key: &OperatorKey,
    output: &Output,
) -> anyhow::Result<()> {
    let configuration = &directory.configuration;
    let (signer, digest) = (key.verifying_key().id().to_string(), sha256(bytes).to_string());
    let (parent, not_after) = (envelope.parent.0, rfc3339(envelope.not_after));
    if output.is_json() {
        return Ok(output.json(&json!({
            "file": out, "workspace": configuration.workspace.as_str(), "parent": parent,
            "created": rfc3339(envelope.created), "not_after": not_after, "signer": signer,
            "bytes": bytes.len(), "bundle": digest,
        }))?);
    }
    let mut page = output.page();
    page.heading(&out.display().to_string(), &format!("workspace {}", configuration.workspace));
    page.fields(&[
        (
            "follows",
            if parent == 0 { "nothing, a new workspace".into() } else { format!("revision {parent}") },
        ),
        ("push before", not_after),
        ("signer", signer),
        ("bundle", format!("{digest}, {} KiB", bytes.len().div_ceil(1024))),
    ]);
    output.show(&page).context("cannot print")
}
