//! Where a log ends that a host goes on with: the last seal, and what no seal vouches for.

use std::{io, path::Path};

use super::{
    frames::{self, Frames},
    state::Position,
    wire::{self, Unsealed},
};

/// What was found behind the last place that the state remembers.
pub(super) struct Tail {
    pub(super) sealed: Position,
    pub(super) unsealed: Vec<Unsealed>,
    /// Why the log does not go on from where it was.
    pub(super) damage: Option<String>,
}

impl Tail {
    /// Reads on from `sealed`, in all files before `next`.
    pub(super) fn read(directory: &Path, sealed: Position, next: u64) -> io::Result<Self> {
        let mut tail = Self { sealed, unsealed: Vec::new(), damage: None };
        let first = if sealed.bytes > 0 { sealed.file } else { sealed.file + 1 };
        for file in first..next {
            let begun = if file == sealed.file { sealed.bytes } else { 0 };
            match Frames::open(&frames::path(directory, file), begun) {
                Ok(frames) => tail.follow(file, frames)?,
                // A host was killed before it began the file that it had announced.
                Err(error) if error.kind() == io::ErrorKind::NotFound && begun == 0 => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tail.damage = Some(format!("file {file} is missing"));
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    tail.damage = Some(format!("file {file} was cut: it had {begun} bytes"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(tail)
    }

    fn follow(&mut self, file: u64, mut frames: Frames) -> io::Result<()> {
        while let Some(frame) = frames.next()? {
            let Position { seals, lines, chain, .. } = self.sealed;
            let Some(seal) = frame.seal else {
                self.unsealed.push(Unsealed { file, lines: frame.lines, digest: frame.content });
                return Ok(());
            };
            let expected = wire::link(&chain, file, seals + 1, frame.lines, &frame.content);
            if (seal.file, seal.seal, seal.chain) != (file, seals + 1, expected) {
                self.damage = Some(format!("file {file} does not follow seal {seals}"));
                return Ok(());
            }
            // What was found before, this file's beginning tells of.
            self.unsealed.clear();
            self.sealed = Position {
                file,
                bytes: frame.end,
                seals: seals + 1,
                lines: lines + frame.lines,
                chain: expected,
            };
        }
        Ok(())
    }
}
