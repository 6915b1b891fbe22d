//! The host's records in the ledger. Each carries a code (HMAC) over its name and content: whoever can
//! write the file, but does not hold a root key, can neither make a token nor move one.
//!
//! The ledger is asynchronous, and a change is made by a thread that may block: it waits here.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::runtime::{Builder, Runtime};

use crate::{
    clock::Steady,
    id::Digest,
    keyring::{Mac, RecordKey},
    ledger::{
        Blob, Compare, Held, Key, LeaseId, Ledger, LedgerError, LedgerOpenError, MAX_BLOBS_PER_PUT,
        MAX_BLOBS_PER_TRANSACTION, MAX_OPERATIONS, Operation, Outcome, OverLimit, Read, RedbLedger,
        RedbSettings, Span, StoreRevision, Transaction, Ttl, Value,
    },
    state::Alteration,
};

/// Bytes of a record's code.
const MAC_BYTES: usize = 32;
/// Bytes of blobs that come along in the transaction that names them, and leave room for its records.
const MAX_ALONG_BYTES: usize = 512 * 1024;

/// The records of one host.
pub struct Control {
    ledger: Arc<dyn Ledger>,
    key: RecordKey,
    /// The threads on which the ledger blocks. Taken when this is dropped.
    threads: Option<Runtime>,
    /// The newest that this has seen.
    revision: AtomicU64,
}

/// Why records were not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no ledger to work with.
    #[error(transparent)]
    Open(#[from] LedgerOpenError),
    /// The threads that it works on cannot be started.
    #[error("cannot start the ledger's threads")]
    Threads(#[source] std::io::Error),
    /// It does not do what it was asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A record was changed by somebody who does not hold this host's keys, or belongs to another host.
    #[error("the ledger's record {name} is not this host's own: restore the data directory from a backup")]
    Forged {
        /// Its name.
        name: String,
    },
    /// A record is this host's own and not what it should be.
    #[error("the ledger's record {name} does not read")]
    Malformed {
        /// Its name.
        name: String,
    },
    /// Somebody else changed a record meanwhile.
    #[error("the record {name} was changed meanwhile; try again")]
    Conflict {
        /// Its name.
        name: String,
    },
}

impl From<OverLimit> for ControlError {
    fn from(error: OverLimit) -> Self {
        Self::Ledger(error.into())
    }
}

/// What must hold of a record for a change to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// It is as a lease made it.
    Held(Hold),
}

/// A record that hangs on a lease of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    lease: LeaseId,
    /// When it was made: whoever makes it anew has made another.
    since: StoreRevision,
}

impl Control {
    /// Opens the ledger of a data directory, or makes one there.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(directory: &Path, key: RecordKey) -> Result<Self, ControlError> {
        Self::open_with(directory, key, Steady::system())
    }

    /// The same, its leases measured with `clock`.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open_with(directory: &Path, key: RecordKey, clock: Steady) -> Result<Self, ControlError> {
        let settings = RedbSettings { clock, ..RedbSettings::default() };
        let ledger = Arc::new(RedbLedger::open(directory, settings)?);
        let threads = Builder::new_current_thread().thread_name("ledger").build();
        Ok(Self {
            ledger,
            key,
            threads: Some(threads.map_err(ControlError::Threads)?),
            revision: AtomicU64::new(0),
        })
    }

    /// Every record whose name begins with `prefix`, as of one revision.
    ///
    /// # Errors
    /// When the ledger cannot be read, or holds what is not this host's.
    pub fn read(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u8>>, ControlError> {
        let mut found = BTreeMap::new();
        let mut read = Read::newest(Span::prefix(prefix));
        loop {
            let page = self.wait(self.ledger.range(read))?;
            for record in &page.records {
                let (name, content) = self.checked(record.key.as_bytes(), record.value.as_bytes())?;
                found.insert(name, content);
            }
            match page.rest {
                Some(rest) => read = rest,
                None => {
                    self.revision.fetch_max(page.revision.0, Ordering::Relaxed);
                    return Ok(found);
                }
            }
        }
    }

    /// Makes changes, in one transaction if they are as many as one takes; otherwise in their order, as
    /// many at a time.
    ///
    /// # Errors
    /// When what is expected does not hold or the ledger fails. Up to a transaction's number of changes,
    /// nothing was changed then (but see [`LedgerError::Unknown`]).
    pub fn change(&self, expected: &[(&str, Expected)], changes: &[Alteration]) -> Result<(), ControlError> {
        self.change_with(expected, changes, Vec::new())
    }

    /// The same, and what the changes name by digest: durable before them.
    ///
    /// # Errors
    /// As [`Control::change`].
    pub fn change_with(
        &self,
        expected: &[(&str, Expected)],
        changes: &[Alteration],
        blobs: Vec<Blob>,
    ) -> Result<(), ControlError> {
        let bytes: usize = blobs.iter().map(|blob| blob.bytes().len()).sum();
        let (mut along, apart) = match blobs.len() <= MAX_BLOBS_PER_TRANSACTION && bytes <= MAX_ALONG_BYTES {
            true => (blobs, Vec::new()),
            false => (Vec::new(), blobs),
        };
        // Held until the records that name them are durable, too.
        let mut held = Vec::new();
        for some in apart.chunks(MAX_BLOBS_PER_PUT) {
            held.push(self.wait(self.ledger.put_blobs(some.to_vec()))?);
        }
        let mut compares = compares(expected)?;
        for some in changes.chunks(MAX_OPERATIONS) {
            let operations = some.iter().map(|one| self.operation(one)).collect::<Result<_, _>>()?;
            let transaction = Transaction::new(std::mem::take(&mut compares), operations)?;
            let transaction = transaction.with_blobs(std::mem::take(&mut along))?;
            match self.wait(self.ledger.transact(transaction))? {
                Outcome::Committed { revision } => {
                    self.revision.fetch_max(revision.0, Ordering::Relaxed);
                }
                Outcome::Conflict { found, .. } => {
                    let name = found.first().map(|found| found.key.to_string()).unwrap_or_default();
                    return Err(ControlError::Conflict { name });
                }
            }
        }
        Ok(())
    }

    /// Makes a record that hangs on a lease of its own, where what is expected holds.
    ///
    /// # Errors
    /// As [`Control::change`]. Nothing is there then.
    pub fn lease(
        &self,
        expected: &[(&str, Expected)],
        (name, content): (&str, &[u8]),
        ttl: Ttl,
    ) -> Result<Hold, ControlError> {
        let record = Alteration::Put { name: name.to_owned(), content: content.to_vec() };
        let Operation::Put { key, value, .. } = self.operation(&record)? else {
            return Err(ControlError::Malformed { name: name.to_owned() });
        };
        let compares = compares(expected)?;
        let lease = self.wait(self.ledger.grant(ttl))?.id;
        let transaction =
            Transaction::new(compares, vec![Operation::Put { key, value, lease: Some(lease) }])?;
        let outcome = self.wait(self.ledger.transact(transaction)).map_err(ControlError::from);
        let found = match outcome {
            Ok(Outcome::Committed { revision }) => {
                self.revision.fetch_max(revision.0, Ordering::Relaxed);
                return Ok(Hold { lease, since: revision });
            }
            Ok(Outcome::Conflict { found, .. }) => found,
            Err(error) => {
                // It ends by itself, should this fail, too.
                let _ = self.revoked(lease);
                return Err(error);
            }
        };
        self.revoked(lease)?;
        let name = found.first().map(|found| found.key.to_string()).unwrap_or_default();
        Err(ControlError::Conflict { name })
    }

    /// Ends a lease, with the record that hangs on it.
    ///
    /// # Errors
    /// When the ledger fails; it ends by itself then, when its time is over.
    pub fn let_go(&self, held: Hold) -> Result<(), ControlError> {
        self.revoked(held.lease)
    }

    fn revoked(&self, lease: LeaseId) -> Result<(), ControlError> {
        match self.wait(self.ledger.revoke(lease)) {
            Ok(()) | Err(LedgerError::NoSuchLease { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes blobs durable for the change that names them. Drop what this gives when that change has
    /// answered, not before: until then nothing else keeps them from being swept.
    ///
    /// # Errors
    /// When the ledger fails. Nothing names them then.
    pub fn hold(&self, blobs: Vec<Blob>) -> Result<Held, ControlError> {
        Ok(self.wait(self.ledger.put_blobs(blobs))?)
    }

    /// What has that digest.
    ///
    /// # Errors
    /// When it is not there, or the ledger fails.
    pub fn blob(&self, digest: Digest) -> Result<Vec<u8>, ControlError> {
        Ok(self.wait(self.ledger.blob(digest))?)
    }

    /// Whether something of that digest is there.
    ///
    /// # Errors
    /// When the ledger fails.
    pub fn has_blob(&self, digest: Digest) -> Result<bool, ControlError> {
        Ok(self.wait(self.ledger.has_blob(digest))?)
    }

    /// Deletes the blobs that are not in `live`, which is asked for when the sweep has begun: what is
    /// put from then on is spared. Gives how many there were.
    ///
    /// # Errors
    /// When the ledger fails.
    pub fn sweep(&self, live: impl FnOnce() -> BTreeSet<Digest>) -> Result<u64, ControlError> {
        let sweep = self.wait(self.ledger.begin_sweep())?;
        Ok(self.wait(self.ledger.sweep_blobs(sweep, live()))?.blobs)
    }

    /// How many transactions there were, as far as this has seen.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    fn operation(&self, change: &Alteration) -> Result<Operation, OverLimit> {
        Ok(match change {
            Alteration::Put { name, content } => {
                let mac = self.key.mac(&vouched(name, content));
                Operation::put(Key::new(name)?, Value::new([&mac.0[..], content].concat())?)
            }
            Alteration::Delete { name } => Operation::Delete { key: Key::new(name)? },
        })
    }

    fn checked(&self, name: &[u8], value: &[u8]) -> Result<(String, Vec<u8>), ControlError> {
        let forged = || ControlError::Forged { name: name.escape_ascii().to_string() };
        let text = std::str::from_utf8(name).map_err(|_| forged())?;
        let (mac, content) = value.split_first_chunk::<MAC_BYTES>().ok_or_else(forged)?;
        if self.key.mac(&vouched(text, content)) != Mac(*mac) {
            return Err(forged());
        }
        Ok((text.to_owned(), content.to_vec()))
    }

    /// Waits for an answer of the ledger, on whatever thread this is: it may be one that a runtime
    /// lent for work that blocks, or one of no runtime at all.
    fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        let _threads = self.threads.as_ref().map(Runtime::enter);
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let (mut context, mut answer) = (Context::from_waker(&waker), pin!(answer));
        loop {
            match answer.as_mut().poll(&mut context) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => thread::park(),
            }
        }
    }
}

fn compares(expected: &[(&str, Expected)]) -> Result<Vec<Compare>, OverLimit> {
    let compare = |(name, expected): &(&str, Expected)| {
        let key = Key::new(name)?;
        Ok(match expected {
            Expected::Absent => Compare::Absent(key),
            Expected::Present => Compare::Present(key),
            Expected::Held(held) => Compare::ModifiedAt(key, held.since),
        })
    };
    expected.iter().map(compare).collect()
}

/// Nothing is under way when this is dropped, so that nothing has to be waited for; and waiting is what
/// the thread that drops it may not be allowed to.
impl Drop for Control {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// Wakes the thread that waits.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The length keeps a name's end from passing for the content's beginning.
fn vouched(name: &str, content: &[u8]) -> Vec<u8> {
    [&(name.len() as u64).to_le_bytes()[..], name.as_bytes(), content].concat()
}
