//! A change by API, as edits of one workspace's configuration: each is checked against who owns what it
//! is about, and says which pairs of deployment and environment may come out differently. Nothing here
//! is durable or served: that is [`crate::host::Host::change`]'s.

mod about;
mod clone;
mod deployment;
mod draft;
mod environment;
mod grounds;
mod places;
mod resource;
mod revoke;
mod rotation;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};

pub use about::About;
pub use draft::{Draft, Reach};
pub use grounds::{Standing, reached};
pub use places::{RunsIn, runs_in};
pub use resource::ResourceEdit;
pub use sealed::{InstanceChange, ProfileChange, SealedChange, ServiceChange, ToolChange};

use crate::{
    id::{DeploymentId, EnvironmentName, Revision, UnixSeconds},
    lease::Holders,
    made::ValueKey,
    model::{Environment, EnvironmentType, Template, Trigger, question::Sensitivity},
    secret::Secret,
    state::{Pin, Why},
};

/// The most edits of one change.
pub const MAX_EDITS: usize = 30;
/// What is listed as a reason at most, where something is in use.
pub(crate) const LISTED: usize = 20;

/// What a value is to hold.
pub enum Wanted {
    /// A text, which is sealed.
    Value(Secret),
    /// A text made of other variables' values.
    Template(Template),
}

/// One thing to be changed.
pub enum Edit {
    /// A value gets a new version, or becomes one.
    SetValue {
        /// Where and which.
        key: ValueKey,
        /// What it is to hold.
        wanted: Wanted,
        /// Whether it is a secret; none for as before, and plain where there was nothing.
        sensitivity: Option<Sensitivity>,
        /// For a person; none for as before.
        description: Option<String>,
        /// Whether the version before it stays live beside it, and what was live beside that.
        keep: bool,
    },
    /// A secret is to be rotated after so many days, or not any more; nothing of it is another.
    RotateEvery {
        /// Where and which.
        key: ValueKey,
        /// None for never.
        days: Option<u32>,
    },
    /// An environment comes to be.
    CreateEnvironment {
        /// What it is; its random id is drawn here.
        wanted: Environment,
        /// The deployments that use it from now on.
        deployments: BTreeSet<DeploymentId>,
    },
    /// An environment comes to be, with what another gives: independent of it afterwards.
    CloneEnvironment {
        /// The other.
        source: EnvironmentName,
        /// What it is; its random id is drawn here.
        wanted: Environment,
        /// The deployments that use it from now on, of those that use the other; none for all of them.
        deployments: Option<BTreeSet<DeploymentId>>,
        /// Whether whoever may the other may this one, too; else it is its admins' alone.
        permissions: bool,
    },
    /// An environment is something else from now on, under the same name and id.
    PatchEnvironment {
        /// Its name.
        name: EnvironmentName,
        /// What is other.
        patch: EnvironmentPatch,
    },
    /// An environment goes, with everything that was set in it.
    DeleteEnvironment {
        /// Its name.
        name: EnvironmentName,
        /// Whether it goes because its time is over, whoever counts on it: it serves nobody.
        expired: bool,
    },
    /// An earlier version of a value is never handed out again, and what it held goes.
    RevokeVersion {
        /// Where and which.
        key: ValueKey,
        /// The version's number.
        version: u64,
        /// Whether boots without a lease that were given it keep nobody from that.
        accept_unproven: bool,
    },
    /// Something else comes to be, is replaced or goes.
    Resource(ResourceEdit),
    /// A release runs from now on.
    Activate {
        /// Of which deployment.
        deployment: DeploymentId,
        /// Where.
        environment: EnvironmentName,
        /// Its number.
        release: u64,
        /// What led to it.
        why: Why,
        /// The earlier set that it runs with, in place of what the layers make.
        pin: Option<Pin>,
    },
    /// Nothing is changed: what the edits beside it were allowed on.
    Expect(RunsIn),
    /// Nothing is changed: the activation that the edits beside it take the place of.
    ExpectActive {
        /// Of which deployment.
        deployment: DeploymentId,
        /// Where.
        environment: EnvironmentName,
        /// Its number.
        number: u64,
    },
    /// A value is not set there any more.
    UnsetValue {
        /// Where and which.
        key: ValueKey,
    },
}

/// What is to be other of an environment.
#[derive(Debug, Default)]
pub struct EnvironmentPatch {
    /// What kind of stage it is.
    pub kind: Option<EnvironmentType>,
    /// Whether changes want a confirmation and an admin.
    pub protected: Option<bool>,
    /// Whether nothing new may come to it.
    pub deprecated: Option<bool>,
    /// All of its labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Whether only admins see it, and those whose token names it.
    pub admins_only: Option<bool>,
    /// The next environment of the chain, or none.
    pub promotes_to: Option<Option<EnvironmentName>>,
    /// How a release comes to it, or what its type makes of it.
    pub trigger: Option<Option<Trigger>>,
    /// When it stops serving, or never.
    pub expires: Option<Option<UnixSeconds>>,
}

/// What a record must be for a change to be made to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing is asked for.
    Any,
    /// It is not there.
    Absent,
    /// It was last changed by that revision.
    ChangedBy(Revision),
}

impl Precondition {
    /// Compares with what changed a record last; none where there is no record.
    fn check(self, current: Option<Revision>, what: impl FnOnce() -> String) -> Result<(), EditError> {
        let holds = match self {
            Self::Any => true,
            Self::Absent => current.is_none(),
            Self::ChangedBy(revision) => current == Some(revision),
        };
        if holds { Ok(()) } else { Err(EditError::Changed { what: what(), current }) }
    }
}

/// Why an edit does not fit.
#[derive(Debug)]
pub enum EditError {
    /// There is no such place or thing.
    Unknown,
    /// A directory owns it.
    Owned(String),
    /// It is not what the precondition says.
    Changed {
        /// What.
        what: String,
        /// What changed it last.
        current: Option<Revision>,
    },
    /// It cannot be now, as things stand; it says what to do first.
    NotNow {
        /// Why, and what to do.
        reason: String,
        /// What changed it last.
        current: Option<Revision>,
    },
    /// Instances count on it, or may.
    Held(Box<InUse>),
    /// It cannot be.
    Invalid(String),
}

/// A version that is not revoked, because of who holds it.
#[derive(Debug)]
pub struct InUse {
    /// The value.
    pub key: ValueKey,
    /// Its version.
    pub version: u64,
    /// Who holds it.
    pub holders: Holders,
    /// What changed the value last.
    pub current: Option<Revision>,
    /// When that was asked.
    pub now: UnixSeconds,
}

/// A deployment in an environment.
pub type Pair = (DeploymentId, EnvironmentName);

impl Edit {
    /// What it does, in a word for the audit log.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::SetValue { .. } => "set",
            Self::UnsetValue { .. } => "unset",
            Self::RevokeVersion { .. } => "revoked",
            Self::CreateEnvironment { .. } => "created",
            Self::CloneEnvironment { .. } => "cloned",
            Self::PatchEnvironment { .. } | Self::RotateEvery { .. } => "patched",
            Self::DeleteEnvironment { .. } => "deleted",
            Self::Resource(edit) => edit.verb(),
            Self::Activate { .. } => "activated",
            Self::Expect(_) | Self::ExpectActive { .. } => "expected",
        }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::SetValue { key, .. } | Self::UnsetValue { key } | Self::RotateEvery { key, .. } => {
                key.to_string()
            }
            Self::RevokeVersion { key, version, .. } => format!("version {version} of {key}"),
            Self::CreateEnvironment { wanted: Environment { name, .. }, .. }
            | Self::PatchEnvironment { name, .. }
            | Self::DeleteEnvironment { name, .. } => format!("environment {name}"),
            Self::CloneEnvironment { source, wanted, .. } => {
                format!("environment {source} as {}", wanted.name)
            }
            Self::Resource(edit) => edit.subject(),
            Self::Activate { deployment, environment, release, why, pin } => {
                let pinned = pin.map(|pin| format!(", pinned to activation {}", pin.activation));
                format!(
                    "release {release} of {deployment} in {environment} ({why}{})",
                    pinned.unwrap_or_default()
                )
            }
            Self::Expect(expected) => expected.of.to_string(),
            Self::ExpectActive { deployment, environment, number } => {
                format!("activation {number} of {deployment} in {environment}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
