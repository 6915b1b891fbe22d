//! Who was given what, written before it is given. One JSON object a line, appended to a numbered
//! file under the data directory; a record has reached the kernel when [`Audit::append`] returns,
//! so it survives `kill -9`, and the disk at most [`SYNC_EVERY`] later (or first, when strict).
//!
//! The names of the keys that a boot was given are written once for each set of names and file,
//! as a `keys` record that boots refer to by digest: a boot's own record stays small.

mod batch;
mod log;
mod record;

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::task::yield_now;

use batch::{Gathering, PATIENCE, Part};
use log::Log;
pub use record::{BootId, BootRecord, ChangeRecord, KeySet};

/// How long a record may stay in the kernel before it is on the disk.
pub const SYNC_EVERY: Duration = Duration::from_millis(50);
/// What a batch's memory may keep for the next one, in bytes.
const SPARE_BYTES: usize = 1 << 20;

/// The record could not be written, so nothing may be handed out.
#[derive(Debug, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct AuditUnavailable(#[source] Arc<io::Error>);

/// The audit log.
pub struct Audit {
    strict: bool,
    /// Where records come together. Held for as long as it takes to put one down.
    gathering: Mutex<Gathering>,
    /// Where they are written. Whoever holds it is the writer.
    writing: Mutex<Writing>,
    unsynced: AtomicBool,
    boots: AtomicU64,
    run: u64,
}

struct Writing {
    log: Log,
    /// The memory of the last batch, for the next one.
    spare: Vec<u8>,
}

impl Audit {
    /// Begins a new file in `directory`, and the thread that syncs it. With `strict`, a record is
    /// on the disk before `append` returns.
    ///
    /// # Errors
    /// When the directory or the file cannot be made.
    pub fn open(directory: &Path, strict: bool) -> io::Result<Arc<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let log = Log::begin(directory)?;
        let audit = Arc::new(Self {
            strict,
            run: log.number(),
            gathering: Mutex::default(),
            writing: Mutex::new(Writing { log, spare: Vec::new() }),
            unsynced: AtomicBool::new(false),
            boots: AtomicU64::new(0),
        });
        let weak = Arc::downgrade(&audit);
        std::thread::Builder::new().name("audit-sync".into()).spawn(move || sync_until_dropped(&weak))?;
        Ok(audit)
    }

    /// A boot's id: unique in this data directory, and no draw of randomness on the boot path.
    pub fn next_boot(&self) -> BootId {
        BootId { run: self.run, count: self.boots.fetch_add(1, Ordering::Relaxed) }
    }

    /// Writes a boot's record, together with those of the boots that come with it.
    ///
    /// # Errors
    /// When it could not be handed to the kernel (or, when strict, to the disk).
    pub async fn append(&self, boot: &BootRecord<'_>) -> Result<(), AuditUnavailable> {
        let keys = boot.keys.map(KeySet::line);
        let joined = self.gathering.lock().join(keys, |lines| boot.write(lines));
        if joined.part == Part::Wait {
            return joined.wait(PATIENCE).await;
        }
        let lead = Lead(self);
        if joined.part == Part::WriteSoon {
            yield_now().await;
        }
        drop(lead);
        joined.settled()
    }

    /// Writes the record of a change.
    ///
    /// # Errors
    /// As [`Audit::append`].
    pub fn append_change(&self, change: &ChangeRecord<'_>) -> Result<(), AuditUnavailable> {
        let joined = self.gathering.lock().join(None, |lines| change.write(lines));
        self.flush();
        joined.settled()
    }

    /// Writes the open batch. Whoever joined a batch and then flushed finds it settled: it was
    /// taken by this writer, or by one that had finished before.
    fn flush(&self) {
        let Some(mut writing) = self.writing.try_lock_for(PATIENCE) else {
            let stuck = self.gathering.lock().close(Vec::new());
            return stuck.finish(Err(io::ErrorKind::TimedOut.into()));
        };
        let spare = std::mem::take(&mut writing.spare);
        let mut batch = self.gathering.lock().close(spare);
        if batch.records > 0 {
            let written = writing.log.write(&mut batch);
            let written = written.and_then(|()| if self.strict { writing.log.sync() } else { Ok(()) });
            self.unsynced.fetch_or(written.is_ok() && !self.strict, Ordering::Release);
            batch.finish(written);
        }
        if batch.lines.capacity() <= SPARE_BYTES {
            batch.lines.clear();
            writing.spare = batch.lines;
        }
    }

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// When the disk refuses; the next record then begins a new file.
    pub fn sync(&self) -> io::Result<()> {
        if !self.unsynced.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        // Synced through a second descriptor, so that boots go on writing meanwhile.
        let file = self.writing.lock().log.descriptor();
        let file = file.inspect_err(|_| self.unsynced.store(true, Ordering::Release))?;
        file.sync_data().inspect_err(|_| self.writing.lock().log.broken = true)
    }
}

/// The duty to write a batch. It outlives its boot's client: one that goes away while others join
/// would otherwise leave them waiting for nobody.
struct Lead<'a>(&'a Audit);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let _ = self.sync();
    }
}

fn sync_until_dropped(audit: &Weak<Audit>) {
    while let Some(audit) = audit.upgrade() {
        if let Err(error) = audit.sync() {
            tracing::error!(error = %error, "the audit log could not be synced; a new file is begun");
        }
        drop(audit);
        std::thread::sleep(SYNC_EVERY);
    }
}

#[cfg(test)]
mod tests;
