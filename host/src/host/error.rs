//! Why a change was refused.

use super::prepare::PrepareError;
use crate::{
    audit::AuditUnavailable,
    bundle::BundleError,
    change::{EditError, InUse},
    control::ControlError,
    id::Revision,
    slots::{BlobError, CommitError},
    transfer::TransferError,
};

/// Why a change was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Made against another revision than the live one.
    #[error(
        "made against revision {made_against}, but the live one is {current}; build again from that and push"
    )]
    Stale {
        /// What the change was made against.
        made_against: Revision,
        /// What is live.
        current: Revision,
    },
    /// Over the limit.
    #[error("the bundle is larger than this host's limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// No such workspace, revision or token.
    #[error("there is no such thing here")]
    Unknown,
    /// Not a bundle of somebody trusted, or damaged.
    #[error("the bundle is refused")]
    Bundle(#[source] BundleError),
    /// It may not be served; everything that is wrong with it.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// A directory owns it: it is changed there, and pushed.
    #[error("{what} is owned by the workspace directory; change it there and push")]
    Owned {
        /// What.
        what: String,
    },
    /// Somebody else changed the same thing.
    #[error("{what} was changed by somebody else; look at it again and repeat the change")]
    Changed {
        /// What.
        what: String,
        /// The revision that changed it last; none when it is not there.
        current: Option<Revision>,
    },
    /// Whoever makes the change may not any more: the token was revoked or expired, or is for less.
    #[error("the token was revoked or expired before the change was made")]
    Revoked,
    /// Something still counts on what is to go.
    #[error("{reason}")]
    NotNow {
        /// Why, and what to do first.
        reason: String,
        /// The revision that changed it last.
        current: Option<Revision>,
    },
    /// Instances count on a version that is to go, or may.
    #[error("{0}")]
    Held(Box<InUse>),
    /// The audit log takes no records, and as many wait for it as may.
    #[error("the audit log takes no records, and nothing is changed that it does not tell of")]
    Unrecorded,
    /// A number that another release has.
    #[error("{what}")]
    Taken {
        /// Which, and what to do.
        what: String,
    },
    /// Another promotion has the target.
    #[error("promotion {id} of {by} has {what}; it is waited for with `wait`")]
    Promoting {
        /// The target.
        what: String,
        /// The promotion.
        id: String,
        /// Who asked for it.
        by: String,
    },
    /// An approval that does not count.
    #[error("{why}")]
    Uncounted {
        /// Why, and what to do.
        why: String,
    },
    /// A policy of the workspace is being compiled.
    #[error("another policy of this workspace is being compiled; try again when that is done")]
    Busy,
    /// The root key that this host was started with is gone.
    #[error("this host has no root key to wrap new keys with")]
    NoRootKey,
    /// The disk refused.
    #[error("the change could not be made durable")]
    Disk(#[from] CommitError),
    /// The ledger refused.
    #[error("the change could not be made durable")]
    Ledger(#[from] ControlError),
    /// What was kept of the revision before cannot be gone on from.
    #[error("what is kept of earlier revisions cannot be gone on from")]
    History(#[source] Box<crate::history::HistoryError>),
    /// What was kept cannot be read back.
    #[error("what was kept of that revision cannot be read")]
    Kept(#[from] BlobError),
    /// A workspace cannot be taken to another host, or from one.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// An import where something is already.
    #[error("{what}")]
    Occupied {
        /// What, and what to do.
        what: String,
        /// The revision that is there.
        current: Revision,
    },
    /// An export that nobody would know of is not handed out.
    #[error("the export cannot be recorded in the audit log, so it is not handed out")]
    Untold(#[from] AuditUnavailable),
}

impl ChangeError {
    /// The stable code of contract.md.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stale { .. }
            | Self::Changed { .. }
            | Self::NotNow { .. }
            | Self::Taken { .. }
            | Self::Held(_)
            | Self::Promoting { .. }
            | Self::Occupied { .. } => "conflict",
            Self::Owned { .. } => "owned-by-directory",
            Self::TooLarge { .. }
            | Self::Transfer(TransferError::TooLarge | TransferError::TooMuch { .. }) => "too-large",
            Self::Uncounted { .. } => "forbidden",
            Self::Busy | Self::Untold(_) => "busy",
            Self::Unknown => "not-found",
            Self::Revoked => "unauthenticated",
            Self::Bundle(_) | Self::Invalid(_) | Self::Transfer(_) => "invalid",
            Self::Unrecorded
            | Self::NoRootKey
            | Self::Disk(_)
            | Self::Ledger(_)
            | Self::History(_)
            | Self::Kept(_) => "not-ready",
        }
    }
}

impl From<BundleError> for ChangeError {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::TooLarge { limit } => Self::TooLarge { limit },
            BundleError::StaleParent { parent, current } => Self::Stale { made_against: parent, current },
            other => Self::Bundle(other),
        }
    }
}

impl From<PrepareError> for ChangeError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Policies(reasons) | PrepareError::Plans(reasons) => Self::Invalid(reasons),
            PrepareError::Busy => Self::Busy,
        }
    }
}

impl From<EditError> for ChangeError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Unknown => Self::Unknown,
            EditError::Owned(what) => Self::Owned { what },
            EditError::Changed { what, current } => Self::Changed { what, current },
            EditError::NotNow { reason, current } => Self::NotNow { reason, current },
            EditError::Held(in_use) => Self::Held(in_use),
            EditError::Invalid(reason) => Self::Invalid(vec![reason]),
        }
    }
}
