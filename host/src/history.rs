//! A configuration in pieces, so that every revision can be looked at again: what was served then is
//! planned and asked once more, and must come to the same. Each piece is the part of a stored
//! configuration under a key of a [`crate::chunks`] tree; two revisions share what they have in common.
//!
//! | key | what it holds |
//! |---|---|
//! | `base` | what holds for every deployment everywhere |
//! | `environment/<name>` | an environment and its layer |
//! | `deployment/<id>` | a deployment's base, its domain, namespaces and releases |
//! | `pair/<id>/in/<environment>` | what is special to a deployment in an environment, and what runs there |
//! | `service/<id>`, `tool/<id>` | with its instances or profiles |
//! | `policies` | the policies, by their components' digests, and where they are attached |
//!
//! No IO: pieces come from a function that finds one by its key.

mod piece;

use std::collections::BTreeSet;

pub use piece::PieceKey;

use crate::{
    bundle::{self, BundleError},
    change::Pair,
    chunks::TreeError,
    id::{DeploymentId, Digest, EnvironmentName, Uid, WorkspaceId},
    made::{ResourceKey, Subject},
    model::{Configuration, NamespaceHere, Place, SealedValue},
    state::Running,
};

/// Finds a piece; none where there is no such piece.
pub type Find<'a> = dyn FnMut(&PieceKey) -> Result<Option<Vec<u8>>, TreeError> + 'a;

/// Why a pair of an earlier revision cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A piece cannot be had.
    #[error(transparent)]
    Chunk(#[from] TreeError),
    /// A piece is none.
    #[error("a piece of that revision does not read: {key}")]
    Piece {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: BundleError,
    },
    /// It was not there then.
    #[error("there was no such deployment in that environment then")]
    Unknown,
}

/// The pieces that a change of `subjects` and what it touches may have changed.
#[must_use]
pub fn changed_by(subjects: &BTreeSet<Subject>, touched: &BTreeSet<Pair>) -> BTreeSet<PieceKey> {
    let mut keys = BTreeSet::new();
    for subject in subjects {
        match subject {
            Subject::Value(key) => drop(keys.insert(of_place(&key.place))),
            Subject::Environment(name) => {
                keys.insert(PieceKey::Environment(name.clone()));
                keys.extend(pairs(touched, |_, environment| environment == name));
            }
            Subject::Resource(ResourceKey::Deployment(id)) => {
                keys.insert(PieceKey::Deployment(id.clone()));
                keys.extend(pairs(touched, |deployment, _| deployment == id));
            }
            Subject::Resource(ResourceKey::Binding(id, environment, _)) => {
                keys.insert(PieceKey::Pair(id.clone(), environment.clone()));
            }
            Subject::Resource(ResourceKey::Requirement(key)) => drop(keys.insert(of_place(&key.place))),
            Subject::Resource(ResourceKey::Release(id, _)) => {
                keys.insert(PieceKey::Deployment(id.clone()));
            }
            Subject::Resource(ResourceKey::Service(id)) => drop(keys.insert(PieceKey::Service(id.clone()))),
            Subject::Resource(ResourceKey::Tool(id)) => drop(keys.insert(PieceKey::Tool(id.clone()))),
            Subject::Resource(ResourceKey::Policy(_) | ResourceKey::Attachment(..)) => {
                keys.insert(PieceKey::Policies);
            }
        }
    }
    keys
}

fn of_place(place: &Place) -> PieceKey {
    match place {
        Place::Workspace => PieceKey::Base,
        Place::Environment(name) => PieceKey::Environment(name.clone()),
        Place::Deployment(id, None) => PieceKey::Deployment(id.clone()),
        Place::Deployment(id, Some(environment)) => PieceKey::Pair(id.clone(), environment.clone()),
    }
}

fn pairs(
    touched: &BTreeSet<Pair>,
    is_meant: impl Fn(&DeploymentId, &EnvironmentName) -> bool,
) -> impl Iterator<Item = PieceKey> {
    let meant = touched.iter().filter(move |(id, environment)| is_meant(id, environment));
    meant.map(|(id, environment)| PieceKey::Pair(id.clone(), environment.clone()))
}

/// What a pair is planned from, as it was: its layers and whatever these refer to, and what ran. `find` gives
/// a piece by its key.
///
/// # Errors
/// When a piece cannot be had, or there was no such pair.
pub fn of_pair(
    (workspace, uid): (&WorkspaceId, Uid),
    (deployment, environment): (&DeploymentId, &EnvironmentName),
    find: &mut Find<'_>,
) -> Result<(Configuration<SealedValue>, Option<Running>), HistoryError> {
    let mut pieces = Pieces { whole: Configuration::new(workspace.clone(), uid), find };
    let (id, here) = (deployment.clone(), environment.clone());
    pieces.take(&PieceKey::Base)?;
    pieces.take(&PieceKey::Policies)?;
    pieces.take(&PieceKey::Environment(here.clone()))?.ok_or(HistoryError::Unknown)?;
    pieces.take(&PieceKey::Deployment(id.clone()))?.ok_or(HistoryError::Unknown)?;
    let running = pieces.take(&PieceKey::Pair(id.clone(), here.clone()))?.ok_or(HistoryError::Unknown)?;

    let uses = pieces.whole.deployments.get(deployment).and_then(|one| one.environments.get(environment));
    let uses = uses.ok_or(HistoryError::Unknown)?.clone();
    for binding in uses.bindings.values() {
        pieces.take(&PieceKey::Service(binding.service.clone()))?;
        pieces.take(&PieceKey::Environment(binding.owner.clone()))?;
    }
    for tool in uses.tools.keys() {
        pieces.take(&PieceKey::Tool(tool.clone()))?;
    }
    for namespace in uses.namespaces.values() {
        if let NamespaceHere::Of(owner) = namespace {
            pieces.take(&PieceKey::Environment(owner.clone()))?;
            pieces.take(&PieceKey::Pair(id.clone(), owner.clone()))?;
        }
    }
    Ok((pieces.whole, running))
}

/// The components that the policies of a revision have, from the piece that names them.
///
/// # Errors
/// When it is none.
pub fn components_of(policies: &[u8]) -> Result<BTreeSet<Digest>, HistoryError> {
    let nobody = "none".parse().map_err(|_| HistoryError::Unknown)?;
    let part = bundle::read_part(policies, &nobody, Uid::NONE);
    let part = part.map_err(|source| HistoryError::Piece { key: PieceKey::Policies.to_string(), source })?;
    Ok(part.policies.values().map(|policy| policy.digest).collect())
}

/// Puts pieces together.
struct Pieces<'a> {
    whole: Configuration<SealedValue>,
    find: &'a mut Find<'a>,
}

impl Pieces<'_> {
    /// Adds a piece; what it tells of what runs, and none where there is no such piece.
    #[expect(clippy::option_option, reason = "a piece that is not there, and one that tells of nothing")]
    fn take(&mut self, key: &PieceKey) -> Result<Option<Option<Running>>, HistoryError> {
        let Some(bytes) = (self.find)(key)? else { return Ok(None) };
        let unread = |source| HistoryError::Piece { key: key.to_string(), source };
        let (running, bytes) = key.split(&bytes).ok_or_else(|| unread(bundle::BundleError::Digest))?;
        let part = bundle::read_part(bytes, &self.whole.workspace, self.whole.uid).map_err(unread)?;
        key.add(part, &mut self.whole);
        Ok(Some(running))
    }
}

#[cfg(test)]
mod tests;
