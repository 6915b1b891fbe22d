//! Blobs that are larger than a record: files named by their digest. A name is given to bytes only
//! after they are durable. Who looks whether a file is there, in order not to write it, holds the same
//! lock as who deletes it.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::Inner;
use crate::{
    canonical::sha256,
    durable::{read_bounded, sync_directory, write_durably},
    id::Digest,
    ledger::{Blob, LedgerError, MAX_BLOB_BYTES, MAX_VALUE_BYTES},
};

pub(super) fn is_large(blob: &Blob) -> bool {
    blob.bytes().len() > MAX_VALUE_BYTES
}

impl Inner {
    /// Makes them durable. When it fails, those that it wrote are gone again: nobody may find them
    /// later and take them for durable.
    pub(super) fn put_large(&self, blobs: &[Blob]) -> Result<(), LedgerError> {
        self.ready()?;
        let _turn = self.large_turn.lock();
        let mut written = Vec::new();
        let all = blobs.iter().try_for_each(|blob| {
            let there = read_bounded(&place(&self.large, blob.digest()), MAX_BLOB_BYTES as u64);
            if there.is_ok_and(|bytes| bytes.is_some_and(|bytes| sha256(&bytes) == blob.digest())) {
                return Ok(());
            }
            written.push(blob.digest());
            write_one(&self.large, blob)
        });
        all.and_then(|()| sync_directory(&self.large)).map_err(|error| {
            for digest in written {
                // Best effort: what stays is swept.
                let _ = fs::remove_file(place(&self.large, digest));
            }
            failed("write a blob")(error)
        })
    }
}

fn write_one(directory: &Path, blob: &Blob) -> io::Result<()> {
    let place = place(directory, blob.digest());
    let staged = place.with_extension("new");
    write_durably(&staged, blob.bytes())?;
    fs::rename(staged, place)
}

pub(super) fn read(directory: &Path, digest: Digest) -> Result<Option<Vec<u8>>, LedgerError> {
    read_bounded(&place(directory, digest), MAX_BLOB_BYTES as u64).map_err(failed("read a blob"))
}

pub(super) fn is_there(directory: &Path, digest: Digest) -> Result<bool, LedgerError> {
    place(directory, digest).try_exists().map_err(failed("look for a blob"))
}

/// Every blob that has a file.
pub(super) fn all(directory: &Path) -> Result<BTreeSet<Digest>, LedgerError> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(directory).map_err(failed("list the blobs"))? {
        let name = entry.map_err(failed("list the blobs"))?.file_name();
        // The rest of a put that was interrupted has the name of what it was to become.
        let name = name.to_str().map(|name| name.strip_suffix(".new").unwrap_or(name));
        all.extend(name.and_then(|name| name.parse::<Digest>().ok()));
    }
    Ok(all)
}

/// Deletes blobs and the rests of interrupted puts; gives how many blobs were there. A deletion that a
/// power loss undoes leaves what the next sweep deletes.
pub(super) fn delete(directory: &Path, digests: impl Iterator<Item = Digest>) -> Result<u64, LedgerError> {
    let mut deleted = 0;
    for digest in digests {
        let place = place(directory, digest);
        remove_if_there(&place.with_extension("new"))?;
        deleted += u64::from(remove_if_there(&place)?);
    }
    Ok(deleted)
}

fn remove_if_there(place: &Path) -> Result<bool, LedgerError> {
    match fs::remove_file(place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("delete a blob")(error)),
    }
}

fn place(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(hex::encode(digest.0))
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> LedgerError {
    move |source| LedgerError::Aborted { doing, source: Box::new(source) }
}
