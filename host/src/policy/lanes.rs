//! Which thread asks, so that a hostile tenant holds up neither the runtime nor another tenant.
//!
//! A chain that was cheap of late runs where its caller runs: it takes some microseconds, less
//! than a thread's wake-up. Any other, and any that imports WASI, runs on a few plain threads of
//! their own, tenants in turn, none on more than half of the threads. So does one that was cheap and
//! is no more, once it has held its caller's thread for a moment: others' boots wait for that one.

use std::{
    collections::{HashMap, VecDeque},
    io,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{
    chain::{Chain, Verdict},
    failure::{FailureKind, PolicyFailure},
    plain_thread,
};
use crate::{id::WorkspaceId, model::question::Facts};

/// How long a chain may take where its caller runs, in milliseconds, whatever it may take in all: that of
/// the default limits. On a busy machine it is given its own time once more, as elsewhere.
const HERE_MS: u64 = 10;

/// How many threads there are, and how much may wait for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneSettings {
    /// Plain threads for expensive chains; at least 2, so that one is never one tenant's alone.
    pub threads: usize,
    /// Questions of all tenants that may wait for a thread.
    pub waiting: usize,
    /// Questions of one tenant that may be under way, waiting ones included.
    pub per_tenant: u32,
}

impl Default for LaneSettings {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Self { threads: (cores / 2).max(2), waiting: 1024, per_tenant: 64 }
    }
}

/// The threads, and the tenants' shares of them.
pub struct Lanes {
    queue: Arc<Queue>,
    shares: Mutex<HashMap<WorkspaceId, Weak<Share>>>,
    per_tenant: u32,
}

/// One tenant's share of the host: held by whatever serves the tenant.
#[derive(Debug)]
pub struct Share {
    under_way: AtomicU32,
    limit: u32,
}

impl Lanes {
    /// Starts the threads; they end when this is dropped and their last question answered.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn new(settings: &LaneSettings) -> io::Result<Self> {
        let threads = settings.threads.max(2);
        let queue = Arc::new(Queue {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            waiting: settings.waiting,
            running_per_tenant: threads / 2,
        });
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("policy-{number}")).spawn(move || queue.work())?;
        }
        Ok(Self { queue, shares: Mutex::default(), per_tenant: settings.per_tenant })
    }

    /// The share of `tenant`: the same for every generation that is alive.
    pub fn share(&self, tenant: &WorkspaceId) -> Arc<Share> {
        let mut shares = self.shares.lock();
        if let Some(share) = shares.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share { under_way: AtomicU32::new(0), limit: self.per_tenant });
        shares.insert(tenant.clone(), Arc::downgrade(&share));
        share
    }

    /// Puts the question: here, when the chain is known to be cheap, else on one of the threads.
    /// A caller that goes away does not stop a question that was put.
    ///
    /// # Errors
    /// As [`Chain::decide`]; [`FailureKind::Busy`] when the tenant has too many questions under
    /// way, or too many wait.
    pub async fn decide(
        &self,
        share: &Arc<Share>,
        chain: &Arc<Chain>,
        facts: &Facts,
    ) -> Result<Verdict, PolicyFailure> {
        match self.begin(share, chain, facts)? {
            Begun::Done(result) => result,
            Begun::Waits(answer) => answer.await.unwrap_or_else(|_| Err(busy(chain))),
        }
    }

    /// As [`Lanes::decide`], for a thread that may block: not one of a runtime's workers.
    ///
    /// # Errors
    /// As [`Lanes::decide`].
    pub fn decide_blocking(
        &self,
        share: &Arc<Share>,
        chain: &Arc<Chain>,
        facts: &Facts,
    ) -> Result<Verdict, PolicyFailure> {
        match self.begin(share, chain, facts)? {
            Begun::Done(result) => result,
            Begun::Waits(answer) => answer.blocking_recv().unwrap_or_else(|_| Err(busy(chain))),
        }
    }

    fn begin(&self, share: &Arc<Share>, chain: &Arc<Chain>, facts: &Facts) -> Result<Begun, PolicyFailure> {
        let place = Place::take(share).ok_or_else(|| busy(chain))?;
        if chain.standing().is_good() {
            match chain.decide_within(HERE_MS, facts) {
                // It lost its good standing with that. It may be the host that was slow, or its
                // limits allow more: once more, apart, where time is no other's.
                Err(failure) if matches!(failure.kind, FailureKind::Interrupted { .. }) => {}
                result => return Ok(Begun::Done(result)),
            }
        }
        let (reply, answer) = oneshot::channel();
        let job = Job { chain: Arc::clone(chain), facts: facts.clone(), reply, place };
        if self.queue.push(job) { Ok(Begun::Waits(answer)) } else { Err(busy(chain)) }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.queue.state.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").field("waiting", &self.queue.state.lock().waiting).finish_non_exhaustive()
    }
}

impl Share {
    /// How many questions are under way.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }
}

enum Begun {
    Done(Result<Verdict, PolicyFailure>),
    Waits(oneshot::Receiver<Result<Verdict, PolicyFailure>>),
}

/// One of a tenant's places; given back when dropped.
struct Place(Arc<Share>);

impl Place {
    fn take(share: &Arc<Share>) -> Option<Self> {
        let place = Self(Arc::clone(share));
        // Counted first and given back by the drop: two threads can not both take the last place.
        let before = share.under_way.fetch_add(1, Ordering::Relaxed);
        (before < share.limit).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Job {
    chain: Arc<Chain>,
    facts: Facts,
    reply: oneshot::Sender<Result<Verdict, PolicyFailure>>,
    place: Place,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    waiting: usize,
    running_per_tenant: usize,
}

#[derive(Default)]
struct State {
    /// Tenants with something waiting, the next one in front.
    tenants: VecDeque<Tenant>,
    /// How many questions wait, of all tenants.
    waiting: usize,
    /// For each tenant that has some, how many threads it holds; by the address of its share.
    running: HashMap<usize, usize>,
    closed: bool,
}

struct Tenant {
    share: usize,
    jobs: VecDeque<Job>,
}

impl Queue {
    fn push(&self, job: Job) -> bool {
        let mut state = self.state.lock();
        if state.closed || state.waiting >= self.waiting {
            return false;
        }
        state.waiting += 1;
        let share = Arc::as_ptr(&job.place.0).addr();
        match state.tenants.iter_mut().find(|tenant| tenant.share == share) {
            Some(tenant) => tenant.jobs.push_back(job),
            None => state.tenants.push_back(Tenant { share, jobs: VecDeque::from([job]) }),
        }
        drop(state);
        self.changed.notify_one();
        true
    }

    fn work(&self) {
        plain_thread::declare();
        while let Some((share, job)) = self.next() {
            let Job { chain, facts, reply, place } = job;
            // A caller that went away while its question waited wants no answer.
            if !reply.is_closed() {
                // A panic is the host's own bug: it costs this answer, not the thread.
                let decided = panic::catch_unwind(AssertUnwindSafe(|| chain.decide(&facts)));
                drop(place);
                if let Ok(result) = decided {
                    // The caller may have gone away meanwhile.
                    let _ = reply.send(result);
                }
            }
            self.done(share);
        }
    }

    fn next(&self) -> Option<(usize, Job)> {
        let mut state = self.state.lock();
        loop {
            if let Some(next) = state.take(self.running_per_tenant) {
                return Some(next);
            }
            if state.closed && state.waiting == 0 {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    fn done(&self, share: usize) {
        let mut state = self.state.lock();
        if let Some(running) = state.running.get_mut(&share) {
            *running -= 1;
            if *running == 0 {
                state.running.remove(&share);
            }
        }
        drop(state);
        // Somebody may have waited for this tenant's threads.
        self.changed.notify_all();
    }
}

impl State {
    /// The first job of the first tenant that holds less than its threads; the tenant goes to the
    /// back.
    fn take(&mut self, running_per_tenant: usize) -> Option<(usize, Job)> {
        let running = &self.running;
        let may_run = |t: &Tenant| running.get(&t.share).copied().unwrap_or(0) < running_per_tenant;
        let at = self.tenants.iter().position(may_run)?;
        let mut tenant = self.tenants.remove(at)?;
        let job = tenant.jobs.pop_front()?;
        let share = tenant.share;
        if !tenant.jobs.is_empty() {
            self.tenants.push_back(tenant);
        }
        self.waiting -= 1;
        *self.running.entry(share).or_default() += 1;
        Some((share, job))
    }
}

fn busy(chain: &Chain) -> PolicyFailure {
    let policy = chain.names().next().unwrap_or_default().to_owned();
    PolicyFailure { policy, link: 0, kind: FailureKind::Busy, log: Vec::new() }
}
