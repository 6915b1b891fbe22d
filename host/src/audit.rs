//! Who was given what, written before it is given. One JSON object a line, appended to a numbered
//! file under the data directory; a record has reached the kernel when [`Audit::append`] returns,
//! so it survives `kill -9`, and the disk at most [`SYNC_EVERY`] later (or first, when strict).
//!
//! What a boot was given (the names of its keys, the digests of its plan, policies and answer) is
//! written once for each file, as a record that boots refer to by its id: a boot's own stays small.

mod backwards;
mod batch;
mod checkpoint;
mod frames;
mod log;
mod query;
mod record;
mod recorded;
mod retention;
mod state;
mod tail;
mod verify;
mod wire;

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::yield_now;

use backwards::Backwards;
use batch::{Batch, Gathering, PATIENCE, Part};
pub use checkpoint::{InvalidCheckpoint, KeptCheckpoint};
pub use frames::is_log;
use log::Log;
pub use query::{Cursor, InvalidCursor, MAX_PAGE, Query, RecordPage, newest_checkpoint};
pub use record::{BootId, BootRecord, ChangeRecord, Given, listed, reason};
pub use recorded::RecordedBoot;
use state::StateFile;
pub use verify::{Finding, Report, Verifier, Wrong};

use crate::{clock::Clock, durable::write_durably, keyring::AuditKey, signing::VerifyingKey};

/// How long a record may stay in the kernel before it is on the disk.
pub const SYNC_EVERY: Duration = Duration::from_millis(50);
/// How often a log that grows says how far it has come.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How often files that aged out are looked for.
const RETAIN_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long records are kept, in days.
pub const RETENTION_DAYS: u32 = 90;

/// How much of the log a start looks through for the last change: a change's record follows it at
/// once, and no boots that fill this come in between.
const LOOK_BYTES: u64 = 16 << 20;

/// The record could not be written, so nothing may be handed out.
#[derive(Debug, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct AuditUnavailable(#[source] Arc<io::Error>);

/// Why the log cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum AuditDamaged {
    /// What the chain goes on with is lost.
    #[error(
        "the audit log's state is damaged: restore audit.state, or move it and the directory audit away \
         to begin a new chain"
    )]
    State,
    /// A file could not be read or made.
    #[error("the audit log cannot be begun")]
    Io(#[from] io::Error),
}

/// How the log is kept.
pub struct AuditSettings {
    /// The data directory.
    pub data: PathBuf,
    /// Whether a record is on the disk before `append` returns.
    pub strict: bool,
    /// How long records are kept, in days; files go once all of theirs are older.
    pub retention_days: u32,
    /// What time it is.
    pub clock: Clock,
}

/// The audit log.
pub struct Audit {
    directory: PathBuf,
    settings: AuditSettings,
    /// Where records come together. Held for as long as it takes to put one down.
    gathering: Mutex<Gathering>,
    /// Where they are written. Whoever holds it is the writer.
    writing: Mutex<Writing>,
    state: Arc<Mutex<StateFile>>,
    unsynced: AtomicBool,
    /// Held until what is written so far is on the disk.
    syncing: Mutex<()>,
    boots: AtomicU64,
    run: u64,
}

struct Writing {
    log: Log,
    /// The last batch, whose memory the next one takes.
    spare: Batch,
}

impl Audit {
    /// Goes on with the log in a new file, and begins the thread that seals and syncs it.
    ///
    /// # Errors
    /// When a file cannot be made, or what the chain goes on with is lost.
    pub fn open(settings: AuditSettings, key: AuditKey) -> Result<Arc<Self>, AuditDamaged> {
        let directory = settings.data.join("audit");
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let last = frames::numbers(&directory)?.last().copied().unwrap_or(0);
        let signer = key.signer();
        publish(&settings.data.join("audit.signer"), &signer.verifying_key())?;
        let state = StateFile::open(&settings.data, key, last)?;
        for path in state::verifiers_left(&settings.data)? {
            let path = path.display();
            tracing::warn!(%path, "move the audit log's first key away: who finds it can rewrite the log");
        }
        let state = Arc::new(Mutex::new(state));
        let log = Log::begin(&directory, Arc::clone(&state), signer, settings.clock.clone())?;
        let audit = Arc::new(Self {
            run: log.number(),
            directory,
            settings,
            gathering: Mutex::default(),
            writing: Mutex::new(Writing { log, spare: Batch::default() }),
            state,
            unsynced: AtomicBool::new(false),
            syncing: Mutex::default(),
            boots: AtomicU64::new(0),
        });
        let weak = Arc::downgrade(&audit);
        std::thread::Builder::new().name("audit-sync".into()).spawn(move || keep_until_dropped(&weak))?;
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
        let given = boot.given.map(Given::line);
        let joined = self.gathering.lock().join(given, |lines| boot.write(lines));
        if joined.part == Part::Wait {
            return joined.wait(PATIENCE, || self.flush_if_free()).await;
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
        self.append_line(&change.line())
    }

    /// Writes a change's line as it stands.
    ///
    /// # Errors
    /// As [`Audit::append`].
    pub fn append_line(&self, line: &[u8]) -> Result<(), AuditUnavailable> {
        let joined = self.gathering.lock().join(None, |lines| lines.extend_from_slice(line));
        self.flush();
        joined.settled()
    }

    /// Whether the log has the line of the last change. Of a log that grew by more than
    /// `LOOK_BYTES` since then the host was alive to write it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn holds(&self, line: &[u8]) -> io::Result<bool> {
        let (line, mut read) = (line.strip_suffix(b"\n").unwrap_or(line), 0);
        for number in frames::numbers(&self.directory)?.into_iter().rev() {
            let mut lines = Backwards::open(&frames::path(&self.directory, number), None)?;
            while let Some((_, found)) = lines.next()? {
                read += found.len() as u64 + 1;
                if found == line || read > LOOK_BYTES {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Writes the open batch. Whoever joined a batch and then flushed finds it settled: it was
    /// taken by this writer, or by one that had finished before.
    fn flush(&self) {
        let Some(writing) = self.writing.try_lock_for(PATIENCE) else {
            let stuck = self.gathering.lock().close(Batch::default());
            return stuck.finish(Err(io::ErrorKind::TimedOut.into()));
        };
        self.write(writing);
    }

    /// The same if nobody writes now.
    fn flush_if_free(&self) {
        if let Some(writing) = self.writing.try_lock() {
            self.write(writing);
        }
    }

    fn write(&self, mut writing: MutexGuard<'_, Writing>) {
        let spare = std::mem::take(&mut writing.spare);
        let mut batch = self.gathering.lock().close(spare);
        if batch.records > 0 {
            let written = writing.log.write(&mut batch);
            let strict = self.settings.strict;
            let written = written.and_then(|()| if strict { writing.log.seal_and_sync() } else { Ok(()) });
            self.unsynced.fetch_or(written.is_ok() && !strict, Ordering::Release);
            batch.finish(written);
        }
        writing.spare = batch;
    }

    /// Seals everything written so far and brings it to the disk.
    ///
    /// # Errors
    /// When the disk refuses; the next record then begins a new file.
    pub fn sync(&self) -> io::Result<()> {
        // Another may have begun, and what it took on is not on the disk before it is done.
        let _turn = self.syncing.lock();
        if !self.unsynced.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        // Synced through a second descriptor, so that boots go on writing meanwhile.
        let file = {
            let mut writing = self.writing.lock();
            writing.log.seal().and_then(|()| writing.log.descriptor())
        };
        let file = file.inspect_err(|_| self.unsynced.store(true, Ordering::Release))?;
        file.sync_data().inspect_err(|_| self.writing.lock().log.broken = true)
    }

    /// The newest records before `cursor`, at most `limit` of them.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn page(&self, query: &Query, cursor: Option<Cursor>, limit: usize) -> io::Result<RecordPage> {
        query.page(&self.directory, cursor, limit)
    }

    /// Signs how far the log has come, and remembers it: what is cut off before a restart is
    /// missed by it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn checkpoint(&self) -> io::Result<()> {
        let sealed = {
            let mut writing = self.writing.lock();
            writing.log.checkpoint()?;
            writing.log.sealed()
        };
        self.unsynced.store(true, Ordering::Release);
        self.sync()?;
        self.state.lock().remember(sealed)
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
        let _ = self.checkpoint();
    }
}

/// Whose checkpoints the log's are, for whoever verifies.
fn publish(path: &Path, signer: &VerifyingKey) -> io::Result<()> {
    let text = format!("{signer}\n");
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    write_durably(path, text.as_bytes())
}

/// Life in the background: sync and seal at every turn, now and then a checkpoint and retention.
fn keep_until_dropped(audit: &Weak<Audit>) {
    let (mut checkpoint, mut retain) = (Instant::now(), None::<Instant>);
    while let Some(audit) = audit.upgrade() {
        if let Err(error) = audit.sync() {
            tracing::error!(error = %error, "the audit log could not be synced; a new file is begun");
        }
        if checkpoint.elapsed() >= CHECKPOINT_EVERY {
            checkpoint = Instant::now();
            if let Err(error) = audit.checkpoint() {
                tracing::error!(error = %error, "the audit log's checkpoint could not be written");
            }
        }
        if retain.is_none_or(|at| at.elapsed() >= RETAIN_EVERY) {
            retain = Some(Instant::now());
            if let Err(error) = audit.retain() {
                tracing::error!(error = %error, "old audit files could not be removed");
            }
        }
        drop(audit);
        std::thread::sleep(SYNC_EVERY);
    }
}

#[cfg(test)]
mod tests;
