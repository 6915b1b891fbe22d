//! A change by API and what the audit log says of it are not one write: the ledger holds the change, and
//! the log its record. So the record is in the change's transaction, too, as a note that the next one
//! takes the place of; a start that does not find it in the log was after a kill in between, and
//! writes it there.

use super::{Author, ChangeError, Host, Writer};
use crate::{audit::ChangeRecord, ledger::Blob, state::Alteration};

/// How many records come along with a change's own: its note, and the key that it was made under.
pub(super) const ALONG: usize = 2;
/// The record of the last change, as a line of the log. An older version of the host passes it over.
const NOTE: &str = "host/noted";

impl Host {
    /// Makes records durable together with what the log is told of them, and tells it. The writer is
    /// held meanwhile, so that no note is replaced before it is in the log.
    pub(super) fn write_noted(
        &self,
        writer: &Writer,
        author: &Author,
        mut records: Vec<Alteration>,
        blobs: Vec<Blob>,
        change: &ChangeRecord<'_>,
    ) -> Result<(), ChangeError> {
        // The last, since a change of more than a transaction takes is made when that is there.
        records.extend(author.claim.as_ref().map(|claim| claim.record(change.at, None)));
        records.push(Alteration::Put { name: NOTE.to_owned(), content: change.line() });
        self.write(writer, &records, blobs)?;
        self.append(change);
        Ok(())
    }

    /// Writes what a kill kept out of the log. It stays noted, should that fail.
    pub(super) fn record_noted(&self) -> Result<(), ChangeError> {
        for line in self.writer.lock().control.read(NOTE)?.values() {
            let recorded = self.audit.holds(line).unwrap_or_else(|error| {
                tracing::error!(error = %error, "the audit log could not be searched for the last change");
                false
            });
            if !recorded {
                tracing::warn!(
                    "the last change was made and not recorded before the host was killed; it is now"
                );
                self.appended("noted", self.audit.append_line(line));
            }
        }
        Ok(())
    }
}
