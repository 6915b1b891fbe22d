//! Checkpoints: short signed statements of how far the log had come. One that is kept elsewhere
//! convicts whoever later cuts or rewrites the log, without any secret.

use std::{fmt, str::FromStr};

use super::wire::{Checkpoint, Notice};
use crate::{
    fields::Writer,
    signing::{Signature, Statement, VerifyingKey},
};

impl Checkpoint {
    /// What is signed.
    pub(super) fn signed(&self) -> Vec<u8> {
        let numbers = Writer::new().i64(self.at).u64(self.file).u64(self.seal).u64(self.lines);
        numbers.raw(&self.chain.0).finish()
    }

    /// Whether `signer` signed it.
    pub(super) fn is_by(&self, signer: &VerifyingKey) -> bool {
        let mut signature = [0; 64];
        self.signer == signer.id().to_string()
            && hex::decode_to_slice(&self.signature, &mut signature).is_ok()
            // One spelling: hex in capitals would decode, too.
            && hex::encode(signature) == self.signature
            && signer.verify(Statement::AuditCheckpoint, &self.signed(), &Signature(signature)).is_ok()
    }
}

/// A checkpoint that was kept outside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCheckpoint(pub(super) Checkpoint);

impl KeptCheckpoint {
    /// The number of the seal that it was made behind.
    #[must_use]
    pub fn seal(&self) -> u64 {
        self.0.seal
    }
}

impl fmt::Display for KeptCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Notice::Checkpoint(self.0.clone()).to_line();
        f.write_str(String::from_utf8_lossy(&line).trim_end())
    }
}

/// The text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint of an audit log, as `bootlace audit checkpoint` prints it")]
pub struct InvalidCheckpoint;

impl FromStr for KeptCheckpoint {
    type Err = InvalidCheckpoint;
    fn from_str(text: &str) -> Result<Self, InvalidCheckpoint> {
        match Notice::from_line(format!("{}\n", text.trim_end()).as_bytes()) {
            Some(Notice::Checkpoint(checkpoint)) => Ok(Self(checkpoint)),
            _ => Err(InvalidCheckpoint),
        }
    }
}
