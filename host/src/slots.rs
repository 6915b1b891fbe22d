//! The last known good, on disk: two slots, each holding a signed *root* that names blobs by
//! digest, and a *floor* of the highest revisions seen. A commit makes blobs durable, replaces the
//! slot that does not hold the newest root, raises the floor, then brings the other slot to the
//! same root. Whatever is killed when, a restart finds exactly the old or the new root.
//!
//! Layout: `lock`, `keys`, `slot-a`, `slot-b`, `floor`, `blobs/<sha256>`; files 0600, directories
//! 0700; `*.new` is a file that was being written.

mod blobs;
mod change;
mod directory;
mod floor;
mod load;
mod root;

use std::{io, sync::Arc};

pub use blobs::BlobError;
pub use change::Change;
pub use directory::{DataDirectory, DirectoryError};
use floor::{Floor, LEDGER};
pub use floor::{FloorOverride, InvalidOverride};
pub use load::{Degraded, LoadError, SlotFault};
pub use root::{InvalidSlot, KeptRevision, MAX_REVISIONS, Pushed, Root, WorkspaceRoot};

use crate::{
    canonical::sha256,
    id::{Digest, Revision, Uid, WorkspaceId},
    keyring::HostKeys,
    signing::TrustedSigners,
};

const SLOTS: [&str; 2] = ["slot-a", "slot-b"];
const FLOOR: &str = "floor";

/// The last known good of one host.
pub struct Slots {
    directory: DataDirectory,
    keys: Arc<HostKeys>,
    root: Root,
    floor: Floor,
    /// The slot that holds the newest root.
    newest: usize,
    /// A commit ended without anybody knowing which root is in place.
    unknown: bool,
}

/// A commit that is durable.
#[derive(Debug)]
#[must_use]
pub struct Committed {
    /// What failed after that: the floor or the second slot. The commit stands, the next one
    /// writes both again; until then the host is degraded.
    pub incomplete: Option<io::Error>,
}

/// Why a commit did not happen. What is served stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else was faster.
    #[error("workspace {workspace} is at revision {current}")]
    Conflict {
        /// The workspace.
        workspace: WorkspaceId,
        /// Its current revision.
        current: Revision,
    },
    /// The workspace of that name is another one, with another id.
    #[error("workspace {workspace} has another id")]
    OtherWorkspace {
        /// The workspace.
        workspace: WorkspaceId,
    },
    /// There is no such workspace.
    #[error("there is no workspace {workspace}")]
    UnknownWorkspace {
        /// The workspace.
        workspace: WorkspaceId,
    },
    /// Nothing is changed on disk.
    #[error("the commit was aborted: cannot {doing}")]
    Aborted {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The old or the new root is on disk, and nobody knows which until a restart reads it.
    #[error("the commit's outcome is unknown until a restart: cannot put the slot in place")]
    Unknown(#[source] io::Error),
    /// An earlier commit ended that way.
    #[error("an earlier commit's outcome is unknown: restart before anything else is committed")]
    Refused,
}

/// How far a commit has come. For tests of what a crash at each point leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The blobs are durable; no root names them yet.
    BlobsDurable,
    /// The first slot is written beside the one it will replace.
    SlotStaged,
    /// The first slot is in place: from here on, a restart finds the new root.
    SlotReplaced,
    /// The floor is raised.
    FloorRaised,
    /// Both slots hold the new root.
    SlotsAgree,
    /// Blobs that only the old root named are gone.
    Collected,
}

impl Slots {
    /// Loads the last known good. `overrides` let a workspace load below its floor.
    ///
    /// # Errors
    /// When no slot is usable, or what is left is older than what was seen.
    pub fn load(
        directory: DataDirectory,
        keys: Arc<HostKeys>,
        overrides: &[FloorOverride],
        trusted: &TrustedSigners,
    ) -> Result<(Self, Vec<Degraded>), LoadError> {
        let load::Start { root, floor, newest, mut degraded } =
            load::load(&directory, &keys, overrides, trusted)?;
        let slots = Self { directory, keys, root, floor, newest, unknown: false };
        let slot_is_corrupt = degraded.iter().any(|each| matches!(each, Degraded::Slot { .. }));
        if slots.root.sequence > 0 {
            // A corrupt slot stays as it is until the next commit, for whoever wants to know why; and
            // with it every blob, because it may name some.
            if let Err(error) = if slot_is_corrupt { slots.write_floor() } else { slots.finish() } {
                degraded.push(Degraded::NotRepaired(error));
            } else if !slot_is_corrupt {
                blobs::sweep(&slots.directory.blobs(), &slots.root.blobs());
            }
        }
        Ok((slots, degraded))
    }

    /// What is committed.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The directory, for what else a host keeps there.
    #[must_use]
    pub fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    /// The highest revision seen of a workspace: what a workspace that was removed, and comes back
    /// with the same id, goes on from.
    #[must_use]
    pub fn highest_seen(&self, workspace: Uid) -> Revision {
        self.floor.of(workspace)
    }

    /// Refuses a ledger that is behind the newest that was seen, but for an override. Gives the doubt
    /// that such a one leaves.
    ///
    /// # Errors
    /// [`LoadError::LedgerBelowFloor`], or the floor cannot be written.
    pub fn check_ledger(
        &mut self,
        found: Revision,
        overrides: &[FloorOverride],
        trusted: &TrustedSigners,
    ) -> Result<Option<Degraded>, LoadError> {
        if found >= self.floor.ledger() {
            return Ok(None);
        }
        let sequence = self.floor.ledger_sequence();
        if !load::allowed(sequence, (LEDGER, found), overrides, trusted) {
            let floor = self.floor.ledger();
            return Err(LoadError::LedgerBelowFloor { found, floor, sequence });
        }
        self.floor.lower_ledger(found);
        self.write_floor().map_err(LoadError::Floor)?;
        Ok(Some(Degraded::OlderLedger))
    }

    /// Remembers how far the ledger has come. May be behind: what matters is that it never runs ahead.
    ///
    /// # Errors
    /// When the disk refuses; the next call tries again.
    pub fn note_ledger(&mut self, seen: Revision) -> io::Result<()> {
        let known = self.floor.ledger();
        if seen <= known {
            return Ok(());
        }
        self.floor.revisions.insert(LEDGER, seen);
        let written = self.write_floor();
        if written.is_err() {
            self.floor.revisions.insert(LEDGER, known);
        }
        written
    }

    /// Reads a blob that the root names, and checks it.
    ///
    /// # Errors
    /// When it is missing or corrupt.
    pub fn read(&self, digest: Digest) -> Result<Vec<u8>, BlobError> {
        blobs::read(&self.directory.blobs(), digest)
    }

    /// Commits `changes` together: all of them are durable, or none is.
    ///
    /// # Errors
    /// When they do not fit the current root, or the disk fails.
    pub fn commit(&mut self, changes: &[Change]) -> Result<Committed, CommitError> {
        self.commit_observed(changes, &mut |_| {})
    }

    /// As [`Slots::commit`], telling `observe` how far it has come.
    ///
    /// # Errors
    /// As [`Slots::commit`].
    pub fn commit_observed(
        &mut self,
        changes: &[Change],
        observe: &mut dyn FnMut(Step),
    ) -> Result<Committed, CommitError> {
        if self.unknown {
            return Err(CommitError::Refused);
        }
        let aborted = |doing| move |source| CommitError::Aborted { doing, source };
        let next = self.apply(changes)?;
        let contents: Vec<_> =
            changes.iter().filter_map(Change::content).map(|bytes| (sha256(bytes), bytes)).collect();
        blobs::write(&self.directory.blobs(), &contents).map_err(aborted("make the blobs durable"))?;
        observe(Step::BlobsDurable);
        let target = 1 - self.newest;
        let slot = SLOTS[target];
        self.directory.stage(slot, &next.to_bytes(&self.keys.store)).map_err(aborted("write the slot"))?;
        observe(Step::SlotStaged);
        if let Err(error) = self.directory.publish(slot) {
            self.unknown = true;
            return Err(CommitError::Unknown(error));
        }
        let old = std::mem::replace(&mut self.root, next);
        self.newest = target;
        self.floor = self.floor.raised(&self.root);
        observe(Step::SlotReplaced);
        Ok(Committed { incomplete: self.settle(&old, observe).err() })
    }

    /// The root after `changes`.
    fn apply(&self, changes: &[Change]) -> Result<Root, CommitError> {
        let mut next = self.root.clone();
        next.sequence = next.sequence.max(self.floor.sequence) + 1;
        for change in changes {
            change.apply(&mut next, &self.floor)?;
        }
        Ok(next)
    }

    /// After the first slot is in place: the rest of a commit.
    fn settle(&self, old: &Root, observe: &mut dyn FnMut(Step)) -> io::Result<()> {
        self.write_floor()?;
        observe(Step::FloorRaised);
        self.write_other_slot()?;
        observe(Step::SlotsAgree);
        let (kept, dropped) = (self.root.blobs(), old.blobs());
        blobs::forget(&self.directory.blobs(), dropped.difference(&kept).copied());
        observe(Step::Collected);
        Ok(())
    }

    /// Brings the floor and the other slot to the root.
    fn finish(&self) -> io::Result<()> {
        self.write_floor()?;
        self.write_other_slot()
    }

    fn write_floor(&self) -> io::Result<()> {
        self.directory.replace(FLOOR, &self.floor.to_bytes(&self.keys.floor))
    }

    fn write_other_slot(&self) -> io::Result<()> {
        self.directory.replace(SLOTS[1 - self.newest], &self.root.to_bytes(&self.keys.store))
    }
}

#[cfg(test)]
mod tests;
