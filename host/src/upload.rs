//! A policy's way in. What a tenant uploads is looked at before anything heavy looks at it, is
//! compiled in a process that may be lost, and is asked before it may serve:
//!
//! 1. Not larger than the limit, and a component; a core module with embedded interface types is
//!    made one (`wit-component`), text and precompiled code are refused.
//! 2. A structural scan ([`scan()`]), far below the validator's own limits; the imports are on the
//!    allow-list, the exports are a world's. All that is wrong is listed, by name.
//! 3. Compiled by a child process ([`Compiler`]) with limits on memory, CPU and wall clock, one
//!    for each tenant at a time: compile bombs are, by its own policy, not a wasmtime
//!    vulnerability, and a module of 21 KB was seen to take 24 GB and 76 seconds.
//! 4. The compiled code is stored with a MAC, keyed by the component's digest and the
//!    whole engine configuration. Any doubt compiles again.
//! 5. The canary: it describes itself, takes its settings, and answers the same question twice in
//!    the same way for the same fuel ([`rehearse`]).

mod canary;
mod compiler;
mod form;
mod scan;
mod store;
#[cfg(test)]
mod tests;
mod trial;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt, io,
    path::PathBuf,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

pub use canary::{judge_twice, rehearse, take_settings, twice};
pub use compiler::{Compiler, compile_child_main};
pub use scan::{Surface, scan};
pub use trial::Trial;

use self::{form::Form, store::Store};
use crate::{
    id::{Digest, WorkspaceId},
    model::{Place, question::Violation},
    policy::{Engine, LoadError, Loaded, PolicyFailure, artefact::Artefact},
};

/// The way in, with what came through it: a policy that did not change is compiled once, and
/// shared by all generations and tenants.
pub struct Uploads {
    engine: Engine,
    compiler: Compiler,
    store: Store,
    loaded: Mutex<HashMap<Digest, Weak<Loaded>>>,
    compiling: Mutex<HashSet<WorkspaceId>>,
}

/// Why a policy does not get in.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It breaks rules; every one that was found is listed.
    #[error("the policy is refused: {}", Listed(.0))]
    Refused(Vec<Refusal>),
    /// It does not compile, or its compilation exceeded a limit.
    #[error("the policy does not compile: {0}")]
    Compile(String),
    /// It compiles and is not a policy.
    #[error("the policy {0}")]
    Load(#[from] LoadError),
    /// It does not answer as a policy must.
    #[error("the policy failed its rehearsal: {0}")]
    Rehearsal(#[from] RehearsalError),
    /// It is a promotion policy, and attached where no promotion ends.
    #[error(
        "it is a promotion policy, and cannot be attached to {0}: attach it to the environment that releases move to, \
         or to the workspace"
    )]
    Misplaced(Place),
    /// This tenant's last upload is being compiled; try again when it is done.
    #[error("another policy of this workspace is being compiled")]
    Compiling,
    /// The host's own trouble: the compiler cannot be started.
    #[error("cannot {action}")]
    Host {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// A rule that an uploaded policy breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable and machine-readable.
    pub code: &'static str,
    /// For a person: which rule, and where.
    pub message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

struct Listed<'a>(&'a [Refusal]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, refusal) in self.0.iter().enumerate() {
            write!(f, "{}{refusal}", if place > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// How a policy failed its rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalError {
    /// It did not say whether its settings are right.
    #[error("validate-settings: {0}")]
    Settings(PolicyFailure),
    /// Its settings are wrong.
    #[error("it refuses its settings: {}", refused_settings(.0))]
    RefusedSettings(Vec<Violation>),
    /// It did not answer.
    #[error("{0}")]
    Decide(PolicyFailure),
    /// The same question got two answers, or cost twice something else.
    #[error("it answers the same question differently, or for other fuel")]
    Nondeterministic,
}

impl Uploads {
    /// A way in that keeps compiled code under `dir`, authenticated with `mac_key`. The directory
    /// is created when something is stored.
    #[must_use]
    pub fn new(dir: PathBuf, mac_key: &[u8; 32], compiler: Compiler, engine: Engine) -> Self {
        let store = Store::new(dir, mac_key, engine.limits());
        Self { engine, compiler, store, loaded: Mutex::default(), compiling: Mutex::default() }
    }

    /// Lets a policy in: at once, when it is loaded already; quickly, when this host compiled it
    /// before; else the whole way. Blocks for as long as a compilation may take.
    ///
    /// # Errors
    /// What is wrong with it, all of it where that can be told at once.
    pub fn admit(&self, tenant: &WorkspaceId, uploaded: &[u8]) -> Result<Arc<Loaded>, UploadError> {
        let digest = Digest(Sha256::digest(uploaded).into());
        if let Some(loaded) = self.loaded.lock().get(&digest).and_then(Weak::upgrade) {
            return Ok(loaded);
        }
        let configuration = self.engine.configuration();
        let stored = self.store.load(digest, configuration);
        // A stored artefact that no longer loads is doubt enough to compile again.
        if let Some(loaded) = stored.and_then(|code| Loaded::new(&self.engine, digest, &code).ok()) {
            return Ok(self.know(loaded));
        }
        let code = self.compile(tenant, uploaded)?;
        // Known before it is stored: from then on no sweep takes it.
        let loaded = self.know(Loaded::new(&self.engine, digest, &code)?);
        // A full disk costs the next start a compilation, and this upload nothing.
        let _ = self.store.save(&code, digest, configuration);
        Ok(loaded)
    }

    /// Forgets what was compiled from components that are neither loaded nor in `keep`. Returns how
    /// many files were removed.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file not removed.
    pub fn sweep(&self, keep: impl IntoIterator<Item = Digest>) -> io::Result<usize> {
        let mut keep: HashSet<_> = keep.into_iter().collect();
        let loaded = self.loaded.lock();
        keep.extend(loaded.iter().filter(|(_, loaded)| loaded.strong_count() > 0).map(|(digest, _)| digest));
        drop(loaded);
        self.store.sweep(&keep)
    }

    fn know(&self, loaded: Arc<Loaded>) -> Arc<Loaded> {
        let mut known = self.loaded.lock();
        known.retain(|_, loaded| loaded.strong_count() > 0);
        known.insert(loaded.digest(), Arc::downgrade(&loaded));
        loaded
    }

    fn compile(&self, tenant: &WorkspaceId, uploaded: &[u8]) -> Result<Artefact, UploadError> {
        let form = recognise(&self.engine, uploaded)?;
        let _turn = Turn::take(&self.compiling, tenant).ok_or(UploadError::Compiling)?;
        let component = component(&self.engine, &self.compiler, form, uploaded)?;
        self.compiler.compile(&self.engine, &component)
    }
}

fn recognise(engine: &Engine, uploaded: &[u8]) -> Result<Form, UploadError> {
    form::recognise(uploaded, engine.limits()).map_err(|refusal| UploadError::Refused(vec![refusal]))
}

/// The component that an upload is or becomes, looked at and not compiled.
fn component<'a>(
    engine: &Engine,
    compiler: &Compiler,
    form: Form,
    uploaded: &'a [u8],
) -> Result<Cow<'a, [u8]>, UploadError> {
    let limits = engine.limits();
    let component = match form {
        Form::Component => Cow::Borrowed(uploaded),
        Form::Module => {
            refuse(scan::scan_module(uploaded, limits))?;
            Cow::Owned(compiler.componentise(engine, uploaded)?)
        }
    };
    refuse(scan(&component, limits))?;
    Ok(component)
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads").field("engine", &self.engine).finish_non_exhaustive()
    }
}

fn refused_settings(violations: &[Violation]) -> String {
    let about = |v: &Violation| v.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
    let listed: Vec<_> =
        violations.iter().map(|v| format!("{}{} ({})", about(v), v.message, v.code)).collect();
    listed.join("; ")
}

fn refuse(refusals: Vec<Refusal>) -> Result<(), UploadError> {
    if refusals.is_empty() { Ok(()) } else { Err(UploadError::Refused(refusals)) }
}

/// A tenant's turn to compile; over when dropped.
struct Turn<'a> {
    compiling: &'a Mutex<HashSet<WorkspaceId>>,
    tenant: &'a WorkspaceId,
}

impl<'a> Turn<'a> {
    fn take(compiling: &'a Mutex<HashSet<WorkspaceId>>, tenant: &'a WorkspaceId) -> Option<Self> {
        let is_free = compiling.lock().insert(tenant.clone());
        // Made only when it is free: a turn gives up the tenant's place when dropped.
        is_free.then(|| Self { compiling, tenant })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.compiling.lock().remove(self.tenant);
    }
}
