//! Who was given what, written before it is given. One JSON object a line, appended to a numbered
//! file under the data directory; a record has reached the kernel when [`Audit::append`] returns,
//! so it survives `kill -9`, and the disk at most [`SYNC_EVERY`] later (or first, when strict).
//!
//! The names of the keys that a boot was given are written once for each set of names and file,
//! as a `keys` record that boots refer to by digest: a boot's own record stays small.

mod record;

use std::{
    collections::HashSet,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

pub use record::{BootId, BootRecord, ChangeRecord, KeySet};

use crate::id::Digest;

/// How long a record may stay in the kernel before it is on the disk.
pub const SYNC_EVERY: Duration = Duration::from_millis(50);
/// How long a boot waits for its turn to write before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);
/// A file is closed and the next one begun after this many bytes.
const FILE_BYTES: u64 = 256 << 20;
/// How long a file that took the place of a broken one is kept at least: a disk that fails must
/// not be filled with files.
const REPLACE_EVERY: Duration = Duration::from_secs(1);

/// The record could not be written, so nothing may be handed out.
#[derive(Debug, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct AuditUnavailable(#[source] io::Error);

/// The audit log.
pub struct Audit {
    directory: PathBuf,
    strict: bool,
    log: Mutex<Log>,
    unsynced: AtomicBool,
    boots: AtomicU64,
    run: u64,
}

struct Log {
    file: File,
    number: u64,
    bytes: u64,
    known: HashSet<Digest>,
    /// Set by a failed write or sync: what the kernel holds is unknown, so a new file is begun.
    broken: bool,
    /// When a new file last took the place of a broken one.
    replaced: Option<Instant>,
}

impl Audit {
    /// Begins a new file in `directory`, and the thread that syncs it. With `strict`, a record is
    /// on the disk before `append` returns.
    ///
    /// # Errors
    /// When the directory or the file cannot be made.
    pub fn open(directory: &Path, strict: bool) -> io::Result<Arc<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let number = last_number(directory)? + 1;
        let file = create(directory, number)?;
        sync_directory(directory)?;
        let log = Log { file, number, bytes: 0, known: HashSet::new(), broken: false, replaced: None };
        let audit = Arc::new(Self {
            directory: directory.to_owned(),
            strict,
            log: Mutex::new(log),
            unsynced: AtomicBool::new(false),
            boots: AtomicU64::new(0),
            run: number,
        });
        let weak = Arc::downgrade(&audit);
        std::thread::Builder::new().name("audit-sync".into()).spawn(move || sync_until_dropped(&weak))?;
        Ok(audit)
    }

    /// A boot's id: unique in this data directory, and no draw of randomness on the boot path.
    pub fn next_boot(&self) -> BootId {
        BootId { run: self.run, count: self.boots.fetch_add(1, Ordering::Relaxed) }
    }

    /// Writes a boot's record.
    ///
    /// # Errors
    /// When it could not be handed to the kernel (or, when strict, to the disk).
    pub fn append(&self, boot: &BootRecord<'_>) -> Result<(), AuditUnavailable> {
        let mut line = Vec::with_capacity(1024);
        boot.write(&mut line);
        self.write(boot.keys, line)
    }

    /// Writes the record of a change.
    ///
    /// # Errors
    /// As [`Audit::append`].
    pub fn append_change(&self, change: &ChangeRecord<'_>) -> Result<(), AuditUnavailable> {
        let mut line = Vec::new();
        change.write(&mut line);
        self.write(None, line)
    }

    /// Writes a finished line: boots wait for each other's writes, not for each other's formatting.
    fn write(&self, keys: Option<&KeySet>, mut line: Vec<u8>) -> Result<(), AuditUnavailable> {
        let busy = || AuditUnavailable(io::ErrorKind::TimedOut.into());
        let mut log = self.log.try_lock_for(PATIENCE).ok_or_else(busy)?;
        if log.broken || log.bytes >= FILE_BYTES {
            log.begin_next(&self.directory).map_err(AuditUnavailable)?;
        }
        let Log { file, bytes, known, broken, .. } = &mut *log;
        if let Some(keys) = keys
            && known.insert(keys.digest)
        {
            let boot = std::mem::take(&mut line);
            keys.write(&mut line);
            line.extend_from_slice(&boot);
        }
        let written =
            file.write_all(&line).and_then(|()| if self.strict { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            *broken = true;
            return Err(AuditUnavailable(error));
        }
        *bytes += line.len() as u64;
        if !self.strict {
            self.unsynced.store(true, Ordering::Release);
        }
        Ok(())
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
        let file = self.log.lock().file.try_clone();
        let file = file.inspect_err(|_| self.unsynced.store(true, Ordering::Release))?;
        file.sync_data().inspect_err(|_| self.log.lock().broken = true)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let _ = self.sync();
    }
}

impl Log {
    /// Goes on in an empty file: the broken one, if it holds no record, or else a new one.
    fn begin_next(&mut self, directory: &Path) -> io::Result<()> {
        // Until the next file is known to last.
        let was_broken = std::mem::replace(&mut self.broken, true);
        let reused = was_broken && self.bytes == 0 && self.file.set_len(0).is_ok();
        if !reused {
            if was_broken && self.replaced.is_some_and(|at| at.elapsed() < REPLACE_EVERY) {
                return Err(io::Error::other("the last file broke less than a second after it was begun"));
            }
            // Nobody syncs the old file from now on. A broken one may refuse for ever.
            let synced = self.file.sync_data();
            if !was_broken {
                synced?;
            }
            self.file = create(directory, self.number + 1)?;
            self.number += 1;
            self.bytes = 0;
            self.replaced = was_broken.then(Instant::now).or(self.replaced);
        }
        self.known.clear();
        sync_directory(directory)?;
        self.broken = false;
        Ok(())
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

fn create(directory: &Path, number: u64) -> io::Result<File> {
    let path = directory.join(format!("{number:08}.jsonl"));
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// A file whose name is not on the disk is lost with the power, however well it was synced.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn last_number(directory: &Path) -> io::Result<u64> {
    let mut last = 0;
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UnixSeconds;

    fn append(audit: &Audit) -> bool {
        let details = serde_json::Value::Null;
        let record =
            ChangeRecord { at: UnixSeconds(0), kind: "start", outcome: "done", principal: "host", details };
        audit.append_change(&record).is_ok()
    }

    fn files(directory: &Path) -> usize {
        std::fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn a_broken_file_without_a_record_is_used_again() {
        let place = tempfile::tempdir().unwrap();
        let audit = Audit::open(place.path(), true).unwrap();
        audit.log.lock().file.write_all(b"half a rec").unwrap();
        audit.log.lock().broken = true;
        assert!(append(&audit));
        assert_eq!(files(place.path()), 1);
        let text = std::fs::read_to_string(place.path().join("00000001.jsonl")).unwrap();
        assert!(text.starts_with('{') && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn a_failing_disk_is_not_filled_with_files() {
        let place = tempfile::tempdir().unwrap();
        let audit = Audit::open(place.path(), false).unwrap();
        let broken = |audit: &Audit| {
            audit.log.lock().broken = true;
            append(audit)
        };
        assert!(append(&audit) && broken(&audit), "the first break costs no record");
        assert_eq!([broken(&audit), broken(&audit), append(&audit)], [false; 3]);
        assert_eq!(files(place.path()), 2);
    }
}
