//! How a host starts: from its own last known good, at once and without anybody's help; an empty
//! one from its bootstrap.

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

use super::{Host, HostSettings, MintRequest, Minted, Writer, prepare::Ingredients, tokens};
use crate::{
    audit::Audit,
    bundle::{self, BundleError, BundleLimits},
    entropy::fresh_key,
    generation::{DecisionEngine, Generation, Served},
    id::WorkspaceId,
    keyring::Keyring,
    model::Scope,
    policy::{Allocation, Engine, EngineError, EngineSettings, Lanes},
    seal::CapsuleKey,
    slots::{BlobError, Change, CommitError, DataDirectory, DirectoryError, LoadError, Slots, WorkspaceRoot},
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
    /// A configuration in it is not one.
    #[error("the configuration of {workspace} cannot be loaded")]
    Bundle {
        /// The workspace.
        workspace: WorkspaceId,
        /// Why.
        source: BundleError,
    },
    /// The state in it is not one.
    #[error("the tokens and activations cannot be loaded")]
    State(#[from] StateError),
    /// What was served cannot be served by this version.
    #[error("{workspace} cannot be served: {reasons}")]
    Prepare {
        /// The workspace.
        workspace: WorkspaceId,
        /// Everything that is wrong.
        reasons: String,
    },
    /// The policy engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The root key that wraps this host's own keys was not given.
    #[error("none of the root keys given can wrap this host's keys; give one with --root-key")]
    NoRootKey,
    /// The first commit failed.
    #[error("the bootstrap could not be made durable")]
    Commit(#[from] CommitError),
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
        let audit = Audit::open(&settings.data.join("audit"), settings.strict_audit);
        let audit = audit.map_err(io("begin an audit file"))?;

        let policies =
            Engine::new(&EngineSettings { limits: settings.policy_limits, ..EngineSettings::default() })?;
        if let Allocation::Fallback { reason } = policies.allocation() {
            tracing::warn!(reason = %reason, "policies run without the memory pool, and slower");
        }
        let artefacts = settings.data.join("artefacts");
        let uploads = Uploads::new(artefacts, keys.artefact.expose(), settings.compiler, policies.clone());
        let engine = Arc::new(DecisionEngine {
            lanes: Lanes::new(&settings.lanes).map_err(io("start the policy threads"))?,
            capsule_key: CapsuleKey::new(fresh_key(&mut entropy)),
            decisions: settings.decisions,
            grants: settings.decisions.max(1024),
        });

        let (slots, doubts) =
            Slots::load(directory, Arc::clone(&keys), &settings.overrides, &settings.trusted)?;
        let first_start = slots.root().host_state.is_none();
        let state = match slots.root().host_state {
            Some(digest) => State::from_bytes(&slots.read(digest)?)?,
            None => settings.bootstrap.unwrap_or_default(),
        };
        let writer = Writer {
            slots,
            keys,
            uploads,
            policies,
            roots: settings.roots,
            base_root: settings.base_root,
            trusted: settings.trusted,
            state,
        };
        let workspaces = writer.load(&settings.bundle_limits, &engine)?;
        let metrics = Arc::new(Metrics::new());
        for (name, served) in &workspaces {
            let snapshot = &served.snapshot;
            metrics.set_revision(name.as_str(), snapshot.revision);
            let age_seconds = settings.clock.now().0 - snapshot.created.0;
            tracing::info!(workspace = %name, revision = snapshot.revision.0, age_seconds, "serving the last known good");
        }
        let sequence = writer.slots.root().sequence;
        let index = Arc::new(tokens::index(&writer.state));
        let host = Arc::new(Self {
            store: Store::new(Generation::new(sequence, index, workspaces, Arc::clone(&engine))),
            clock: settings.clock,
            metrics,
            audit,
            limits: settings.bundle_limits,
            writer: Mutex::new(writer),
            engine,
            draining: AtomicBool::new(false),
            degraded: RwLock::new(None),
        });
        let doubts: Vec<_> = doubts.iter().map(ToString::to_string).collect();
        host.doubt((!doubts.is_empty()).then(|| doubts.join("; ")));
        if first_start {
            host.begin(&settings.data)?;
        }
        host.record("start", "done", "host", json!({ "sequence": sequence, "degraded": host.degraded() }));
        Ok(host)
    }

    /// The first start: the bootstrap becomes durable, and the operator gets a token.
    fn begin(&self, data: &Path) -> Result<(), StartError> {
        let request = MintRequest { scope: Scope::Operator, principal: "operator".into(), expires_in: None };
        let minted = Minted::offline(request, self.clock.now()).map_err(|error| StartError::Io {
            doing: "mint the operator's token",
            source: io::Error::other(error),
        })?;
        // The file first: a token that works and that nobody has would be lost for good.
        write_private(&data.join(OPERATOR_TOKEN), minted.token.expose())
            .map_err(|source| StartError::Io { doing: "write operator.token", source })?;
        let mut writer = self.writer.lock();
        writer.state.tokens.insert(minted.record.hash, minted.record);
        let state = Change::HostState(writer.state.to_bytes());
        let sequence = self.commit(&mut writer, state)?;
        let tokens = Arc::new(tokens::index(&writer.state));
        self.store.publish(Arc::new(self.store.load_full().with_tokens(sequence, tokens)));
        Ok(())
    }
}

impl Writer {
    /// Every workspace of the root, ready to serve.
    fn load(
        &self,
        limits: &BundleLimits,
        engine: &DecisionEngine,
    ) -> Result<BTreeMap<WorkspaceId, Arc<Served>>, StartError> {
        let roots = &self.slots.root().workspaces;
        roots
            .iter()
            .map(|(name, root)| Ok((name.clone(), Arc::new(self.load_one(name, root, limits, engine)?))))
            .collect()
    }

    fn load_one(
        &self,
        name: &WorkspaceId,
        root: &WorkspaceRoot,
        limits: &BundleLimits,
        engine: &DecisionEngine,
    ) -> Result<Served, StartError> {
        let bytes = self.slots.read(root.current.configuration)?;
        let opened = bundle::open_stored(&bytes, &self.keys.store.verifying_key(), limits)
            .map_err(|source| StartError::Bundle { workspace: name.clone(), source })?;
        let keyring = Keyring::unwrap(opened.configuration.uid, &opened.data_keys, &self.roots);
        for missing in keyring.missing() {
            tracing::error!(workspace = %name, reason = %missing, "an environment cannot be served");
        }
        let ingredients = Ingredients {
            configuration: opened.configuration,
            keys: opened.data_keys,
            keyring: &keyring,
            revision: root.current.revision,
            created: root.current.created,
            parent: None,
        };
        self.prepare(ingredients, engine)
            .map_err(|error| StartError::Prepare { workspace: name.clone(), reasons: error.to_string() })
    }
}

fn write_private(path: &Path, token: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}
