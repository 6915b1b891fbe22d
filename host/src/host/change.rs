//! A change by API. From `validate` on it goes the way of a push: validated, policies asked, prepared
//! against the parent, durable, published, answered; durable is one transaction of the ledger, and only
//! what the change can touch is planned again.

use std::sync::Arc;

use super::{
    Author, ChangeError, Changed, Host, Writer,
    components::sweep_artefacts,
    grants::Regranted,
    prepare::Ingredients,
    push::changed,
    sets::{held_back_warning, opens, pinned_among, revoked_by, unset},
    tokens,
    told::{Done, details, kind_of},
    transactions::{Transactions, in_transactions},
    validated::validated_in,
};
use crate::{
    audit::ChangeRecord,
    change::{Draft, Edit, LISTED, MAX_EDITS, Pair, Precondition, Reach, ResourceEdit},
    control::Expected,
    generation::Served,
    history::{self, PieceKey},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    keyring::Keyring,
    made::{Made, ResourceKey, Stamp},
    model::{Scope, TokenRecord},
    state::{Alteration, Runs, State},
};

/// Looks whether what is served now, and whose word stands now, is still what a change rests on.
pub(super) type Still<'a> = dyn Fn(&Served, &State) -> Result<(), ChangeError> + 'a;

/// What belongs to a change and is not configuration.
#[derive(Default)]
pub(super) struct Along<'a> {
    /// Looks again at what it rests on: before it is prepared, when no configuration can be changed any more, and
    /// before it is written, when no token can be revoked any more.
    pub(super) still: Option<&'a Still<'a>>,
    /// What has to hold of records.
    pub(super) expected: Vec<(&'a str, Expected)>,
    /// What is written in the same transaction.
    pub(super) records: Vec<Alteration>,
}

impl Host {
    /// Makes `edits`, all or none; `precondition` is asked of each.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn change(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        edits: &[Edit],
        precondition: Precondition,
    ) -> Result<Changed, ChangeError> {
        let before = self.store.load_full();
        let before = before.workspace(workspace).map(|served| &served.snapshot.configuration);
        let changed = self.try_change(author, workspace, edits, precondition);
        if edits.iter().any(|edit| matches!(edit, Edit::Resource(edit) if edit.policy().is_some())) {
            // What was refused after it was compiled leaves nothing behind, either.
            let kept = self.writer.lock().components_made();
            sweep_artefacts(&self.uploads, kept);
        }
        match changed {
            Ok(changed) => {
                Self::tell(kind_of(edits), &changed);
                Ok(changed)
            }
            Err(error) => {
                let details = details(workspace, edits, before, Err(&error));
                Err(self.refused(kind_of(edits), author.principal(), details, error))
            }
        }
    }

    pub(super) fn try_change(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        edits: &[Edit],
        precondition: Precondition,
    ) -> Result<Changed, ChangeError> {
        if edits.len() > MAX_EDITS {
            let rule = format!("a change is at most {MAX_EDITS} edits; these are {}", edits.len());
            return Err(ChangeError::Invalid(vec![rule]));
        }
        self.try_change_along(author, workspace, edits, precondition, &Along::default())
    }

    /// The same, with what belongs to it and is not configuration.
    pub(super) fn try_change_along(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        edits: &[Edit],
        precondition: Precondition,
        along: &Along<'_>,
    ) -> Result<Changed, ChangeError> {
        self.still_works(author, &self.writer.lock().state)?;
        // Held until they are prepared with.
        let _compiled = self.compile_early(workspace, edits)?;
        let workshop = self.workshop.lock();
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        self.still_allowed(author, workspace, edits, served)?;
        along.still.map_or(Ok(()), |still| still(served, &self.writer.lock().state))?;
        self.no_promotion_beside(workspace, edits)?;
        let snapshot = &served.snapshot;
        let keyring = Keyring::unwrap(snapshot.configuration.uid, &snapshot.keys, &workshop.roots);
        let stamp = Stamp {
            revision: snapshot.revision.next(),
            at: self.clock.now(),
            principal: author.principal().to_owned(),
        };
        let (revision, created) = (stamp.revision, stamp.at);
        let root = workshop.roots.named(workshop.base_root).ok_or(ChangeError::NoRootKey)?;
        let keys = (snapshot.keys.clone(), &keyring);
        let made = Made::clone(&served.made);
        // What is held is refused whatever comes meanwhile: no boot waits for that.
        let mut holders = self.holders_of(workspace, &made, edits);
        let is_held = edits.len() == 1 && holders.values().any(|held| !held.leases.is_empty());
        // Until this is served or refused, no boot is answered that the holders do not tell of.
        let _revoking = (!is_held && self.is_revoked_by(edits)).then(|| self.leases.revoking(workspace));
        if !is_held {
            holders = self.holders_of(workspace, &made, edits);
        }
        let mut draft = Draft::new(snapshot.configuration.clone(), made, keys, root, stamp.clone());
        draft = draft.held_by(holders);
        for edit in edits {
            draft.apply(edit, precondition, &mut crate::system::entropy)?;
        }
        self.unused(served, edits)?;
        let active = self.active_after(served, edits, &stamp, &draft);
        let (active, pinned) = active.map_err(|error| because(error, &draft.warnings))?;
        // A new environment's key opens what was just sealed for it.
        let renewed = (draft.keys != snapshot.keys)
            .then(|| Keyring::unwrap(snapshot.configuration.uid, &draft.keys, &workshop.roots));
        let made = Arc::new(draft.made);
        self.nothing_pinned(served, &served.made, edits)?;
        let sets = self.sets_after(&workshop, &draft.configuration, &pinned, Some(served));
        self.nothing_revoked(&draft.configuration, edits, &sets)?;
        let ingredients = Ingredients {
            configuration: draft.configuration,
            keys: draft.keys,
            keyring: renewed.as_ref().unwrap_or(&keyring),
            revision,
            created,
            not_after: snapshot.not_after,
            made: Arc::clone(&made),
            active: &active,
            sets,
            certified: false,
            parent: Some(served),
            touched: (draft.reach < Reach::Policies).then_some(&draft.touched),
        };
        let next = workshop
            .prepare(ingredients, &self.engine)
            .map_err(|error| because(error.into(), &draft.warnings))?;
        opens(&next, edits)?;
        let mut warnings = draft.warnings;
        let reached = |pair: &Pair| draft.reach == Reach::Policies || draft.touched.contains(pair);
        let held_back = next.sets.keys().filter(|pair| reached(pair) && !draft.activated.contains(*pair));
        warnings.extend(held_back.take(LISTED).map(held_back_warning));
        let mut changed = changed(&next, warnings);
        let mut records = made.changed_since(&served.made, workspace, &draft.subjects);
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        along.still.map_or(Ok(()), |still| still(served, &writer.state))?;
        self.forget_displaced(&mut writer)?;
        let mut pieces = history::changed_by(&draft.subjects, &draft.touched);
        let activated = draft.activated.iter().cloned();
        pieces.extend(activated.map(|(deployment, environment)| PieceKey::Pair(deployment, environment)));
        let held = self.hold_components(&writer, &made, &draft.subjects)?;
        // The one before, if that is not kept yet: what is told of activations below goes on from there.
        drop(writer.keep(served));
        let mut after = Regranted::after(&writer.state, snapshot, edits, &stamp)?;
        let pieces = (&active, after.state.as_ref(), pieces);
        let mut entry = self.told_of_ledger(writer.next_in_history(served, &next, pieces))?;
        after.began_with(&writer.state, workspace, &active, entry.root());
        records.append(&mut entry.records);
        records.extend(revoked_by(workspace, &served.made, edits));
        records.extend(writer.ended(workspace, &draft.activated)?);
        records.extend(writer.gone_with(workspace, edits, &snapshot.configuration)?);
        let Regranted { state: regranted, records: tokens, tokens: regranted_tokens, revoked, warnings } =
            after;
        changed.warnings.extend(warnings);
        let done = Done { cloned: draft.cloned, tokens: regranted_tokens, revoked, unproven: draft.unproven };
        let details = details(workspace, edits, Some(&snapshot.configuration), Ok((&changed, &done)));
        let (at, principal) = (self.clock.now(), author.principal());
        let record = ChangeRecord { at, kind: kind_of(edits), outcome: "done", principal, details };
        let Transactions { early, late, trailing } = in_transactions(records, tokens, workspace, edits);
        self.place_of_note(&mut writer)?;
        for some in early {
            self.write(&writer, &some, Vec::new())?;
        }
        let late = [late, along.records.clone()].concat();
        let blobs = std::mem::take(&mut entry.blobs);
        self.write_noted_if(&mut writer, author, &along.expected, (late, blobs), &record)?;
        drop(held);
        // The change stands; what this leaves is put away by the next start.
        if let Err(error) = self.write(&writer, &trailing, Vec::new()) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "records without a place stay until a restart"
            );
        }
        writer.kept(workspace, entry);
        writer.made.insert(workspace.clone(), made);
        let mut generation = self.store.load_full().with_workspace(writer.sequence(), next);
        if let Some(state) = regranted {
            if regranted_tokens > 0 {
                generation = generation.with_tokens(writer.sequence(), Arc::new(tokens::index(&state)));
            }
            writer.state = state;
        }
        self.store.publish(Arc::new(generation));
        if unset(&served.sets).is_some() {
            // It may have been unpinned.
            let doubt = self.store.load().workspace(workspace).and_then(|next| unset(&next.sets));
            match doubt {
                Some(doubt) => self.doubts.write().workspaces.insert(workspace.clone(), doubt),
                None => self.doubts.write().workspaces.remove(workspace),
            };
            self.note_degraded();
        }
        self.forget_revoked(workspace, &served.made, edits);
        if draft.reach == Reach::Policies {
            self.watch.forget(workspace);
            writer.sweep_replaced(&served.made, workspace);
        }
        self.metrics.swaps.inc();
        self.metrics.set_snapshot(workspace.as_str(), revision, snapshot.not_after);
        Ok(changed)
    }

    /// What runs, where the rules hold of what `edits` make of a part; and what of everything is pinned.
    fn active_after(
        &self,
        served: &Served,
        edits: &[Edit],
        stamp: &Stamp,
        draft: &Draft<'_>,
    ) -> Result<(Runs, Runs), ChangeError> {
        let writer = self.writer.lock();
        let after = Regranted::after(&writer.state, &served.snapshot, edits, stamp)?.state;
        let after = after.as_ref().unwrap_or(&writer.state);
        let pairs = served.sets.keys().chain(&draft.activated);
        let pinned = pinned_among(after, &draft.configuration, pairs);
        Ok((validated_in(after, &draft.part())?, pinned))
    }

    /// Refuses to take away a deployment or an environment, or the one from the other, while an instance's
    /// token counts on it. What is active there goes with it: without a token, nothing boots it.
    fn unused(&self, served: &Served, edits: &[Edit]) -> Result<(), ChangeError> {
        let whole = &served.snapshot.configuration;
        let writer = self.writer.lock();
        for edit in edits {
            let used = |id: &DeploymentId, name: &EnvironmentName| {
                whole.deployments.get(id).is_some_and(|one| one.environments.contains_key(name))
            };
            let goes = |id: &DeploymentId, name: &EnvironmentName| match edit {
                Edit::DeleteEnvironment { name: gone, expired: false } => gone == name,
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

    /// The working instance tokens of such deployments and environments.
    fn users(
        &self,
        writer: &Writer,
        workspace: &WorkspaceId,
        is_such: impl Fn(&DeploymentId, &EnvironmentName) -> bool,
    ) -> Vec<String> {
        let now = self.clock.now();
        let works = |token: &&TokenRecord| token.expires_at.is_none_or(|at| at > now);
        let tokens = writer.state.tokens.values().filter(works).filter(|token| match &token.scope {
            Scope::Instance { workspace: of, deployment, environment } => {
                of == workspace && is_such(deployment, environment)
            }
            _ => false,
        });
        tokens.map(|token| format!("token {} of {}", token.id, token.principal)).take(LISTED).collect()
    }
}

impl Writer {
    /// What was made by API in a workspace.
    pub(super) fn made_in(&self, workspace: &WorkspaceId) -> Arc<Made> {
        self.made.get(workspace).cloned().unwrap_or_default()
    }
}

/// A refusal, with what was left out and may be why.
fn because(error: ChangeError, left_out: &[String]) -> ChangeError {
    match error {
        ChangeError::Invalid(mut rules) => {
            rules.extend_from_slice(left_out);
            ChangeError::Invalid(rules)
        }
        error => error,
    }
}
