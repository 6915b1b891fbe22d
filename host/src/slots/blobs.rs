//! Content-addressed files: `blobs/<64 hex digits of SHA-256>`. A name is given to bytes only after
//! they are durable, and what is read is checked against its name.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    canonical::sha256,
    durable::{read_bounded, sync_directory, write_durably},
    id::Digest,
};

/// The longest blob, in bytes: a bundle, or a state of the same size.
pub(super) const MAX_BLOB_BYTES: u64 = 256 * 1024 * 1024;

/// Why a blob was not read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It is not there.
    #[error("the blob {digest} is missing")]
    Missing {
        /// Its name.
        digest: Digest,
    },
    /// It is not what it was.
    #[error("the blob {digest} is corrupt")]
    Corrupt {
        /// Its name.
        digest: Digest,
    },
    /// The operating system says no.
    #[error("cannot read the blob {digest}")]
    Io {
        /// Its name.
        digest: Digest,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Reads a blob and checks it.
pub(super) fn read(directory: &Path, digest: Digest) -> Result<Vec<u8>, BlobError> {
    let bytes = read_bounded(&place(directory, digest), MAX_BLOB_BYTES)
        .map_err(|source| BlobError::Io { digest, source })?
        .ok_or(BlobError::Missing { digest })?;
    if sha256(&bytes) == digest { Ok(bytes) } else { Err(BlobError::Corrupt { digest }) }
}

/// Makes blobs durable; those that are there and whole are left alone. When it fails, those that it
/// wrote are gone again: nobody may find them later and take them for durable.
pub(super) fn write(directory: &Path, blobs: &[(Digest, &[u8])]) -> io::Result<()> {
    let mut written = Vec::new();
    let all = blobs.iter().try_for_each(|(digest, bytes)| {
        if read(directory, *digest).is_ok() {
            return Ok(());
        }
        written.push(*digest);
        write_one(directory, *digest, bytes)
    });
    all.and_then(|()| sync_directory(directory)).inspect_err(|_| forget(directory, written.into_iter()))
}

fn write_one(directory: &Path, digest: Digest, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() as u64 > MAX_BLOB_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let staged = directory.join(format!("{}.new", hex::encode(digest.0)));
    write_durably(&staged, bytes)?;
    fs::rename(staged, place(directory, digest))
}

/// Forgets blobs. Best effort: what stays behind is swept at the next start.
pub(super) fn forget(directory: &Path, digests: impl Iterator<Item = Digest>) {
    digests.for_each(|digest| {
        let _ = fs::remove_file(place(directory, digest));
    });
}

/// Forgets everything but `kept`: what an interrupted commit left behind. Best effort.
pub(super) fn sweep(directory: &Path, kept: &BTreeSet<Digest>) {
    let names: BTreeSet<_> = kept.iter().map(|digest| hex::encode(digest.0)).collect();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(|name| names.contains(name)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn place(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(hex::encode(digest.0))
}
