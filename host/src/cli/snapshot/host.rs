//! What the verbs ask a host for.

use http::StatusCode;
use serde::Deserialize;

use crate::{
    cli::connection::AdminHost,
    client::{Answer, Client, Error, Request},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    manifest::PlanManifest,
};

/// `GET /api/v1/snapshot/plans`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Served {
    pub(super) revision: u64,
    pub(super) plans: Vec<PlanManifest>,
}

impl Served {
    /// The release that is active there.
    pub(super) fn active(&self, deployment: &DeploymentId, environment: &EnvironmentName) -> Option<u64> {
        let same = |plan: &&PlanManifest| {
            plan.deployment == deployment.as_str() && plan.environment == environment.as_str()
        };
        self.plans.iter().find(same).and_then(|plan| plan.release)
    }
}

/// The plans that the host serves of `workspace`; revision 0 and none, where it serves nothing of
/// it yet.
pub(super) async fn served(
    client: &Client,
    host: &AdminHost,
    workspace: &WorkspaceId,
) -> Result<Served, Error> {
    let request = host.within_or(Request::get(&["api", "v1", "snapshot", "plans"]), workspace);
    match known(client.send(&request).await)? {
        Some(answer) => answer.json(),
        None => Ok(Served::default()),
    }
}

/// The revision that the host serves of `workspace`; 0 where it serves nothing of it yet.
pub(super) async fn revision(
    client: &Client,
    host: &AdminHost,
    workspace: Option<&WorkspaceId>,
) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Snapshot {
        revision: u64,
    }
    let request = Request::get(&["api", "v1", "snapshot"]);
    let request = match workspace {
        Some(workspace) => host.within_or(request, workspace),
        None => host.within(request),
    };
    match known(client.send(&request).await)? {
        Some(answer) => Ok(answer.json::<Snapshot>()?.revision),
        None => Ok(0),
    }
}

/// 404 is the answer for a workspace that is new to the host.
fn known(answer: Result<Answer, Error>) -> Result<Option<Answer>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Refused(refusal)) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}
