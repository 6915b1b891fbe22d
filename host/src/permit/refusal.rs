use crate::{
    id::VariableName,
    model::{Mistyped, question::Violation},
    policy::{FailureKind, PolicyFailure},
};

/// Why an authenticated boot gets nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A policy said no.
    Denied {
        /// Its name.
        policy: String,
        /// Every reason it gave.
        violations: Vec<Violation>,
    },
    /// Required variables have no value.
    Missing(Vec<VariableName>),
    /// Required variables have not the form that is asked of them.
    Mistyped(Vec<Mistyped>),
    /// A policy failed.
    Failed {
        /// Its name.
        policy: String,
        /// How.
        reason: String,
        /// Whether it would happen again: not so when a clock stopped it.
        deterministic: bool,
    },
    /// A value that is needed does not open on this host.
    Unseal(VariableName),
    /// Too many questions at once.
    Busy,
    /// All values together are more than one answer may hold.
    TooLarge,
    /// A capsule of this process does not open: its memory was damaged.
    Damaged,
}

impl Refusal {
    /// The stable code of contract.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "policy-denied",
            Self::Missing(_) => "missing-required",
            Self::Mistyped(_) => "invalid",
            Self::Failed { .. } => "policy-failed",
            Self::Unseal(_) => "unseal-failed",
            Self::Busy => "busy",
            Self::TooLarge => "too-large",
            Self::Damaged => "internal",
        }
    }
}

impl From<PolicyFailure> for Refusal {
    fn from(failure: PolicyFailure) -> Self {
        match failure.kind {
            FailureKind::Busy => Self::Busy,
            kind => Self::Failed {
                policy: failure.policy,
                reason: kind.to_string(),
                deterministic: kind.is_deterministic(),
            },
        }
    }
}

impl Refusal {
    /// About how many bytes it keeps, for the memory's bound.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts: usize = match self {
            Self::Denied { policy, violations } => {
                let lengths = violations.iter().map(|one| {
                    one.code.len()
                        + one.message.len()
                        + one.field.as_ref().map_or(0, String::len)
                        + size_of_val(one)
                });
                policy.len() + lengths.sum::<usize>()
            }
            Self::Missing(names) => names.iter().map(|name| name.as_str().len() + size_of_val(name)).sum(),
            // A pattern is shared with the plan.
            Self::Mistyped(keys) => keys.iter().map(|one| one.key.as_str().len() + size_of_val(one)).sum(),
            Self::Failed { policy, reason, .. } => policy.len() + reason.len(),
            Self::Unseal(_) | Self::Busy | Self::TooLarge | Self::Damaged => 0,
        };
        size_of::<Self>() + texts
    }
}
