//! A change by API. From `validate` on it goes the way of a push: validated, policies asked, prepared
//! against the parent, durable, published, answered; durable is one transaction of the ledger, and only
//! what the change can touch is planned again.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{
    ChangeError, Changed, Host, Writer, components::sweep_artefacts, prepare::Ingredients, push::changed,
};
use crate::{
    audit::ChangeRecord,
    change::{About, Draft, Edit, EditError, LISTED, MAX_EDITS, Precondition, Reach, ResourceEdit},
    control::ControlError,
    generation::Served,
    history,
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    keyring::Keyring,
    ledger::{Blob, LedgerError},
    made::{Made, ResourceKey, Stamp},
    model::{Configuration, Scope, SealedValue, TokenRecord},
    state::Alteration,
};

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
        let before = self.store.load_full();
        let before = before.workspace(workspace).map(|served| &served.snapshot.configuration);
        let changed = self.try_change(principal, workspace, edits, precondition);
        if edits.iter().any(|edit| matches!(edit, Edit::Resource(edit) if edit.policy().is_some())) {
            // What was refused after it was compiled leaves nothing behind, either.
            let kept = self.writer.lock().components_made();
            sweep_artefacts(&self.uploads, kept);
        }
        match changed {
            Ok(changed) => {
                Self::tell("change", &changed);
                Ok(changed)
            }
            Err(error) => {
                let details = details(workspace, edits, before, Err(&error));
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
        self.unused(served, edits)?;
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
        let details = details(workspace, edits, Some(&snapshot.configuration), Ok(&changed));
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

    /// Refuses to take away a deployment or an environment, or the one from the other, while an active
    /// release or an instance's token counts on it.
    fn unused(&self, served: &Served, edits: &[Edit]) -> Result<(), ChangeError> {
        let whole = &served.snapshot.configuration;
        let writer = self.writer.lock();
        for edit in edits {
            let used = |id: &DeploymentId, name: &EnvironmentName| {
                whole.deployments.get(id).is_some_and(|one| one.environments.contains_key(name))
            };
            let goes = |id: &DeploymentId, name: &EnvironmentName| match edit {
                Edit::DeleteEnvironment { name: gone } => gone == name,
                Edit::Resource(ResourceEdit::Delete(ResourceKey::Deployment(gone))) => {
                    gone == id && used(id, name)
                }
                Edit::Resource(ResourceEdit::PutDeployment(next)) => {
                    next.id == *id && used(id, name) && !next.environments.contains_key(name)
                }
                _ => false,
            };
            let by = self.users(&writer, &whole.workspace, goes);
            if !by.is_empty() {
                let rule = format!("{} is in use by {}", edit.subject(), by.join(", "));
                return Err(ChangeError::Invalid(vec![rule]));
            }
        }
        Ok(())
    }

    /// The active releases and working instance tokens of such deployments and environments.
    fn users(
        &self,
        writer: &Writer,
        workspace: &WorkspaceId,
        is_such: impl Fn(&DeploymentId, &EnvironmentName) -> bool,
    ) -> Vec<String> {
        let active = writer.state.active.get(workspace).into_iter().flatten();
        let active = active.flat_map(|(id, names)| names.keys().map(move |name| (id, name)));
        let active = active.filter(|(id, name)| is_such(id, name));
        let now = self.clock.now();
        let works = |token: &&TokenRecord| token.expires_at.is_none_or(|at| at > now);
        let tokens = writer.state.tokens.values().filter(works).filter(|token| match &token.scope {
            Scope::Instance { workspace: of, deployment, environment } => {
                of == workspace && is_such(deployment, environment)
            }
            _ => false,
        });
        let releases = active.map(|(id, name)| format!("the active release of {id} in {name}"));
        releases
            .chain(tokens.map(|token| format!("token {} of {}", token.id, token.principal)))
            .take(LISTED)
            .collect()
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
    before: Option<&Configuration<SealedValue>>,
    changed: Result<&Changed, &ChangeError>,
) -> serde_json::Value {
    let named = |verb: &str| {
        let done = edits.iter().filter(|edit| edit.verb() == verb);
        done.map(Edit::subject).collect::<Vec<_>>()
    };
    let about = About::of(edits, before);
    json!({
        "workspace": workspace.as_str(), "set": named("set"), "unset": named("unset"),
        "created": named("created"), "patched": named("patched"), "deleted": named("deleted"),
        "keys": texts(&about.keys), "environments": texts(&about.environments),
        "deployments": texts(&about.deployments),
        "revision": changed.ok().map(|changed| changed.revision.0),
        "digest": changed.ok().map(|changed| changed.digest.to_string()),
        "reason": changed.err().map(ToString::to_string),
    })
}

fn texts(names: &BTreeSet<impl ToString>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

impl Writer {
    /// What was made by API in a workspace.
    pub(super) fn made_in(&self, workspace: &WorkspaceId) -> Arc<Made> {
        self.made.get(workspace).cloned().unwrap_or_default()
    }
}
