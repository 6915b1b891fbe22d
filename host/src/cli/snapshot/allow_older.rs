//! `bootlace snapshot allow-older`: an operator's word that a host may start from less than it has seen.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    cli::{files, output::Output},
    id::{Revision, Uid},
    signing::OperatorKey,
    slots::FloorOverride,
};

/// Let a host load what is older than the newest that it has seen
///
/// A host that finds an older snapshot or ledger in its data directory than it has served does not
/// start, and names what it found. If there is nothing newer, an operator whom it trusts signs that
/// this is so; the host is started with the file as --allow-older, serves, and is degraded. What is
/// signed is good for that revision and that sequence alone.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot allow-older --workspace-id 0b5ec1… --revision 41 --sequence 97 --signer alice.key > allow
  bootlace snapshot allow-older --ledger --revision 1203 --sequence 97 --signer alice.key --out allow
  bootlace serve --data data --root-key root.key --trust alice.key.pub --allow-older allow")]
pub struct Args {
    /// The workspace's random id, as the host named it
    #[arg(long, value_name = "ID", required_unless_present = "ledger")]
    pub workspace_id: Option<Uid>,

    /// The ledger, instead of a workspace: tokens revoked since that revision work again
    #[arg(long, conflicts_with = "workspace_id")]
    pub ledger: bool,

    /// The revision that was found
    #[arg(long, value_name = "N")]
    pub revision: u64,

    /// The sequence that the host named
    #[arg(long, value_name = "N")]
    pub sequence: u64,

    /// The key of an operator whom the host trusts
    #[arg(long, value_name = "FILE")]
    pub signer: PathBuf,

    /// Where to; standard output by default
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let key: OperatorKey = files::private_key(&self.signer)?;
        let subject = self.workspace_id.unwrap_or(Uid::NONE);
        let signed = FloorOverride::sign(&key, subject, Revision(self.revision), self.sequence).to_string();
        match &self.out {
            Some(path) => files::write_private(path, format!("{signed}\n").as_bytes())?,
            None if !output.is_json() => return Ok(output.raw(format!("{signed}\n").as_bytes())?),
            None => {}
        }
        if output.is_json() {
            let (revision, sequence) = (self.revision, self.sequence);
            return Ok(output.json(&json!({
                "permission": signed, "revision": revision, "sequence": sequence,
                "workspace_id": self.workspace_id.map(|id| id.to_string()),
            }))?);
        }
        Ok(())
    }
}
