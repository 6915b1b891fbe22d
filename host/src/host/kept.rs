//! The state at a start: from the ledger; at the first start of this version, from the text that older
//! ones kept beside the slots; at the very first, from the bootstrap.
//!
//! Whatever is killed when, a start finds one of these again. The ledger's mark is its last record: as
//! long as it is missing, what else is there is of a start that was cut off, and is put away. Only then
//! the text gives way to a note that it has moved: a ledger that is lost after that is not taken for
//! one that never was, which would bring revoked tokens back.

use std::{collections::BTreeMap, sync::Arc};

use super::{MintRequest, Minted, StartError, Writer, noted::Unrecorded, staged};
use crate::{
    canonical::sha256,
    control::Control,
    id::{Digest, Revision, UnixSeconds, WorkspaceId},
    lease::Book,
    made::Made,
    model::Scope,
    signing::TrustedSigners,
    slots::{Change, Degraded, FloorOverride, Slots},
    state::{Alteration, State, StateError},
};

/// The record that says that the ledger's are whole, and of which format.
const MARK: &str = "host/format";
const FORMAT: &[u8] = b"2";
/// The one before: of what is active, its number alone. The records are written anew before the mark is, so
/// that a start that is cut off in between finds what it did not come to.
const FORMAT_BEFORE: &[u8] = b"1";

/// What a host starts with, durably.
pub(super) struct Kept {
    pub(super) writer: Writer,
    /// Who holds what.
    pub(super) leases: Book,
    /// What is wrong with the ledger, and allowed.
    pub(super) doubt: Option<Degraded>,
    /// The commit of the note stands, but was not finished.
    pub(super) incomplete: Option<std::io::Error>,
}

impl Kept {
    /// Reads the state, takes in from `bootstrap` what is new, and makes that durable. At the first
    /// start `announce` is given the operator's token before it works: a token that works and that
    /// nobody has would be lost for good.
    pub(super) fn restore(
        mut slots: Slots,
        control: Control,
        bootstrap: State,
        (overrides, trusted): (&[FloorOverride], &TrustedSigners),
        now: UnixSeconds,
        announce: impl FnOnce(&Minted) -> Result<(), StartError>,
    ) -> Result<Self, StartError> {
        let found = control.read("")?;
        is_there(&slots, &found)?;
        // Before anything is written to it.
        let doubt = slots.check_ledger(Revision(control.revision()), overrides, trusted)?;
        staged::settle(&control, &slots)?;
        let records = control.read("")?;
        let (known, away) = known(&slots, &records)?;
        // By itself, because what is put away may come back under the same name.
        control.change(&[], &away)?;
        let is_first = known.is_none();
        let kept = known.unwrap_or_default();
        let mut state = kept.state.clone();
        if is_first {
            let request =
                MintRequest { scope: Scope::Operator, principal: "operator".into(), expires_in: None };
            let minted = Minted::offline(request, now)?;
            announce(&minted)?;
            state = bootstrap;
            state.tokens_mut().insert(minted.record.hash, minted.record);
        } else {
            state.adopt(bootstrap);
        }
        state.date_activations(now);
        let mut changes = state.since(&kept.recorded);
        if records.get(MARK).map(Vec::as_slice) != Some(FORMAT) {
            changes.push(Alteration::Put { name: MARK.to_owned(), content: FORMAT.to_vec() });
        }
        control.change(&[], &changes)?;
        let (mut made, mut leases) = (BTreeMap::new(), Book::default());
        for (workspace, root) in &slots.root().workspaces {
            let mut own = Made::from_records(workspace, root.uid, &records)?;
            leases.read(workspace, &records, now)?;
            own.supply(|digest| component(&control, workspace, digest));
            made.insert(workspace.clone(), Arc::new(own));
        }
        let mut writer = Writer {
            slots,
            state,
            made,
            control: Arc::new(control),
            displaced: Vec::new(),
            histories: BTreeMap::new(),
            unrecorded: Unrecorded::default(),
            unsettled: false,
        };
        let incomplete = writer.note_that_it_moved()?;
        Ok(Self { writer, leases, doubt, incomplete })
    }
}

/// A policy's component. One that is not there, or not what it was, keeps its own workspace from being
/// served, and no other.
fn component(control: &Control, workspace: &WorkspaceId, digest: Digest) -> Option<Arc<[u8]>> {
    match control.blob(digest) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(%workspace, %digest, error, "a policy's component cannot be read");
            None
        }
    }
}

/// A state that was found.
#[derive(Default)]
struct Known {
    state: State,
    /// What of it is in the ledger.
    recorded: State,
}

/// Whether the ledger is there, if there ever was one.
fn is_there(slots: &Slots, records: &BTreeMap<String, Vec<u8>>) -> Result<(), StartError> {
    let moved = slots.root().host_state == Some(sha256(State::moved()));
    if moved && !records.contains_key(MARK) { Err(StartError::LedgerLost) } else { Ok(()) }
}

/// The state that is kept, if any is, and which records to put away.
fn known(
    slots: &Slots,
    records: &BTreeMap<String, Vec<u8>>,
) -> Result<(Option<Known>, Vec<Alteration>), StartError> {
    let away = |names: Vec<String>| names.into_iter().map(|name| Alteration::Delete { name }).collect();
    match records.get(MARK).map(Vec::as_slice) {
        Some(FORMAT | FORMAT_BEFORE) => {
            let (state, unfinished) = State::from_records(records)?;
            return Ok((Some(Known { recorded: state.clone(), state }), away(unfinished)));
        }
        Some(found) => {
            let found = std::str::from_utf8(found).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            return Err(StateError::UnknownFormat { found }.into());
        }
        None => {}
    }
    let away = away(records.keys().cloned().collect());
    let Some(digest) = slots.root().host_state else { return Ok((None, away)) };
    let state = State::from_bytes(&slots.read(digest)?)?;
    Ok((Some(Known { state, recorded: State::default() }), away))
}

impl Writer {
    /// Puts the note in the place of what older versions kept.
    fn note_that_it_moved(&mut self) -> Result<Option<std::io::Error>, StartError> {
        if self.slots.root().host_state == Some(sha256(State::moved())) {
            return Ok(None);
        }
        let note = Change::HostState(State::moved().to_vec());
        Ok(self.slots.commit(&[note])?.incomplete)
    }
}
