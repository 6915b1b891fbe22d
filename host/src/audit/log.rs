//! The files of the audit log: one is written to, and another is begun when it is full or broken.
//! What was written is sealed when it is brought to the disk.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::{
    batch::Batch,
    frames,
    state::{Position, StateFile},
    tail::Tail,
    wire::{self, Checkpoint, FORMAT, Header, Notice, Seal},
};
use crate::{
    clock::Clock,
    durable::sync_directory,
    id::Digest,
    keyring::SealKey,
    signing::{AuditSigner, Statement},
};

/// A file is closed and the next one begun after this many bytes, or seconds: files are what
/// retention removes.
const FILE_BYTES: u64 = 256 << 20;
const FILE_SECONDS: i64 = 24 * 60 * 60;
/// What was given is told again after so many bytes of a file, so that nobody has to look far back for it,
/// or when there are more different answers.
pub(super) const TOLD_WITHIN: u64 = 8 << 20;
const MAX_KNOWN: usize = 1 << 16;
/// How long a file that took the place of a broken one is kept at least: a disk that fails must
/// not be filled with files.
const REPLACE_EVERY: Duration = Duration::from_secs(1);

/// The file that is written to.
pub(super) struct Log {
    directory: PathBuf,
    clock: Clock,
    signer: AuditSigner,
    state: Arc<Mutex<StateFile>>,
    file: File,
    number: u64,
    began: i64,
    bytes: u64,
    key: SealKey,
    sealed: Position,
    /// What was written since the last seal.
    content: Sha256,
    lines: u64,
    /// Whether there are records among it.
    unsealed: bool,
    /// The number of the seal that the last checkpoint tells of.
    told: u64,
    /// What the file tells of what was given.
    known: HashSet<[u8; 16]>,
    /// Where in the file it began to tell that.
    told_from: u64,
    /// Set by a failed write or sync: what the kernel holds is unknown, so a new file is begun.
    pub(super) broken: bool,
    /// When a new file last took the place of a broken one.
    replaced: Option<Instant>,
}

impl Log {
    /// Begins the next file in `directory`.
    pub(super) fn begin(
        directory: &Path,
        state: Arc<Mutex<StateFile>>,
        signer: AuditSigner,
        clock: Clock,
    ) -> io::Result<Self> {
        let sealed = state.lock().sealed;
        let Begun { file, number, key, tail } = begin(directory, &mut state.lock(), sealed)?;
        let mut log = Self {
            directory: directory.to_owned(),
            clock,
            signer,
            state,
            file,
            number,
            began: 0,
            bytes: 0,
            key,
            sealed: tail.sealed,
            content: Sha256::new(),
            lines: 0,
            unsealed: false,
            told: 0,
            known: HashSet::new(),
            told_from: 0,
            broken: false,
            replaced: None,
        };
        log.head(tail)?;
        Ok(log)
    }

    /// The number of the file that is written to.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Hands a batch to the kernel.
    pub(super) fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        let is_old = self.clock.now().0 - self.began >= FILE_SECONDS;
        if self.broken || is_old || self.bytes >= FILE_BYTES {
            self.begin_next()?;
        }
        let (mut names, mut lines) = (Vec::new(), batch.records);
        if self.known.len() >= MAX_KNOWN || self.bytes - self.told_from >= TOLD_WITHIN {
            self.known.clear();
            self.told_from = self.bytes;
        }
        for given in batch.given.drain(..) {
            if self.known.insert(given.id) {
                names.extend_from_slice(&given.line);
                lines += 1;
            }
        }
        // In one write, so that no boot stands before what tells what it was given.
        batch.lines.splice(0..0, names);
        self.put(&batch.lines, lines)?;
        self.unsealed = true;
        Ok(())
    }

    /// Closes what was written since the last seal with a seal of its own.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        if !self.unsealed || self.broken {
            return Ok(());
        }
        let (line, sealed) = self.next_seal();
        self.put(&line, 0)?;
        self.sealed = Position { bytes: self.bytes, ..sealed };
        (self.content, self.lines, self.unsealed) = (Sha256::new(), 0, false);
        Ok(())
    }

    /// Signs how far the log has come, and says so in it.
    pub(super) fn checkpoint(&mut self) -> io::Result<()> {
        self.seal()?;
        if self.told == self.sealed.seals || self.broken {
            return Ok(());
        }
        let Position { file, seals, lines, chain, .. } = self.sealed;
        let mut checkpoint = Checkpoint {
            at: self.clock.now().0,
            file,
            seal: seals,
            lines,
            chain,
            signer: self.signer.verifying_key().id().to_string(),
            signature: String::new(),
        };
        let signature = self.signer.sign(Statement::AuditCheckpoint, &checkpoint.signed());
        checkpoint.signature = hex::encode(signature.0);
        self.put(&Notice::Checkpoint(checkpoint).to_line(), 1)?;
        self.told = seals;
        Ok(())
    }

    /// Up to where the log is sealed.
    pub(super) fn sealed(&self) -> Position {
        self.sealed
    }

    /// Brings what was written to the disk, sealed.
    pub(super) fn seal_and_sync(&mut self) -> io::Result<()> {
        self.seal()?;
        self.file.sync_data().inspect_err(|_| self.broken = true)
    }

    /// A second descriptor of the file, so that it can be synced while others write.
    pub(super) fn descriptor(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    fn put(&mut self, bytes: &[u8], lines: u64) -> io::Result<()> {
        self.file.write_all(bytes).inspect_err(|_| self.broken = true)?;
        self.bytes += bytes.len() as u64;
        self.content.update(bytes);
        self.lines += lines;
        Ok(())
    }

    fn next_seal(&mut self) -> (Vec<u8>, Position) {
        let content = Digest(std::mem::take(&mut self.content).finalize().into());
        let (file, seal, lines) = (self.number, self.sealed.seals + 1, self.lines);
        let chain = wire::link(&self.sealed.chain, file, seal, lines, &content);
        let tag = hex::encode(self.key.tag(&chain).0);
        let line = Notice::Seal(Seal { file, seal, lines, chain, tag }).to_line();
        (line, Position { file, bytes: 0, seals: seal, lines: self.sealed.lines + lines, chain })
    }

    /// Goes on in a new file.
    fn begin_next(&mut self) -> io::Result<()> {
        // Until the next file is known to last.
        let was_broken = std::mem::replace(&mut self.broken, true);
        if was_broken && self.replaced.is_some_and(|at| at.elapsed() < REPLACE_EVERY) {
            return Err(io::Error::other("the last file broke less than a second after it was begun"));
        }
        if !was_broken {
            self.broken = false;
            self.checkpoint()?;
            self.broken = true;
        }
        // Nobody syncs the old file from now on. A broken one may refuse for ever.
        let synced = self.file.sync_data();
        if !was_broken {
            synced?;
        }
        let Begun { file, number, key, tail } = begin(&self.directory, &mut self.state.lock(), self.sealed)?;
        (self.file, self.number, self.key, self.bytes) = (file, number, key, 0);
        (self.sealed, self.content, self.lines) = (tail.sealed, Sha256::new(), 0);
        self.replaced = was_broken.then(Instant::now).or(self.replaced);
        self.known.clear();
        self.told_from = 0;
        self.head(tail)
    }

    /// Writes what a file begins with, and its seal, at once: a host that is killed again and
    /// again leaves no more unsealed each time.
    fn head(&mut self, found: Tail) -> io::Result<()> {
        self.broken = true;
        self.began = self.clock.now().0;
        let header = Notice::File(Header {
            format: FORMAT,
            file: self.number,
            at: self.began,
            before: if found.sealed.seals > 0 { found.sealed.file } else { 0 },
            seals: found.sealed.seals,
            lines: found.sealed.lines,
            chain: found.sealed.chain,
            unsealed: found.unsealed,
            damage: found.damage,
        });
        let mut line = header.to_line();
        self.content.update(&line);
        self.lines = 1;
        let (seal, sealed) = self.next_seal();
        line.extend_from_slice(&seal);
        self.put(&line, 0)?;
        (self.content, self.lines, self.unsealed) = (Sha256::new(), 0, false);
        self.sealed = Position { bytes: self.bytes, ..sealed };
        self.broken = false;
        Ok(())
    }
}

struct Begun {
    file: File,
    number: u64,
    key: SealKey,
    tail: Tail,
}

/// Makes the next file. Its key is taken from the disk first: whatever happens next, nobody finds
/// there what makes its seals.
fn begin(directory: &Path, state: &mut StateFile, sealed: Position) -> io::Result<Begun> {
    let tail = Tail::read(directory, sealed, state.next)?;
    if let Some(damage) = &tail.damage {
        tracing::error!(damage, "the audit log does not end where it was sealed");
    }
    let (number, key) = state.take_key(tail.sealed)?;
    let path = frames::path(directory, number);
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    sync_directory(directory)?;
    Ok(Begun { file, number, key: key.first_seal(), tail })
}
