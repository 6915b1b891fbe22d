//! A policy that is ready to be asked.

use std::sync::Arc;

use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};

use super::{
    artefact::Artefact,
    bindings::{
        self, Attribute, Decided, LIFECYCLE, PROMOTION, RESOLVE, Request, Validated, attributes, promotion,
    },
    call::{Call, Called, UNHURRIED_MS, call, check},
    engine::Engine,
    failure::{FailureKind, PolicyFailure, patiently},
    plain_thread,
    wasi::WasiCall,
};
use crate::{
    id::Digest,
    model::{
        PolicyKind,
        question::{self, Vary},
    },
};

/// A compiled component with all that can be found out once: which world it is of, what it says
/// about itself, where its exports are, that its types are the contract's.
pub struct Loaded {
    engine: Engine,
    digest: Digest,
    descriptor: Descriptor,
    kind: PolicyKind,
    entry: Entry,
    exports: Exports,
}

/// What a policy says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its name, in its author's words.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The facts that its answers depend on.
    pub vary: Vary,
}

/// Why compiled code is not a policy.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The code does not fit the engine, or an import is not what the contract says.
    #[error("cannot be loaded: {0}")]
    Unusable(String),
    /// It exports the interfaces of no world, or of two.
    #[error("exports the interfaces of no world of bootlace:policy@0.1.0; see wit/policy.wit")]
    NoWorld,
    /// An exported function's type is not the contract's.
    #[error("exports {function} with another type than wit/policy.wit: {reason}")]
    Type {
        /// The function.
        function: &'static str,
        /// What differs.
        reason: String,
    },
    /// It fails when asked what it is.
    #[error("does not describe itself: {0}")]
    Describe(FailureKind),
    /// It describes itself at too great length.
    #[error("describes itself with a name or version above {DESCRIPTION_BYTES} bytes")]
    Description,
}

/// The most that a name or a version may have, in bytes.
const DESCRIPTION_BYTES: usize = 128;

enum Entry {
    Plain(InstancePre<Call>),
    Wasi(InstancePre<WasiCall>),
}

struct Exports {
    describe: ComponentExportIndex,
    validate_settings: ComponentExportIndex,
    main: ComponentExportIndex,
}

impl Loaded {
    /// Loads compiled code and asks it what it is. `digest` is that of the component it was
    /// compiled from.
    ///
    /// # Errors
    /// When it is not a policy, or cannot say what it is.
    pub fn new(engine: &Engine, digest: Digest, artefact: &Artefact) -> Result<Arc<Self>, LoadError> {
        let component = artefact.load(engine).map_err(unusable)?;
        let (kind, exports) = exports(&component)?;
        let entry = if imports_wasi(&component) {
            Entry::Wasi(engine.wasi_linker().instantiate_pre(&component).map_err(unusable)?)
        } else {
            Entry::Plain(engine.plain_linker().instantiate_pre(&component).map_err(unusable)?)
        };
        check_types(engine, &entry, &exports, kind)?;
        let (described,) = describe(engine, &entry, &exports).map_err(LoadError::Describe)?;
        if described.name.len() > DESCRIPTION_BYTES || described.version.len() > DESCRIPTION_BYTES {
            return Err(LoadError::Description);
        }
        let descriptor =
            Descriptor { name: described.name, version: described.version, vary: described.vary.into() };
        Ok(Arc::new(Self { engine: engine.clone(), digest, descriptor, kind, entry, exports }))
    }

    /// What it says about itself.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The digest of the component that was uploaded.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Which of the two worlds it is of.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// Whether it imports WASI: such a policy is slower, and always runs on a thread of its own.
    #[must_use]
    pub fn imports_wasi(&self) -> bool {
        matches!(self.entry, Entry::Wasi(..))
    }

    /// The engine it runs on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Asks whether it can use `settings`; the inner error lists what is wrong with them.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn validate_settings(
        &self,
        settings: &[question::Attribute],
    ) -> Result<Result<(), Vec<question::Violation>>, PolicyFailure> {
        let settings = attributes(settings);
        let wall_ms = self.engine.limits().wall_ms;
        let params = (settings.as_slice(),);
        let called: Called<Validated> =
            self.entry.call(&self.engine, &self.exports.validate_settings, wall_ms, params);
        match called.result {
            Ok((answer,)) => Ok(answer.map_err(|list| list.into_iter().map(Into::into).collect())),
            Err(kind) => {
                Err(PolicyFailure { policy: self.descriptor.name.clone(), link: 0, kind, log: called.log })
            }
        }
    }

    /// Puts one question, for at most `wall_ms` milliseconds.
    pub(super) fn decide(&self, wall_ms: u64, request: Request<'_>) -> Called<Decided> {
        self.entry.call(&self.engine, &self.exports.main, wall_ms, (request,))
    }

    /// The same of a promotion policy.
    pub(super) fn evaluate(
        &self,
        wall_ms: u64,
        request: &promotion::Request<'_>,
    ) -> Called<promotion::Evaluated> {
        self.entry.call(&self.engine, &self.exports.main, wall_ms, (request,))
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Loaded({} {} {:?} {})",
            self.descriptor.name, self.descriptor.version, self.kind, self.digest
        )
    }
}

impl Entry {
    fn call<P, R>(&self, engine: &Engine, export: &ComponentExportIndex, wall_ms: u64, params: P) -> Called<R>
    where
        P: ComponentNamedList + Lower + Send,
        R: ComponentNamedList + Lift + Send,
    {
        let limits = engine.limits();
        match self {
            Self::Plain(component) => call(engine, component, export, Call::new(limits), wall_ms, params),
            Self::Wasi(component) => {
                plain_thread::run(|| call(engine, component, export, WasiCall::new(limits), wall_ms, params))
            }
        }
    }

    fn check<P, R>(&self, engine: &Engine, export: &ComponentExportIndex) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let limits = engine.limits();
        match self {
            Self::Plain(component) => check::<_, P, R>(engine, component, export, Call::new(limits)),
            Self::Wasi(component) => {
                plain_thread::run(|| check::<_, P, R>(engine, component, export, WasiCall::new(limits)))
            }
        }
    }
}

/// Asks once more where the clock or a full pool was in the way: that is no reason to turn a
/// policy away.
fn describe(
    engine: &Engine,
    entry: &Entry,
    exports: &Exports,
) -> Result<(bindings::Descriptor,), FailureKind> {
    patiently(FailureKind::is_deterministic, || {
        entry.call(engine, &exports.describe, engine.limits().wall_ms.max(UNHURRIED_MS), ()).result
    })
}

fn check_types(engine: &Engine, entry: &Entry, exports: &Exports, kind: PolicyKind) -> Result<(), LoadError> {
    let wrong = |function| move |e: wasmtime::Error| LoadError::Type { function, reason: format!("{e:#}") };
    entry
        .check::<(), (bindings::Descriptor,)>(engine, &exports.describe)
        .map_err(wrong("lifecycle.describe"))?;
    entry
        .check::<(&[Attribute],), Validated>(engine, &exports.validate_settings)
        .map_err(wrong("lifecycle.validate-settings"))?;
    match kind {
        PolicyKind::Resolve => {
            entry.check::<(Request<'_>,), Decided>(engine, &exports.main).map_err(wrong("resolve.decide"))
        }
        PolicyKind::Promotion => entry
            .check::<(&promotion::Request<'_>,), promotion::Evaluated>(engine, &exports.main)
            .map_err(wrong("promotion.evaluate")),
    }
}

fn exports(component: &Component) -> Result<(PolicyKind, Exports), LoadError> {
    let function = |interface, name| {
        let interface = component.get_export_index(None, interface)?;
        component.get_export_index(Some(&interface), name)
    };
    let (kind, main) = match (function(RESOLVE, "decide"), function(PROMOTION, "evaluate")) {
        (Some(decide), None) => (PolicyKind::Resolve, decide),
        (None, Some(evaluate)) => (PolicyKind::Promotion, evaluate),
        _ => return Err(LoadError::NoWorld),
    };
    let describe = function(LIFECYCLE, "describe").ok_or(LoadError::NoWorld)?;
    let validate_settings = function(LIFECYCLE, "validate-settings").ok_or(LoadError::NoWorld)?;
    Ok((kind, Exports { describe, validate_settings, main }))
}

fn imports_wasi(component: &Component) -> bool {
    component.component_type().imports(component.engine()).any(|(name, _)| name.starts_with("wasi:"))
}

fn unusable(error: wasmtime::Error) -> LoadError {
    LoadError::Unusable(format!("{error:#}"))
}
