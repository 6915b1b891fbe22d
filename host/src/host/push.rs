//! A push, read top to bottom: bytes, size, signature, expiry, parent, digest, decode, validate,
//! seal, policies, dry run, durable, published. Any failure leaves the live generation untouched.

use std::sync::Arc;

use serde_json::json;

use super::{
    Author, Changed, Host, Workshop, Writer,
    prepare::{Ingredients, PrepareError},
    release, rotation,
    sets::held_back_warning,
};
use crate::{
    audit::{self, AuditUnavailable, ChangeRecord},
    bundle::{self, BundleError, Envelope, Expected},
    change::{InUse, LISTED},
    control::ControlError,
    generation::{Generation, Served, Sets},
    id::{EnvironmentName, Revision, Uid, WorkspaceId},
    keyring::Keyring,
    made::ResourceKey,
    model::{Configuration, SealedValue},
    reseal::{Sealing, closed_environments, reseal},
    slots::{BlobError, Change, CommitError, KeptRevision, Pushed},
    state::{self, Runs, State},
    transfer::TransferError,
    validate,
};

/// Why a change was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Made against another revision than the live one.
    #[error(
        "made against revision {made_against}, but the live one is {current}; build again from that and push"
    )]
    Stale {
        /// What the change was made against.
        made_against: Revision,
        /// What is live.
        current: Revision,
    },
    /// Over the limit.
    #[error("the bundle is larger than this host's limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// No such workspace, revision or token.
    #[error("there is no such thing here")]
    Unknown,
    /// Not a bundle of somebody trusted, or damaged.
    #[error("the bundle is refused")]
    Bundle(#[source] BundleError),
    /// It may not be served; everything that is wrong with it.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// A directory owns it: it is changed there, and pushed.
    #[error("{what} is owned by the workspace directory; change it there and push")]
    Owned {
        /// What.
        what: String,
    },
    /// Somebody else changed the same thing.
    #[error("{what} was changed by somebody else; look at it again and repeat the change")]
    Changed {
        /// What.
        what: String,
        /// The revision that changed it last; none when it is not there.
        current: Option<Revision>,
    },
    /// Whoever makes the change may not any more: the token was revoked or expired, or is for less.
    #[error("the token was revoked or expired before the change was made")]
    Revoked,
    /// Something still counts on what is to go.
    #[error("{reason}")]
    NotNow {
        /// Why, and what to do first.
        reason: String,
        /// The revision that changed it last.
        current: Option<Revision>,
    },
    /// Instances count on a version that is to go, or may.
    #[error("{0}")]
    Held(Box<InUse>),
    /// The audit log takes no records, and as many wait for it as may.
    #[error("the audit log takes no records, and nothing is changed that it does not tell of")]
    Unrecorded,
    /// A number that another release has.
    #[error("{what}")]
    Taken {
        /// Which, and what to do.
        what: String,
    },
    /// Another promotion has the target.
    #[error("promotion {id} of {by} has {what}; it is waited for with `wait`")]
    Promoting {
        /// The target.
        what: String,
        /// The promotion.
        id: String,
        /// Who asked for it.
        by: String,
    },
    /// An approval that does not count.
    #[error("{why}")]
    Uncounted {
        /// Why, and what to do.
        why: String,
    },
    /// A policy of the workspace is being compiled.
    #[error("another policy of this workspace is being compiled; try again when that is done")]
    Busy,
    /// The root key that this host was started with is gone.
    #[error("this host has no root key to wrap new keys with")]
    NoRootKey,
    /// The disk refused.
    #[error("the change could not be made durable")]
    Disk(#[from] CommitError),
    /// The ledger refused.
    #[error("the change could not be made durable")]
    Ledger(#[from] ControlError),
    /// What was kept of the revision before cannot be gone on from.
    #[error("what is kept of earlier revisions cannot be gone on from")]
    History(#[source] Box<crate::history::HistoryError>),
    /// What was kept cannot be read back.
    #[error("what was kept of that revision cannot be read")]
    Kept(#[from] BlobError),
    /// A workspace cannot be taken to another host, or from one.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// An import where something is already.
    #[error("{what}")]
    Occupied {
        /// What, and what to do.
        what: String,
        /// The revision that is there.
        current: Revision,
    },
    /// An export that nobody would know of is not handed out.
    #[error("the export cannot be recorded in the audit log, so it is not handed out")]
    Untold(#[from] AuditUnavailable),
}

impl ChangeError {
    /// The stable code of contract.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stale { .. }
            | Self::Changed { .. }
            | Self::NotNow { .. }
            | Self::Taken { .. }
            | Self::Held(_)
            | Self::Promoting { .. }
            | Self::Occupied { .. } => "conflict",
            Self::Owned { .. } => "owned-by-directory",
            Self::TooLarge { .. }
            | Self::Transfer(TransferError::TooLarge | TransferError::TooMuch { .. }) => "too-large",
            Self::Uncounted { .. } => "forbidden",
            Self::Busy | Self::Untold(_) => "busy",
            Self::Unknown => "not-found",
            Self::Revoked => "unauthenticated",
            Self::Bundle(_) | Self::Invalid(_) | Self::Transfer(_) => "invalid",
            Self::Unrecorded
            | Self::NoRootKey
            | Self::Disk(_)
            | Self::Ledger(_)
            | Self::History(_)
            | Self::Kept(_) => "not-ready",
        }
    }
}

/// What the audit log is told of a commit of the slots.
pub(super) struct Told<'a> {
    pub(super) kind: &'a str,
    pub(super) details: &'a dyn Fn(&Changed) -> serde_json::Value,
}

impl From<BundleError> for ChangeError {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::TooLarge { limit } => Self::TooLarge { limit },
            BundleError::StaleParent { parent, current } => Self::Stale { made_against: parent, current },
            other => Self::Bundle(other),
        }
    }
}

impl From<PrepareError> for ChangeError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Policies(reasons) | PrepareError::Plans(reasons) => Self::Invalid(reasons),
            PrepareError::Busy => Self::Busy,
        }
    }
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

    /// What is kept of a workspace that is not served after a start. Nothing when it is served, or
    /// when that is what cannot be read.
    fn unserved(
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

    /// The active releases, where the semantic rules hold and what is active is still there.
    pub(super) fn validated<V: validate::Inspect>(
        &self,
        configuration: &Configuration<V>,
    ) -> Result<Runs, ChangeError> {
        validated_in(&self.writer.lock().state, configuration)
    }

    /// The same of what a directory says by itself: of what is active, releases that were registered by API are
    /// looked at when they are laid over it.
    pub(super) fn validated_alone<V: validate::Inspect>(
        &self,
        configuration: &Configuration<V>,
    ) -> Result<Runs, ChangeError> {
        let writer = self.writer.lock();
        let (active, made) =
            (writer.state.active_in(configuration), writer.made_in(&configuration.workspace));
        let mut own = active.clone();
        for (id, environments) in &mut own {
            environments.retain(|_, runs| {
                !made.resources.contains_key(&ResourceKey::Release(id.clone(), runs.release))
            });
        }
        holds(configuration, &own)?;
        Ok(active)
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

/// The active releases of `state`, where the semantic rules hold and what is active is still there.
pub(super) fn validated_in<V: validate::Inspect>(
    state: &State,
    configuration: &Configuration<V>,
) -> Result<Runs, ChangeError> {
    let active = state.active_in(configuration);
    holds(configuration, &active)?;
    Ok(active)
}

/// Whether the semantic rules hold, and what is active is there.
fn holds<V: validate::Inspect>(configuration: &Configuration<V>, active: &Runs) -> Result<(), ChangeError> {
    let violations = validate::check(configuration);
    let state = validate::check_active(configuration, &state::releases(active));
    let found: Vec<_> = violations.iter().chain(&state).map(ToString::to_string).collect();
    if found.is_empty() { Ok(()) } else { Err(ChangeError::Invalid(found)) }
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
