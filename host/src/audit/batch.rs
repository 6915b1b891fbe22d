//! Boots that come together are written together: each puts its record into the batch that is
//! open, and the first of them writes it for all, or another if that one does not come to it. No
//! thread is handed anything: waking one costs more than the write that it would save.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    task::yield_now,
    time::{Instant, timeout_at},
};

use super::{AuditUnavailable, record::GivenLine};

/// How long a boot waits for its record to be written before it is refused.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long a batch may stay unwritten before one of those who wait writes it: the thread of whoever was to do
/// it may get no time.
const TURN: Duration = Duration::from_millis(100);
/// A batch that has grown to this many bytes waits for nobody else.
const FULL_BYTES: usize = 1 << 20;
/// What a batch's memory may keep for the next one, in bytes.
const SPARE_BYTES: usize = 1 << 20;
/// A boot joins that many others at most in looking whether what it was given is told already.
const LOOK_BACK: usize = 16;
/// Among boots that come one by one, one in so many looks whether others come with it by now.
const LOOK_EVERY: u64 = 16;

/// Records that will be handed to the kernel together.
#[derive(Default)]
pub(super) struct Batch {
    /// The records, a line each.
    pub(super) lines: Vec<u8>,
    /// How many.
    pub(super) records: u64,
    /// What they say was given. One that many boots share is here once or a few times.
    pub(super) given: Vec<Arc<GivenLine>>,
    outcome: Arc<Outcome>,
}

impl Batch {
    /// Tells everybody whose record is in it.
    pub(super) fn finish(&self, outcome: io::Result<()>) {
        let mut waiting = {
            let mut state = self.outcome.0.lock();
            state.written = Some(outcome.map_err(Arc::new));
            std::mem::take(&mut state.waiting)
        };
        if !waiting.is_empty() {
            waiting.drain(..).for_each(Waker::wake);
            // Its memory serves the next batch.
            self.outcome.0.lock().waiting = waiting;
        }
    }

    /// An empty batch in the memory of one that is finished.
    fn emptied(mut self) -> Self {
        if self.lines.capacity() > SPARE_BYTES {
            return Self::default();
        }
        self.lines.clear();
        self.given.clear();
        self.records = 0;
        match Arc::get_mut(&mut self.outcome) {
            Some(Outcome(state)) => state.get_mut().begin_again(),
            // Somebody has not asked yet what became of it.
            None => self.outcome = Arc::default(),
        }
        self
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
    pub(super) fn join(
        &mut self,
        given: Option<&Arc<GivenLine>>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Joined {
        let Batch { lines, records, given: told, outcome } = &mut self.open;
        write(lines);
        *records += 1;
        if let Some(given) = given
            && !told.iter().rev().take(LOOK_BACK).any(|known| known.id == given.id)
        {
            told.push(Arc::clone(given));
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

    /// Closes the open batch; the next one takes the memory of `spare`, which is finished.
    pub(super) fn close(&mut self, spare: Batch) -> Batch {
        self.last_records = self.open.records;
        self.batches += 1;
        std::mem::replace(&mut self.open, spare.emptied())
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
    /// Another writes it, as long as that one comes to it.
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

    /// What becomes of the batch that another writes; `write` is called now and then when it is not written.
    pub(super) async fn wait(&self, patience: Duration, write: impl Fn()) -> Result<(), AuditUnavailable> {
        while let Some(watch) = poll_fn(|context| self.watch(context, patience)).await {
            let turn = watch.until.min(Instant::now() + TURN);
            if timeout_at(turn, poll_fn(|context| self.written(context))).await.is_ok() {
                break;
            }
            if turn == watch.until {
                // Whoever writes may be stuck in the kernel, with a disk that does not answer.
                self.outcome.give_up();
                break;
            }
            // Another watches from here on: the disk may not answer this one either.
            drop(watch);
            yield_now().await;
            write();
        }
        self.settled()
    }

    /// Waits for the batch, or for its watch to be free. One watches for all: a timer for each
    /// would cost more than its record.
    fn watch(&self, context: &Context<'_>, patience: Duration) -> Poll<Option<Watch<'_>>> {
        let mut state = self.outcome.0.lock();
        if state.written.is_some() {
            return Poll::Ready(None);
        }
        if state.is_watched {
            state.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        state.is_watched = true;
        let until = *state.until.get_or_insert_with(|| Instant::now() + patience);
        Poll::Ready(Some(Watch { outcome: &self.outcome, until }))
    }

    fn written(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.outcome.0.lock();
        if state.written.is_some() {
            return Poll::Ready(());
        }
        state.waiting.push(context.waker().clone());
        Poll::Pending
    }
}

/// Sees to it that nobody waits for ever. Its boot's client may go away; the next one takes over.
struct Watch<'a> {
    outcome: &'a Outcome,
    until: Instant,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.outcome.0.lock();
            if state.written.is_some() {
                return;
            }
            state.is_watched = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[derive(Default)]
struct Outcome(Mutex<OutcomeState>);

#[derive(Default)]
struct OutcomeState {
    written: Option<Result<(), Arc<io::Error>>>,
    waiting: Vec<Waker>,
    /// Whether one of those who wait has an eye on the clock, and until when.
    is_watched: bool,
    until: Option<Instant>,
}

impl Outcome {
    /// Lets nobody wait any longer. What becomes of the batch may be told its writer yet.
    fn give_up(&self) {
        let waiting = {
            let mut state = self.0.lock();
            state.written.get_or_insert_with(|| Err(Arc::new(io::ErrorKind::TimedOut.into())));
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl OutcomeState {
    fn begin_again(&mut self) {
        (self.written, self.is_watched, self.until) = (None, false, None);
        self.waiting.clear();
    }
}
