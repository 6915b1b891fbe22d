//! Records that are made durable, and what follows from what the ledger answers.

use super::{ChangeError, Host, Writer};
use crate::{
    control::{ControlError, Expected},
    ledger::{Blob, LedgerError},
    state::Alteration,
};

impl Host {
    /// Makes records durable.
    pub(super) fn write(
        &self,
        writer: &Writer,
        records: &[Alteration],
        blobs: Vec<Blob>,
    ) -> Result<(), ChangeError> {
        self.write_if(writer, &[], records, blobs)
    }

    /// The same, where what is expected holds.
    pub(super) fn write_if(
        &self,
        writer: &Writer,
        expected: &[(&str, Expected)],
        records: &[Alteration],
        blobs: Vec<Blob>,
    ) -> Result<(), ChangeError> {
        if writer.unsettled {
            return Err(ControlError::Ledger(LedgerError::Stopped).into());
        }
        match self.told_by_ledger(writer.control.change_with(expected, records, blobs)) {
            Err(ControlError::Ledger(LedgerError::OverLimit(limit))) => {
                Err(ChangeError::Invalid(vec![limit.to_string()]))
            }
            written => Ok(written?),
        }
    }

    /// What the ledger answered to a write; nothing more is written to one that is in doubt.
    pub(super) fn told_by_ledger<T>(&self, answer: Result<T, ControlError>) -> Result<T, ControlError> {
        answer.inspect_err(|error| self.doubt_after(error))
    }

    /// The same of a write that came with others.
    pub(super) fn told_of_ledger<T>(&self, answer: Result<T, ChangeError>) -> Result<T, ChangeError> {
        answer.inspect_err(|error| {
            if let ChangeError::Ledger(error) = error {
                self.doubt_after(error);
            }
        })
    }

    fn doubt_after(&self, error: &ControlError) {
        if let ControlError::Ledger(LedgerError::Unknown(_) | LedgerError::Stopped) = error {
            self.doubt_ledger(error.to_string());
        }
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
