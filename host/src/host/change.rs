//! A change by API. From `validate` on it goes the way of a push: validated, policies asked, prepared
//! against the parent, durable, published, answered; durable is one transaction of the ledger, and only
//! what the change can touch is planned again.

use std::sync::Arc;

use serde_json::json;

use super::{
    ChangeError, Changed, Host, Writer, components::sweep_artefacts, prepare::Ingredients, push::changed,
};
use crate::{
    audit::ChangeRecord,
    change::{Draft, Edit, EditError, MAX_EDITS, Precondition, Reach},
    control::ControlError,
    history,
    id::WorkspaceId,
    keyring::Keyring,
    ledger::{Blob, LedgerError},
    made::{Made, Stamp},
    model::{Scope, TokenRecord},
    state::Alteration,
};

/// Tokens that are listed as a reason at most.
const LISTED: usize = 20;

impl From<EditError> for ChangeError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Unknown => Self::Unknown,
            EditError::Owned(what) => Self::Owned { what },
            EditError::Changed { what, current } => Self::Changed { what, current },
            EditError::Invalid(reason) => Self::Invalid(vec![reason]),
        }
    }
}

impl Host {
    /// Makes `edits`, all or none; `precondition` is asked of each.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn change(
        &self,
        principal: &str,
        workspace: &WorkspaceId,
        edits: &[Edit],
        precondition: Precondition,
    ) -> Result<Changed, ChangeError> {
        let changed = self.try_change(principal, workspace, edits, precondition);
        if edits.iter().any(|edit| matches!(edit, Edit::Resource(edit) if edit.policy().is_some())) {
            // What was refused after it was compiled leaves nothing behind, either.
            sweep_artefacts(&self.uploads, &self.writer.lock());
        }
        match changed {
            Ok(changed) => {
                Self::tell("change", &changed);
                Ok(changed)
            }
            Err(error) => {
                let details = details(workspace, edits, Err(&error));
                Err(self.refused("change", principal, details, error))
            }
        }
    }

    pub(super) fn try_change(
        &self,
        principal: &str,
        workspace: &WorkspaceId,
        edits: &[Edit],
        precondition: Precondition,
    ) -> Result<Changed, ChangeError> {
        if edits.len() > MAX_EDITS {
            let rule = format!("a change is at most {MAX_EDITS} values; these are {}", edits.len());
            return Err(ChangeError::Invalid(vec![rule]));
        }
        // Held until they are prepared with.
        let _compiled = self.compile_early(workspace, edits)?;
        let workshop = self.workshop.lock();
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let snapshot = &served.snapshot;
        let keyring = Keyring::unwrap(snapshot.configuration.uid, &snapshot.keys, &workshop.roots);
        let stamp = Stamp {
            revision: snapshot.revision.next(),
            at: self.clock.now(),
            principal: principal.to_owned(),
        };
        let (revision, created) = (stamp.revision, stamp.at);
        let root = workshop.roots.named(workshop.base_root).ok_or(ChangeError::NoRootKey)?;
        let keys = (snapshot.keys.clone(), &keyring);
        let made = Made::clone(&served.made);
        let mut draft = Draft::new(snapshot.configuration.clone(), made, keys, root, stamp);
        for edit in edits {
            draft.apply(edit, precondition, &mut crate::system::entropy)?;
        }
        self.unused(workspace, edits)?;
        let active = self.validated(&draft.part())?;
        let made = Arc::new(draft.made);
        let ingredients = Ingredients {
            configuration: draft.configuration,
            keys: draft.keys,
            keyring: &keyring,
            revision,
            created,
            not_after: snapshot.not_after,
            made: Arc::clone(&made),
            active: &active,
            certified: false,
            parent: Some(served),
            touched: (draft.reach < Reach::Policies).then_some(&draft.touched),
        };
        let next = workshop.prepare(ingredients, &self.engine)?;
        let changed = changed(&next, Vec::new());
        let mut records = made.changed_since(&served.made, workspace, &draft.subjects);
        let mut writer = self.writer.lock();
        self.forget_displaced(&mut writer)?;
        writer.keep(served)?;
        let pieces = history::changed_by(&draft.subjects, &draft.touched);
        let held = self.hold_components(&writer, &made, &draft.subjects)?;
        let mut entry = writer.history_of(&next, &active, Some(pieces))?;
        records.append(&mut entry.records);
        let details = details(workspace, edits, Ok(&changed));
        let record =
            ChangeRecord { at: self.clock.now(), kind: "change", outcome: "done", principal, details };
        self.write_noted(&writer, records, std::mem::take(&mut entry.blobs), &record)?;
        drop(held);
        writer.kept(workspace, entry);
        writer.made.insert(workspace.clone(), made);
        let generation = self.store.load_full().with_workspace(writer.sequence(), next);
        self.store.publish(Arc::new(generation));
        if draft.reach == Reach::Policies {
            self.watch.forget(workspace);
            writer.sweep_replaced(&served.made, workspace);
        }
        self.metrics.swaps.inc();
        self.metrics.set_snapshot(workspace.as_str(), revision, snapshot.not_after);
        Ok(changed)
    }

    /// Refuses to delete an environment that something counts on.
    fn unused(&self, workspace: &WorkspaceId, edits: &[Edit]) -> Result<(), ChangeError> {
        let writer = self.writer.lock();
        for edit in edits {
            let Edit::DeleteEnvironment { name } = edit else { continue };
            let mut by = Vec::new();
            let active = writer.state.active.get(workspace).into_iter().flatten();
            let active = active.filter(|(_, environments)| environments.contains_key(name));
            by.extend(active.map(|(deployment, _)| format!("the active release of {deployment}")));
            let now = self.clock.now();
            let works = |token: &&TokenRecord| token.expires_at.is_none_or(|at| at > now);
            let tokens = writer.state.tokens.values().filter(works).filter(|token| {
                matches!(&token.scope, Scope::Instance { workspace: of, environment, .. } if of == workspace && environment == name)
            });
            by.extend(tokens.take(LISTED).map(|token| format!("token {} of {}", token.id, token.principal)));
            if !by.is_empty() {
                let rule = format!("environment {name} is in use by {}", by.join(", "));
                return Err(ChangeError::Invalid(vec![rule]));
            }
        }
        Ok(())
    }

    /// Makes records durable.
    pub(super) fn write(
        &self,
        writer: &Writer,
        records: &[Alteration],
        blobs: Vec<Blob>,
    ) -> Result<(), ChangeError> {
        match self.told_by_ledger(writer.control.change_with(&[], records, blobs)) {
            Err(ControlError::Ledger(LedgerError::OverLimit(limit))) => {
                Err(ChangeError::Invalid(vec![limit.to_string()]))
            }
            written => Ok(written?),
        }
    }

    /// What the ledger answered to a write; nothing more is written to one that is in doubt.
    pub(super) fn told_by_ledger<T>(&self, answer: Result<T, ControlError>) -> Result<T, ControlError> {
        answer.inspect_err(|error| {
            if let ControlError::Ledger(LedgerError::Unknown(_) | LedgerError::Stopped) = error {
                self.doubt_ledger(error.to_string());
            }
        })
    }

    /// Lets the ledger know what pushes displaced. Every change does this first, so that none of it
    /// comes back when a later push leaves its place free again.
    pub(super) fn forget_displaced(&self, writer: &mut Writer) -> Result<(), ChangeError> {
        while let Some((workspace, before)) = writer.displaced.last() {
            let records = writer.made_in(workspace).since(before, workspace);
            self.write(writer, &records, Vec::new())?;
            writer.displaced.pop();
        }
        Ok(())
    }
}

/// What is recorded of a change.
fn details(
    workspace: &WorkspaceId,
    edits: &[Edit],
    changed: Result<&Changed, &ChangeError>,
) -> serde_json::Value {
    let named = |verb: &str| {
        let done = edits.iter().filter(|edit| edit.verb() == verb);
        done.map(Edit::subject).collect::<Vec<_>>()
    };
    json!({
        "workspace": workspace.as_str(), "set": named("set"), "unset": named("unset"),
        "created": named("created"), "patched": named("patched"), "deleted": named("deleted"),
        "revision": changed.ok().map(|changed| changed.revision.0),
        "digest": changed.ok().map(|changed| changed.digest.to_string()),
        "reason": changed.err().map(ToString::to_string),
    })
}

impl Writer {
    /// What was made by API in a workspace.
    pub(super) fn made_in(&self, workspace: &WorkspaceId) -> Arc<Made> {
        self.made.get(workspace).cloned().unwrap_or_default()
    }
}
