//! The file: private, whole or not there, and of a version that this one knows.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use redb::{Builder, Database, DatabaseError, ReadableDatabase as _, StorageBackend, backends::FileBackend};

use super::tables::{BLOBS, FORMAT, FORMAT_NUMBER, HISTORY, LEASED, LEASES, NUMBERS, RECORDS};
use crate::{durable::sync_directory, ledger::LedgerError};

const LEDGER: &str = "ledger.redb";
/// A ledger that was being made; after a crash it means nothing.
const NEW_LEDGER: &str = "ledger.redb.new";
const LARGE_BLOBS: &str = "ledger-blobs";
/// How much of the file is kept in memory, in bytes. What is served is in memory as a generation.
const CACHE_BYTES: usize = 64 << 20;

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerOpenError {
    /// Another process has it.
    #[error("the ledger in {} is in use by another process", directory.display())]
    InUse {
        /// Where it is.
        directory: PathBuf,
    },
    /// Written by a version that this one does not know.
    #[error(
        "the ledger has format {found}; this version reads format {FORMAT}: start the version that wrote it, or \
         restore a backup of the data directory that this version wrote"
    )]
    UnknownFormat {
        /// The format number found.
        found: u64,
    },
    /// Some other program's file, or another kind of file.
    #[error("{LEDGER} in the data directory is not a ledger: move it away, or restore it from a backup")]
    NotALedger,
    /// It was, and does not read any more.
    #[error("the ledger is corrupt: restore the data directory from a backup")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operating system says no.
    #[error("cannot {doing} in the data directory")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Opens the ledger of `directory`, which is made first if there is none.
pub(super) fn open(directory: &Path) -> Result<Database, LedgerOpenError> {
    let place = directory.join(LEDGER);
    if !place.try_exists().map_err(io_failed("look for the ledger"))? {
        make(directory)?;
    }
    open_file(&place).map_err(|error| match error {
        Refused::InUse => LedgerOpenError::InUse { directory: directory.to_owned() },
        Refused::Other(error) => error,
    })
}

/// Large blobs have a folder of their own.
pub(super) fn large_blobs(directory: &Path) -> Result<PathBuf, LedgerOpenError> {
    let place = directory.join(LARGE_BLOBS);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&place);
    made.and_then(|()| sync_directory(directory)).map_err(io_failed("make a folder for blobs"))?;
    Ok(place)
}

/// Opens what `backend` holds: a ledger, or nothing yet if `new`.
pub(super) fn open_backend(backend: impl StorageBackend, new: bool) -> Result<Database, LedgerOpenError> {
    database(backend, new).map_err(|error| match error {
        Refused::InUse => LedgerOpenError::InUse { directory: PathBuf::new() },
        Refused::Other(error) => error,
    })
}

/// Made beside its place and renamed when it is whole: a crash while it is made leaves no half ledger
/// that would have to be told apart from a damaged one.
fn make(directory: &Path) -> Result<(), LedgerOpenError> {
    let (staged, place) = (directory.join(NEW_LEDGER), directory.join(LEDGER));
    let made = match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new().create_new(true).read(true).write(true).mode(0o600).open(&staged),
    };
    let backend = FileBackend::new(made.map_err(io_failed("make the ledger"))?);
    let backend = backend.map_err(|error| LedgerOpenError::Corrupt(Box::new(error)))?;
    drop(open_backend(backend, true)?);
    let named = fs::rename(staged, place).and_then(|()| sync_directory(directory));
    named.map_err(io_failed("put the ledger in place"))
}

enum Refused {
    InUse,
    Other(LedgerOpenError),
}

fn open_file(place: &Path) -> Result<Database, Refused> {
    let opened = OpenOptions::new().read(true).write(true).open(place).and_then(|file| {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        Ok(file)
    });
    let file = opened.map_err(|error| Refused::Other(io_failed("open the ledger")(error)))?;
    database(FileBackend::new(file).map_err(refused)?, false)
}

fn database(backend: impl StorageBackend, new: bool) -> Result<Database, Refused> {
    if !new && backend.len().map_err(|error| Refused::Other(io_failed("read the ledger")(error)))? == 0 {
        // redb would make a new one there, and what is lost would look as if it had never been.
        return Err(Refused::Other(LedgerOpenError::NotALedger));
    }
    let mut builder = Builder::new();
    // A file that was altered is refused here, instead of being believed until it surprises somebody.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    let database = builder.create_with_backend(backend).map_err(refused)?;
    if new {
        format(&database).map_err(|error| Refused::Other(LedgerOpenError::Corrupt(error.into())))?;
    }
    check_format(&database).map_err(Refused::Other)?;
    Ok(database)
}

/// Makes every table, so that no reader has to ask whether one is there.
fn format(database: &Database) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    write.open_table(NUMBERS)?.insert(FORMAT_NUMBER, FORMAT)?;
    write.open_table(RECORDS)?;
    write.open_table(HISTORY)?;
    write.open_table(LEASES)?;
    write.open_table(LEASED)?;
    write.open_table(BLOBS)?;
    Ok(write.commit()?)
}

fn check_format(database: &Database) -> Result<(), LedgerOpenError> {
    let read = || -> Result<Option<u64>, redb::Error> {
        let numbers = database.begin_read()?.open_table(NUMBERS)?;
        Ok(numbers.get_owned(FORMAT_NUMBER)?.map(|number| number.value()))
    };
    match read() {
        Ok(Some(FORMAT)) => Ok(()),
        Ok(Some(found)) => Err(LedgerOpenError::UnknownFormat { found }),
        Ok(None) => Err(LedgerOpenError::NotALedger),
        Err(
            redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. },
        ) => Err(LedgerOpenError::NotALedger),
        Err(error) => Err(LedgerOpenError::Corrupt(Box::new(error))),
    }
}

fn refused(error: DatabaseError) -> Refused {
    let io = |source| Refused::Other(io_failed("read the ledger")(source));
    match error {
        DatabaseError::DatabaseAlreadyOpen => Refused::InUse,
        // The library's own format, of which it reads one.
        DatabaseError::UpgradeRequired(found) => {
            Refused::Other(LedgerOpenError::UnknownFormat { found: found.into() })
        }
        DatabaseError::Storage(redb::StorageError::Io(source)) => match source.kind() {
            io::ErrorKind::InvalidData => Refused::Other(LedgerOpenError::NotALedger),
            _ => io(source),
        },
        error => Refused::Other(LedgerOpenError::Corrupt(Box::new(error))),
    }
}

impl From<LedgerError> for LedgerOpenError {
    fn from(error: LedgerError) -> Self {
        Self::Corrupt(Box::new(error))
    }
}

fn io_failed(doing: &'static str) -> impl Fn(io::Error) -> LedgerOpenError {
    move |source| LedgerOpenError::Io { doing, source }
}
