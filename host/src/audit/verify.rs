//! Whether a log is what a host wrote: every line sealed, every seal in its place, every file
//! there, or removed by retention. What is wrong is named by file and line, and reading goes on
//! behind it, so that one edit is one finding.

mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

pub use report::{Finding, Report, Wrong};

use super::{
    checkpoint::KeptCheckpoint,
    frames::{self, Frame, Frames},
    wire::{self, Checkpoint, Header, Notice, Seal, Unsealed, is_read},
};
use crate::{
    id::Digest,
    keyring::{ChainKey, SealKey, VerifierKey},
    signing::VerifyingKey,
};

/// Files that a key is followed over at most: at one a day, more than 2,000 years.
const MAX_FILES: u64 = 1 << 20;

/// What a verifier knows. With nothing of it, only what is out of step with itself is found:
/// whoever may write the log could make it in step again.
#[derive(Default)]
pub struct Verifier {
    /// The key that the chain began with: makes every seal's tag checkable.
    pub key: Option<VerifierKey>,
    /// Whose checkpoints count.
    pub signer: Option<VerifyingKey>,
    /// Checkpoints that were kept elsewhere.
    pub kept: Vec<KeptCheckpoint>,
}

impl Verifier {
    /// Reads the whole log in `directory`.
    ///
    /// # Errors
    /// When it cannot be read; what is wrong with it is in the report.
    pub fn verify(&self, directory: &Path) -> io::Result<Report> {
        let mut walk = Walk::new(self);
        for number in frames::numbers(directory)? {
            match Frames::open(&frames::path(directory, number), 0) {
                Ok(frames) => walk.file(number, frames)?,
                // Retention removed it meanwhile, as the log will tell further on.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(walk.finish())
    }
}

/// Where the log stands, as far as it was read.
struct Walk<'a> {
    verifier: &'a Verifier,
    report: Report,
    begun: bool,
    file: u64,
    seals: u64,
    chain: Digest,
    /// Ends of files that no seal vouches for yet.
    unsealed: Vec<Unsealed>,
    /// The key of a file to come, and its number.
    next_key: Option<(u64, ChainKey)>,
    /// The key of this file's next seal, and the seal's number.
    seal_key: Option<(u64, SealKey)>,
    /// Files that are not there, and what the next one says about their end.
    missing: Vec<(u64, u64, Digest)>,
    removed: BTreeSet<(u64, u64, Digest)>,
    kept: BTreeMap<u64, Vec<&'a Checkpoint>>,
}

impl<'a> Walk<'a> {
    fn new(verifier: &'a Verifier) -> Self {
        let mut kept: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut report = Report::default();
        for checkpoint in &verifier.kept {
            let checkpoint = &checkpoint.0;
            if verifier.signer.as_ref().is_some_and(|signer| !checkpoint.is_by(signer)) {
                report.add(checkpoint.file, None, Wrong::KeptForged { seal: checkpoint.seal });
            } else {
                kept.entry(checkpoint.seal).or_default().push(checkpoint);
            }
        }
        Self {
            verifier,
            report,
            begun: false,
            file: 0,
            seals: 0,
            chain: Digest([0; 32]),
            unsealed: Vec::new(),
            next_key: verifier.key.as_ref().map(|key| (key.first, key.begin())),
            seal_key: None,
            missing: Vec::new(),
            removed: BTreeSet::new(),
            kept,
        }
    }

    fn file(&mut self, number: u64, mut frames: Frames) -> io::Result<()> {
        self.report.files += 1;
        // A host that was killed before its first write leaves an empty file.
        let Some(mut first) = frames.next()? else { return Ok(()) };
        match first.notices.first() {
            Some((1, Notice::File(header)))
                if first.seal.is_some() && header.file == number && is_read(header.format) =>
            {
                let header = header.clone();
                first.notices.remove(0);
                self.begin(number, header);
            }
            None if first.seal.is_none() && self.is_before_the_chain(number) => {
                self.report.unchained += 1;
                return Ok(());
            }
            // Or one whose beginning is torn; the next file tells of it.
            _ if first.seal.is_none() => {}
            _ => {
                self.report.add(number, Some(1), Wrong::NoBeginning);
                self.begin_at(number, first.seal.as_ref());
                return self.rest(number, frames);
            }
        }
        self.frame(number, &first);
        self.rest(number, frames)
    }

    fn rest(&mut self, number: u64, mut frames: Frames) -> io::Result<()> {
        while let Some(frame) = frames.next()? {
            self.frame(number, &frame);
        }
        Ok(())
    }

    /// A log of before the chain is vouched for by nobody.
    fn is_before_the_chain(&self, number: u64) -> bool {
        !self.begun && self.verifier.key.as_ref().is_none_or(|key| number < key.first)
    }

    fn begin(&mut self, number: u64, header: Header) {
        self.seal_key = self.key_of(number).map(|key| (header.seals + 1, key));
        let claimed = (header.before, header.seals, header.chain);
        let found = if self.begun { self.file } else { 0 };
        let begins = header.before == 0 && self.verifier.key.as_ref().is_none_or(|key| key.first == number);
        if !self.begun && begins {
            // The chain's first file.
        } else if header.before > found {
            self.missing.push(claimed);
        } else if header.before < found {
            self.report.add(number, Some(1), Wrong::OtherChain { after: found });
        } else if header.seals > self.seals {
            self.report.add(found, None, Wrong::CutOff { has: self.seals, had: header.seals });
        } else if (header.seals, header.chain) != (self.seals, self.chain) {
            self.report.add(found, None, Wrong::OtherEnd { by: number });
        }
        let there = std::mem::take(&mut self.unsealed);
        // Of the end of a file that is there, a file that is missing would tell.
        if self.begun && header.before <= found {
            self.compare_ends(number, &there, &header.unsealed);
        }
        if let Some(damage) = header.damage {
            self.report.add(number, Some(1), Wrong::FoundDamaged { damage });
        }
        (self.begun, self.file, self.seals, self.chain) = (true, number, header.seals, header.chain);
    }

    /// Compares what no seal vouched for with what the next file says was there.
    fn compare_ends(&mut self, number: u64, there: &[Unsealed], told: &[Unsealed]) {
        for unsealed in there.iter().filter(|one| !told.contains(one)) {
            self.report.add(unsealed.file, None, Wrong::Unsealed { lines: unsealed.lines });
        }
        for unsealed in told.iter().filter(|one| !there.contains(one)) {
            self.report.add(unsealed.file, None, Wrong::OtherEnd { by: number });
        }
        if !self.report.closed {
            let vouched_for = there.iter().filter(|one| told.contains(one));
            self.report.killed += vouched_for.map(|unsealed| unsealed.lines).sum::<u64>();
        }
    }

    /// Goes on behind a beginning that cannot be believed.
    fn begin_at(&mut self, number: u64, seal: Option<&Seal>) {
        self.unsealed.clear();
        let Some(seal) = seal else { return };
        self.seal_key = self.key_of(number).map(|key| (seal.seal, key));
        let _ = self.tag_of(seal);
        (self.begun, self.file, self.seals, self.chain) = (true, number, seal.seal, seal.chain);
    }

    fn frame(&mut self, number: u64, frame: &Frame) {
        self.report.lines += frame.lines;
        for &line in &frame.malformed {
            self.report.add(number, Some(line), Wrong::Malformed);
        }
        for (line, notice) in &frame.notices {
            self.notice(number, *line, notice);
        }
        match &frame.seal {
            Some(seal) => self.seal(number, frame, seal),
            None => {
                self.unsealed.push(Unsealed { file: number, lines: frame.lines, digest: frame.content });
                let closing = matches!(frame.notices.last(), Some((_, Notice::Checkpoint(_))));
                self.report.closed = closing && frame.lines == 1;
            }
        }
    }

    fn seal(&mut self, number: u64, frame: &Frame, seal: &Seal) {
        let line = frame.first_line + frame.lines;
        let chain = wire::link(&self.chain, number, self.seals + 1, frame.lines, &frame.content);
        if (seal.file, seal.seal) != (number, self.seals + 1) {
            self.report.add(number, Some(line), Wrong::OutOfOrder { seal: seal.seal, after: self.seals });
        } else if (seal.lines, seal.chain) != (frame.lines, chain) {
            let lines = (frame.first_line, line.saturating_sub(1), seal.lines);
            self.report.add(number, Some(frame.first_line), Wrong::Changed { seal: seal.seal, lines });
        }
        if self.tag_of(seal).is_some_and(|tag| tag != seal.tag) {
            self.report.add(number, Some(line), Wrong::Forged { seal: seal.seal });
        }
        for kept in self.kept.remove(&seal.seal).unwrap_or_default() {
            if kept.chain != seal.chain {
                self.report.add(number, Some(line), Wrong::NotAsKept { seal: seal.seal });
            }
        }
        (self.file, self.seals, self.chain) = (number, seal.seal, seal.chain);
        self.report.seals = seal.seal;
        self.report.closed = false;
    }

    fn notice(&mut self, number: u64, line: u64, notice: &Notice) {
        match notice {
            Notice::Checkpoint(checkpoint) => {
                let here = (checkpoint.seal, checkpoint.chain) == (self.seals, self.chain);
                let signer = self.verifier.signer.as_ref();
                if !here || signer.is_some_and(|signer| !checkpoint.is_by(signer)) {
                    self.report.add(number, Some(line), Wrong::BadCheckpoint);
                }
            }
            Notice::Removed(removed) => {
                self.removed.insert((removed.file, removed.seals, removed.chain));
            }
            Notice::File(_) | Notice::Seal(_) => self.report.add(number, Some(line), Wrong::Malformed),
        }
    }

    /// The tag that `seal` should have, where its key is known.
    fn tag_of(&mut self, seal: &Seal) -> Option<String> {
        let (next, key) = self.seal_key.as_mut()?;
        // Keys go one way: those of seals that were left out are passed over.
        let passed = seal.seal.checked_sub(*next).filter(|passed| *passed < MAX_FILES)?;
        for _ in 0..passed {
            let _ = key.tag(&seal.chain);
        }
        *next = seal.seal + 1;
        Some(hex::encode(key.tag(&seal.chain).0))
    }

    fn key_of(&mut self, number: u64) -> Option<SealKey> {
        let (next, key) = self.next_key.take_if(|(next, _)| *next <= number && number - *next < MAX_FILES)?;
        let passed = number - next;
        let key = (0..passed).fold(key, |key, _| key.next());
        let seals = key.first_seal();
        self.next_key = Some((number + 1, key.next()));
        Some(seals)
    }

    fn finish(mut self) -> Report {
        if let (false, Some(key)) = (self.begun, &self.verifier.key) {
            self.report.add(key.first, None, Wrong::Missing);
        }
        for (file, seals, chain) in std::mem::take(&mut self.missing) {
            if self.removed.contains(&(file, seals, chain)) {
                self.report.retired = file;
                self.kept.retain(|seal, _| *seal > seals);
            } else {
                self.report.add(file, None, Wrong::Missing);
            }
        }
        for (seal, kept) in std::mem::take(&mut self.kept) {
            let file = kept.first().map_or(0, |kept| kept.file);
            self.report.add(file, None, Wrong::CutOff { has: self.seals, had: seal });
        }
        let open = self.unsealed.iter().map(|unsealed| unsealed.lines).sum();
        self.report.open = if self.report.closed { 0 } else { open };
        self.report
    }
}

#[cfg(test)]
mod tests;
