//! The components of policies that come by API: compiled before a change begins, blobs of the ledger
//! when it is durable, swept when nothing names them any more.

use std::{collections::BTreeSet, sync::Arc};

use super::{ChangeError, Host, Writer, prepare::PrepareError, staged};
use crate::{
    change::Edit,
    id::{Digest, WorkspaceId},
    ledger::{Blob, Held},
    made::{Made, ResourceKey, Subject},
    policy::Loaded,
    upload::Uploads,
};

impl Host {
    /// Compiles what `edits` bring, while others change what they like: a compilation may take many
    /// seconds. What this gives keeps it compiled.
    pub(super) fn compile_early(
        &self,
        workspace: &WorkspaceId,
        edits: &[Edit],
    ) -> Result<Vec<Arc<Loaded>>, ChangeError> {
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let mut compiled = Vec::new();
        for edit in edits {
            let Edit::Resource(edit) = edit else { continue };
            let Some(policy) = edit.policy() else { continue };
            let key = ResourceKey::Policy(policy.name.clone());
            let is_made = served.made.resources.contains_key(&key);
            if !is_made && key.is_in(&served.snapshot.configuration) {
                // A directory's; the change itself says so.
                continue;
            }
            let admitted = self.uploads.admit(workspace, &policy.component);
            compiled.push(admitted.map_err(|error| PrepareError::policy(&policy.name, &error))?);
        }
        Ok(compiled)
    }

    /// Makes the components that a change names durable, and holds them until it is.
    pub(super) fn hold_components(
        &self,
        writer: &Writer,
        made: &Made,
        subjects: &BTreeSet<Subject>,
    ) -> Result<Option<Held>, ChangeError> {
        let mut blobs = Vec::new();
        for subject in subjects {
            let Subject::Resource(ResourceKey::Policy(name)) = subject else { continue };
            let Some(named) = made.policy(name) else { continue };
            // As they are compiled: a component is a thousandth of what a blob may be.
            let bytes = named.policy.component.to_vec();
            blobs.push(Blob::new(bytes).map_err(|limit| ChangeError::Invalid(vec![limit.to_string()]))?);
        }
        if blobs.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.told_by_ledger(writer.control.hold(blobs))?))
    }
}

fn unswept(error: impl std::error::Error + 'static) {
    let error = &error as &dyn std::error::Error;
    tracing::warn!(error, "what nothing names any more in the ledger could not be deleted");
}

/// Forgets what was compiled and is neither loaded nor in `kept`, to go back to.
pub(super) fn sweep_artefacts(uploads: &Uploads, kept: BTreeSet<Digest>) {
    if let Err(error) = uploads.sweep(kept) {
        tracing::warn!(error = %error, "compiled policies that nothing names any more could not be removed");
    }
}

impl Writer {
    /// Deletes the blobs that nothing names any more: neither what was made, nor what is kept of earlier
    /// revisions. Whoever keeps other blobs in the ledger has to name them here.
    pub(super) fn sweep_components(&self) {
        // What an import brought and that is not settled is named by nothing else.
        match staged::is_any(&self.control) {
            Ok(false) => {}
            Ok(true) => return,
            Err(error) => return unswept(error),
        }
        // Nobody writes to the ledger meanwhile: whoever does has the writer.
        let live = match self.history_blobs() {
            Ok(kept) => kept.into_iter().chain(self.components_made()).collect(),
            Err(error) => return unswept(error),
        };
        match self.control.sweep(|| live) {
            Ok(0) => {}
            Ok(blobs) => tracing::info!(blobs, "blobs that nothing names any more were deleted"),
            Err(error) => unswept(error),
        }
    }

    /// The same, if what was made of a workspace before a change names one that is not named now.
    pub(super) fn sweep_replaced(&self, before: &Made, workspace: &WorkspaceId) {
        let now: BTreeSet<_> = self.made_in(workspace).components().collect();
        if before.components().any(|digest| !now.contains(&digest)) {
            self.sweep_components();
        }
    }

    /// The component of every policy that was made by API, of those that a push displaced and that the
    /// ledger still has, too.
    pub(super) fn components_made(&self) -> BTreeSet<Digest> {
        let displaced = self.displaced.iter().map(|(_, made)| made);
        self.made.values().chain(displaced).flat_map(|made| made.components()).collect()
    }
}
