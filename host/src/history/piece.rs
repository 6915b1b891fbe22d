//! The pieces: what each is called, what it takes of a configuration, and how it goes back into one.

use std::{collections::BTreeMap, fmt};

use crate::{
    bundle,
    id::{DeploymentId, Digest, EnvironmentName, ServiceId, ToolName},
    model::{Configuration, Deployment, SealedValue},
    state::{Running, Runs},
};

/// Names a piece of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PieceKey {
    /// What holds for every deployment everywhere.
    Base,
    /// An environment.
    Environment(EnvironmentName),
    /// A deployment, without what is special to its environments.
    Deployment(DeploymentId),
    /// A deployment in an environment.
    Pair(DeploymentId, EnvironmentName),
    /// A data service.
    Service(ServiceId),
    /// A tool.
    Tool(ToolName),
    /// The policies and their attachments.
    Policies,
}

/// Bytes of the number before a pair's part.
const RELEASE_BYTES: usize = 8;
/// Set in that number where the root of the tree that a pair is pinned to stands behind it.
const PINNED: u64 = 1 << 63;

impl PieceKey {
    /// The keys of every piece that `configuration` has.
    pub fn all(configuration: &Configuration<SealedValue>) -> impl Iterator<Item = Self> {
        let Configuration { environments, deployments, services, tools, .. } = configuration;
        let pairs = deployments.iter().flat_map(|(id, one)| {
            let names = one.environments.keys();
            names.map(|environment| Self::Pair(id.clone(), environment.clone()))
        });
        [Self::Base, Self::Policies]
            .into_iter()
            .chain(environments.keys().cloned().map(Self::Environment))
            .chain(deployments.keys().cloned().map(Self::Deployment))
            .chain(services.keys().cloned().map(Self::Service))
            .chain(tools.keys().cloned().map(Self::Tool))
            .chain(pairs)
    }

    /// The piece, as `configuration` has it; none where it does not.
    #[must_use]
    pub fn write(&self, configuration: &Configuration<SealedValue>, active: &Runs) -> Option<Vec<u8>> {
        let mut part = Configuration::new(configuration.workspace.clone(), configuration.uid);
        match self {
            Self::Base => part.base = configuration.base.clone(),
            Self::Environment(name) => {
                let environment = configuration.environments.get(name)?;
                part.environments.insert(name.clone(), environment.clone());
                let layer = configuration.environment_layers.get(name);
                part.environment_layers.extend(layer.map(|layer| (name.clone(), layer.clone())));
            }
            Self::Deployment(id) => {
                let one = configuration.deployments.get(id)?;
                part.deployments.insert(id.clone(), without_environments(one));
            }
            Self::Pair(id, environment) => {
                let one = configuration.deployments.get(id)?;
                let here = one.environments.get(environment)?.clone();
                let environments = [(environment.clone(), here)].into();
                let bare = Deployment { id: one.id.clone(), uid: one.uid, environments, ..nothing(one) };
                part.deployments.insert(id.clone(), bare);
                let running = active.get(id).and_then(|active| active.get(environment));
                return Some([begin(running), bundle::write_part(&part)].concat());
            }
            Self::Service(id) => part.services.insert(id.clone(), configuration.services.get(id)?.clone()),
            Self::Tool(id) => part.tools.insert(id.clone(), configuration.tools.get(id)?.clone()),
            Self::Policies => {
                part.policies.clone_from(&configuration.policies);
                part.attachments.clone_from(&configuration.attachments);
            }
        }
        Some(bundle::write_part(&part))
    }

    /// What runs where a piece is of a pair, and the piece's part.
    pub(super) fn split<'a>(&self, bytes: &'a [u8]) -> Option<(Option<Running>, &'a [u8])> {
        if !matches!(self, Self::Pair(..)) {
            return Some((None, bytes));
        }
        let (number, part) = bytes.split_first_chunk::<RELEASE_BYTES>()?;
        let number = u64::from_le_bytes(*number);
        let (set, part) = match number & PINNED {
            0 => (None, part),
            _ => part.split_first_chunk().map(|(root, part)| (Some(Digest(*root)), part))?,
        };
        let release = number & !PINNED;
        Some(((release != 0).then_some(Running { release, set }), part))
    }

    /// Adds a part to a configuration that is being put together.
    pub(super) fn add(&self, part: Configuration<SealedValue>, whole: &mut Configuration<SealedValue>) {
        match self {
            Self::Base => whole.base = part.base,
            Self::Environment(_) => {
                whole.environments.extend(part.environments);
                whole.environment_layers.extend(part.environment_layers);
            }
            Self::Deployment(_) => {
                whole.deployments.extend(part.deployments.iter().map(|(id, one)| (id.clone(), one.clone())));
            }
            Self::Pair(id, _) => {
                let here = part.deployments.get(id).map(|one| one.environments.clone()).unwrap_or_default();
                if let Some(one) = whole.deployments.get_mut(id) {
                    one.environments.extend(here);
                }
            }
            Self::Service(_) => {
                whole.services.extend(part.services.iter().map(|(id, one)| (id.clone(), one.clone())));
            }
            Self::Tool(_) => whole.tools.extend(part.tools.iter().map(|(id, one)| (id.clone(), one.clone()))),
            Self::Policies => (whole.policies, whole.attachments) = (part.policies, part.attachments),
        }
    }
}

/// How the piece of a pair begins: the number of the active release, 0 where none is, and what it is pinned to.
fn begin(running: Option<&Running>) -> Vec<u8> {
    let (release, set) = running.map_or((0, None), |running| (running.release, running.set));
    let number = release & !PINNED | set.map_or(0, |_| PINNED);
    let root = set.map(|Digest(root)| root);
    number.to_le_bytes().into_iter().chain(root.into_iter().flatten()).collect()
}

fn without_environments(one: &Deployment<SealedValue>) -> Deployment<SealedValue> {
    Deployment {
        base: one.base.clone(),
        domain: one.domain.clone(),
        namespaces: one.namespaces.clone(),
        releases: one.releases.clone(),
        ..nothing(one)
    }
}

/// The deployment of that name and id, which says nothing.
fn nothing(one: &Deployment<SealedValue>) -> Deployment<SealedValue> {
    Deployment {
        id: one.id.clone(),
        uid: one.uid,
        base: crate::model::Layer::default(),
        domain: None,
        namespaces: BTreeMap::new(),
        environments: BTreeMap::new(),
        releases: BTreeMap::new(),
    }
}

impl fmt::Display for PieceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::Environment(name) => write!(f, "environment/{name}"),
            Self::Deployment(id) => write!(f, "deployment/{id}"),
            Self::Pair(id, environment) => write!(f, "pair/{id}/in/{environment}"),
            Self::Service(id) => write!(f, "service/{id}"),
            Self::Tool(id) => write!(f, "tool/{id}"),
            Self::Policies => f.write_str("policies"),
        }
    }
}
