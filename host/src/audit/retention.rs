//! Old files go as a whole, the oldest first, once their last record has aged out. That they were
//! removed is recorded before they are, with where the log stood at their end, so that a verifier
//! can tell retention from a file that somebody took away.

use std::{fs, io};

use super::{
    Audit,
    batch::Joined,
    frames::{self, Frames},
    wire::{Header, Notice, Removed},
};
use crate::durable::sync_directory;

/// Files that are removed in one go at most: the rest waits for the next time.
const AT_ONCE: usize = 64;

impl Audit {
    /// Removes the files that have aged out, and gives how many there were.
    ///
    /// # Errors
    /// When the removal cannot be recorded, or the disk refuses.
    pub fn retain(&self) -> io::Result<usize> {
        let now = self.settings.clock.now().0;
        let oldest = now - i64::from(self.settings.retention_days) * 24 * 60 * 60;
        let mut aged = Vec::new();
        let numbers = frames::numbers(&self.directory)?;
        for (place, file) in numbers.iter().copied().enumerate().take(AT_ONCE) {
            // A file ended when the next one was begun.
            let Some(next) = self.first_header(&numbers[place + 1..])? else { break };
            if next.at >= oldest {
                break;
            }
            let Header { at: until, seals, chain, .. } = next;
            aged.push(Removed { at: now, file, until, seals, chain });
        }
        if aged.is_empty() {
            return Ok(0);
        }
        self.append_notices(aged.iter().cloned().map(Notice::Removed))?;
        for removed in &aged {
            fs::remove_file(frames::path(&self.directory, removed.file))?;
            tracing::info!(file = removed.file, "an audit file has aged out and was removed");
        }
        sync_directory(&self.directory)?;
        Ok(aged.len())
    }

    /// What the first of these files begins with that begins with anything: a host that was killed, or
    /// whose disk was full, leaves files that do not.
    fn first_header(&self, numbers: &[u64]) -> io::Result<Option<Header>> {
        for number in numbers {
            if let Some(header) = header(&frames::path(&self.directory, *number))? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Writes lines about the log itself, and waits until they are sealed and on the disk.
    fn append_notices(&self, notices: impl Iterator<Item = Notice>) -> io::Result<()> {
        let join = |notice: Notice| {
            let line = notice.to_line();
            self.gathering.lock().join(None, |lines| lines.extend_from_slice(&line))
        };
        let joined: Vec<_> = notices.map(join).collect();
        self.flush();
        joined.iter().try_for_each(Joined::settled).map_err(io::Error::other)?;
        self.sync()
    }
}

/// What a file begins with; nothing in files of before the chain.
pub(super) fn header(path: &std::path::Path) -> io::Result<Option<Header>> {
    let first = Frames::open(path, 0)?.next()?;
    Ok(first.and_then(|frame| match frame.notices.into_iter().next() {
        Some((1, Notice::File(header))) => Some(header),
        _ => None,
    }))
}
