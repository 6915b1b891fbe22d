//! Checks as records: what was reported last of a release in an environment, as
//! `workspace/<name>/check/<deployment>/<release>/<check>/in/<environment>`.

use serde::{Deserialize, Serialize};

use crate::{
    id::{DeploymentId, EnvironmentName, Uid, WorkspaceId},
    model::{
        promotion::{Check, Conclusion, Measure},
        question::Attribute,
    },
};

/// What a pipeline or a monitor reported last of a release in an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Of which release.
    pub release: u64,
    /// Where.
    pub environment: EnvironmentName,
    /// The random ids of deployment and environment: others of those names were not reported of.
    pub uids: (Uid, Uid),
    /// Who reported it.
    pub by: String,
    /// It.
    pub check: Check,
}

impl Report {
    /// How the names of a deployment's reports begin; of one release, where that is given.
    #[must_use]
    pub fn records(workspace: &WorkspaceId, id: &DeploymentId, release: Option<u64>) -> String {
        let release = release.map(|number| format!("{number:020}/")).unwrap_or_default();
        format!("{}{id}/{release}", Self::all_records(workspace))
    }

    /// How the names of all begin.
    #[must_use]
    pub fn all_records(workspace: &WorkspaceId) -> String {
        format!("workspace/{workspace}/check/")
    }

    /// Its record's name.
    #[must_use]
    pub fn record(&self, workspace: &WorkspaceId, id: &DeploymentId) -> String {
        let all = Self::records(workspace, id, Some(self.release));
        format!("{all}{}/in/{}", hex::encode(&self.check.name), self.environment)
    }

    /// As a record holds it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Check { name, conclusion, completed_at, measures, labels } = &self.check;
        let measures = measures.iter().map(|one| (one.name.clone(), one.value, one.unit.clone()));
        let wire = WireReport {
            release: self.release,
            environment: self.environment.to_string(),
            uids: (self.uids.0.to_string(), self.uids.1.to_string()),
            by: self.by.clone(),
            name: name.clone(),
            conclusion: conclusion.as_str().to_owned(),
            completed_at: *completed_at,
            measures: measures.collect(),
            labels: labels.iter().map(|one| (one.key.clone(), one.value.clone())).collect(),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// What a record holds, if it is one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let wire: WireReport = serde_json::from_slice(bytes).ok()?;
        let conclusion = Conclusion::ALL.into_iter().find(|one| one.as_str() == wire.conclusion)?;
        let measure = |(name, value, unit)| Measure { name, value, unit };
        let check = Check {
            name: wire.name,
            conclusion,
            completed_at: wire.completed_at,
            measures: wire.measures.into_iter().map(measure).collect(),
            labels: wire.labels.iter().map(|(key, value)| Attribute::new(key, value)).collect(),
        };
        Some(Self {
            release: wire.release,
            environment: wire.environment.parse().ok()?,
            uids: (wire.uids.0.parse().ok()?, wire.uids.1.parse().ok()?),
            by: wire.by,
            check,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct WireReport {
    release: u64,
    environment: String,
    uids: (String, String),
    by: String,
    name: String,
    conclusion: String,
    completed_at: Option<u64>,
    measures: Vec<(String, f64, String)>,
    labels: Vec<(String, String)>,
}
