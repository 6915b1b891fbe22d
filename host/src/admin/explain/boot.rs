//! The explanation of a boot that was: found in the audit log, run again from what its revision was made
//! of, and compared with what was recorded.

use std::sync::Arc;

use axum::response::Response;
use serde_json::Value;

use super::{Explanation, asked, tagged, wire::ReplayedBoot};
use crate::{
    admin::audit::Readers,
    audit::{Query, RecordedBoot},
    host::{Host, LookBackError},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    serve::respond::Problem,
};

pub(super) async fn explain(
    host: &Arc<Host>,
    readers: &Readers,
    (workspace, deployment, environment): (WorkspaceId, DeploymentId, EnvironmentName),
    id: &str,
    key: Option<&str>,
) -> Result<Response, Problem> {
    let wanted = Query {
        workspace: Some(workspace),
        environment: Some(environment),
        boot: Some(id.to_owned()),
        ..Query::default()
    };
    let record = found(host, readers, wanted).await?.ok_or_else(Problem::not_found)?;
    let boot = RecordedBoot::from_record(&record).ok_or_else(|| {
        Problem::invalid("an older version recorded that boot, without what it takes to run it again")
    })?;
    if boot.deployment != deployment {
        return Err(Problem::not_found());
    }
    let (boot, replayed) = host.replay(boot).await.map_err(problem)?;
    let live = host.store.load();
    let explanation =
        Explanation::new(&replayed.prepared, replayed.verdict, &replayed.decided, live.capsule_key());
    let keys = asked(&explanation, key)?;
    let mut whole = explanation.whole(boot.revision.0, keys, None);
    whole.boot = Some(ReplayedBoot {
        id: boot.id,
        outcome: boot.outcome,
        answer: boot.answer.map(|answer| answer.to_string()),
        same: replayed.differs.is_empty(),
        differs: replayed.differs.into_iter().map(str::to_owned).collect(),
    });
    Ok(tagged(boot.revision.0, whole))
}

/// The record that is asked for: page by page, since the log may be long.
async fn found(host: &Arc<Host>, readers: &Readers, wanted: Query) -> Result<Option<Value>, Problem> {
    let mut cursor = None;
    loop {
        let mut page = readers.page(host, wanted.clone(), cursor, 1).await?;
        match (page.records.pop(), page.next) {
            (Some(record), _) => return Ok(Some(record)),
            (None, None) => return Ok(None),
            (None, next) => cursor = next,
        }
    }
}

pub(in crate::admin) fn problem(error: LookBackError) -> Problem {
    match error {
        LookBackError::NotKept(_) | LookBackError::History(_) => Problem::invalid(error.to_string()),
        LookBackError::Busy => Problem::busy(error.to_string()),
        error => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an earlier revision could not be put together again"
            );
            Problem::not_ready(error.to_string())
        }
    }
}
