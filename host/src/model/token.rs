use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use super::Moment;
use crate::id::{DeploymentId, EnvironmentName, UnixSeconds, WorkspaceId};

/// A token as a host keeps it: whose it is and what it may, never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Names the token in lists and logs: the first 12 hex digits of its hash.
    pub id: String,
    /// SHA-256 over a domain string and the token.
    pub hash: TokenHash,
    /// On whose behalf it acts.
    pub principal: String,
    /// Who minted it, and who minted what that was done with, and so on; none of what came with a bootstrap.
    pub minted_by: BTreeSet<String>,
    /// What it may.
    pub scope: Scope,
    /// When it was minted.
    pub created_at: UnixSeconds,
    /// When it stops working.
    pub expires_at: Option<UnixSeconds>,
    /// When it was last used.
    pub last_use: LastUse,
}

/// When a token was last used since the host's start: in memory alone, shared by every copy of its
/// record, and no part of what the record says. Two records are the same whenever they were used.
#[derive(Debug, Clone, Default)]
pub struct LastUse(Arc<Moment>);

impl LastUse {
    /// Notes that it is used now.
    pub fn note(&self, now: UnixSeconds) {
        self.0.advance(now);
    }

    /// When; nothing for not since the start.
    #[must_use]
    pub fn at(&self) -> Option<UnixSeconds> {
        self.0.at()
    }
}

impl PartialEq for LastUse {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LastUse {}

/// SHA-256 over a domain string and a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// What a token may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Boot as one deployment in one environment.
    Instance {
        /// The workspace.
        workspace: WorkspaceId,
        /// The deployment.
        deployment: DeploymentId,
        /// The environment.
        environment: EnvironmentName,
    },
    /// Use the control API of one workspace.
    Tenant {
        /// The workspace.
        workspace: WorkspaceId,
        /// What it may do there.
        role: Role,
        /// The environments it is limited to; empty for all.
        environments: BTreeSet<EnvironmentName>,
    },
    /// Run the host: push, roll back, mint, read metrics, in every workspace.
    Operator,
}

impl Scope {
    /// The kind of token that has this scope.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        match self {
            Self::Instance { .. } => TokenKind::Instance,
            Self::Tenant { .. } => TokenKind::Tenant,
            Self::Operator => TokenKind::Operator,
        }
    }

    /// The one workspace that it is for; none for an operator's.
    #[must_use]
    pub fn workspace(&self) -> Option<&WorkspaceId> {
        match self {
            Self::Instance { workspace, .. } | Self::Tenant { workspace, .. } => Some(workspace),
            Self::Operator => None,
        }
    }
}

/// The kinds of token; the kind is part of the token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenKind {
    /// A runtime instance's.
    Instance,
    /// A tenant's.
    Tenant,
    /// A platform operator's.
    Operator,
}

impl TokenKind {
    /// As written in the token.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Tenant => "tenant",
            Self::Operator => "operator",
        }
    }
}

/// A tenant token's role; each may what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Reads, masked.
    Viewer,
    /// Writes unprotected environments.
    Developer,
    /// Promotes releases.
    Releaser,
    /// Manages tokens, attachments and protected environments.
    Admin,
}

impl Role {
    /// Every role, the weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Releaser, Self::Admin];

    /// As written in files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Releaser => "releaser",
            Self::Admin => "admin",
        }
    }
}

/// The text names none of the four roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a role; use viewer, developer, releaser or admin")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}
