//! What is active, what was, and how that changes: an activation is an edit like any other, so that it is
//! prepared, durable with what it replaces and its audit record, and served in this order.

use std::collections::BTreeSet;

use super::{Author, ChangeError, Changed, Host, Writer};
use crate::{
    change::{Edit, Pair, Precondition},
    control::ControlError,
    id::{DeploymentId, EnvironmentName, UnixSeconds, WorkspaceId},
    state::{Activation, Alteration, Past, Why},
};

/// An activation of a deployment, as it is told.
#[derive(Debug, Clone)]
pub struct Activated {
    /// Where.
    pub environment: EnvironmentName,
    /// What, since when, by whom and why.
    pub activation: Activation,
    /// When another one took its place; none for what is active.
    pub until: Option<UnixSeconds>,
}

impl Host {
    /// Activates a release: the new generation of that pair is prepared, then the activation, what it
    /// replaces and the audit record are durable in one transaction, then it is served.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn activate(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (deployment, environment): (&DeploymentId, &EnvironmentName),
        release: u64,
        why: Why,
    ) -> Result<Changed, ChangeError> {
        let (deployment, environment) = (deployment.clone(), environment.clone());
        let edits = [Edit::Activate { deployment, environment, release, why, pin: None }];
        self.change(author, workspace, &edits, Precondition::Any)
    }

    /// What is active in an environment, since when, by whom and why.
    #[must_use]
    pub fn activation(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        environment: &EnvironmentName,
    ) -> Option<Activation> {
        self.writer.lock().state.activation(workspace, deployment, environment).cloned()
    }

    /// The activations of a deployment that are kept, in the order of environments and then of time.
    ///
    /// # Errors
    /// When the ledger refuses, or holds what is none.
    pub fn activations(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
    ) -> Result<Vec<Activated>, ChangeError> {
        let writer = self.writer.lock();
        let active = writer.state.active.get(workspace).and_then(|all| all.get(deployment));
        let records = writer.control.read(&Past::of_deployment(workspace, deployment))?;
        let mut all = Vec::new();
        for (environment, active) in active.into_iter().flatten() {
            let name = Past::record(workspace, deployment, environment);
            let mut all_here = before(&name, records.get(&name), active)?.0;
            all_here.push(active.clone());
            let until: Vec<_> = all_here.iter().skip(1).map(|next| Some(next.since)).chain([None]).collect();
            all.extend(all_here.into_iter().zip(until).map(|(activation, until)| Activated {
                environment: environment.clone(),
                activation,
                until,
            }));
        }
        Ok(all)
    }
}

impl Writer {
    /// The records of what was active in `pairs` so far, with what is now.
    pub(super) fn ended(
        &self,
        workspace: &WorkspaceId,
        pairs: &BTreeSet<Pair>,
    ) -> Result<Vec<Alteration>, ChangeError> {
        let mut records = Vec::new();
        for (deployment, environment) in pairs {
            let Some(ended) = self.state.activation(workspace, deployment, environment) else { continue };
            let name = Past::record(workspace, deployment, environment);
            let content = self.control.read(&name)?.remove(&name);
            let content = before(&name, content.as_ref(), ended)?.followed_by(ended.clone()).to_bytes();
            records.push(Alteration::Put { name, content });
        }
        Ok(records)
    }
}

/// What ran before what is active, as a record of that name has it. What an earlier pair of these names left, if
/// it did, is not this one's.
fn before(name: &str, content: Option<&Vec<u8>>, active: &Activation) -> Result<Past, ControlError> {
    let Some(content) = content.filter(|_| active.number > 1) else { return Ok(Past::default()) };
    Past::from_bytes(name, content).map_err(|_| ControlError::Malformed { name: name.to_owned() })
}
