//! A running host: the live generation, and the one writer that makes the next. Reads never wait
//! for a change; changes wait for each other.

mod activation;
mod author;
mod change;
mod check;
mod compare;
mod components;
mod error;
mod expiry;
mod export;
mod grants;
mod history;
mod import;
mod kept;
mod leases;
mod noted;
mod once;
mod pending;
mod pinned;
mod pipeline;
mod prepare;
mod promote;
mod promotion;
mod push;
mod quarantine;
mod release;
mod replay;
mod restore;
mod rollback;
mod rotation;
mod sets;
mod staged;
mod stored;
mod tokens;
mod told;
mod transactions;
mod validated;
pub mod what_if;
mod workspaces;
mod writes;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::{
    audit::{Audit, AuditUnavailable, ChangeRecord},
    bundle::BundleLimits,
    clock::{Clock, Steady, rfc3339},
    control::Control,
    generation::DecisionEngine,
    id::{Digest, Revision, UnixSeconds, WorkspaceId},
    keyring::{FingerprintKey, HostKeys, RootKeys},
    made::Made,
    model::KeyId,
    policy::{Engine, Limits, Tallies, lanes::LaneSettings},
    signing::TrustedSigners,
    slots::{FloorOverride, Slots},
    state::State,
    store::Store,
    telemetry::Metrics,
    upload::{Compiler, Uploads},
};

pub use activation::Activated;
pub use author::Author;
pub use check::{MAX_CHECKS, MAX_MEASURES};
pub use compare::Shared;
pub use error::ChangeError;
pub use expiry::{EXPIRED_GRACE_SECONDS, Undeletable};
pub use export::Exported;
pub use history::{LookBackError, MAX_HISTORY};
pub use leases::{Accepted, Holding, Leases, Unheld};
pub use once::{Claim, MAX_KEPT_ANSWER_BYTES, Remembered};
pub use pinned::Pinned;
pub use pipeline::Pipeline;
pub use promote::{HOLD_SECONDS, PAST_PROMOTIONS, Requested, WAIT_SECONDS};
pub use release::{MADE_RELEASES, NotActivated, Registered, Wanted as WantedRelease};
pub use replay::Replayed;
pub use restore::StartError;
pub use rollback::{GoBack, RolledBack};
pub use tokens::{MintRequest, Minted};

/// What a host is started with.
pub struct HostSettings {
    /// The data directory.
    pub data: PathBuf,
    /// The root keys that this host may use.
    pub roots: RootKeys,
    /// Which of them wraps the host's own keys.
    pub base_root: KeyId,
    /// Whose pushes are accepted.
    pub trusted: TrustedSigners,
    /// State for workspaces that this host does not know yet; the rest is ignored.
    pub bootstrap: Option<State>,
    /// How policies are compiled.
    pub compiler: Compiler,
    /// Bounds of a push.
    pub bundle_limits: BundleLimits,
    /// Bounds of a policy.
    pub policy_limits: Limits,
    /// Threads and shares of expensive policies.
    pub lanes: LaneSettings,
    /// Decisions that a generation remembers; 0 for none.
    pub decisions: usize,
    /// Whether an audit record is on the disk before its secrets leave.
    pub strict_audit: bool,
    /// How long audit records are kept, in days.
    pub audit_days: u32,
    /// What time it is.
    pub clock: Clock,
    /// What the leases of its ledger are measured with.
    pub leases: Steady,
    /// Signed permissions to load a revision older than the highest seen.
    pub overrides: Vec<FloorOverride>,
}

/// A running host.
pub struct Host {
    /// What is served.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// When this process took over.
    pub started: UnixSeconds,
    /// What an operator can watch.
    pub metrics: Arc<Metrics>,
    /// Who was given what.
    pub audit: Arc<Audit>,
    /// How often policies were asked.
    pub tallies: Arc<Tallies>,
    /// Bounds of a push.
    pub limits: BundleLimits,
    /// Who holds what.
    pub leases: Leases,
    uploads: Arc<Uploads>,
    workshop: Mutex<Workshop>,
    looking_back: Semaphore,
    trying: what_if::UnderWay,
    writer: Mutex<Writer>,
    /// For who only reads: nobody's change is waited for.
    control: Arc<Control>,
    engine: Arc<DecisionEngine>,
    fingerprints: FingerprintKey,
    watch: quarantine::Watch,
    /// Counts the targets that were let go, for who waits for one.
    pub promoted: tokio::sync::watch::Sender<u64>,
    missed: promote::hold::Missed,
    /// Whether something may have arrived that no promotion that waits was judged with.
    unlooked: AtomicBool,
    draining: AtomicBool,
    doubts: RwLock<Doubts>,
}

/// What is not as it should be about what was found on disk, or left there.
#[derive(Default)]
struct Doubts {
    /// About the slots and the floor: gone with a commit that writes them all.
    disk: Option<String>,
    /// About the ledger: gone with a restart.
    ledger: Option<String>,
    /// About a workspace: gone when that workspace is served anew.
    workspaces: BTreeMap<WorkspaceId, String>,
}

/// What a configuration is made ready with. Held for a whole push: pushes wait for each other.
struct Workshop {
    keys: Arc<HostKeys>,
    uploads: Arc<Uploads>,
    tallies: Arc<Tallies>,
    policies: Engine,
    roots: Arc<RootKeys>,
    base_root: KeyId,
    trusted: TrustedSigners,
}

/// What is durable. Held for a commit alone, so that a revocation waits for no policy to compile. The
/// slots hold what was pushed, the ledger the state; no change is one of both.
struct Writer {
    slots: Slots,
    /// As the ledger has it.
    state: State,
    /// What was made by API, as the ledger has it.
    made: BTreeMap<WorkspaceId, Arc<Made>>,
    /// What the ledger holds of a workspace, where a push displaced some of that and the ledger does not
    /// know yet.
    displaced: Vec<(WorkspaceId, Arc<Made>)>,
    /// The trees of what is served, as the ledger has them.
    histories: BTreeMap<WorkspaceId, history::Kept>,
    unrecorded: noted::Unrecorded,
    /// A workspace was imported by half: nothing is changed before a start has settled it.
    unsettled: bool,
    control: Arc<Control>,
}

/// A change that is durable and served.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its new revision.
    pub revision: Revision,
    /// The snapshot's digest.
    pub digest: Digest,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// The host does not want traffic now, and why.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// Nothing was pushed yet.
    #[error("no snapshot yet; push one with `bootlace snapshot push`")]
    Empty,
    /// It is shutting down.
    #[error("shutting down")]
    Draining,
}

impl Host {
    /// `ready`, or `degraded` with the reason; names no tenant.
    ///
    /// # Errors
    /// When there is nothing to serve, or the host is on its way down.
    pub fn readiness(&self) -> Result<&'static str, NotReady> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(NotReady::Draining);
        }
        if self.store.load().workspaces().is_empty() {
            return Err(NotReady::Empty);
        }
        Ok(if self.note_degraded() { "degraded\n" } else { "ready\n" })
    }

    /// Turns readiness off; requests are still answered.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// What the host has doubts about, for the log.
    #[must_use]
    pub fn degraded(&self) -> Option<String> {
        let doubts = self.doubts.read();
        let (live, now) = (self.store.load(), self.clock.now());
        let served = live.workspaces().iter().map(|(name, served)| (name, served.snapshot.not_after));
        let expired = served.filter(|(_, not_after)| *not_after <= now);
        let expired =
            expired.map(|(name, at)| format!("what is served of {name} expired at {}", rfc3339(at)));
        let all: Vec<_> = doubts
            .disk
            .iter()
            .chain(&doubts.ledger)
            .chain(doubts.workspaces.values())
            .cloned()
            .chain(expired)
            .collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Whether there is any doubt; the gauge follows. A snapshot expires without anybody doing
    /// anything, so that this is asked anew each time.
    fn note_degraded(&self) -> bool {
        let degraded = self.degraded().is_some();
        self.metrics.degraded.set(i64::from(degraded));
        degraded
    }

    /// Notes a doubt about the slots and the floor, or that there is none any more.
    fn doubt_disk(&self, reason: Option<String>) {
        if let Some(reason) = &reason {
            tracing::error!(reason, "degraded: the last known good on disk is not as it should be");
        }
        self.doubts.write().disk = reason;
        self.note_degraded();
    }

    /// Notes a doubt about the ledger, for as long as this process lives.
    fn doubt_ledger(&self, reason: String) {
        tracing::error!(reason, "degraded: nothing more is written to the ledger until a restart");
        self.doubts.write().ledger = Some(reason);
        self.note_degraded();
    }

    /// Records that plain values are about to be shown.
    ///
    /// # Errors
    /// When it cannot be recorded: nothing may be shown then.
    pub fn record_reveal(&self, principal: &str, details: serde_json::Value) -> Result<(), AuditUnavailable> {
        let at = self.clock.now();
        self.audit.append_change(&ChangeRecord { at, kind: "reveal", outcome: "done", principal, details })
    }

    /// Records a change that was made or refused. A change that was made stays made: its record
    /// is also in the data directory's history.
    fn record(&self, kind: &str, outcome: &str, principal: &str, details: serde_json::Value) {
        self.append(&ChangeRecord { at: self.clock.now(), kind, outcome, principal, details });
    }

    fn append(&self, record: &ChangeRecord<'_>) {
        self.appended(record.kind, self.audit.append_change(record));
    }

    fn appended(&self, kind: &str, appended: Result<(), AuditUnavailable>) {
        if let Err(error) = appended {
            self.metrics.audit_failures.inc();
            tracing::error!(error = %error, kind, "a change could not be recorded in the audit log");
        }
    }
}
