//! What is about a deployment or an environment goes with it, in the same change: what was promoted there, what
//! was reported of it, what was compared. Whatever comes to be under the name again is another, and finds
//! nothing. What a push prunes may be pushed again, and has its own back then: a push never touches state; but
//! something else of its name begins with nothing, too.

use std::collections::BTreeSet;

use crate::{
    change::{Edit, ResourceEdit},
    control::ControlError,
    fingerprint::Home,
    host::{Writer, compare, release},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    made::ResourceKey,
    model::{Configuration, Deployment, SealedValue},
    state::{Alteration, Promotion, Report},
};

/// What an edit takes away, or makes anew: nothing that was said of what had its name is said of it.
pub(in crate::host) enum Gone<'a> {
    /// A deployment.
    Deployment(&'a DeploymentId),
    /// An environment.
    Environment(&'a EnvironmentName),
    /// Environments of a deployment.
    Pairs(&'a DeploymentId, BTreeSet<&'a EnvironmentName>),
    /// Releases of a deployment.
    Releases(&'a DeploymentId, &'a [u64]),
}

impl<'a> Gone<'a> {
    /// What `edit` of `before` does so.
    pub(in crate::host) fn by(edit: &'a Edit, before: &'a Configuration<SealedValue>) -> Option<Self> {
        match edit {
            Edit::DeleteEnvironment { name, .. } => Some(Self::Environment(name)),
            Edit::CreateEnvironment { wanted, .. } | Edit::CloneEnvironment { wanted, .. } => {
                Some(Self::Environment(&wanted.name))
            }
            Edit::Resource(ResourceEdit::Delete(ResourceKey::Deployment(id))) => Some(Self::Deployment(id)),
            Edit::Resource(ResourceEdit::PutDeployment(next)) => Some(Self::of_next(next, before)),
            Edit::Resource(ResourceEdit::PutRelease { deployment, gone, .. }) => {
                Some(Self::Releases(deployment, gone))
            }
            _ => None,
        }
    }

    fn of_next<V>(next: &'a Deployment<V>, before: &'a Configuration<SealedValue>) -> Self {
        let Some(known) = before.deployments.get(&next.id) else { return Self::Deployment(&next.id) };
        let left = known.environments.keys().filter(|name| !next.environments.contains_key(*name));
        let entered = next.environments.keys().filter(|name| !known.environments.contains_key(*name));
        Self::Pairs(&next.id, left.chain(entered).collect())
    }

    /// Whether that is nothing.
    pub(in crate::host) fn is_nothing(&self) -> bool {
        match self {
            Self::Deployment(_) | Self::Environment(_) => false,
            Self::Pairs(_, names) => names.is_empty(),
            Self::Releases(_, numbers) => numbers.is_empty(),
        }
    }

    fn deployment(&self) -> Option<&'a DeploymentId> {
        match self {
            Self::Deployment(id) | Self::Pairs(id, _) | Self::Releases(id, _) => Some(id),
            Self::Environment(_) => None,
        }
    }

    fn has(&self, name: &EnvironmentName) -> bool {
        match self {
            Self::Deployment(_) => true,
            Self::Environment(gone) => *gone == name,
            Self::Pairs(_, names) => names.contains(name),
            Self::Releases(..) => false,
        }
    }

    fn has_promotion(&self, content: &[u8]) -> bool {
        let Some(promotion) = Promotion::from_bytes(content) else {
            return matches!(self, Self::Deployment(_));
        };
        self.has(promotion.source()) || self.has(&promotion.to)
    }

    fn has_report(&self, content: &[u8]) -> bool {
        let Some(report) = Report::from_bytes(content) else {
            return matches!(self, Self::Deployment(_));
        };
        match self {
            Self::Releases(_, numbers) => numbers.contains(&report.release),
            _ => self.has(&report.environment),
        }
    }
}

impl Writer {
    /// The records that go with what `edits` take away.
    pub(in crate::host) fn gone_with(
        &self,
        workspace: &WorkspaceId,
        edits: &[Edit],
        before: &Configuration<SealedValue>,
    ) -> Result<Vec<Alteration>, ControlError> {
        let (mut names, mut marks) = (BTreeSet::new(), Vec::new());
        for gone in edits.iter().filter_map(|edit| Gone::by(edit, before)).filter(|gone| !gone.is_nothing()) {
            let of = |prefix: String| match gone.deployment() {
                Some(id) => format!("{prefix}{id}/"),
                None => prefix,
            };
            let promotions = [
                of(Promotion::all_running(workspace)),
                of(Promotion::open_records(workspace)),
                of(Promotion::all_past(workspace)),
            ];
            for prefix in promotions {
                let found = self.control.read(&prefix)?.into_iter();
                names.extend(found.filter(|(_, content)| gone.has_promotion(content)).map(|(name, _)| name));
            }
            let found = self.control.read(&of(Report::all_records(workspace)))?.into_iter();
            names.extend(found.filter(|(_, content)| gone.has_report(content)).map(|(name, _)| name));
            match gone {
                Gone::Deployment(id) => {
                    let mark = release::mark_record(workspace, id);
                    names.extend(self.control.read(&mark)?.into_keys());
                }
                Gone::Releases(id, numbers) => marks.extend(self.mark(workspace, id, numbers)?),
                Gone::Environment(_) | Gone::Pairs(..) => {}
            }
            // What others share with it stays theirs, and what was compared with that is remembered. Neither does
            // making anew what a push may bring back forget anything.
            let compared = match gone {
                Gone::Deployment(id) if before.deployments.contains_key(id) => {
                    Some(compare::records(workspace, id, &Home::Deployment))
                }
                Gone::Environment(name) if before.environments.contains_key(name) => {
                    Some(compare::records_in(workspace, name))
                }
                _ => None,
            };
            if let Some(prefix) = compared {
                names.extend(self.control.read(&prefix)?.into_keys());
            }
        }
        Ok(names.into_iter().map(|name| Alteration::Delete { name }).chain(marks).collect())
    }
}
