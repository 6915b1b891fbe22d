//! What each revision was made of, kept in the ledger: a record for each names the root of its tree. A
//! change by API writes it in its own transaction; a push, whose commit is of the slots, right after, and
//! whatever comes next makes up for it where that was cut off.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ChangeError, Host, Writer};
use crate::{
    chunks::{self, Fetch, FetchError, Tree},
    control::{Control, ControlError},
    generation::Served,
    history::{self, HistoryError, PieceKey},
    id::{DeploymentId, Digest, EnvironmentName, Revision, Uid, WorkspaceId},
    ledger::Blob,
    model::{Configuration, SealedValue},
    state::{self, Alteration, Running, Runs, State},
};

/// How many revisions of a workspace can be looked at again.
pub const MAX_HISTORY: u64 = 10_000;

#[derive(Serialize, Deserialize)]
struct WireRevision {
    root: String,
    digest: String,
    created: i64,
}

/// A revision's tree.
pub(super) struct Kept {
    pub(super) revision: Revision,
    tree: Tree,
}

/// What makes a revision's tree durable.
pub(super) struct Entry {
    pub(super) records: Vec<Alteration>,
    pub(super) blobs: Vec<Blob>,
    kept: Kept,
}

/// Why an earlier revision cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookBackError {
    /// It is not kept, or never was.
    #[error("revision {0} is not kept; the last {MAX_HISTORY} are")]
    NotKept(Revision),
    /// A part of it cannot be had.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// It does not plan any more, or its policies do not load.
    #[error("what was served then cannot be put together again: {0}")]
    Unplanned(String),
    /// Others are looking back at policies that have to be compiled again.
    #[error("policies of earlier revisions are being compiled again for others; try again")]
    Busy,
    /// The host is on its way down.
    #[error("interrupted")]
    Interrupted,
    /// The ledger refuses.
    #[error(transparent)]
    Ledger(#[from] ControlError),
}

/// Trees that were read already, so that what they share is not read again.
#[derive(Default)]
pub(super) struct Trees {
    walk: chunks::Walk,
    policies: BTreeSet<Digest>,
}

/// The root of a revision's tree, if `name` is the record of one.
pub(super) fn root_of(name: &str, content: &[u8]) -> Option<Digest> {
    (name.split('/').nth(2) == Some("revision")).then_some(())?;
    serde_json::from_slice::<WireRevision>(content).ok()?.root.parse().ok()
}

impl Writer {
    /// What has to be written for `next` to be looked at later, when `served` was before it. A tree that
    /// cannot be gone on from costs the look back at what is in it alone: the next one is written whole, as of
    /// the state `after` the change, where that is another.
    pub(super) fn next_in_history(
        &mut self,
        served: &Served,
        next: &Served,
        (active, after, changed): (&Runs, Option<&State>, BTreeSet<PieceKey>),
    ) -> Result<Entry, ChangeError> {
        let entry = self.keep(served).and_then(|()| self.history_of(next, active, Some(changed)));
        let Err(ChangeError::History(error)) = entry else { return entry };
        tracing::error!(error = &*error as &dyn std::error::Error, "an earlier revision cannot be looked at");
        let configuration = &next.snapshot.configuration;
        self.histories.remove(&configuration.workspace);
        let active = after.unwrap_or(&self.state).active_in(configuration);
        self.history_of(next, &active, None)
    }

    /// What has to be written for `served` to be looked at later. `changed` are the pieces that differ from
    /// the revision before; none where that is not known.
    pub(super) fn history_of(
        &self,
        served: &Served,
        active: &Runs,
        changed: Option<BTreeSet<PieceKey>>,
    ) -> Result<Entry, ChangeError> {
        let snapshot = &served.snapshot;
        let (workspace, revision) = (&snapshot.configuration.workspace, snapshot.revision);
        let before = self.histories.get(workspace);
        let follows = before.filter(|before| before.revision.next() == revision);
        let fetch = &mut |digest| fetched(&self.control, digest);
        let tree = before.map_or_else(Tree::empty, |before| before.tree.clone());
        let keys = match (follows, changed) {
            (Some(_), Some(changed)) => {
                changed.iter().map(ToString::to_string).zip(changed.iter().cloned().map(Some)).collect()
            }
            _ => {
                let mut keys: BTreeMap<String, Option<PieceKey>> = BTreeMap::new();
                keys.extend(tree.leaves(fetch).map_err(broken)?.into_keys().map(|key| (key, None)));
                keys.extend(PieceKey::all(&snapshot.configuration).map(|key| (key.to_string(), Some(key))));
                keys
            }
        };
        let keys: BTreeMap<String, Option<PieceKey>> = keys;
        let piece = |key: Option<PieceKey>| key.and_then(|key| key.write(&snapshot.configuration, active));
        let edits = keys.into_iter().map(|(name, key)| (name, piece(key))).collect();
        let edited = tree.edit(edits, fetch).map_err(broken)?;
        let mut blobs = self.components(&snapshot.configuration)?;
        for chunk in edited.chunks {
            blobs.push(Blob::new(chunk.into_bytes()).map_err(ControlError::from)?);
        }
        let wire = WireRevision {
            root: edited.tree.digest().to_string(),
            digest: snapshot.digest.to_string(),
            created: snapshot.created.0,
        };
        let content = serde_json::to_vec(&wire).unwrap_or_default();
        let mut records = vec![Alteration::Put { name: record(workspace, revision), content }];
        if let Some(oldest) = revision.0.checked_sub(MAX_HISTORY) {
            records.push(Alteration::Delete { name: record(workspace, Revision(oldest)) });
        }
        Ok(Entry { records, blobs, kept: Kept { revision, tree: edited.tree } })
    }

    /// The components that are not kept yet, so that a decision can be taken again when nothing names them
    /// any more.
    fn components(&self, configuration: &Configuration<SealedValue>) -> Result<Vec<Blob>, ChangeError> {
        let mut blobs = Vec::new();
        for policy in configuration.policies.values() {
            if !self.control.has_blob(policy.digest)? {
                blobs.push(Blob::new(policy.component.to_vec()).map_err(ControlError::from)?);
            }
        }
        Ok(blobs)
    }

    /// Everything that an earlier revision is looked at with: its tree, and the components of its policies.
    pub(super) fn history_blobs(&self) -> Result<BTreeSet<Digest>, LookBackError> {
        let (mut live, mut trees) = (BTreeSet::new(), Trees::default());
        for (name, content) in self.control.read("workspace/")? {
            if let Some(root) = root_of(&name, &content) {
                live.extend(self.blobs_of(root, &mut trees)?);
            }
            for set in state::sets_in(&name, &content) {
                // One that an export left behind keeps nothing else from being swept.
                if self.control.has_blob(set)? {
                    live.extend(self.blobs_of(set, &mut trees)?);
                }
            }
        }
        Ok(live)
    }

    /// What a revision is looked at with, by the root of its tree; without what `trees` have already.
    pub(super) fn blobs_of(&self, root: Digest, trees: &mut Trees) -> Result<Vec<Digest>, LookBackError> {
        let fetch = &mut |digest| fetched(&self.control, digest);
        let mut blobs = trees.walk.add(root, fetch).map_err(HistoryError::from)?;
        let tree = Tree::read(root, fetch).map_err(HistoryError::from)?;
        let leaf = tree.leaf_of(&PieceKey::Policies.to_string(), fetch).map_err(HistoryError::from)?;
        if let Some(leaf) = leaf.filter(|leaf| trees.policies.insert(*leaf)) {
            blobs.extend(history::components_of(&Tree::leaf(leaf, fetch).map_err(HistoryError::from)?)?);
        }
        Ok(blobs)
    }

    /// Notes that an entry is durable.
    pub(super) fn kept(&mut self, workspace: &WorkspaceId, entry: Entry) {
        self.histories.insert(workspace.clone(), entry.kept);
    }

    /// Makes up for what was cut off: what is served can be looked at later, too, and gone back to.
    pub(super) fn keep(&mut self, served: &Served) -> Result<(), ChangeError> {
        let snapshot = &served.snapshot;
        let workspace = &snapshot.configuration.workspace;
        if self.histories.get(workspace).is_some_and(|kept| kept.revision == snapshot.revision) {
            return Ok(());
        }
        let runs = self.state.active_in(&snapshot.configuration);
        let mut entry = match read(&self.control, workspace, snapshot.revision)? {
            Some(wire) => {
                let fetch = &mut |digest| fetched(&self.control, digest);
                let root = wire.root.parse().map_err(|_| unread(workspace, snapshot.revision))?;
                let tree = Tree::read(root, fetch).map_err(broken)?;
                let kept = Kept { revision: snapshot.revision, tree };
                Entry { records: Vec::new(), blobs: Vec::new(), kept }
            }
            None => self.history_of(served, &runs, None)?,
        };
        let mut state = self.state.clone();
        state.note_sets(&runs, workspace, entry.root());
        entry.records.extend(state.since(&self.state));
        if !entry.records.is_empty() {
            self.control.change_with(&[], &entry.records, std::mem::take(&mut entry.blobs))?;
        }
        self.state = state;
        self.kept(workspace, entry);
        Ok(())
    }

    /// The root of the tree of a revision, if that is kept.
    pub(super) fn root_at(
        &self,
        workspace: &WorkspaceId,
        revision: Revision,
    ) -> Result<Option<Digest>, ControlError> {
        Ok(read(&self.control, workspace, revision)?.and_then(|wire| wire.root.parse().ok()))
    }
}

impl Entry {
    /// The root of its tree.
    pub(super) fn root(&self) -> Digest {
        self.kept.tree.digest()
    }
}

impl Host {
    /// What a pair was planned from at `revision`, and its active release then; where it was pinned, what it
    /// was pinned to.
    ///
    /// # Errors
    /// When that is not kept, or there was no such pair.
    pub fn at_revision(
        &self,
        workspace: (&WorkspaceId, Uid),
        pair: (&DeploymentId, &EnvironmentName),
        revision: Revision,
    ) -> Result<(Configuration<SealedValue>, Option<u64>), LookBackError> {
        let writer = self.writer.lock();
        let root = writer.root_at(workspace.0, revision)?.ok_or(LookBackError::NotKept(revision))?;
        let fetch = &mut |digest| fetched(&writer.control, digest);
        let (part, running) = match in_tree(root, workspace, pair, fetch)? {
            (_, Some(Running { set: Some(set), .. })) => in_tree(set, workspace, pair, fetch)?,
            found => found,
        };
        Ok((part, running.map(|running| running.release)))
    }

    /// The component of that digest, if it is kept.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn component(&self, digest: Digest) -> Result<Vec<u8>, ControlError> {
        self.control.blob(digest)
    }
}

/// What a pair is planned from in a tree.
pub(super) fn in_tree(
    root: Digest,
    workspace: (&WorkspaceId, Uid),
    pair: (&DeploymentId, &EnvironmentName),
    fetch: &mut Fetch<'_>,
) -> Result<(Configuration<SealedValue>, Option<Running>), HistoryError> {
    let tree = Tree::read(root, fetch)?;
    let mut find = |key: &PieceKey| tree.get(&key.to_string(), fetch);
    history::of_pair(workspace, pair, &mut find)
}

fn record(workspace: &WorkspaceId, revision: Revision) -> String {
    format!("workspace/{workspace}/revision/{:020}", revision.0)
}

fn read(
    control: &Control,
    workspace: &WorkspaceId,
    revision: Revision,
) -> Result<Option<WireRevision>, ControlError> {
    let name = record(workspace, revision);
    let found = control.read(&name)?.remove(&name);
    Ok(found.and_then(|content| serde_json::from_slice(&content).ok()))
}

pub(super) fn fetched(control: &Control, digest: Digest) -> Result<Vec<u8>, FetchError> {
    control.blob(digest).map_err(FetchError::from)
}

fn broken(error: crate::chunks::TreeError) -> ChangeError {
    ChangeError::History(Box::new(error.into()))
}

fn unread(workspace: &WorkspaceId, revision: Revision) -> ControlError {
    ControlError::Forged { name: record(workspace, revision) }
}
