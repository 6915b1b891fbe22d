//! What is told of a secret that is rotated.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::{leases::HolderEntry, services::wire::InjectedAs},
    clock::rfc3339,
    generation::Served,
    host::Host,
    id::{EnvironmentName, ServiceId},
    made::{ResourceKey, ValueKey, layer_of},
    model::{Content, Interval, Place},
    plan::LayerName,
};

/// Secrets that are rotated.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct RotationList {
    pub(super) rotations: Vec<RotationEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A secret with an interval, or, where it was set by API, of which several versions are live; or a service's
/// credential with an interval.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct RotationEntry {
    #[schema(pattern = "^(variable|credential)$")]
    kind: &'static str,
    /// The variable's, or the service's.
    name: String,
    /// The layer that it is set in; `service` of a credential.
    layer: &'static str,
    /// Null where it is every deployment's, and of a credential.
    #[schema(required = true)]
    deployment: Option<String>,
    /// Of a credential, the one that owns the instance.
    environment: String,
    /// Who rotates it: a directory's is rotated there, by a push of its next version.
    #[schema(pattern = "^(api|directory)$")]
    owner: &'static str,
    /// The version that is handed out, unless a policy chooses another that is live.
    version: u64,
    /// When that was set; of a directory's, since when its interval counts.
    set: String,
    /// After how many days it is to be rotated; null where that was not said.
    #[schema(required = true)]
    rotate_every: Option<u32>,
    /// When that is over.
    #[schema(required = true)]
    rotation_due: Option<String>,
    /// Whether it is over by now.
    due: bool,
    /// The versions that are live; more than one while it is being rotated.
    live: Vec<u64>,
    /// Who holds those beside the one that is handed out. Who holds a credential's earlier versions is the service's
    /// to say.
    held: Vec<HeldVersion>,
    /// Where a credential's URL is injected, and under which name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    injected: Vec<InjectedAs>,
}

/// Another version that is live.
#[derive(Serialize, ToSchema)]
struct HeldVersion {
    version: u64,
    /// How many leases hold it.
    leases: usize,
    /// How many of these were not renewed in time.
    lost: usize,
    /// How many boots without a lease were given it: no fewer than there were, up to 1,024. A directory's are not
    /// counted.
    unproven: u64,
    /// Who holds it, the oldest first, and of many the first 20.
    holders: Vec<HolderEntry>,
}

impl RotationEntry {
    /// A variable; none that no layer has.
    pub(super) fn of_value(
        host: &Host,
        served: &Served,
        (key, interval): (ValueKey, Option<Interval>),
    ) -> Option<Self> {
        let (configuration, now) = (&served.snapshot.configuration, host.clock.now());
        let layer = layer_of(configuration, &key.place)?.get(configuration)?;
        let Content::Versions { versions, current } = &layer.variables.get(&key.name)?.content else {
            return None;
        };
        let held = versions.iter().filter(|one| one.number != *current).map(|one| {
            let holders = host.leases.holders(&configuration.workspace, one.value.id);
            HeldVersion {
                version: one.number,
                leases: holders.leases.len(),
                lost: holders.lost(now),
                unproven: holders.unproven,
                holders: HolderEntry::some(&holders.leases, now),
            }
        });
        let made = served.made.values.get(&key);
        let (deployment, environment) = match &key.place {
            Place::Deployment(id, environment) => (Some(id), environment.as_ref()),
            Place::Environment(environment) => (None, Some(environment)),
            Place::Workspace => (None, None),
        };
        Some(Self {
            kind: "variable",
            name: key.name.to_string(),
            layer: LayerName::of(&key.place).as_str(),
            deployment: deployment.map(ToString::to_string),
            environment: environment.map(ToString::to_string).unwrap_or_default(),
            owner: if made.is_some() { "api" } else { "directory" },
            version: *current,
            set: rfc3339(made.map(|value| value.current.set.at).or(interval.map(|one| one.since))?),
            rotate_every: interval.map(|interval| interval.every.number()),
            rotation_due: interval.map(|interval| rfc3339(interval.due())),
            due: interval.is_some_and(|interval| interval.is_due(now)),
            live: versions.iter().map(|one| one.number).collect(),
            held: held.collect(),
            injected: Vec::new(),
        })
    }

    /// A service's credential.
    pub(super) fn of_credential(
        host: &Host,
        served: &Served,
        (service, owner): (ServiceId, EnvironmentName),
        injected: Vec<InjectedAs>,
    ) -> Option<Self> {
        let configuration = &served.snapshot.configuration;
        let instance = configuration.services.get(&service)?.instances.get(&owner)?;
        let interval = instance.interval()?;
        let is_made = served.made.resources.contains_key(&ResourceKey::Service(service.clone()));
        Some(Self {
            kind: "credential",
            name: service.to_string(),
            layer: "service",
            deployment: None,
            environment: owner.to_string(),
            owner: if is_made { "api" } else { "directory" },
            version: instance.current,
            set: rfc3339(interval.since),
            rotate_every: Some(interval.every.number()),
            rotation_due: Some(rfc3339(interval.due())),
            due: interval.is_due(host.clock.now()),
            live: instance.credential.iter().map(|one| one.number).collect(),
            held: Vec::new(),
            injected,
        })
    }
}
