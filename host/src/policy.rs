//! Policies: tenants' Wasm components, asked at boot and at promotion.
//!
//! This module and its children are the only place that knows wasmtime, and they know nothing of
//! secrets: a policy sees names, kinds, labels and versions, and answers with indexes of what it
//! was offered. They do no IO, log nothing and read no clock but the engine's own ticker.
//!
//! - [`engine`]: wasmtime with everything off that a policy does not need.
//! - [`artefact`]: compiled code, and why stored code may be run.
//! - [`loaded`]: one policy, ready to be asked.
//! - [`chain`]: the policies of one boot, asked in turn, each answer checked.
//! - [`promotion`]: the policies of one promotion, all asked, each answer checked.
//! - [`decisions`]: answers that are remembered.
//! - [`lanes`]: which thread asks, so that no tenant can hold up another.
//! - [`tally`]: how often a policy was asked, and what that cost.
//!
//! Every question gets a fresh store and a fresh instance, bounded in fuel, wall clock, memory,
//! stack, host calls, log and answer ([`limits`]). The same question gets the same answer for the
//! same fuel.

mod answer;
pub mod artefact;
mod bindings;
mod call;
pub mod chain;
mod choices;
pub mod decisions;
pub mod engine;
mod failure;
pub mod fixtures;
pub mod lanes;
pub mod limits;
pub mod loaded;
mod memory;
mod plain_thread;
pub mod promotion;
mod standing;
mod tables;
pub mod tally;
#[cfg(test)]
mod tests;
mod ticker;
mod wasi;

pub use chain::{Chain, ChainError, Link, LinkReport, Verdict};
pub use decisions::Decisions;
pub use engine::{Allocation, Engine, EngineError, EngineSettings, Memory};
pub(crate) use failure::patiently;
pub use failure::{AnswerFault, FailureKind, LogLevel, LogLine, PolicyFailure, Reported};
pub use lanes::{LaneSettings, Lanes, Share};
pub use limits::Limits;
pub use loaded::{Descriptor, LoadError, Loaded};
pub use memory::MemoryObserver;
pub use promotion::{Judgement, PromotionChain};
pub use tally::{Tallied, Tallies, Tally};
pub use wasi::INTERFACES as WASI_INTERFACES;
