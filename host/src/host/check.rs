//! What pipelines and monitors report of a release in an environment. State, and no configuration: a push
//! never touches it. A newer report of the same name takes the older one's place.

use serde_json::json;

use super::{Author, ChangeError, Host};
use crate::{
    audit::ChangeRecord,
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    model::promotion::Check,
    state::{Alteration, Report},
};

/// The most checks of a release in an environment.
pub const MAX_CHECKS: usize = 100;
/// The most measures of a check.
pub const MAX_MEASURES: usize = 32;
/// The longest name of a check or a measure, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// The longest unit, in bytes.
const MAX_UNIT_BYTES: usize = 32;

impl Host {
    /// Takes a report, and carries on what waited for it.
    ///
    /// # Errors
    /// When it is about nothing that there is, or over a limit; see [`ChangeError`].
    pub fn report_check(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (deployment, environment): (&DeploymentId, &EnvironmentName),
        release: u64,
        check: Check,
    ) -> Result<Report, ChangeError> {
        let invalid = |rule: String| ChangeError::Invalid(vec![rule]);
        within_limits(&check).map_err(invalid)?;
        // Nothing is deleted from here on.
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let pair = served.prepared(deployment, environment).ok_or(ChangeError::Unknown)?;
        let one = served.snapshot.configuration.deployments.get(deployment).ok_or(ChangeError::Unknown)?;
        if !one.releases.contains_key(&release) {
            return Err(invalid(format!("{deployment} has no release {release}; register it first")));
        }
        let uids = (pair.plan.deployment_uid, pair.plan.environment.uid);
        let by = author.principal().to_owned();
        let report = Report { release, environment: environment.clone(), uids, by, check };
        let name = report.record(workspace, deployment);
        let known = writer.control.read(&Report::records(workspace, deployment, Some(release)))?;
        let here = known.values().filter_map(|content| Report::from_bytes(content));
        if !known.contains_key(&name)
            && here.filter(|one| one.environment == *environment).count() >= MAX_CHECKS
        {
            return Err(invalid(format!("a release has at most {MAX_CHECKS} checks in an environment")));
        }
        let details = json!({
            "workspace": workspace.as_str(), "deployments": [deployment.as_str()], "environments": [environment.as_str()],
            "release": release, "check": report.check.name, "conclusion": report.check.conclusion.as_str(),
        });
        let principal = author.principal();
        let record =
            ChangeRecord { at: self.clock.now(), kind: "check", outcome: "done", principal, details };
        let put = Alteration::Put { name, content: report.to_bytes() };
        self.write_noted(&mut writer, author, vec![put], Vec::new(), &record)?;
        drop(writer);
        self.go_on(workspace, deployment);
        Ok(report)
    }

    /// What was reported of a deployment's releases, or of one.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn reports(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        release: Option<u64>,
    ) -> Result<Vec<Report>, ChangeError> {
        let records = self.control.read(&Report::records(workspace, deployment, release))?;
        Ok(records.values().filter_map(|content| Report::from_bytes(content)).collect())
    }
}

fn within_limits(check: &Check) -> Result<(), String> {
    let is_name =
        |text: &str| !text.is_empty() && text.len() <= MAX_NAME_BYTES && !text.contains(char::is_control);
    if !is_name(&check.name) || !check.measures.iter().all(|one| is_name(&one.name)) {
        return Err(format!("a name is 1 to {MAX_NAME_BYTES} bytes without control characters"));
    }
    if check.measures.len() > MAX_MEASURES {
        return Err(format!("a check has at most {MAX_MEASURES} measures"));
    }
    let is_unit = |text: &str| text.len() <= MAX_UNIT_BYTES && !text.contains(char::is_control);
    if !check.measures.iter().all(|one| one.value.is_finite() && is_unit(&one.unit)) {
        return Err(format!("a measure is a finite number, and its unit at most {MAX_UNIT_BYTES} bytes"));
    }
    let names: std::collections::BTreeSet<_> = check.measures.iter().map(|one| &one.name).collect();
    if names.len() < check.measures.len() {
        return Err("each measure is named once".to_owned());
    }
    Ok(())
}
