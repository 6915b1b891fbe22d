//! A workspace that comes from another host, as a file. Prepared first, then durable: its blobs, its records
//! where they mean nothing yet, and what a directory pushed in one commit of the slots, which decides; then
//! the records take their place, and it is served. Nothing that cannot be served is ever durable.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{
    Author, ChangeError, Changed, Host, Workshop, Writer, components::sweep_artefacts, push::changed,
    restore::LoadWorkspaceError, staged, tokens,
};
use crate::{
    audit::{self, ChangeRecord},
    bundle::{self, BundleError, BundleLimits, Envelope, Opened},
    canonical::sha256,
    control::ControlError,
    generation::Served,
    id::{Digest, UnixSeconds, WorkspaceId},
    lease::Book,
    ledger::{Blob, Held},
    made::Made,
    model::SealedValue,
    slots::{Change, CommitError, KeptRevision},
    state::{Active, Alteration, State},
    transfer::{
        self, Header, MAX_TRANSFER_BYTES, TransferError,
        content::{Content, Origin},
    },
};

/// That a workspace was begun, so that no bootstrap begins it again.
const BEGUN: &str = "begun";
/// How many blobs become durable before others may change something.
const BLOBS_AT_ONCE: usize = 256;

/// A workspace as it was read, signed by this host's own store.
struct Moved {
    header: Header,
    /// Oldest first.
    changes: Vec<Change>,
    current: (KeptRevision, Opened<SealedValue>),
    records: BTreeMap<String, Vec<u8>>,
    state: State,
    made: Made,
    leases: Book,
    blobs: Vec<Blob>,
    /// The digest of what was served.
    digest: Digest,
}

impl Host {
    /// Takes in the workspace `named` from a file, as it was exported: at its revision, with its tokens in
    /// place of those that this host has for it.
    ///
    /// # Errors
    /// See [`ChangeError`]; when the host serves such a workspace already.
    pub fn import(&self, author: &Author, named: &WorkspaceId, bytes: &[u8]) -> Result<Changed, ChangeError> {
        match self.try_import(author, named, bytes) {
            Ok(changed) => {
                Self::tell("import", &changed);
                Ok(changed)
            }
            Err(error) => {
                // What was refused after it was compiled leaves nothing behind.
                let kept = self.writer.lock().components_made();
                sweep_artefacts(&self.uploads, kept);
                let details = details(named, bytes, Err(&error));
                Err(self.refused("import", author.principal(), details, error))
            }
        }
    }

    /// Refuses a file that nobody read, because it is larger than the limit, and records that.
    #[must_use]
    pub fn import_unread(&self, principal: &str, named: &WorkspaceId) -> ChangeError {
        let (refusal, limit) = (ChangeError::Transfer(TransferError::TooLarge), MAX_TRANSFER_BYTES);
        let details = json!({ "workspace": named.as_str(), "limit": limit, "reason": refusal.to_string() });
        self.refused("import", principal, details, refusal)
    }

    fn try_import(&self, author: &Author, named: &WorkspaceId, bytes: &[u8]) -> Result<Changed, ChangeError> {
        let header = transfer::inspect(bytes)?;
        if header.workspace != *named {
            let rule = format!("the export is of workspace {}; a workspace keeps its name", header.workspace);
            return Err(ChangeError::Invalid(vec![rule]));
        }
        self.vacant(&header)?;
        // Opened while others change what they like; whether there is room is looked at again.
        let roots = Arc::clone(&self.workshop.lock().roots);
        let (header, content) = transfer::open(bytes, &roots)?;
        let workshop = self.workshop.lock();
        self.vacant(&header)?;
        let content_read = Content::read(&content)?;
        let moved = Moved::read(header, content_read, (&workshop, &self.limits), self.clock.now())?;
        drop(content);
        let Moved { header, changes, current: (kept, opened), records, state, made, leases, blobs, digest } =
            moved;
        let at_hand: BTreeMap<_, _> = blobs.iter().map(|blob| (blob.digest(), blob.bytes())).collect();
        let fetch = &mut |digest| {
            at_hand.get(&digest).map(|bytes| bytes.to_vec()).ok_or_else(|| "it is not in the file".into())
        };
        let served = workshop.serve_again(opened, &kept, &made, &state, (&self.engine, fetch));
        drop(at_hand);
        let (served, mut warnings) = served.map_err(unservable)?;
        if served.snapshot.revision != header.revision {
            return Err(unfit("another revision than it says"));
        }
        if served.snapshot.digest != digest {
            warnings.push(format!(
                "its digest was {digest} where it comes from and is another here: the versions of bootlace differ"
            ));
        }
        let bundle = changes.iter().rev().find_map(Change::bundle).map(sha256);
        let bundle = bundle.ok_or_else(|| unfit("no configuration"))?;
        // Each by itself, so that nobody waits long.
        let held = self.hold(&blobs)?;
        let mut changed = changed(&served, warnings);
        let details = details(named, bytes, Ok(&changed));
        let (at, principal) = (self.clock.now(), author.principal());
        let record = ChangeRecord { at, kind: "import", outcome: "done", principal, details };
        let (name, line) = (&header.workspace, record.line());
        self.told_by_ledger(staged::stage(&self.writer.lock().control, name, &records, bundle, &line))?;
        drop((blobs, records));
        let mut writer = self.writer.lock();
        let decided = self.decide(&mut writer, author, &header.workspace, state, &changes);
        let (next, ended) = match decided {
            // Of a commit whose outcome is unknown, a restart finds out.
            Err(error @ ChangeError::Disk(CommitError::Unknown(_))) => return Err(error),
            Err(error) => {
                self.told_by_ledger(staged::put_away(&writer.control, &header.workspace))?;
                return Err(error);
            }
            Ok(decided) => decided,
        };
        if ended > 0 {
            let warning = format!("{ended} tokens that this host had for the workspace have ended");
            changed.warnings.push(warning);
        }
        let made = Arc::new(made);
        // What the ledger has, now or after a restart.
        writer.made.insert(header.workspace.clone(), Arc::clone(&made));
        if let Err(error) = self.told_by_ledger(staged::take_effect(&writer.control, &header.workspace)) {
            // What else the ledger took would be in the way of what a start makes of this.
            writer.unsettled = true;
            let doubt = format!("{} was imported and is served after a restart: {error}", header.workspace);
            self.doubts.write().workspaces.insert(header.workspace, doubt);
            self.note_degraded();
            return Err(error.into());
        }
        drop(held);
        self.leases.take_in(&header.workspace, leases);
        self.tell_noted(&mut writer, &record);
        self.take_in(&mut writer, served, &made, next);
        Ok(changed)
    }

    /// Whether there is room for such a workspace.
    fn vacant(&self, header: &Header) -> Result<(), ChangeError> {
        let name = &header.workspace;
        if let Some((current, _)) = self.known(name) {
            let what = format!(
                "workspace {name} is on this host already, at revision {current}; import it into a host that does not have it"
            );
            return Err(ChangeError::Occupied { what, current });
        }
        let writer = self.writer.lock();
        let mut others = writer.slots.root().workspaces.iter();
        if let Some((other, root)) = others.find(|(_, root)| root.uid == header.uid) {
            let what = format!("this host has that workspace already, under the name {other}");
            return Err(ChangeError::Occupied { what, current: root.current.revision });
        }
        let current = writer.slots.highest_seen(header.uid);
        if current >= header.revision {
            let what = format!(
                "this host has had workspace {name} at revision {current}, and the export is of revision {}: export it again where it is served",
                header.revision
            );
            return Err(ChangeError::Occupied { what, current });
        }
        Ok(())
    }

    fn hold(&self, blobs: &[Blob]) -> Result<Vec<Held>, ChangeError> {
        let held = blobs.chunks(BLOBS_AT_ONCE).map(|some| {
            let writer = self.writer.lock();
            self.told_by_ledger(writer.control.hold(some.to_vec()))
        });
        Ok(held.collect::<Result<_, _>>()?)
    }

    /// Commits to the slots: from here on it is imported. Gives the state that goes with it, and how many
    /// tokens ended.
    fn decide(
        &self,
        writer: &mut Writer,
        author: &Author,
        workspace: &WorkspaceId,
        moved: State,
        changes: &[Change],
    ) -> Result<(State, usize), ChangeError> {
        self.still_works(author, &writer.state)?;
        self.recorded_all(writer)?;
        self.forget_displaced(writer)?;
        let mut next = writer.state.clone();
        let ended = replace(&mut next, workspace, moved)?;
        self.commit(writer, changes)?;
        Ok((next, ended))
    }

    /// Serves what is durable.
    fn take_in(&self, writer: &mut Writer, served: Served, made: &Arc<Made>, state: State) {
        let name = served.snapshot.configuration.workspace.clone();
        let (revision, not_after) = (served.snapshot.revision, served.snapshot.not_after);
        writer.state = state;
        if *made != served.made {
            writer.displaced.push((name.clone(), Arc::clone(made)));
        }
        writer.made.insert(name.clone(), Arc::clone(&served.made));
        if let Err(error) = self.told_of_ledger(writer.keep(&served)) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the revision cannot be looked at later yet");
        }
        let tokens = Arc::new(tokens::index(&writer.state));
        let sequence = writer.sequence();
        let generation = self.store.load_full().with_workspace(sequence, served);
        self.store.publish(Arc::new(generation.with_tokens(sequence, tokens)));
        self.watch.forget(&name);
        self.metrics.swaps.inc();
        self.metrics.set_snapshot(name.as_str(), revision, not_after);
    }
}

/// What is recorded of an import.
fn details(named: &WorkspaceId, bytes: &[u8], imported: Result<&Changed, &ChangeError>) -> serde_json::Value {
    json!({
        "workspace": named.as_str(), "file": sha256(bytes).to_string(),
        "exported": transfer::inspect(bytes).ok().map(|header| header.exported.0),
        "revision": imported.ok().map(|changed| changed.revision.0),
        "digest": imported.ok().map(|changed| changed.digest.to_string()),
        "reason": imported.err().map(|error| audit::reason(error)),
    })
}

impl Moved {
    fn read(
        header: Header,
        content: Content<'_>,
        (workshop, limits): (&Workshop, &BundleLimits),
        now: UnixSeconds,
    ) -> Result<Self, ChangeError> {
        let Content { origin, kept, mut records, blobs } = content;
        let (mut changes, mut current) = (Vec::new(), None);
        for (mut one, bundle) in kept {
            let (opened, bundle) = own(bundle, &header, &origin, workshop, limits)?;
            one.configuration = sha256(&bundle);
            changes.push(Change::Configuration {
                workspace: header.workspace.clone(),
                uid: header.uid,
                revision: one.revision,
                bundle,
                created: one.created,
                pushed: one.pushed,
            });
            current = Some((one, opened));
        }
        let current = current.ok_or_else(|| unfit("no configuration"))?;
        records.entry(BEGUN.to_owned()).or_default();
        // What was carried on there when it was exported waits for nobody here.
        records.retain(|name, _| !name.starts_with("promoting/"));
        let full = |(name, content): (&String, &Vec<u8>)| {
            (format!("workspace/{}/{name}", header.workspace), content.clone())
        };
        let full: BTreeMap<_, _> = records.iter().map(full).collect();
        let (state, unfinished) = State::from_records(&full).map_err(|error| unfit(&error.to_string()))?;
        if !unfinished.is_empty() {
            return Err(unfit("tokens of another workspace"));
        }
        // An older host did not write down since when a release is active: by the export, it was.
        let (found, mut state) = (state.clone(), state);
        state.date_activations(header.exported);
        let prefix = format!("workspace/{}/", header.workspace);
        for dated in state.since(&found) {
            if let Alteration::Put { name, content } = dated {
                records.insert(name[prefix.len()..].to_owned(), content);
            }
        }
        let made = Made::from_records(&header.workspace, header.uid, &full);
        let mut made = made.map_err(|error| unfit(&error.to_string()))?;
        made.supply(|digest| blobs.get(&digest).map(|bytes| Arc::from(*bytes)));
        let mut leases = Book::default();
        leases.read(&header.workspace, &full, now).map_err(|error| unfit(&error.to_string()))?;
        let blobs = blobs.into_values().map(|bytes| Blob::new(bytes.to_vec()));
        let blobs = blobs.collect::<Result<_, _>>().map_err(ControlError::from)?;
        Ok(Self { header, changes, current, records, state, made, leases, blobs, digest: origin.digest })
    }
}

/// A stored bundle of another host, and the same signed by this one.
fn own(
    bundle: &[u8],
    header: &Header,
    origin: &Origin,
    workshop: &Workshop,
    limits: &BundleLimits,
) -> Result<(Opened<SealedValue>, Vec<u8>), BundleError> {
    let opened = bundle::open_stored(bundle, &origin.store, limits)?;
    if opened.header.uid != header.uid || opened.header.workspace != header.workspace {
        return Err(BundleError::OtherWorkspace { found: opened.header.uid });
    }
    let bundle::Header { parent, created, not_after, .. } = opened.header;
    let envelope = Envelope { parent, created, not_after };
    let signed =
        bundle::sign_stored(&opened.configuration, &opened.data_keys, envelope, &workshop.keys.store)?;
    Ok((opened, signed))
}

/// Replaces all that `state` has of a workspace; how many tokens ended by that.
fn replace(state: &mut State, workspace: &WorkspaceId, moved: State) -> Result<usize, ChangeError> {
    let before = state.tokens.len();
    state
        .tokens_mut()
        .retain(|hash, token| token.scope.workspace() != Some(workspace) || moved.tokens.contains_key(hash));
    let ended = before - state.tokens.len();
    state.tokens_mut().retain(|_, token| token.scope.workspace() != Some(workspace));
    state.active.insert(workspace.clone(), Active::new());
    for (hash, record) in moved.tokens.iter() {
        if state.tokens.contains_key(hash) {
            return Err(unfit("a token that somebody else has here"));
        }
        state.add_token(record.clone()).map_err(|error| ChangeError::Invalid(vec![error.to_string()]))?;
    }
    state.active.extend(moved.active);
    Ok(ended)
}

fn unfit(what: &str) -> ChangeError {
    TransferError::Content { what: what.to_owned() }.into()
}

fn unservable(error: LoadWorkspaceError) -> ChangeError {
    match error {
        LoadWorkspaceError::Prepare(error) => error.into(),
        LoadWorkspaceError::Bundle(error) => error.into(),
        error => ChangeError::Invalid(vec![error.to_string()]),
    }
}
