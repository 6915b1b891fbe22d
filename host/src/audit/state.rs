//! What the audit log goes on with after a restart: the key of its *next* file, and the last place
//! that is known to be sealed and on the disk. Wrapped by the host's audit key; it never holds the
//! key of a file that was begun, so that a stolen disk cannot make that file's seals either.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use super::AuditDamaged;
use crate::{
    durable::{read_bounded, sync_directory, write_durably},
    entropy::fresh_key,
    fields::{Reader, Writer},
    id::Digest,
    keyring::{AuditKey, ChainKey, VerifierKey},
    system,
};

const PREFIX: &str = "bootlace-audit-state:1:";
/// What the first key of a chain is kept in: this, the number of its first file, `.key`.
const VERIFIER: &str = "audit-verifier-";
/// First keys of chains that began one after the other and that nobody moved away.
const MAX_VERIFIERS: u32 = 16;
const BYTES: usize = 8 + 32 + 4 * 8 + 32;
/// The longest state file, in bytes.
const MAX_FILE_BYTES: u64 = 4096;

/// Where a log stands: behind a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The file of the last seal; with `bytes` 0, the file before the chain's first.
    pub(super) file: u64,
    /// How long that file is up to the seal.
    pub(super) bytes: u64,
    /// How many seals there are.
    pub(super) seals: u64,
    /// How many lines they vouch for.
    pub(super) lines: u64,
    /// The chain behind the last of them.
    pub(super) chain: Digest,
}

/// The state and its file.
pub(super) struct StateFile {
    path: PathBuf,
    wrapping: AuditKey,
    /// The number of the next file.
    pub(super) next: u64,
    key: ChainKey,
    pub(super) sealed: Position,
}

impl StateFile {
    /// Reads the state, or begins a chain with the file after `last`: its first key is written to
    /// a file of its own first, for whoever verifies, and is not kept otherwise.
    pub(super) fn open(data: &Path, wrapping: AuditKey, last: u64) -> Result<Self, AuditDamaged> {
        let path = data.join("audit.state");
        match read_bounded(&path, MAX_FILE_BYTES) {
            Ok(Some(text)) => Self::parse(path, wrapping, &text).ok_or(AuditDamaged::State),
            Ok(None) => Ok(Self::begin(data, path, wrapping, last)?),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(AuditDamaged::State),
            Err(error) => Err(error.into()),
        }
    }

    /// The key of file `next`. From here on only the keys after it are on the disk.
    pub(super) fn take_key(&mut self, sealed: Position) -> io::Result<(u64, ChainKey)> {
        let (number, following) = (self.next, self.key.next());
        self.store(number + 1, &following, sealed, true)?;
        self.next = number + 1;
        self.sealed = sealed;
        Ok((number, std::mem::replace(&mut self.key, following)))
    }

    /// Remembers how far the log is sealed and on the disk.
    pub(super) fn remember(&mut self, sealed: Position) -> io::Result<()> {
        if sealed.seals > self.sealed.seals {
            self.store(self.next, &self.key, sealed, false)?;
            self.sealed = sealed;
        }
        Ok(())
    }

    fn begin(data: &Path, path: PathBuf, wrapping: AuditKey, last: u64) -> io::Result<Self> {
        let verifier = VerifierKey::new(last + 1, fresh_key(&mut system::entropy));
        write_durably(&free_name(data, verifier.first)?, verifier.to_file().as_bytes())?;
        sync_directory(data)?;
        let sealed = Position { file: last, bytes: 0, seals: 0, lines: 0, chain: Digest([0; 32]) };
        Ok(Self { path, wrapping, next: last + 1, key: verifier.begin(), sealed })
    }

    fn parse(path: PathBuf, wrapping: AuditKey, text: &[u8]) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX.as_bytes())?.strip_suffix(b"\n")?;
        let state = wrapping.unwrap::<BYTES>(&BASE64_STANDARD.decode(encoded).ok()?)?;
        let mut fields = Reader::new(&*state);
        let next = fields.u64().ok()?;
        let key = ChainKey::new(Zeroizing::new(fields.array().ok()?));
        let sealed = Position {
            file: fields.u64().ok()?,
            bytes: fields.u64().ok()?,
            seals: fields.u64().ok()?,
            lines: fields.u64().ok()?,
            chain: Digest(fields.array().ok()?),
        };
        Some(Self { path, wrapping, next, key, sealed })
    }

    /// Puts the file in place of the old one, whose bytes are overwritten if they held another key.
    fn store(&self, next: u64, key: &ChainKey, sealed: Position, erase: bool) -> io::Result<()> {
        let head = Writer::new().u64(next).raw(key.expose());
        let numbers = head.u64(sealed.file).u64(sealed.bytes).u64(sealed.seals).u64(sealed.lines);
        let state = Zeroizing::new(numbers.raw(&sealed.chain.0).finish());
        let wrapped = self.wrapping.wrap(&state, &mut system::entropy);
        let text = format!("{PREFIX}{}\n", BASE64_STANDARD.encode(wrapped));
        let fresh = self.path.with_extension("state.new");
        write_durably(&fresh, text.as_bytes())?;
        let old = OpenOptions::new().write(true).open(&self.path);
        fs::rename(&fresh, &self.path)?;
        sync_directory(self.path.parent().unwrap_or(Path::new(".")))?;
        if erase && let Ok(mut old) = old {
            // As far as the file system writes in place. What is left is wrapped.
            old.write_all(&vec![0; text.len()]).and_then(|()| old.sync_data())?;
        }
        Ok(())
    }
}

/// A name for a first key that no other has: the log of an earlier chain may have been moved away, and
/// its key not yet.
fn free_name(data: &Path, first: u64) -> io::Result<PathBuf> {
    let names = (1..=MAX_VERIFIERS).map(|count| match count {
        1 => data.join(format!("{VERIFIER}{first:08}.key")),
        _ => data.join(format!("{VERIFIER}{first:08}-{count}.key")),
    });
    let free = names.into_iter().find(|name| !name.exists());
    free.ok_or_else(|| {
        let message = format!("move the {VERIFIER}*.key files in {} to whoever audits", data.display());
        io::Error::new(io::ErrorKind::AlreadyExists, message)
    })
}

/// First keys that nobody has moved away yet.
pub(super) fn verifiers_left(data: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: Vec<_> = fs::read_dir(data)?.collect::<Result<_, _>>()?;
    let left = entries.iter().filter(|entry| entry.file_name().to_string_lossy().starts_with(VERIFIER));
    Ok(left.map(std::fs::DirEntry::path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(data: &Path, fill: u8) -> Result<StateFile, AuditDamaged> {
        StateFile::open(data, AuditKey::new(Zeroizing::new([fill; 32])), 0)
    }

    #[test]
    fn the_disk_never_holds_the_key_of_a_file_that_was_begun() {
        let place = tempfile::tempdir().unwrap();
        let mut state = open(place.path(), 7).unwrap();
        let mut tags = Vec::new();
        for file in 1..5 {
            let sealed = Position { bytes: 100, seals: file, file, ..state.sealed };
            let (number, key) = state.take_key(sealed).unwrap();
            tags.push(hex::encode(key.first_seal().tag(&Digest([0; 32])).0));
            let read = open(place.path(), 7).unwrap();
            assert_eq!((number, read.next, read.sealed), (file, file + 1, sealed));
            // The keys that follow from what is there are later ones.
            let mut found = read.key;
            for _ in 0..5 {
                let tag = hex::encode(found.first_seal().tag(&Digest([0; 32])).0);
                assert!(!tags.contains(&tag));
                found = found.next();
            }
        }
    }

    #[test]
    fn a_new_chain_leaves_the_first_key_of_the_one_before_it_alone() {
        let place = tempfile::tempdir().unwrap();
        open(place.path(), 7).unwrap();
        let first = place.path().join("audit-verifier-00000001.key");
        let kept = fs::read(&first).unwrap();
        open(place.path(), 7).unwrap();
        assert_eq!(fs::read(&first).unwrap(), kept);
        assert_eq!(verifiers_left(place.path()).unwrap().len(), 2);
        for _ in 2..MAX_VERIFIERS {
            open(place.path(), 7).unwrap();
        }
        assert!(open(place.path(), 7).is_err(), "a directory full of keys that nobody fetched");
    }

    #[test]
    fn a_state_that_was_damaged_begins_no_chain_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let mut state = open(place.path(), 7).unwrap();
        state.take_key(state.sealed).unwrap();
        assert!(matches!(open(place.path(), 8), Err(AuditDamaged::State)), "another host's key");
        let path = place.path().join("audit.state");
        let whole = fs::read(&path).unwrap();
        for bad in [&whole[..whole.len() - 1], b"", b"bootlace-audit-state:2:AAAA\n", &[0; 5000]] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(open(place.path(), 7), Err(AuditDamaged::State)));
        }
    }
}
