//! What an activation is: which release, since when, by whom and why; and those that were before it.
//!
//! What runs now is one record for each (deployment, environment), which a host keeps in memory; what ran
//! before is another, which it reads when somebody asks. Both belong to the pair and go with it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{StateError, wire::name};
use crate::id::{DeploymentId, Digest, EnvironmentName, Revision, Uid, UnixSeconds, WorkspaceId};

/// How many activations of a (deployment, environment) are kept, with the one that is active.
pub const MAX_ACTIVATIONS: usize = 50;
/// The longest id of a promotion, in bytes.
const MAX_ID_BYTES: usize = 64;

/// A release that is active, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// Counts the activations of its pair, from 1.
    pub number: u64,
    /// The release's number.
    pub release: u64,
    /// Since when; [`Activation::UNDATED`] where nobody wrote it down, until the next start dates it.
    pub since: UnixSeconds,
    /// On whose behalf.
    pub by: String,
    /// What led to it.
    pub why: Why,
    /// The workspace's revision that it made; 0 where it came before the first.
    pub revision: Revision,
    /// The set that it began with: the root of the tree of that revision. None where nobody wrote it down.
    pub set: Option<Digest>,
    /// Where it runs with an earlier activation's set, and not with what the layers make.
    pub pinned: Option<Pin>,
}

/// What holds a (deployment, environment) to an earlier set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// The number of the activation that began with it.
    pub activation: u64,
    /// The root of the tree that has it.
    pub set: Digest,
    /// The ids of the deployment and the environment: what comes to be under their names is not pinned.
    pub uids: (Uid, Uid),
}

/// What runs in a (deployment, environment): all that a plan is made of beside the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// The number of the release.
    pub release: u64,
    /// The root of the tree that it is planned from where it is pinned.
    pub set: Option<Digest>,
}

/// What runs in a workspace.
pub type Runs = BTreeMap<DeploymentId, BTreeMap<EnvironmentName, Running>>;

/// What led to an activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It was so when the host first knew of the workspace, or nobody wrote it down.
    Begun,
    /// A directory was pushed that names it, and the environment takes releases by itself.
    Pushed,
    /// It was registered, and the environment takes releases by itself.
    Registered,
    /// A promotion, by its id.
    Promotion(String),
    /// A rollback.
    Rollback,
    /// Its pin was taken off.
    Unpinned,
}

/// The activations of a workspace.
pub type Active = BTreeMap<DeploymentId, BTreeMap<EnvironmentName, Activation>>;

impl Activation {
    /// Nobody wrote down since when.
    pub const UNDATED: UnixSeconds = UnixSeconds(0);

    /// A release that was active before anybody wrote down since when.
    #[must_use]
    pub fn begun(release: u64) -> Self {
        let (since, revision) = (Self::UNDATED, Revision::default());
        Self {
            number: 1,
            release,
            since,
            by: String::new(),
            why: Why::Begun,
            revision,
            set: None,
            pinned: None,
        }
    }

    /// What runs, where these are the ids of the deployment and the environment.
    #[must_use]
    pub fn running(&self, uids: (Uid, Uid)) -> Running {
        let pin = self.pinned.filter(|pin| pin.uids == uids);
        Running { release: self.release, set: pin.map(|pin| pin.set) }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&WireActivation::from(self)).unwrap_or_default()
    }

    /// Older versions wrote the release's number alone.
    pub(super) fn from_bytes(record: &str, bytes: &[u8]) -> Result<Self, StateError> {
        if let Some(release) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()) {
            return Ok(Self::begun(release));
        }
        serde_json::from_slice::<WireActivation>(bytes)?.read(record)
    }
}

/// The sets that a record of activations names: what is active, or what was.
#[must_use]
pub fn sets_in(record: &str, content: &[u8]) -> Vec<Digest> {
    let all = match record.split('/').nth(2) {
        Some("active") => Activation::from_bytes(record, content).map(|one| vec![one]),
        Some("activations") => Past::from_bytes(record, content).map(|past| past.0),
        _ => return Vec::new(),
    };
    let sets = |one: &Activation| [one.set, one.pinned.map(|pin| pin.set)];
    all.unwrap_or_default().iter().flat_map(sets).flatten().collect()
}

/// What ran before in a (deployment, environment), oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past(pub Vec<Activation>);

impl Past {
    /// What its record is called.
    #[must_use]
    pub fn record(
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> String {
        format!("{}{environment}", Self::of_deployment(workspace, deployment))
    }

    /// How the names of a deployment's records begin.
    #[must_use]
    pub fn of_deployment(workspace: &WorkspaceId, deployment: &DeploymentId) -> String {
        format!("workspace/{workspace}/activations/{deployment}/")
    }

    /// With `ended`, without what is one too many.
    #[must_use]
    pub fn followed_by(mut self, ended: Activation) -> Self {
        self.0.push(ended);
        let surplus = self.0.len().saturating_sub(MAX_ACTIVATIONS - 1);
        self.0.drain(..surplus);
        self
    }

    /// As its record holds it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire: Vec<_> = self.0.iter().map(WireActivation::from).collect();
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// What a record holds.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_bytes(record: &str, bytes: &[u8]) -> Result<Self, StateError> {
        let wire: Vec<WireActivation> = serde_json::from_slice(bytes)?;
        Ok(Self(wire.into_iter().map(|one| one.read(record)).collect::<Result<_, _>>()?))
    }
}

#[derive(Serialize, Deserialize)]
struct WireActivation {
    number: u64,
    release: u64,
    since: i64,
    by: String,
    why: String,
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pinned: Option<WirePin>,
}

#[derive(Serialize, Deserialize)]
struct WirePin {
    activation: u64,
    set: String,
    deployment: String,
    environment: String,
}

impl From<&Activation> for WireActivation {
    fn from(one: &Activation) -> Self {
        let Activation { number, release, since, by, why, revision, set, pinned } = one;
        let pinned = pinned.map(|Pin { activation, set, uids: (deployment, environment) }| WirePin {
            activation,
            set: set.to_string(),
            deployment: deployment.to_string(),
            environment: environment.to_string(),
        });
        Self {
            set: set.map(|set| set.to_string()),
            pinned,
            number: *number,
            release: *release,
            since: since.0,
            by: by.clone(),
            why: why.to_string(),
            revision: revision.0,
        }
    }
}

impl WireActivation {
    fn read(self, record: &str) -> Result<Activation, StateError> {
        let wrong = || StateError::InvalidField(record.to_owned());
        let pinned = self.pinned.map(|pin| {
            let uids = (name(&pin.deployment)?, name(&pin.environment)?);
            Ok::<_, StateError>(Pin { activation: pin.activation, set: name(&pin.set)?, uids })
        });
        Ok(Activation {
            set: self.set.map(|set| name(&set)).transpose().map_err(|_| wrong())?,
            pinned: pinned.transpose().map_err(|_| wrong())?,
            number: self.number,
            release: self.release,
            since: UnixSeconds(self.since),
            by: self.by,
            why: name(&self.why).map_err(|_| wrong())?,
            revision: Revision(self.revision),
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => f.write_str("begun"),
            Self::Pushed => f.write_str("push"),
            Self::Registered => f.write_str("registered"),
            Self::Promotion(id) => write!(f, "promotion {id}"),
            Self::Rollback => f.write_str("rollback"),
            Self::Unpinned => f.write_str("unpin"),
        }
    }
}

/// Not what an activation gives as its reason.
#[derive(Debug, thiserror::Error)]
#[error("not why a release is activated")]
pub struct UnknownWhy;

impl FromStr for Why {
    type Err = UnknownWhy;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Begun, Self::Pushed, Self::Registered, Self::Rollback, Self::Unpinned];
        if let Some(why) = known.into_iter().find(|why| why.to_string() == text) {
            return Ok(why);
        }
        let id = text.strip_prefix("promotion ").filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES);
        id.map(|id| Self::Promotion(id.to_owned())).ok_or(UnknownWhy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activation(number: u64, why: Why) -> Activation {
        let (since, by, revision) = (UnixSeconds(7), "ada".to_owned(), Revision(3));
        Activation { number, release: 17, since, by, why, revision, set: None, pinned: None }
    }

    #[test]
    fn an_activation_reads_back_and_so_does_the_number_that_older_versions_wrote() {
        let all = [
            Why::Begun,
            Why::Pushed,
            Why::Registered,
            Why::Promotion("p1".into()),
            Why::Rollback,
            Why::Unpinned,
        ];
        let (set, uids) = (Digest([7; 32]), (Uid([1; 16]), Uid([2; 16])));
        for one in all.map(|why| activation(4, why)) {
            let pinned = Some(Pin { activation: 3, set, uids });
            for one in [Activation { set: Some(set), pinned, ..one.clone() }, one] {
                assert_eq!(Activation::from_bytes("x", &one.to_bytes()).unwrap(), one);
            }
        }
        let pinned =
            Activation { pinned: Some(Pin { activation: 3, set, uids }), ..activation(4, Why::Rollback) };
        assert_eq!(pinned.running(uids).set, Some(set));
        assert_eq!(
            pinned.running((Uid([1; 16]), Uid([3; 16]))).set,
            None,
            "another environment of that name"
        );
        assert_eq!(Activation::from_bytes("x", b"17").unwrap(), Activation::begun(17));
        for wrong in [
            "",
            "-1",
            "{}",
            "[]",
            "promotion",
            r#"{"number":1,"release":1,"since":0,"by":"","why":"promotion ","revision":0}"#,
        ] {
            assert!(Activation::from_bytes("x", wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn as_many_are_kept_as_the_limit_says_and_the_newest_of_them() {
        let mut past = Past::default();
        for number in 1..=60 {
            past = past.followed_by(activation(number, Why::Rollback));
        }
        let numbers: Vec<_> = past.0.iter().map(|one| one.number).collect();
        assert_eq!(numbers, (12..=60).collect::<Vec<_>>());
        assert_eq!(Past::from_bytes("x", &past.to_bytes()).unwrap(), past);
    }
}
