//! Workspaces as the slots keep them: their revisions, read back and made durable, served or not.

use super::{ChangeError, Host, Workshop, Writer};
use crate::{
    bundle,
    generation::Generation,
    id::{Revision, Uid, WorkspaceId},
    model::SealedValue,
    slots::{Change, CommitError, KeptRevision},
};

impl Host {
    /// What is kept of a workspace that is not served after a start. Nothing when it is served, or
    /// when that is what cannot be read.
    pub(super) fn unserved(
        &self,
        workshop: &Workshop,
        live: &Generation,
        workspace: &WorkspaceId,
    ) -> Option<bundle::Opened<SealedValue>> {
        if live.workspace(workspace).is_some() {
            return None;
        }
        let bytes = self.stored_bundle(workspace).ok()?;
        bundle::open_stored(&bytes, &workshop.keys.store.verifying_key(), &self.limits).ok()
    }

    /// The revision and id of a workspace that is on disk, served or not.
    pub(super) fn known(&self, workspace: &WorkspaceId) -> Option<(Revision, Uid)> {
        let writer = self.writer.lock();
        let root = writer.slots.root().workspaces.get(workspace)?;
        Some((root.current.revision.max(writer.made_in(workspace).revision), root.uid))
    }

    /// Makes changes durable, all or none; what failed after that leaves the host degraded, not the
    /// changes undone.
    pub(super) fn commit(&self, writer: &mut Writer, changes: &[Change]) -> Result<u64, CommitError> {
        let committed = writer.slots.commit(changes).inspect_err(|error| {
            if matches!(error, CommitError::Unknown(_)) {
                self.doubt_disk(Some(error.to_string()));
            }
        })?;
        self.doubt_disk(
            committed.incomplete.map(|error| format!("the second slot could not be written: {error}")),
        );
        Ok(writer.sequence())
    }

    /// What a rollback of `workspace` can go back to, newest first.
    #[must_use]
    pub fn history(&self, workspace: &WorkspaceId) -> Vec<KeptRevision> {
        let writer = self.writer.lock();
        let Some(kept) = writer.slots.root().workspaces.get(workspace) else { return Vec::new() };
        std::iter::once(&kept.current).chain(kept.earlier.iter().rev()).cloned().collect()
    }

    /// What a directory owns of `workspace`, as the host keeps it, served or not.
    ///
    /// # Errors
    /// When there is none, or the disk refuses.
    pub fn stored_bundle(&self, workspace: &WorkspaceId) -> Result<Vec<u8>, ChangeError> {
        let writer = self.writer.lock();
        let current = writer.slots.root().workspaces.get(workspace).ok_or(ChangeError::Unknown)?;
        writer.stored(workspace, current.current.revision)
    }
}

impl Writer {
    /// The stored bundle of a revision that is kept.
    pub(super) fn stored(&self, workspace: &WorkspaceId, revision: Revision) -> Result<Vec<u8>, ChangeError> {
        let kept = self.slots.root().workspaces.get(workspace).ok_or(ChangeError::Unknown)?;
        let mut all = kept.earlier.iter().chain([&kept.current]);
        let found = all.find(|kept| kept.revision == revision).ok_or(ChangeError::Unknown)?;
        Ok(self.slots.read(found.configuration)?)
    }
}
