//! Why a policy did not answer, told apart by who is at fault and whether it would happen again.

use std::fmt;

use wasmtime::{PoolConcurrencyLimitError, Trap};

/// A policy that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFailure {
    /// The policy's name, as attached.
    pub policy: String,
    /// Its place in the chain.
    pub link: u32,
    /// What went wrong.
    pub kind: FailureKind,
    /// What it said before, as far as the limits allow.
    pub log: Vec<LogLine>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailureKind {
    /// It ran out of fuel.
    #[error("used all of its fuel ({limit})")]
    Fuel {
        /// The limit, in wasmtime's units.
        limit: u64,
    },
    /// It wanted more linear memory or table elements than it may have.
    #[error("asked for more memory than its {limit} bytes")]
    Memory {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Its calls went too deep.
    #[error("overflowed its stack of {limit} bytes")]
    Stack {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It called the host too often.
    #[error("called the host more than {limit} times")]
    HostCalls {
        /// The limit.
        limit: u32,
    },
    /// It stopped: a panic, an access out of bounds, a division by zero.
    #[error("trapped: {0}")]
    Trap(String),
    /// It broke the contract's encoding: a list outside its memory, text that is not UTF-8, an
    /// answer or a log line above `answer_bytes`, a handle too many.
    #[error("broke the contract: its answer is too large or not well formed")]
    Contract,
    /// It answered what it may not.
    #[error(transparent)]
    Answer(#[from] AnswerFault),
    /// It reported an error itself.
    #[error(transparent)]
    Reported(#[from] Reported),
    /// It took too long. Nothing that a clock stopped is remembered.
    #[error("took more than {limit_ms} milliseconds")]
    Interrupted {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// The host has no room for another question. Never the policy's fault.
    #[error("the host is busy")]
    Busy,
}

/// An answer that names what it may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// There is no variable of this index.
    #[error("decides about variable {index}, which was not offered")]
    UnknownVariable {
        /// The index.
        index: u32,
    },
    /// The same variable twice.
    #[error("decides twice about {variable}")]
    Duplicate {
        /// The variable's name.
        variable: String,
    },
    /// There is no candidate of this index.
    #[error("names candidate {index} for {variable}, which was not offered")]
    UnknownCandidate {
        /// The variable's name.
        variable: String,
        /// The candidate's index.
        index: u32,
    },
    /// The candidate belongs to another variable.
    #[error("binds {variable} to a candidate of {owner}")]
    ForeignCandidate {
        /// The variable's name.
        variable: String,
        /// The name of the variable that the candidate belongs to.
        owner: String,
    },
    /// A secret for a variable that is not one.
    #[error("binds {variable}, which is plain, to a secret")]
    SecretToPlain {
        /// The variable's name.
        variable: String,
    },
    /// A template from a policy that others come after: they could not see what it is made of.
    #[error("writes a template for {variable}, which only the last policy of a chain may")]
    TemplateNotLast {
        /// The variable's name.
        variable: String,
    },
    /// A text that no environment variable can hold.
    #[error("puts a NUL byte into the template of {variable}")]
    Nul {
        /// The variable's name.
        variable: String,
    },
    /// A secret in a template, where it could be carried out unseen.
    #[error("puts a secret into the template of {variable}")]
    SecretInTemplate {
        /// The variable's name.
        variable: String,
    },
    /// More of something than is kept of a promotion policy's answer.
    #[error("answers with {count} {what}, and {limit} may be")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A text that is longer than what is kept.
    #[error("answers with {what} above {limit} bytes")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A denial of a promotion that does not say why.
    #[error("denies without a reason")]
    NoReason,
    /// A violation that no machine could tell from another.
    #[error("denies with a violation whose code is not in kebab-case")]
    NoCode,
    /// A deferral until now, or until never.
    #[error("defers for no time at all, or for more than {limit} seconds")]
    Retry {
        /// The limit, in seconds.
        limit: u32,
    },
    /// Nobody can have this role.
    #[error("wants approvals in a role that does not exist")]
    UnknownRole,
    /// No approvals, too many, or in a role that it names twice.
    #[error("wants approvals as {role} twice, or not between 1 and {limit} of them")]
    Approvals {
        /// The role.
        role: &'static str,
        /// How many there may be.
        limit: u32,
    },
}

/// An error that the policy reported itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reported {
    /// Its attachment is at fault.
    #[error("cannot use its settings: {0}")]
    InvalidSettings(String),
    /// The question is at fault.
    #[error("cannot use the question: {0}")]
    InvalidInput(String),
    /// The policy is at fault.
    #[error("reports an error of its own: {0}")]
    Internal(String),
}

/// A line that a policy said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How serious it is, in the policy's own view.
    pub level: LogLevel,
    /// The text.
    pub text: String,
}

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the policy's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// Wrong.
    Error,
}

impl PolicyFailure {
    /// Whether the same question would fail in the same way again, so that the failure may be
    /// remembered and counted against the policy.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        self.kind.is_deterministic()
    }

    /// Whether the host was too busy: to be tried again, and nobody's fault.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.kind == FailureKind::Busy
    }
}

impl fmt::Display for PolicyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_busy() { self.kind.fmt(f) } else { write!(f, "policy {} {}", self.policy, self.kind) }
    }
}

impl std::error::Error for PolicyFailure {}

impl FailureKind {
    /// Whether the same question would fail in the same way again.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        !matches!(self, Self::Interrupted { .. } | Self::Busy)
    }
}

/// How often a question is put that a clock or a full pool stopped, where nobody waits.
const PATIENCE: usize = 5;

/// Puts a question again as long as its failure is none that would happen again: for uploads, where
/// a busy machine is no reason to turn a policy away.
pub(crate) fn patiently<T, E>(
    is_deterministic: impl Fn(&E) -> bool,
    ask: impl Fn() -> Result<T, E>,
) -> Result<T, E> {
    let mut answer = ask();
    for _ in 1..PATIENCE {
        match &answer {
            Err(error) if !is_deterministic(error) => answer = ask(),
            _ => break,
        }
    }
    answer
}

/// What the host's own code refused while the policy ran; wasmtime hands it back as it was.
#[derive(Debug, thiserror::Error)]
#[error("too many calls of the host")]
pub(super) struct TooManyHostCalls;

/// Tells apart what wasmtime reports. By type, never by text: texts change between versions, and
/// a guest can influence some of them.
pub(super) fn classify(
    error: &wasmtime::Error,
    refused_memory: bool,
    limits: &super::Limits,
    wall_ms: u64,
) -> FailureKind {
    if error.is::<PoolConcurrencyLimitError>() || is_out_of_resources(error) {
        return FailureKind::Busy;
    }
    if error.is::<TooManyHostCalls>() {
        return FailureKind::HostCalls { limit: limits.host_calls };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => FailureKind::Fuel { limit: limits.fuel },
        Some(Trap::Interrupt) => FailureKind::Interrupted { limit_ms: wall_ms },
        Some(Trap::StackOverflow) => FailureKind::Stack { limit: limits.stack_bytes },
        // A guest that was refused memory usually gives up with a trap of its own.
        _ if refused_memory => FailureKind::Memory { limit: limits.memory_bytes },
        Some(trap) => FailureKind::Trap(trap.to_string()),
        None if error.is::<wasmtime_wasi::I32Exit>() => FailureKind::Trap("left with an exit code".into()),
        None => FailureKind::Contract,
    }
}

/// The kernel refused a mapping: the host's trouble.
fn is_out_of_resources(error: &wasmtime::Error) -> bool {
    error.is::<std::io::Error>() || error.is::<rustix::io::Errno>() || error.is::<wasmtime::OutOfMemory>()
}
