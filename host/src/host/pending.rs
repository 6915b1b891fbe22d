//! A line of the audit log whose change is decided by a commit of the slots. It is durable in the ledger
//! before that commit, with the digest of the bundle that is stored if it stands: a start that finds one
//! can tell.

use crate::{
    id::Digest,
    slots::{Slots, WorkspaceRoot},
};

/// The line, and what decides.
pub(super) struct Pending {
    /// The stored bundle's digest, as text.
    bundle: Vec<u8>,
    pub(super) line: Vec<u8>,
}

impl Pending {
    /// `digest | line feed | line`.
    pub(super) fn record(bundle: Digest, line: &[u8]) -> Vec<u8> {
        [bundle.to_string().as_bytes(), b"\n", line].concat()
    }

    /// What [`Pending::record`] wrote.
    pub(super) fn read(record: &[u8]) -> Self {
        let mut parts = record.splitn(2, |byte| *byte == b'\n').map(<[u8]>::to_vec);
        Self { bundle: parts.next().unwrap_or_default(), line: parts.next().unwrap_or_default() }
    }

    /// Whether the commit was made.
    pub(super) fn stands(&self, slots: &Slots) -> bool {
        let mut kept = slots.root().workspaces.values().flat_map(WorkspaceRoot::kept);
        kept.any(|kept| kept.configuration.to_string().as_bytes() == self.bundle)
    }
}
