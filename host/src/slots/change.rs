//! What a commit changes, and how it becomes part of a root.

use super::{CommitError, Floor, KeptRevision, MAX_REVISIONS, Pushed, Root, WorkspaceRoot};
use crate::{
    canonical::sha256,
    id::{Revision, Uid, UnixSeconds, WorkspaceId},
};

/// One thing that a commit changes.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new revision of a workspace, or its first.
    Configuration {
        /// The workspace.
        workspace: WorkspaceId,
        /// Its random id.
        uid: Uid,
        /// The revision, above the current one: those between were made by API, and are not here.
        revision: Revision,
        /// The stored bundle.
        bundle: Vec<u8>,
        /// When it was made.
        created: UnixSeconds,
        /// The push that it came from.
        pushed: Option<Pushed>,
    },
    /// A workspace's state.
    State {
        /// The workspace.
        workspace: WorkspaceId,
        /// Opaque here.
        state: Vec<u8>,
    },
    /// The state that belongs to no workspace; opaque here.
    HostState(Vec<u8>),
    /// The workspace goes, with its revisions and state.
    Remove(WorkspaceId),
}

impl Change {
    /// Puts this into `root`, which is dropped when it does not fit.
    pub(super) fn apply(&self, root: &mut Root, floor: &Floor) -> Result<(), CommitError> {
        match self {
            Self::HostState(state) => root.host_state = Some(sha256(state)),
            Self::State { workspace, state } => {
                let unknown = || CommitError::UnknownWorkspace { workspace: workspace.clone() };
                root.workspaces.get_mut(workspace).ok_or_else(unknown)?.state = Some(sha256(state));
            }
            Self::Remove(workspace) => {
                let unknown = || CommitError::UnknownWorkspace { workspace: workspace.clone() };
                root.workspaces.remove(workspace).ok_or_else(unknown)?;
            }
            Self::Configuration { workspace, uid, revision, bundle, created, pushed } => {
                let kept = KeptRevision {
                    revision: *revision,
                    configuration: sha256(bundle),
                    created: *created,
                    pushed: *pushed,
                };
                advance(root, workspace, *uid, kept, floor.of(*uid))?;
            }
        }
        Ok(())
    }

    /// The stored bundle that this brings along.
    #[must_use]
    pub fn bundle(&self) -> Option<&[u8]> {
        match self {
            Self::Configuration { bundle, .. } => Some(bundle),
            _ => None,
        }
    }

    /// The blob that this brings along.
    pub(super) fn content(&self) -> Option<&[u8]> {
        match self {
            Self::Configuration { bundle: bytes, .. }
            | Self::State { state: bytes, .. }
            | Self::HostState(bytes) => Some(bytes),
            Self::Remove(_) => None,
        }
    }
}

/// Makes `kept` the current revision, by comparison with the one that is.
fn advance(
    root: &mut Root,
    workspace: &WorkspaceId,
    uid: Uid,
    kept: KeptRevision,
    seen: Revision,
) -> Result<(), CommitError> {
    let known = root.workspaces.get_mut(workspace);
    if known.as_ref().is_some_and(|known| known.uid != uid) {
        return Err(CommitError::OtherWorkspace { workspace: workspace.clone() });
    }
    let current = known.as_ref().map_or(seen, |known| known.current.revision);
    if kept.revision <= current {
        return Err(CommitError::Conflict { workspace: workspace.clone(), current });
    }
    match known {
        None => {
            let first = WorkspaceRoot { uid, state: None, current: kept, earlier: Vec::new() };
            root.workspaces.insert(workspace.clone(), first);
        }
        Some(known) => {
            known.earlier.push(std::mem::replace(&mut known.current, kept));
            let surplus = known.earlier.len().saturating_sub(MAX_REVISIONS - 1);
            known.earlier.drain(..surplus);
        }
    }
    Ok(())
}
