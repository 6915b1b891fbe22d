//! How a host starts: from its own last known good, at once and without anybody's help; what is
//! new to it from its bootstrap.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use parking_lot::{Mutex, RwLock};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{
    ChangeError, Doubts, Host, HostSettings, Minted, Workshop, Writer,
    components::sweep_artefacts,
    history::fetched,
    kept::Kept,
    leases::Leases,
    prepare::{Ingredients, PrepareError},
    promote::hold::Missed,
    push::closed_warning,
    quarantine::Watch,
    replay::LOOKS_BACK,
    sets::unset,
    tokens,
};
use crate::{
    audit::{Audit, AuditDamaged, AuditSettings},
    bundle::{self, BundleError, BundleLimits, Opened},
    chunks::Fetch,
    control::{Control, ControlError},
    entropy::fresh_key,
    generation::{DecisionEngine, Generation, Served},
    id::{PolicyName, Revision, WorkspaceId},
    keyring::{FingerprintKey, Keyring},
    lease::LeaseError,
    made::{Made, MadeError},
    model::SealedValue,
    policy::{Allocation, Engine, EngineError, EngineSettings, Lanes, Tallies},
    reseal::closed_environments,
    seal::CapsuleKey,
    slots::{
        BlobError, CommitError, DataDirectory, Degraded, DirectoryError, KeptRevision, LoadError, Slots,
        WorkspaceRoot,
    },
    state::{State, StateError},
    store::Store,
    system,
    telemetry::Metrics,
    upload::Uploads,
};

/// The file that the first start writes an operator's token to.
const OPERATOR_TOKEN: &str = "operator.token";

/// Why a host did not start. What is on disk is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Nothing in it can be served.
    #[error("the last known good cannot be loaded")]
    Slots(#[from] LoadError),
    /// A file in it is not whole.
    #[error("a part of the last known good cannot be read")]
    Blob(#[from] BlobError),
    /// The state in it is not one.
    #[error("the tokens and activations cannot be loaded")]
    State(#[from] StateError),
    /// The ledger does not open, or holds what is not this host's.
    #[error("the ledger cannot be used")]
    Ledger(#[from] ControlError),
    /// It was here, and is not any more.
    #[error(
        "the ledger with the tokens and activations is gone: restore the data directory from a backup; an empty \
         one would bring revoked tokens back"
    )]
    LedgerLost,
    /// What was made by API cannot be loaded.
    #[error("what was made by API cannot be loaded")]
    Made(#[from] MadeError),
    /// What the ledger holds of who was given what does not read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The operator's token could not be minted.
    #[error("the operator's token could not be minted")]
    Mint(#[from] ChangeError),
    /// The policy engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The root key that wraps this host's own keys was not given.
    #[error("none of the root keys given can wrap this host's keys; give one with --root-key")]
    NoRootKey,
    /// The first commit, or the one that takes in a new workspace, failed.
    #[error("the bootstrap could not be made durable")]
    Commit(#[from] CommitError),
    /// The audit log cannot be gone on with.
    #[error(transparent)]
    Audit(#[from] AuditDamaged),
    /// A file or thread could not be made.
    #[error("cannot {doing}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl Host {
    /// Starts a host on its data directory.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn open(settings: HostSettings) -> Result<Arc<Self>, StartError> {
        let io = |doing| move |source| StartError::Io { doing, source };
        let mut entropy = system::entropy;
        let directory = DataDirectory::open(&settings.data)?;
        let base_root = settings.roots.named(settings.base_root).ok_or(StartError::NoRootKey)?;
        let keys = Arc::new(directory.host_keys(&settings.roots, base_root, &mut entropy)?);
        let audit = AuditSettings {
            data: settings.data.clone(),
            strict: settings.strict_audit,
            retention_days: settings.audit_days,
            clock: settings.clock.clone(),
        };
        let audit = Audit::open(audit, keys.audit.copy())?;

        let policies =
            Engine::new(&EngineSettings { limits: settings.policy_limits, ..EngineSettings::default() })?;
        if let Allocation::Fallback { reason } = policies.allocation() {
            tracing::warn!(reason = %reason, "policies run without the memory pool, and slower");
        }
        let artefacts = settings.data.join("artefacts");
        let uploads = Uploads::new(artefacts, keys.artefact.expose(), settings.compiler, policies.clone());
        let (uploads, tallies) = (Arc::new(uploads), Arc::<Tallies>::default());
        let engine = Arc::new(DecisionEngine {
            lanes: Lanes::new(&settings.lanes).map_err(io("start the policy threads"))?,
            capsule_key: CapsuleKey::new(fresh_key(&mut entropy)),
            decisions: settings.decisions,
            grants: settings.decisions.max(1024),
        });

        let (slots, mut doubts) =
            Slots::load(directory, Arc::clone(&keys), &settings.overrides, &settings.trusted)?;
        // The highest time seen outlives the process: a clock set back revives no expired token.
        let newest = slots.root().workspaces.values().map(|workspace| workspace.current.created).max();
        settings.clock.advance(newest.unwrap_or_default());
        let bootstrap = settings.bootstrap.unwrap_or_default();
        let control = Control::open_with(&settings.data, keys.floor.record_key(), settings.leases.clone())?;
        let announce = |minted: &Minted| {
            write_private(&settings.data.join(OPERATOR_TOKEN), minted.token.expose())
                .map_err(io("write operator.token"))
        };
        let allowed = (&settings.overrides[..], &settings.trusted);
        let Kept { writer, leases, doubt, incomplete } =
            Kept::restore(slots, control, bootstrap, allowed, settings.clock.now(), announce)?;
        doubts.extend(doubt);
        let workshop = Workshop {
            keys,
            uploads: Arc::clone(&uploads),
            tallies: Arc::clone(&tallies),
            policies,
            roots: Arc::new(settings.roots),
            base_root: settings.base_root,
            trusted: settings.trusted,
        };
        let mut doubts = noted(&doubts);
        if let Some(error) = incomplete {
            doubts.disk.get_or_insert(format!("the second slot could not be written: {error}"));
        }
        let mut writer = writer;
        let workspaces = writer.load(&workshop, &settings.bundle_limits, &engine, &mut doubts);
        writer.sweep_components();
        // What is served is loaded.
        sweep_artefacts(&uploads, writer.components_made());
        let metrics = Arc::new(Metrics::new());
        for (name, served) in &workspaces {
            let snapshot = &served.snapshot;
            metrics.set_snapshot(name.as_str(), snapshot.revision, snapshot.not_after);
            let age_seconds = settings.clock.now().0 - snapshot.created.0;
            tracing::info!(workspace = %name, revision = snapshot.revision.0, age_seconds, "serving the last known good");
        }
        let leases = Leases::new(leases, Arc::clone(&writer.control));
        leases.forget_gone(&workspaces);
        let sequence = writer.sequence();
        let index = Arc::new(tokens::index(&writer.state));
        let host = Arc::new(Self {
            store: Store::new(Generation::new(sequence, index, workspaces, Arc::clone(&engine))),
            started: settings.clock.now(),
            clock: settings.clock,
            metrics,
            audit,
            limits: settings.bundle_limits,
            leases,
            tallies,
            uploads,
            workshop: Mutex::new(workshop),
            looking_back: Semaphore::new(LOOKS_BACK),
            trying: Mutex::default(),
            control: Arc::clone(&writer.control),
            writer: Mutex::new(writer),
            engine,
            fingerprints: FingerprintKey::new(fresh_key(&mut entropy)),
            watch: Watch::default(),
            promoted: tokio::sync::watch::Sender::new(0),
            missed: Missed::default(),
            // A kill may have come between what arrived and the look at it.
            unlooked: AtomicBool::new(true),
            draining: AtomicBool::new(false),
            doubts: RwLock::new(doubts),
        });
        if let Some(reason) = host.degraded() {
            tracing::error!(reason, "degraded: the last known good on disk is not as it should be");
        }
        host.note_degraded();
        host.record_noted()?;
        host.note_ledger();
        host.record("start", "done", "host", json!({ "sequence": sequence, "degraded": host.degraded() }));
        Ok(host)
    }
}

impl Host {
    /// Makes durable how far the ledger has come, so that an older one is known for what it is. At a
    /// start, at the end, and about every second in between: a change need not wait for it.
    pub fn note_ledger(&self) {
        let mut writer = self.writer.lock();
        let seen = Revision(writer.control.revision());
        if let Err(error) = writer.slots.note_ledger(seen) {
            tracing::error!(error = %error, "the highest revision of the ledger could not be written down");
        }
    }
}

impl Writer {
    /// Every workspace of the root, ready to serve. One that cannot be is a doubt and not served;
    /// the others are nobody's hostages.
    fn load(
        &mut self,
        workshop: &Workshop,
        limits: &BundleLimits,
        engine: &DecisionEngine,
        doubts: &mut Doubts,
    ) -> BTreeMap<WorkspaceId, Arc<Served>> {
        let mut served = BTreeMap::new();
        for (name, root) in self.slots.root().workspaces.clone() {
            match self.load_one(&name, &root, workshop, limits, engine) {
                Ok(one) => {
                    // A push that displaced something was cut off before the ledger knew of it.
                    let before = self.made.insert(name.clone(), Arc::clone(&one.made)).unwrap_or_default();
                    if before != one.made {
                        self.displaced.push((name.clone(), before));
                    }
                    if let Err(error) = self.keep(&one) {
                        doubts.ledger.get_or_insert(error.to_string());
                    }
                    if let Some(doubt) = unset(&one.sets) {
                        doubts.workspaces.insert(name.clone(), doubt);
                    }
                    served.insert(name, Arc::new(one));
                }
                Err(error) => {
                    doubts.workspaces.insert(name.clone(), format!("{name} is not served: {error}"));
                }
            }
        }
        served
    }

    fn load_one(
        &self,
        name: &WorkspaceId,
        root: &WorkspaceRoot,
        workshop: &Workshop,
        limits: &BundleLimits,
        engine: &DecisionEngine,
    ) -> Result<Served, LoadWorkspaceError> {
        let bytes = self.slots.read(root.current.configuration)?;
        let opened = bundle::open_stored(&bytes, &workshop.keys.store.verifying_key(), limits)?;
        let fetch = &mut |digest| fetched(&self.control, digest);
        let (made, with) = (self.made_in(name), (engine, fetch as &mut Fetch<'_>));
        let (served, closed) = workshop.serve_again(opened, &root.current, &made, &self.state, with)?;
        for reason in closed {
            tracing::error!(workspace = %name, reason, "an environment cannot be served");
        }
        Ok(served)
    }
}

impl Workshop {
    /// What was served before, here or on another host, ready to be served again: what a directory pushed,
    /// with what was made by API over it. Tells of environments that cannot be opened here.
    pub(super) fn serve_again(
        &self,
        opened: Opened<SealedValue>,
        current: &KeptRevision,
        made: &Made,
        state: &State,
        (engine, fetch): (&DecisionEngine, &mut Fetch<'_>),
    ) -> Result<(Served, Vec<String>), LoadWorkspaceError> {
        let (mut configuration, mut keys) = (opened.configuration, opened.data_keys);
        let displaced = made.lay_over(&mut configuration, &mut keys);
        let made = Arc::new(made.without(&displaced));
        if let Some(policy) = made.incomplete() {
            return Err(LoadWorkspaceError::Component(policy.clone()));
        }
        let keyring = Keyring::unwrap(configuration.uid, &keys, &self.roots);
        let closed = closed_environments(&configuration, &keyring);
        let active = state.active_in(&configuration);
        let sets = self.sets(&configuration, &active, None, fetch);
        let ingredients = Ingredients {
            configuration,
            keys,
            keyring: &keyring,
            revision: current.revision.max(made.revision),
            created: current.created.max(made.changed),
            not_after: opened.header.not_after,
            made,
            active: &active,
            sets,
            certified: true,
            parent: None,
            touched: None,
        };
        Ok((self.prepare(ingredients, engine)?, closed.iter().map(closed_warning).collect()))
    }
}

/// What was found wrong with the slots, and with single workspaces in them.
fn noted(degraded: &[Degraded]) -> Doubts {
    let mut disk = Vec::new();
    let mut workspaces = BTreeMap::new();
    for one in degraded {
        match one {
            Degraded::Overridden { workspace } => {
                drop(workspaces.insert(workspace.clone(), one.to_string()));
            }
            _ => disk.push(one.to_string()),
        }
    }
    Doubts { disk: (!disk.is_empty()).then(|| disk.join("; ")), ledger: None, workspaces }
}

/// Why one workspace is not served after a start.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadWorkspaceError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(
        "the component of policy {0}, which was made by API, is not in the ledger: restore the data directory \
         from a backup, or push a directory that names the policy"
    )]
    Component(PolicyName),
}

fn write_private(path: &Path, token: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}
