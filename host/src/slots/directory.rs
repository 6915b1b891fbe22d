//! The data directory: one host's, locked, private. Every file in it is replaced as a whole:
//! written beside, made durable, renamed, and the rename made durable.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::{FLOOR, SLOTS};
use crate::{
    durable::{read_bounded, sync_directory, write_durably},
    entropy::Entropy,
    keyring::{HostKeys, InvalidHostKeys, RootKey, RootKeys},
};

const LOCK: &str = "lock";
const KEYS: &str = "keys";
const BLOBS: &str = "blobs";
/// The longest `keys` file, in bytes.
const MAX_KEYS_BYTES: u64 = 4096;

/// A data directory that no other host uses while this value lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// The lock goes with this value, and by the kernel where the process ends.
    pub(super) lock: File,
}

impl Drop for DataDirectory {
    /// Not by closing the file alone: a child of another thread, between its fork and its exec, has it open, too.
    fn drop(&mut self) {
        if let Err(error) = flock(&self.lock, FlockOperation::Unlock) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the data directory's lock ends with the process"
            );
        }
    }
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another host has it.
    #[error("the data directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system says no.
    #[error("cannot {doing} in the data directory")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The host's own keys do not read.
    #[error(transparent)]
    Keys(#[from] InvalidHostKeys),
    /// The host's own keys are gone, and what they vouch for is not.
    #[error("the data directory has slots but no keys file: restore it, or start with an empty directory")]
    KeysMissing,
}

impl DataDirectory {
    /// Creates the directory if need be, makes it private, and locks it.
    ///
    /// # Errors
    /// When another process has it, or the operating system refuses.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let create = || -> io::Result<File> {
            DirBuilder::new().recursive(true).mode(0o700).create(path.join(BLOBS))?;
            for private in [path.to_owned(), path.join(BLOBS)] {
                fs::set_permissions(private, fs::Permissions::from_mode(0o700))?;
            }
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK))
        };
        let lock = create().map_err(|source| DirectoryError::Io { doing: "create files", source })?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DirectoryError::InUse { path: path.to_owned() }),
            Err(error) => Err(DirectoryError::Io { doing: "take the lock", source: error.into() }),
        }
    }

    /// The host's own keys: read, or made at the first start and wrapped under `root`.
    ///
    /// # Errors
    /// When they do not read, or are gone from a directory that was in use.
    pub fn host_keys(
        &self,
        roots: &RootKeys,
        root: &RootKey,
        entropy: &mut Entropy<'_>,
    ) -> Result<HostKeys, DirectoryError> {
        let io = |doing| move |source| DirectoryError::Io { doing, source };
        if let Some(file) = self.read(KEYS, MAX_KEYS_BYTES).map_err(io("read the host's keys"))? {
            let text = String::from_utf8(file).map_err(|_| InvalidHostKeys::Malformed)?;
            return Ok(HostKeys::from_file(&text, roots)?);
        }
        if SLOTS.iter().chain([&FLOOR]).any(|name| self.path.join(name).exists()) {
            return Err(DirectoryError::KeysMissing);
        }
        let keys = HostKeys::generate(entropy);
        self.replace(KEYS, keys.to_file(root, entropy).as_bytes()).map_err(io("write the host's keys"))?;
        Ok(keys)
    }

    /// Where it is, for what else a host keeps there.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.path.join(BLOBS)
    }

    /// A file's bytes; nothing when there is no such file, an error when it is longer than `limit`.
    pub(super) fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.path.join(name), limit)
    }

    /// Replaces a file, in two steps that a caller may want to tell apart.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.stage(name, bytes)?;
        self.publish(name)
    }

    /// Writes `bytes` beside `name` and makes them durable. A failure here has changed nothing.
    pub(super) fn stage(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_durably(&self.path.join(staged(name)), bytes)
    }

    /// Puts what was staged in place, durably. After a failure here either may be in place.
    pub(super) fn publish(&self, name: &str) -> io::Result<()> {
        fs::rename(self.path.join(staged(name)), self.path.join(name))?;
        sync_directory(&self.path)
    }
}

fn staged(name: &str) -> String {
    format!("{name}.new")
}
