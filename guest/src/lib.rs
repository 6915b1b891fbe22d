//! Write a Bootlace policy: one function and one macro line.
//!
//! A policy is asked when an instance boots ([`resolve_policy!`]) or when a release wants to move
//! ([`promotion_policy!`]). It sees names, kinds, labels and versions, never a value, and chooses
//! among what it was offered:
//!
//! ```
//! use bootlace_policy::{Outcome, PolicyError, Request, Resolution, resolve_policy};
//!
//! resolve_policy!(name: "newest", version: "0.1.0", vary: [], decide: decide);
//!
//! /// Gives every variable its newest version.
//! fn decide(request: &Request) -> Result<Outcome, PolicyError> {
//!     let mut resolution = Resolution::new();
//!     for variable in request.variables() {
//!         if let Some(newest) = variable.candidates().max_by_key(|candidate| candidate.version()) {
//!             resolution.bind(newest);
//!         }
//!     }
//!     Ok(resolution.into())
//! }
//! # fn main() {}
//! ```
//!
//! The same crate compiles natively, so that a policy's logic has plain unit tests ([`testing`]
//! builds the questions), and for `wasm32-unknown-unknown`, where it imports nothing: no clock, no
//! randomness, no files. Every question meets a fresh instance, so a `static` remembers nothing.
//!
//! Reading order: [`Request`] (the question), [`Resolution`] and [`Outcome`] (the answer),
//! [`Settings`], then the macros. [`wire`] has the contract's own records.

#![deny(missing_docs)]

mod answer;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod arena;
mod bindings;
mod export;
mod promotion;
mod request;
mod settings;
pub mod testing;
pub mod wire;

#[doc(hidden)]
pub use export::plumbing;
pub use promotion::PromotionRequest;
pub use request::{Candidate, Label, Request, Variable};
pub use settings::Settings;
pub use wire::{
    Attribute, ChangeKind, Check, Conclusion, Deferral, Encoding, Environment, EnvironmentType, Evaluation,
    Fragment, Instance, KeyDifference, KeyDifferenceKind, Level, Measure, Outcome, PolicyError, Release,
    Resolution, Verdict, Violation, log,
};
