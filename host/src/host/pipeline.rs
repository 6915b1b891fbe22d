//! What of a deployment is under way and what is active, for whoever looks at its pipeline.

use super::{Activated, ChangeError, Host};
use crate::{
    id::{DeploymentId, WorkspaceId},
    state::Promotion,
};

/// A deployment's pipeline, as its records tell it.
#[derive(Debug, Default)]
pub struct Pipeline {
    /// What is active, by environment.
    pub active: Vec<Activated>,
    /// The promotions that run or wait, at most one of each target.
    pub under_way: Vec<Promotion>,
}

impl Host {
    /// What is active of each of `deployments`, and which promotions are under way to where.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn pipelines(
        &self,
        workspace: &WorkspaceId,
        deployments: &[DeploymentId],
    ) -> Result<Vec<Pipeline>, ChangeError> {
        let writer = self.writer.lock();
        let active = writer.state.active.get(workspace);
        let (mut under_way, mut found) = (Vec::new(), Vec::new());
        // One that runs was one that waited, as a rule, and has moved on since.
        for prefix in [Promotion::all_running(workspace), Promotion::open_records(workspace)] {
            let records = writer.control.read(&prefix)?;
            under_way.extend(records.values().filter_map(|content| Promotion::from_bytes(content)));
        }
        for id in deployments {
            let active = active.and_then(|all| all.get(id)).into_iter().flatten();
            let mut own: Vec<Promotion> = Vec::new();
            for one in under_way.iter().filter(|one| one.deployment.0 == *id) {
                if own.iter().all(|known| known.to != one.to) {
                    own.push(one.clone());
                }
            }
            let active = active.map(|(environment, activation)| Activated {
                environment: environment.clone(),
                activation: activation.clone(),
                until: None,
            });
            found.push(Pipeline { active: active.collect(), under_way: own });
        }
        Ok(found)
    }
}
