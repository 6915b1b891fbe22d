//! A workspace as a file: everything of it but what belongs to this host, which are its audit log, its
//! counts of boots, and what it compiled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::json;

use super::{
    ChangeError, Host, LookBackError, Workshop, Writer,
    history::{Trees, root_of},
};
use crate::{
    audit::ChangeRecord,
    canonical::sha256,
    control::ControlError,
    id::{Digest, Revision, WorkspaceId},
    slots::{KeptRevision, WorkspaceRoot},
    state::Promotion,
    system,
    transfer::{
        self, Header, MAX_CONTENT_BYTES, TransferError,
        content::{Builder, Origin, room},
    },
};

/// An export.
pub struct Exported {
    /// What it says about itself.
    pub header: Header,
    /// The file.
    pub bytes: Vec<u8>,
}

/// What is exported, as it was at one moment, with as much as fits of what a rollback goes back to.
struct Picture {
    header: Header,
    content: Builder,
    /// The roots of what was served, by revision, with their records.
    revisions: BTreeMap<Revision, (Digest, String, Vec<u8>)>,
    /// The blobs that are in `content`.
    blobs: BTreeSet<Digest>,
}

impl Host {
    /// Exports a workspace. What of its history does not fit stays behind, the oldest first.
    ///
    /// # Errors
    /// See [`ChangeError`]. What cannot be recorded is not handed out.
    pub fn export(&self, principal: &str, workspace: &WorkspaceId) -> Result<Exported, ChangeError> {
        let exported = self.try_export(workspace).map_err(|error| {
            let details = json!({ "workspace": workspace.as_str(), "reason": crate::audit::reason(&error) });
            self.refused("export", principal, details, error)
        })?;
        let details = json!({
            "workspace": workspace.as_str(), "revision": exported.header.revision.0,
            "earliest": exported.header.earliest.0, "bytes": exported.bytes.len(),
            "file": sha256(&exported.bytes).to_string(),
        });
        let at = self.clock.now();
        self.audit.append_change(&ChangeRecord {
            at,
            kind: "export",
            outcome: "done",
            principal,
            details,
        })?;
        tracing::info!(%workspace, revision = exported.header.revision.0, "a workspace was exported");
        Ok(exported)
    }

    fn try_export(&self, workspace: &WorkspaceId) -> Result<Exported, ChangeError> {
        let mut picture = self.picture(workspace)?;
        self.add_history(&mut picture)?;
        let Picture { header, content, .. } = picture;
        // Sealed while others change what they like.
        let (roots, base) = {
            let workshop = self.workshop.lock();
            (Arc::clone(&workshop.roots), workshop.base_root)
        };
        let root = roots.named(base).ok_or(ChangeError::NoRootKey)?;
        let bytes = transfer::seal(&header, &content.finish(), root, &mut system::entropy)?;
        Ok(Exported { header, bytes })
    }

    /// Everything but history, while nobody changes anything.
    fn picture(&self, workspace: &WorkspaceId) -> Result<Picture, ChangeError> {
        let workshop = self.workshop.lock();
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let snapshot = &served.snapshot;
        let mut writer = self.writer.lock();
        self.forget_displaced(&mut writer)?;
        match self.told_of_ledger(writer.keep(served)) {
            Err(ChangeError::History(error)) => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "what is served cannot be looked at later"
                );
            }
            kept => kept?,
        }
        let mut picture = Picture {
            header: Header {
                workspace: workspace.clone(),
                uid: snapshot.configuration.uid,
                revision: snapshot.revision,
                earliest: snapshot.revision,
                exported: self.clock.now(),
            },
            content: Builder::new(&origin(&workshop, snapshot.digest)),
            revisions: BTreeMap::new(),
            blobs: BTreeSet::new(),
        };
        let (prefix, running) = (format!("workspace/{workspace}/"), Promotion::all_running(workspace));
        for (name, content) in writer.control.read(&prefix)? {
            let rest = &name[prefix.len()..];
            let revision = rest.rsplit('/').next().and_then(|number| number.parse().ok());
            match (root_of(&name, &content), revision) {
                (Some(root), Some(revision)) => {
                    picture.revisions.insert(Revision(revision), (root, rest.to_owned(), content));
                }
                // Held by this host alone, and for a minute: there it would be held for good.
                _ if name.starts_with(&running) => {}
                _ => picture.content.record(rest, &content),
            }
        }
        let mut trees = Trees::default();
        for set in served.sets.values().flatten() {
            let needed = writer.blobs_of(set.root, &mut trees).map_err(|error| match error {
                LookBackError::Ledger(error) => ChangeError::from(error),
                error => ChangeError::NotNow {
                    reason: format!("what is pinned cannot be exported: {error}; unpin it"),
                    current: None,
                },
            })?;
            picture.add_blobs(&writer, needed.into_iter().collect())?;
        }
        let components: BTreeSet<_> = served.made.components().collect();
        picture.add_blobs(&writer, components)?;
        let root = writer.slots.root().workspaces.get(workspace).ok_or(ChangeError::Unknown)?;
        picture.add_kept(&writer, root)?;
        Ok(picture)
    }

    /// What each revision was made of, the newest first, as far as there is room. Changes go on meanwhile:
    /// the writer is held for one revision at a time.
    fn add_history(&self, picture: &mut Picture) -> Result<(), ChangeError> {
        let mut trees = Trees::default();
        for (revision, (root, name, content)) in std::mem::take(&mut picture.revisions).into_iter().rev() {
            let writer = self.writer.lock();
            let blobs = match writer.blobs_of(root, &mut trees) {
                Ok(blobs) => blobs.into_iter().filter(|digest| !picture.blobs.contains(digest)).collect(),
                Err(LookBackError::Ledger(error)) => return Err(error.into()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, revision = revision.0, "an earlier revision stays behind");
                    return Ok(());
                }
            };
            let bytes = writer.blobs(blobs)?;
            let needed: usize = bytes.values().map(|bytes| room(bytes.len())).sum();
            if picture.content.len() + needed + room(content.len()) > MAX_CONTENT_BYTES {
                return Ok(());
            }
            for (digest, bytes) in bytes {
                picture.content.blob(&bytes);
                picture.blobs.insert(digest);
            }
            picture.content.record(&name, &content);
            picture.header.earliest = revision;
        }
        Ok(())
    }
}

impl Picture {
    /// Blobs that must come along.
    fn add_blobs(&mut self, writer: &Writer, digests: BTreeSet<Digest>) -> Result<(), ChangeError> {
        for (digest, bytes) in writer.blobs(digests)? {
            self.content.blob(&bytes);
            self.blobs.insert(digest);
            self.within()?;
        }
        Ok(())
    }

    /// What a directory pushed last, and what it pushed before: that may fill half of what is left.
    fn add_kept(&mut self, writer: &Writer, root: &WorkspaceRoot) -> Result<(), ChangeError> {
        let current = writer.slots.read(root.current.configuration)?;
        let needed = self.content.len() + room(current.len());
        let mut left = MAX_CONTENT_BYTES.saturating_sub(needed) / 2;
        let mut earlier: Vec<(&KeptRevision, Vec<u8>)> = Vec::new();
        for kept in root.earlier.iter().rev() {
            let bundle = writer.slots.read(kept.configuration)?;
            match left.checked_sub(room(bundle.len())) {
                Some(rest) => left = rest,
                None => break,
            }
            earlier.push((kept, bundle));
        }
        for (kept, bundle) in earlier.iter().rev() {
            self.content.kept(kept, bundle);
        }
        self.content.kept(&root.current, &current);
        self.within()
    }

    fn within(&self) -> Result<(), ChangeError> {
        if self.content.len() > MAX_CONTENT_BYTES {
            return Err(TransferError::TooMuch { workspace: self.header.workspace.clone() }.into());
        }
        Ok(())
    }
}

impl Writer {
    fn blobs(&self, digests: BTreeSet<Digest>) -> Result<BTreeMap<Digest, Vec<u8>>, ControlError> {
        digests.into_iter().map(|digest| Ok((digest, self.control.blob(digest)?))).collect()
    }
}

fn origin(workshop: &Workshop, digest: Digest) -> Origin {
    Origin { store: workshop.keys.store.verifying_key(), digest }
}
