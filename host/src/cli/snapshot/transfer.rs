//! `bootlace snapshot export` and `import`: a whole workspace from one host to another, as a file.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::json;

use crate::{
    canonical::sha256,
    cli::{block_on, change::report, connection::AdminHost, exit::Misuse, files, output::Output},
    client::{Limits, Request},
    clock::rfc3339,
    transfer::{self, Header, MAX_TRANSFER_BYTES},
};

const EXPORT: &str = "application/vnd.bootlace.export";
/// How long the host may take, with a file of the largest size on the way.
const HOST_AT_WORK: Duration = Duration::from_secs(900);

/// Take a whole workspace out of a host, as a file for another
///
/// The file holds everything of the workspace: what was pushed and what was made by API, every value with
/// its versions, policies, tokens (as hashes), active releases, and its history as far as 256 MiB hold it. It
/// is sealed under the host's root key: a host that holds the same key can import it, and nobody else can
/// read even a name in it. The audit log and counts of boots stay with their host.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot export acme.export --workspace acme
  bootlace snapshot export acme.export --workspace acme --force     in place of an older file")]
pub struct Export {
    /// The file; its owner's alone
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Replace the file if there is one
    #[arg(long)]
    pub force: bool,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// Take in a workspace that another host exported
///
/// The host must hold the root key that the file was made under, and must not have the workspace. Tokens work
/// as they did; the revision goes on from where it was. Afterwards the workspace is on both hosts: point its
/// instances at this one, and change it nowhere else.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot import acme.export --admin-url https://new.example:7301")]
pub struct Import {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

impl Export {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let file = self.file.display();
        if !self.force && self.file.symlink_metadata().is_ok() {
            let advice = format!("{file} is there already; replace it with --force, or name another file");
            return Err(Misuse(advice).into());
        }
        let limits = Limits { answer_bytes: MAX_TRANSFER_BYTES, ..Limits::default() };
        let client = self.host.client_within(limits)?;
        let progress = output.progress("exporting: the host puts the workspace together and sends it");
        let request = self.host.within(Request::get(&["api", "v1", "export"])).patience(HOST_AT_WORK);
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        let header = transfer::inspect(&answer.body).context("what the host sent cannot be used")?;
        progress.now(&format!("writing {file}"));
        match self.force {
            true => files::replace_private(&self.file, &answer.body)?,
            false => files::place_private(&self.file, &answer.body)?,
        }
        drop(progress);
        exported(&self.file, &answer.body, &header, output)
    }
}

fn exported(path: &Path, bytes: &[u8], header: &Header, output: &Output) -> anyhow::Result<()> {
    let (workspace, revision, earliest) = (&header.workspace, header.revision.0, header.earliest.0);
    let (at, digest) = (rfc3339(header.exported), sha256(bytes).to_string());
    if output.is_json() {
        return Ok(output.json(&json!({
            "file": path, "workspace": workspace.as_str(), "revision": revision, "earliest": earliest,
            "exported": at, "bytes": bytes.len(), "sha256": digest,
        }))?);
    }
    let mut page = output.page();
    page.heading(&path.display().to_string(), &format!("workspace {workspace} at revision {revision}"));
    page.fields(&[
        ("exported", at),
        ("history from", format!("revision {earliest}")),
        ("bytes", bytes.len().to_string()),
        ("sha256", digest),
    ]);
    Ok(output.show(&page)?)
}

impl Import {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let path = self.file.display();
        let unreadable = || Misuse(format!("cannot read the export {path}"));
        let file = File::open(&self.file).with_context(unreadable)?;
        let mut bytes = Vec::new();
        file.take(MAX_TRANSFER_BYTES as u64 + 1).read_to_end(&mut bytes).with_context(unreadable)?;
        let header = transfer::inspect(&bytes).with_context(|| Misuse(format!("cannot import {path}")))?;
        let client = self.host.client()?;
        let request = Request::put(&["api", "v1", "import"]);
        let request = self.host.within_or(request, &header.workspace).body(EXPORT, bytes);
        let progress =
            output.progress(&format!("importing {path}: the host checks it and compiles policies"));
        let answer = block_on(async { Ok(client.send(&request.patience(HOST_AT_WORK)).await?) })?;
        drop(progress);
        report(&answer, "imported", output)
    }
}
