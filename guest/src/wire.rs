//! The contract's own records, as they cross between host and policy: for a policy that wants what
//! the typed question and answer do not offer. Documented in `wit/policy.wit`.

use crate::bindings;

pub use bindings::lifecycle::bootlace::policy::log::Level;
pub use bindings::lifecycle::bootlace::policy::types::{
    Attribute, Environment, EnvironmentType, PolicyError, Release, Violation,
};
pub use bindings::promotion::exports::bootlace::policy::promotion;
pub use bindings::promotion::exports::bootlace::policy::promotion::{
    Approval, ChangeKind, Check, Conclusion, ConfigChange, Deferral, Evaluation, KeyDifference,
    KeyDifferenceKind, Measure, RequiredApproval, Stage, Verdict,
};
pub use bindings::resolve::exports::bootlace::policy::resolve;
pub use bindings::resolve::exports::bootlace::policy::resolve::{
    Assignment, CandidateIndex, Decision, Encoding, Fragment, Instance, Interpolation, Outcome, Resolution,
};

/// Writes a line for the policy's author, shown in the boot's explanation. A policy that never
/// calls this does not import the log, which saves the host about a microsecond a question. Natively
/// it goes to standard error, so that tests may call it.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    bindings::lifecycle::bootlace::policy::log::emit(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}
