//! What is shown of values. A secret is `••••`, whoever asks.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::{deployments::WireType, leases::HolderEntry, pinned::ShownPin},
    clock::rfc3339,
    id::UnixSeconds,
    lease::Holders,
    made::{Made, MadeContent, MadeVersion, Stamp, ValueKey},
    model::{Interval, question::Sensitivity},
};

/// The values of a layer, or all that a deployment is given in an environment.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Values {
    /// Null for an environment's own layer, and for the workspace's base.
    pub(super) deployment: Option<String>,
    /// Null for a base.
    pub(super) environment: Option<String>,
    pub(super) revision: u64,
    /// Where the deployment runs with the set of an earlier activation: what is shown is that set's, and this is
    /// held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) pin: Option<ShownPin>,
    pub(super) variables: Vec<ValueEntry>,
    /// What this layer by itself lets no instance start without; told on the first page.
    pub(super) required: Vec<RequiredEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A required key.
#[derive(Serialize, ToSchema)]
#[schema(as = RequiredKey)]
pub(in crate::admin) struct RequiredEntry {
    pub(super) name: String,
    pub(super) form: WireType,
    #[serde(flatten)]
    pub(super) owned: Owned,
}

/// A variable.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ValueEntry {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) is_secret: bool,
    /// The layer that its value comes from.
    pub(super) layer: &'static str,
    /// The layers whose values it overrides. Of an environment only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) overrode: Option<Vec<&'static str>>,
    /// Whether a boot without it is refused. Of an environment only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) required: Option<bool>,
    pub(super) version: Option<u64>,
    /// The numbers of the versions that are live, where there are several: the last is what a boot is given, unless a
    /// policy chooses another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) live: Vec<u64>,
    /// A glimpse of a plain value, or all of it where that was asked for; `••••` for a secret.
    pub(super) value: Option<String>,
    /// Of a value that is put together at a boot, from what: told with `reveal=true`, and of no secret.
    pub(super) template: Option<String>,
    #[serde(flatten)]
    pub(super) every: Every,
    #[serde(flatten)]
    pub(super) owned: Owned,
}

/// How often a secret is to be rotated, and when it is the next time.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Every {
    /// After how many days; of a secret of which that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rotate_every: Option<u32>,
    /// When that is over, since the version in use was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rotation_due: Option<String>,
}

impl Every {
    pub(in crate::admin) fn of(interval: Option<Interval>) -> Self {
        let rotation_due = interval.map(|interval| rfc3339(interval.due()));
        Self { rotate_every: interval.map(|interval| interval.every.number()), rotation_due }
    }
}

/// Whose a value is, and what made it what it is.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Owned {
    #[schema(pattern = "^(api|directory)$")]
    owner: &'static str,
    /// What `If-Match` takes to change it; null where a directory owns it.
    etag: Option<String>,
    changed: Option<ValueChange>,
}

impl Owned {
    pub(super) fn of(made: &Made, key: &ValueKey) -> Self {
        Self::since(made.values.get(key).map(|value| &value.changed))
    }

    /// Of what was changed by API, if it was.
    pub(in crate::admin) fn since(changed: Option<&Stamp>) -> Self {
        match changed {
            Some(changed) => Self {
                owner: "api",
                etag: Some(format!("\"{}\"", changed.revision.0)),
                changed: Some(ValueChange::of(changed)),
            },
            None => Self { owner: "directory", etag: None, changed: None },
        }
    }
}

/// A change: in which revision, when, on whose behalf.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ValueChange {
    revision: u64,
    at: String,
    by: String,
}

impl ValueChange {
    pub(in crate::admin) fn of(stamp: &Stamp) -> Self {
        Self { revision: stamp.revision.0, at: rfc3339(stamp.at), by: stamp.principal.to_string() }
    }
}

/// How a value came to be.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Versions {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) every: Every,
    #[serde(flatten)]
    pub(super) owned: Owned,
    /// The newest first.
    pub(super) versions: Vec<VersionEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A version, without its value.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct VersionEntry {
    pub(super) version: u64,
    /// Whether it is the one that boots are given, unless a policy chooses another that is live.
    pub(super) current: bool,
    /// Whether a boot may be given it.
    pub(super) live: bool,
    pub(super) is_secret: bool,
    /// Null where a directory owns it.
    pub(super) set: Option<ValueChange>,
    /// How many leases hold it. Of a secret that was made by API and is not revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) leases: Option<usize>,
    /// How many of these were not renewed in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) lost: Option<usize>,
    /// How many boots without a lease were given it: no fewer than there were, up to 1,024.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) unproven: Option<u64>,
    /// Who holds it, the oldest first, and of many the first 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) holders: Vec<HolderEntry>,
    /// By whom and when it was revoked: it is served no more. Null where it was not.
    pub(super) revoked: Option<ValueChange>,
}

impl VersionEntry {
    pub(super) fn of(
        version: &MadeVersion,
        (current, live): (bool, bool),
        holders: Option<&Holders>,
        now: UnixSeconds,
    ) -> Self {
        Self {
            leases: holders.map(|holders| holders.leases.len()),
            lost: holders.map(|holders| holders.lost(now)),
            unproven: holders.map(|holders| holders.unproven),
            holders: holders.map(|holders| HolderEntry::some(&holders.leases, now)).unwrap_or_default(),
            version: version.number,
            current,
            live,
            is_secret: version.sensitivity == Sensitivity::Secret,
            set: Some(ValueChange::of(&version.set)),
            revoked: match &version.content {
                MadeContent::Revoked(revoked) => Some(ValueChange::of(revoked)),
                MadeContent::Sealed(_) | MadeContent::Template(_) => None,
            },
        }
    }
}
