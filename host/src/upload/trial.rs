use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use super::{Compiler, Form, Surface, UploadError, component, recognise};
use crate::{
    id::Digest,
    policy::{Engine, Loaded},
};

/// A policy that went the whole way in, but for its rehearsal, on its author's own machine:
/// nothing is stored, and what was seen on the way is told.
#[derive(Debug)]
pub struct Trial {
    /// The policy, ready to be asked.
    pub loaded: Arc<Loaded>,
    /// The component; what was uploaded, unless that was a core module.
    pub component: Vec<u8>,
    /// Whether a core module was uploaded.
    pub was_module: bool,
    /// What the component imports and exports.
    pub surface: Surface,
    /// How long the compilation took.
    pub compiling: Duration,
    /// Size of the compiled code, in bytes.
    pub code_bytes: usize,
}

impl Trial {
    /// Tries `uploaded`.
    ///
    /// # Errors
    /// What is wrong with it, all of it where that can be told at once.
    pub fn new(engine: &Engine, compiler: &Compiler, uploaded: &[u8]) -> Result<Self, UploadError> {
        let form = recognise(engine, uploaded)?;
        let was_module = form == Form::Module;
        let component = component(engine, compiler, form, uploaded)?.into_owned();
        let surface = Surface::of(&component, engine.limits());
        let began = Instant::now();
        let code = compiler.compile(engine, &component)?;
        let compiling = began.elapsed();
        let loaded = Loaded::new(engine, Digest(Sha256::digest(uploaded).into()), &code)?;
        Ok(Self { loaded, component, was_module, surface, compiling, code_bytes: code.bytes().len() })
    }
}
