//! Boots that come together are written together: each puts its record into the batch that is
//! open, and the first of them writes it for all. No thread is handed anything: waking one costs
//! more than the write that it would save.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::timeout;

use super::{AuditUnavailable, record::KeysLine};

/// How long a boot waits for its record to be written before it is refused.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// A batch that has grown to this many bytes waits for nobody else.
const FULL_BYTES: usize = 1 << 20;
/// Among boots that come one by one, one in so many looks whether others come with it by now.
const LOOK_EVERY: u64 = 16;

/// Records that will be handed to the kernel together.
#[derive(Default)]
pub(super) struct Batch {
    /// The records, a line each.
    pub(super) lines: Vec<u8>,
    /// How many.
    pub(super) records: u64,
    /// The sets of keys that they name.
    pub(super) keys: Vec<Arc<KeysLine>>,
    outcome: Arc<Outcome>,
}

impl Batch {
    /// Tells everybody whose record is in it.
    pub(super) fn finish(&self, outcome: io::Result<()>) {
        let waiting = {
            let mut state = self.outcome.0.lock();
            state.written = Some(outcome.map_err(Arc::new));
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// The batch that is open, and what the last one was like.
#[derive(Default)]
pub(super) struct Gathering {
    open: Batch,
    last_records: u64,
    /// How many were closed.
    pub(super) batches: u64,
}

impl Gathering {
    /// Puts a record into the open batch.
    pub(super) fn join(&mut self, keys: Option<&Arc<KeysLine>>, write: impl FnOnce(&mut Vec<u8>)) -> Joined {
        let Batch { lines, records, keys: named, outcome } = &mut self.open;
        write(lines);
        *records += 1;
        if let Some(keys) = keys
            && !named.iter().any(|known| known.digest == keys.digest)
        {
            named.push(Arc::clone(keys));
        }
        let part = if lines.len() >= FULL_BYTES {
            Part::WriteNow
        } else if *records > 1 {
            Part::Wait
        } else if self.last_records > 1 || self.batches.is_multiple_of(LOOK_EVERY) {
            Part::WriteSoon
        } else {
            Part::WriteNow
        };
        Joined { part, outcome: Arc::clone(outcome) }
    }

    /// Closes the open batch; the next one writes into `spare`.
    pub(super) fn close(&mut self, spare: Vec<u8>) -> Batch {
        self.last_records = self.open.records;
        self.batches += 1;
        std::mem::replace(&mut self.open, Batch { lines: spare, ..Batch::default() })
    }
}

/// A place in a batch.
pub(super) struct Joined {
    pub(super) part: Part,
    outcome: Arc<Outcome>,
}

/// What whoever joined a batch has to do for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Another writes it.
    Wait,
    /// Write it, once those who are about to join have joined.
    WriteSoon,
    /// Write it.
    WriteNow,
}

impl Joined {
    /// What became of the batch, as far as that is known by now.
    pub(super) fn settled(&self) -> Result<(), AuditUnavailable> {
        let timed_out = || Err(Arc::new(io::ErrorKind::TimedOut.into()));
        self.outcome.0.lock().written.clone().unwrap_or_else(timed_out).map_err(AuditUnavailable)
    }

    /// What becomes of the batch that another writes.
    pub(super) async fn wait(&self, patience: Duration) -> Result<(), AuditUnavailable> {
        let written = poll_fn(|context| {
            let mut state = self.outcome.0.lock();
            if state.written.is_some() {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        });
        // Whoever writes may be stuck in the kernel, with a disk that does not answer.
        let _ = timeout(patience, written).await;
        self.settled()
    }
}

#[derive(Default)]
struct Outcome(Mutex<OutcomeState>);

#[derive(Default)]
struct OutcomeState {
    written: Option<Result<(), Arc<io::Error>>>,
    waiting: Vec<Waker>,
}
