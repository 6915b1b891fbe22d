//! A push, read top to bottom: bytes, size, signature, expiry, parent, digest, decode, validate,
//! seal, policies, dry run, durable, published. Any failure leaves the live generation untouched.

use std::sync::Arc;

use serde_json::json;

use super::{
    Author, ChangeError, Changed, Host, Workshop, prepare::Ingredients, release, rotation,
    sets::held_back_warning,
};
use crate::{
    audit::{self, ChangeRecord},
    bundle::{self, Envelope, Expected},
    change::LISTED,
    generation::{Served, Sets},
    id::{EnvironmentName, Revision, WorkspaceId},
    keyring::Keyring,
    reseal::{Sealing, closed_environments, reseal},
    slots::{Change, CommitError, Pushed},
};

/// What the audit log is told of a commit of the slots.
pub(super) struct Told<'a> {
    pub(super) kind: &'a str,
    pub(super) details: &'a dyn Fn(&Changed) -> serde_json::Value,
}

impl Host {
    /// Replaces a workspace's configuration by that of `bytes`, a bundle made against `parent`.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn push(&self, author: &Author, bytes: &[u8], parent: Revision) -> Result<Changed, ChangeError> {
        let before = self.store.load_full();
        let refused = |error: &ChangeError| json!({ "reason": audit::reason(error), "parent": parent.0 });
        let pushed = self.try_push(author, bytes, parent);
        let pushed = self.finished("push", author.principal(), refused, pushed)?;
        let before = before.workspace(&pushed.workspace);
        Ok(self.activate_pushed(author, before.map(|before| &**before), pushed))
    }

    /// Refuses a push that nobody read, because it is larger than the limit, and records that.
    #[must_use]
    pub fn push_unread(&self, principal: &str, parent: Revision) -> ChangeError {
        let refusal = ChangeError::TooLarge { limit: self.limits.bundle_bytes };
        self.refused("push", principal, json!({ "reason": refusal.to_string(), "parent": parent.0 }), refusal)
    }

    fn try_push(&self, author: &Author, bytes: &[u8], parent: Revision) -> Result<Changed, ChangeError> {
        self.still_works(author, &self.writer.lock().state)?;
        let header = bundle::inspect(bytes, &self.limits)?;
        let workshop = self.workshop.lock();
        let live = self.store.load_full();
        let served = live.workspace(&header.workspace);
        let known = self.known(&header.workspace);
        // One that was removed and comes back goes on from where it was.
        let current = match &known {
            Some((revision, _)) => *revision,
            None => self.writer.lock().slots.highest_seen(header.uid),
        };
        if parent != current {
            return Err(ChangeError::Stale { made_against: parent, current });
        }
        let now = self.clock.now();
        let uid = known.map_or(header.uid, |(_, uid)| uid);
        let expected = Expected { workspace: uid, revision: current, now };
        let opened = bundle::open_input(bytes, &workshop.trusted, &self.limits, expected)?;
        let active = self.validated_alone(&opened.configuration)?;
        if let Some(served) = served {
            release::stay_as_they_are(&served.snapshot.configuration, &opened.configuration)?;
        }
        let kept = self.unserved(&workshop, &live, &header.workspace);
        let kept = kept.as_ref();
        let sealing = Sealing {
            roots: &workshop.roots,
            base_root: workshop.roots.named(workshop.base_root).ok_or(ChangeError::NoRootKey)?,
            parent: served
                .map(|served| &served.snapshot.configuration)
                .or(kept.map(|kept| &kept.configuration)),
            keys: served.map_or(kept.map_or(&[], |kept| &kept.data_keys), |served| &served.snapshot.keys),
        };
        let resealed = reseal(&opened.configuration, &sealing, &mut crate::system::entropy)
            .map_err(|errors| ChangeError::Invalid(errors.iter().map(ToString::to_string).collect()))?;
        let pushed = Pushed { digest: opened.digest, signer: opened.header.signer };
        let ingredients = Ingredients {
            configuration: resealed.configuration,
            keys: resealed.keys,
            keyring: &resealed.keyring,
            revision: current.next(),
            created: now,
            not_after: opened.header.not_after,
            made: self.writer.lock().made_in(&header.workspace),
            active: &active,
            sets: Sets::new(),
            certified: false,
            parent: served.map(|served| &**served),
            touched: None,
        };
        let bundle = crate::canonical::sha256(bytes).to_string();
        let details = |changed: &Changed| {
            json!({
                "workspace": changed.workspace.as_str(), "revision": changed.revision.0,
                "digest": changed.digest.to_string(), "bundle": bundle,
            })
        };
        let told = Told { kind: "push", details: &details };
        self.take_over(author, &workshop, ingredients, Some(pushed), &told)
    }

    /// Goes back to the content of revision `to`, under a new revision.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn rollback(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        to: Revision,
        parent: Revision,
    ) -> Result<Changed, ChangeError> {
        let refused = |error: &ChangeError| json!({ "workspace": workspace.as_str(), "content_of": to.0, "reason": audit::reason(error) });
        let changed = self.try_rollback(author, workspace, to, parent);
        self.finished("rollback", author.principal(), refused, changed)
    }

    fn try_rollback(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        to: Revision,
        parent: Revision,
    ) -> Result<Changed, ChangeError> {
        let workshop = self.workshop.lock();
        let live = self.store.load_full();
        let served = live.workspace(workspace);
        let (current, _) = self.known(workspace).ok_or(ChangeError::Unknown)?;
        if parent != current {
            return Err(ChangeError::Stale { made_against: parent, current });
        }
        let bytes = self.writer.lock().stored(workspace, to)?;
        let opened = bundle::open_stored(&bytes, &workshop.keys.store.verifying_key(), &self.limits)?;
        let active = self.validated_alone(&opened.configuration)?;
        // A key that was made since then stays: what it seals may come back by another rollback.
        let mut keys = opened.data_keys;
        let newest = match served {
            Some(served) => served.snapshot.keys.clone(),
            None => self.unserved(&workshop, &live, workspace).map_or_else(Vec::new, |kept| kept.data_keys),
        };
        for key in newest {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let keyring = Keyring::unwrap(opened.configuration.uid, &keys, &workshop.roots);
        let ingredients = Ingredients {
            configuration: opened.configuration,
            keys,
            keyring: &keyring,
            revision: current.next(),
            created: self.clock.now(),
            not_after: opened.header.not_after,
            made: self.writer.lock().made_in(workspace),
            active: &active,
            sets: Sets::new(),
            certified: false,
            parent: served.map(|served| &**served),
            touched: None,
        };
        let details = |changed: &Changed| {
            json!({
                "workspace": workspace.as_str(), "content_of": to.0, "revision": changed.revision.0,
                "digest": changed.digest.to_string(),
            })
        };
        let told = Told { kind: "rollback", details: &details };
        self.take_over(author, &workshop, ingredients, None, &told)
    }

    /// Prepared, durable, published, in this order: nothing unservable is ever durable, and
    /// nothing is served that a restart would lose. What was made by API lies over it; what of that has
    /// no place there any more goes.
    pub(super) fn take_over(
        &self,
        author: &Author,
        workshop: &Workshop,
        mut ingredients: Ingredients<'_>,
        pushed: Option<Pushed>,
        told: &Told<'_>,
    ) -> Result<Changed, ChangeError> {
        // What an earlier push displaced must not come back with a later one.
        self.forget_displaced(&mut self.writer.lock())?;
        let parent = Revision(ingredients.revision.0.saturating_sub(1));
        let closed = closed_environments(&ingredients.configuration, ingredients.keyring);
        let mut warnings: Vec<_> = closed.iter().map(closed_warning).collect();
        let envelope = Envelope { parent, created: ingredients.created, not_after: ingredients.not_after };
        let (configuration, keys) = (&ingredients.configuration, &ingredients.keys);
        let stored = bundle::sign_stored(configuration, keys, envelope, &workshop.keys.store)?;
        let displaced = ingredients.made.lay_over(&mut ingredients.configuration, &mut ingredients.keys);
        let both = Keyring::unwrap(ingredients.configuration.uid, &ingredients.keys, &workshop.roots);
        let mut ingredients = Ingredients { keyring: &both, ..ingredients };
        let active;
        if !ingredients.made.is_empty() {
            // What a directory says holds by itself; this is about both together.
            active = self.validated(&ingredients.configuration)?;
            ingredients.active = &active;
            ingredients.made = Arc::new(ingredients.made.without(&displaced));
        }
        warnings.extend(displaced.environments.iter().map(displaced_warning));
        warnings.extend(displaced.resources.iter().map(displaced_warning));
        warnings.extend(displaced.values.iter().map(displaced_warning));
        let made = Arc::clone(&ingredients.made);
        let Ingredients { configuration, active, parent: before, .. } = &ingredients;
        ingredients.sets = self.sets_after(workshop, configuration, active, *before);
        let before = ingredients.parent.filter(|_| pushed.is_some());
        let served = workshop.prepare(ingredients, &self.engine)?;
        if let Some(before) = before {
            rotation::not_with_a_release(before, &served, &release::named_anew(before, &served))?;
        }
        warnings.extend(served.sets.keys().take(LISTED).map(held_back_warning));
        let changed = changed(&served, warnings);
        let snapshot = &served.snapshot;
        let not_after = snapshot.not_after;
        let bundle = crate::canonical::sha256(&stored);
        let change = Change::Configuration {
            workspace: snapshot.configuration.workspace.clone(),
            uid: snapshot.configuration.uid,
            revision: snapshot.revision,
            bundle: stored,
            created: snapshot.created,
            pushed,
        };
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        let (at, principal) = (self.clock.now(), author.principal());
        let details = (told.details)(&changed);
        let line = ChangeRecord { at, kind: told.kind, outcome: "done", principal, details }.line();
        self.note_push(&mut writer, bundle, &line)?;
        let sequence = self.commit(&mut writer, &[change]).map_err(|error| match error {
            CommitError::Conflict { current, .. } => ChangeError::Stale { made_against: parent, current },
            other => ChangeError::Disk(other),
        })?;
        let before = writer.made.insert(changed.workspace.clone(), made);
        if !displaced.is_empty() {
            writer.displaced.push((changed.workspace.clone(), before.unwrap_or_default()));
            // The push stands; should this fail, the next change has to do it first.
            drop(self.forget_displaced(&mut writer));
        }
        // The push stands; should this fail, the next change has to do it first.
        if let Err(error) = self.told_of_ledger(writer.keep(&served)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the revision cannot be looked at later yet"
            );
        }
        self.store.publish(Arc::new(self.store.load_full().with_workspace(sequence, served)));
        self.tell_push(&mut writer, told.kind, line);
        self.watch.forget(&changed.workspace);
        self.doubts.write().workspaces.remove(&changed.workspace);
        self.note_degraded();
        self.metrics.swaps.inc();
        self.metrics.set_snapshot(changed.workspace.as_str(), changed.revision, not_after);
        Ok(changed)
    }

    /// What was made was recorded with it; what was refused is now.
    pub(super) fn finished(
        &self,
        kind: &str,
        principal: &str,
        refused: impl FnOnce(&ChangeError) -> serde_json::Value,
        result: Result<Changed, ChangeError>,
    ) -> Result<Changed, ChangeError> {
        match result {
            Ok(changed) => {
                Self::tell(kind, &changed);
                Ok(changed)
            }
            Err(error) => Err(self.refused(kind, principal, refused(&error), error)),
        }
    }

    pub(super) fn tell(kind: &str, changed: &Changed) {
        tracing::info!(
            kind, workspace = %changed.workspace, revision = changed.revision.0,
            digest = %changed.digest, "a new generation is served"
        );
    }

    pub(super) fn refused(
        &self,
        kind: &str,
        principal: &str,
        details: serde_json::Value,
        error: ChangeError,
    ) -> ChangeError {
        self.record(kind, error.code(), principal, details);
        self.metrics.changes_refused.inc();
        tracing::warn!(kind, error = &error as &dyn std::error::Error, "a change was refused");
        error
    }
}

/// What a push says of what was made by API and has no place beside it.
fn displaced_warning(what: &impl std::fmt::Display) -> String {
    format!("{what} was made by API; the directory names it too, or has no place for it, so that is gone")
}

/// What a host says of an environment that it cannot serve.
pub(super) fn closed_warning(environment: &EnvironmentName) -> String {
    format!(
        "this host cannot open the values of environment {environment}; give it the root key that wraps them with --root-key"
    )
}

pub(super) fn changed(served: &Served, warnings: Vec<String>) -> Changed {
    let snapshot = &served.snapshot;
    Changed {
        workspace: snapshot.configuration.workspace.clone(),
        revision: snapshot.revision,
        digest: snapshot.digest,
        warnings,
    }
}
