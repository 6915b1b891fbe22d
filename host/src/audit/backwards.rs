//! A file's lines from its end to its start, a block at a time.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use super::frames::MAX_LINE_BYTES;

const BLOCK_BYTES: u64 = 1 << 16;

/// Reads lines backwards.
pub(super) struct Backwards {
    file: File,
    /// Where `block` begins in the file.
    start: u64,
    /// What was read and not given out yet.
    block: Vec<u8>,
}

impl Backwards {
    /// Begins before byte `end`, which follows a line; nothing means the end of the file.
    pub(super) fn open(path: &Path, end: Option<u64>) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, start: end.map_or(length, |end| end.min(length)), block: Vec::new() })
    }

    /// The line before, without its line feed, and where it begins. What a killed host left
    /// without one is a line, too.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let body = self.block.strip_suffix(b"\n").unwrap_or(&self.block);
            if let Some(feed) = body.iter().rposition(|byte| *byte == b'\n') {
                let line = body[feed + 1..].to_vec();
                self.block.truncate(feed + 1);
                return Ok(Some((self.start + feed as u64 + 1, line)));
            }
            if self.start == 0 {
                let line = body.to_vec();
                let is_empty = self.block.is_empty();
                self.block.clear();
                return Ok((!is_empty).then_some((0, line)));
            }
            if self.block.len() as u64 > MAX_LINE_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any record"));
            }
            let more = self.start.min(BLOCK_BYTES);
            let mut block = vec![0; usize::try_from(more).unwrap_or_default()];
            self.file.read_exact_at(&mut block, self.start - more)?;
            self.start -= more;
            block.append(&mut self.block);
            self.block = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_reverse_whatever_the_blocks_cut() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lines");
        for end in ["", "\n"] {
            let lines: Vec<_> = (1..500).map(|number| "x".repeat(number * 3)).collect();
            std::fs::write(&path, lines.join("\n") + end).unwrap();
            let mut reader = Backwards::open(&path, None).unwrap();
            for expected in lines.iter().rev() {
                let (offset, line) = reader.next().unwrap().unwrap();
                assert_eq!(line, expected.as_bytes());
                let again = Backwards::open(&path, Some(offset + line.len() as u64)).unwrap().next().unwrap();
                assert_eq!(again.unwrap().0, offset);
            }
            assert_eq!(reader.next().unwrap(), None);
        }
    }
}
