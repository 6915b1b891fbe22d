use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::id::{EnvironmentName, Uid, UnixSeconds};

/// A stage that instances boot in. Environments belong to the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name; `preview/<source>` for previews.
    pub name: EnvironmentName,
    /// Its random id.
    pub uid: Uid,
    /// What kind of stage it is.
    pub kind: EnvironmentType,
    /// Changes want a confirmation, and policies an admin's hand.
    pub protected: bool,
    /// Still served, but nothing new may come to it.
    pub deprecated: bool,
    /// When it stops serving.
    pub expires: Option<UnixSeconds>,
    /// The next environment of the promotion chain.
    pub promotes_to: Option<EnvironmentName>,
    /// How a release comes to it, where that is said.
    pub trigger: Option<Trigger>,
    /// Free-form labels; policies see them.
    pub labels: BTreeMap<String, String>,
}

impl Environment {
    /// How a release comes to it; what its type makes of it where nothing is said.
    #[must_use]
    pub fn trigger(&self) -> Trigger {
        self.trigger.unwrap_or(match self.kind {
            EnvironmentType::Development => Trigger::Automatic,
            EnvironmentType::Test | EnvironmentType::PreProduction => Trigger::Manual,
            EnvironmentType::Production => Trigger::Approval,
        })
    }

    /// Whether anything new may come to it.
    #[must_use]
    pub fn takes_releases(&self, now: UnixSeconds) -> bool {
        !self.deprecated && self.expires.is_none_or(|at| at > now)
    }

    /// When it stops serving, if that is within [`EXPIRY_NOTICE_SECONDS`].
    #[must_use]
    pub fn expires_soon(&self, now: UnixSeconds) -> Option<UnixSeconds> {
        self.expires.filter(|at| *at > now && at.0.saturating_sub(now.0) <= EXPIRY_NOTICE_SECONDS)
    }
}

/// How long before it stops serving that is announced, in seconds: a day.
pub const EXPIRY_NOTICE_SECONDS: i64 = 86_400;

/// The four types of environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EnvironmentType {
    /// Active development, previews, branches.
    Development,
    /// Automated and load tests.
    Test,
    /// The last stop before production.
    PreProduction,
    /// Real users.
    Production,
}

impl EnvironmentType {
    /// Every type, in the order of the chain.
    pub const ALL: [Self; 4] = [Self::Development, Self::Test, Self::PreProduction, Self::Production];

    /// As written in files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::PreProduction => "pre-production",
            Self::Production => "production",
        }
    }
}

impl fmt::Display for EnvironmentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names none of the four types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an environment type; use development, test, pre-production or production")]
pub struct UnknownEnvironmentType;

impl FromStr for EnvironmentType {
    type Err = UnknownEnvironmentType;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownEnvironmentType)
    }
}

/// What brings a release to an environment. The later ones ask for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// That it is registered.
    Automatic,
    /// That somebody promotes it.
    Manual,
    /// That somebody promotes it, and somebody else approves.
    Approval,
}

impl Trigger {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::Manual, Self::Approval];

    /// As written in files and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
            Self::Approval => "approval",
        }
    }
}

/// The text names none of the three triggers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a trigger; use automatic, manual or approval")]
pub struct UnknownTrigger;

impl FromStr for Trigger {
    type Err = UnknownTrigger;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text).ok_or(UnknownTrigger)
    }
}
