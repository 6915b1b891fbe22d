use std::{fmt, str::FromStr};

use crate::id::{DeploymentId, EnvironmentName, InvalidName, NamespaceName, WorkspaceId};

/// The kinds of data that are kept apart by environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamespaceKind {
    /// Conversations.
    Threads,
    /// What was taken in from elsewhere.
    Sources,
    /// What is remembered.
    Memory,
    /// What was made.
    Artifacts,
}

impl NamespaceKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Threads, Self::Sources, Self::Memory, Self::Artifacts];

    /// As written in files and names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Sources => "sources",
            Self::Memory => "memory",
            Self::Artifacts => "artifacts",
        }
    }

    /// The variable that holds its namespace's name, unless it is renamed.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Threads => "NAMESPACE_THREADS",
            Self::Sources => "NAMESPACE_SOURCES",
            Self::Memory => "NAMESPACE_MEMORY",
            Self::Artifacts => "NAMESPACE_ARTIFACTS",
        }
    }

    /// The name by convention: `acme-checkout-preview-pr-42-threads`. Two places may come to one
    /// name, since all of its parts may hold a `-`; validation refuses that.
    ///
    /// # Errors
    /// When it is too long.
    pub fn conventional(
        self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Result<NamespaceName, InvalidName> {
        let environment = environment.as_str().replace('/', "-");
        format!("{workspace}-{deployment}-{environment}-{self}").parse()
    }
}

impl fmt::Display for NamespaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names none of the four kinds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of namespace; use threads, sources, memory or artifacts")]
pub struct UnknownNamespaceKind;

impl FromStr for NamespaceKind {
    type Err = UnknownNamespaceKind;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownNamespaceKind)
    }
}

/// What one environment says of a namespace; by convention it has its own and says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceHere {
    /// It is called so.
    Own(NamespaceName),
    /// It shares this environment's: said in so many words, or not shared at all.
    Of(EnvironmentName),
    /// It has none.
    Off,
}
