//! The files of the audit log: one is written to, and another is begun when it is full or broken.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::batch::Batch;
use crate::id::Digest;

/// A file is closed and the next one begun after this many bytes.
const FILE_BYTES: u64 = 256 << 20;
/// How long a file that took the place of a broken one is kept at least: a disk that fails must
/// not be filled with files.
const REPLACE_EVERY: Duration = Duration::from_secs(1);

/// The file that is written to.
pub(super) struct Log {
    directory: PathBuf,
    file: File,
    number: u64,
    bytes: u64,
    /// The sets of keys that the file tells the names of.
    known: HashSet<Digest>,
    /// Set by a failed write or sync: what the kernel holds is unknown, so a new file is begun.
    pub(super) broken: bool,
    /// When a new file last took the place of a broken one.
    replaced: Option<Instant>,
}

impl Log {
    /// Begins the next file in `directory`.
    pub(super) fn begin(directory: &Path) -> io::Result<Self> {
        let number = last_number(directory)? + 1;
        let file = create(directory, number)?;
        sync_directory(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            file,
            number,
            bytes: 0,
            known: HashSet::new(),
            broken: false,
            replaced: None,
        })
    }

    /// The number of the file that is written to.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Hands a batch to the kernel.
    pub(super) fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        if self.broken || self.bytes >= FILE_BYTES {
            self.begin_next()?;
        }
        let mut names = Vec::new();
        for keys in batch.keys.drain(..) {
            if self.known.insert(keys.digest) {
                names.extend_from_slice(&keys.line);
            }
        }
        // In one write, so that no boot stands before the names of its keys.
        batch.lines.splice(0..0, names);
        self.file.write_all(&batch.lines).inspect_err(|_| self.broken = true)?;
        self.bytes += batch.lines.len() as u64;
        Ok(())
    }

    /// Brings what was written to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|_| self.broken = true)
    }

    /// A second descriptor of the file, so that it can be synced while others write.
    pub(super) fn descriptor(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Goes on in an empty file: the broken one, if it holds no record, or else a new one.
    fn begin_next(&mut self) -> io::Result<()> {
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
            self.file = create(&self.directory, self.number + 1)?;
            self.number += 1;
            self.bytes = 0;
            self.replaced = was_broken.then(Instant::now).or(self.replaced);
        }
        self.known.clear();
        sync_directory(&self.directory)?;
        self.broken = false;
        Ok(())
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
