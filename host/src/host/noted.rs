//! A change by API and what the audit log says of it are not one write: the ledger holds the change, and
//! the log its record. So the record is in the change's transaction, too, as a note that the next one
//! takes the place of; a start that does not find it in the log was after a kill in between, and
//! writes it there.
//!
//! A record that the log did not take keeps its note. It is tried again before the next change and every
//! minute, and the records behind it wait for it, so that the log has them in the order of the changes.
//! When too many wait, nothing more is changed.

use std::collections::VecDeque;

use super::{Author, ChangeError, Host, Writer, pending::Pending};
use crate::{audit::ChangeRecord, control::Expected, id::Digest, ledger::Blob, state::Alteration};

/// How many records come along with a change's own: its note, and the key that it was made under.
pub(super) const ALONG: usize = 2;
/// The record of the last change, as a line of the log. An older version of the host passes it over.
pub(super) const NOTE: &str = "host/noted";
/// The record of the last push, or of another commit of the slots: the digest of the bundle that is stored
/// if the commit stands, and the line of the log. Durable before the commit, which decides.
const PUSHED: &str = "host/pushed";
/// The most changes that are made while the log takes no record.
const MAX_UNRECORDED: usize = 64;

/// The records that the log has not taken yet, in the order of their changes.
#[derive(Default)]
pub(super) struct Unrecorded {
    lines: VecDeque<Vec<u8>>,
    /// The place of the next note, where others have to stay.
    next: usize,
}

impl Unrecorded {
    fn push(&mut self, line: Vec<u8>) {
        self.lines.push_back(line);
        self.next += 1;
    }
}

/// The note at a place; their order is that of their names.
fn note(place: usize) -> String {
    if place == 0 { NOTE.to_owned() } else { format!("{NOTE}/{place:02}") }
}

impl Host {
    /// Makes records durable together with what the log is told of them, and tells it. The writer is
    /// held meanwhile, so that no note is replaced before it is in the log.
    pub(super) fn write_noted(
        &self,
        writer: &mut Writer,
        author: &Author,
        records: Vec<Alteration>,
        blobs: Vec<Blob>,
        change: &ChangeRecord<'_>,
    ) -> Result<(), ChangeError> {
        self.write_noted_if(writer, author, &[], (records, blobs), change)
    }

    /// The same, where what is expected holds.
    pub(super) fn write_noted_if(
        &self,
        writer: &mut Writer,
        author: &Author,
        expected: &[(&str, Expected)],
        (mut records, blobs): (Vec<Alteration>, Vec<Blob>),
        change: &ChangeRecord<'_>,
    ) -> Result<(), ChangeError> {
        let place = self.place_of_note(writer)?;
        let line = change.line();
        // The last, since a change of more than a transaction takes is made when that is there.
        records.extend(author.claim.as_ref().map(|claim| claim.record(change.at, None)));
        records.push(Alteration::Put { name: note(place), content: line.clone() });
        self.write_if(writer, expected, &records, blobs)?;
        if place > 0 || !self.told(change.kind, &line) {
            writer.unrecorded.push(line);
        }
        Ok(())
    }

    /// Where the next note goes. Whoever makes several transactions asks before the first of them.
    pub(super) fn place_of_note(&self, writer: &mut Writer) -> Result<usize, ChangeError> {
        self.record_rest(writer)?;
        let place = writer.unrecorded.next;
        if place >= MAX_UNRECORDED { Err(ChangeError::Unrecorded) } else { Ok(place) }
    }

    /// Notes a commit of the slots that is about to be made.
    pub(super) fn note_push(
        &self,
        writer: &mut Writer,
        bundle: Digest,
        line: &[u8],
    ) -> Result<(), ChangeError> {
        self.place_of_note(writer)?;
        let content = Pending::record(bundle, line);
        self.write(writer, &[Alteration::Put { name: PUSHED.to_owned(), content }], Vec::new())
    }

    /// Tells the log of a commit of the slots that was made. What it does not take gets a note that the next
    /// push leaves alone.
    pub(super) fn tell_push(&self, writer: &mut Writer, kind: &str, line: Vec<u8>) {
        let place = writer.unrecorded.next;
        if place == 0 && self.told(kind, &line) {
            return;
        }
        let noted = Alteration::Put { name: note(place), content: line.clone() };
        if self.write(writer, &[noted], Vec::new()).is_ok() {
            writer.unrecorded.push(line);
        }
    }

    /// At a start: tells the log of the last commit of the slots, if it stands and a kill kept it out.
    fn record_pushed(&self, writer: &mut Writer) -> Result<(), ChangeError> {
        let Some(noted) = writer.control.read(PUSHED)?.remove(PUSHED) else { return Ok(()) };
        let pending = Pending::read(&noted);
        if pending.stands(&writer.slots) && !self.is_recorded(&pending.line) {
            self.tell_push(writer, "noted", pending.line);
        }
        Ok(())
    }

    /// Tries again to write what the log did not take.
    pub fn record_unrecorded(&self) {
        if let Err(error) = self.record_rest(&mut self.writer.lock()) {
            tracing::warn!(error = &error as &dyn std::error::Error, "notes of recorded changes stay");
        }
    }

    /// Writes what the log did not take, as far as it takes it now.
    fn record_rest(&self, writer: &mut Writer) -> Result<(), ChangeError> {
        if writer.unrecorded.next == 0 {
            return Ok(());
        }
        while let Some(line) = writer.unrecorded.lines.front() {
            if !self.told("noted", line) {
                return Ok(());
            }
            writer.unrecorded.lines.pop_front();
        }
        // The first is where the next change's note goes.
        let rest = (1..writer.unrecorded.next).map(|place| Alteration::Delete { name: note(place) });
        self.write(writer, &rest.collect::<Vec<_>>(), Vec::new())?;
        writer.unrecorded.next = 0;
        Ok(())
    }

    /// Writes what a kill or a full disk kept out of the log. It stays noted, should that fail.
    pub(super) fn record_noted(&self) -> Result<(), ChangeError> {
        let mut writer = self.writer.lock();
        let notes = writer.control.read(NOTE)?;
        for line in notes.values() {
            if !self.is_recorded(line) {
                writer.unrecorded.lines.push_back(line.clone());
            }
        }
        if notes.len() > 1 || !writer.unrecorded.lines.is_empty() {
            writer.unrecorded.next = notes.len();
        }
        self.record_rest(&mut writer)?;
        self.record_pushed(&mut writer)
    }

    /// Whether the log has what was noted; the start says so, if not.
    fn is_recorded(&self, line: &[u8]) -> bool {
        let recorded = self.audit.holds(line).unwrap_or_else(|error| {
            tracing::error!(error = %error, "the audit log could not be searched for the last changes");
            false
        });
        if !recorded {
            tracing::warn!(
                "a change was made and not recorded before the host was stopped or killed; it is now"
            );
        }
        recorded
    }

    /// Sees to it that the next note replaces none that is still needed, for who makes one by other means.
    pub(super) fn recorded_all(&self, writer: &mut Writer) -> Result<(), ChangeError> {
        self.record_rest(writer)?;
        if writer.unrecorded.next > 0 { Err(ChangeError::Unrecorded) } else { Ok(()) }
    }

    /// Tells the log of a change that is noted already.
    pub(super) fn tell_noted(&self, writer: &mut Writer, change: &ChangeRecord<'_>) {
        let line = change.line();
        if !self.told(change.kind, &line) {
            writer.unrecorded.push(line);
        }
    }

    /// Whether the log took it.
    fn told(&self, kind: &str, line: &[u8]) -> bool {
        let appended = self.audit.append_line(line);
        let is_told = appended.is_ok();
        self.appended(kind, appended);
        is_told
    }
}
