//! A file of the audit log as it is read: frames of lines, each closed by its seal. Bounded in
//! memory by the longest line.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Take},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::wire::{Notice, Seal};
use crate::id::Digest;

/// The longest line that is read, in bytes. The longest that is written has the names of a boot's
/// keys: less than 900 KiB, since a plan has fewer than 7,000 of up to 128 bytes.
pub(super) const MAX_LINE_BYTES: u64 = 1 << 20;

/// The lines up to a seal, or to the end of the file.
pub(super) struct Frame {
    /// Its first line, counted from 1.
    pub(super) first_line: u64,
    /// How many lines it has before its seal.
    pub(super) lines: u64,
    /// SHA-256 over them.
    pub(super) content: Digest,
    /// Nothing where the file ends without one.
    pub(super) seal: Option<Seal>,
    /// What the log says about itself, with the line's number.
    pub(super) notices: Vec<(u64, Notice)>,
    /// Lines that look like that, and are not.
    pub(super) malformed: Vec<u64>,
    /// Where it ends, in bytes.
    pub(super) end: u64,
}

/// Reads a file's frames in order.
pub(super) struct Frames {
    reader: BufReader<Take<File>>,
    offset: u64,
    line: u64,
}

impl Frames {
    /// Begins at byte `offset`, behind a seal or at the start. What the host writes from now on is
    /// not read: a batch may be there by half.
    pub(super) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let left = file.metadata()?.len().checked_sub(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { reader: BufReader::with_capacity(1 << 16, file.take(left)), offset, line: 0 })
    }

    /// The next frame; nothing at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
        let (first_line, mut content) = (self.line + 1, Sha256::new());
        let (mut notices, mut malformed, mut line) = (Vec::new(), Vec::new(), Vec::new());
        let seal = loop {
            line.clear();
            let read = self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
            if read == 0 {
                break None;
            }
            self.offset += read as u64;
            self.line += 1;
            match Notice::from_line(&line) {
                Some(Notice::Seal(seal)) => break Some(seal),
                Some(notice) => notices.push((self.line, notice)),
                // A line that has no end was torn off.
                None if Notice::is_one(&line) && line.ends_with(b"\n") => malformed.push(self.line),
                None => {}
            }
            content.update(&line);
        };
        let lines = self.line + 1 - first_line - u64::from(seal.is_some());
        if seal.is_none() && lines == 0 {
            return Ok(None);
        }
        let content = Digest(content.finalize().into());
        Ok(Some(Frame { first_line, lines, content, seal, notices, malformed, end: self.offset }))
    }
}

/// The path of a file by its number.
pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.jsonl"))
}

/// Whether `directory` holds files of a log.
///
/// # Errors
/// When it cannot be looked into.
pub fn is_log(directory: &Path) -> io::Result<bool> {
    Ok(!numbers(directory)?.is_empty())
}

/// The numbers of all files, in order.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}
