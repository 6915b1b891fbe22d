//! A boot as the log tells of it, to be run again.

use serde_json::Value;

use crate::{
    id::{DeploymentId, Digest, EnvironmentName, Revision, WorkspaceId},
    model::question::{Attribute, Facts},
};

/// What a boot's record says of what was asked and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedBoot {
    /// The record's id.
    pub id: String,
    /// Of which workspace.
    pub workspace: WorkspaceId,
    /// What booted.
    pub deployment: DeploymentId,
    /// Where.
    pub environment: EnvironmentName,
    /// The workspace's revision then.
    pub revision: Revision,
    /// `allowed`, `unchanged`, or the problem's code.
    pub outcome: String,
    /// The plan's digest.
    pub plan: Digest,
    /// The digest of the policies that were asked.
    pub policies: Digest,
    /// The digest of the answer; none where nothing was handed out.
    pub answer: Option<Digest>,
    /// What the instance said about itself.
    pub facts: Facts,
}

impl RecordedBoot {
    /// Reads a record of the log, with what it refers to; none where it tells of no boot, or of one whose
    /// record an older version wrote without what is needed to run it again.
    #[must_use]
    pub fn from_record(record: &Value) -> Option<Self> {
        let text = |name: &str| record[name].as_str();
        let fact = |name: &str| text(name).map(str::to_owned);
        if text("kind") != Some("boot") {
            return None;
        }
        let attribute = |pair: &Value| Some(Attribute::new(pair[0].as_str()?, pair[1].as_str()?));
        let attributes = record["attributes"].as_array().into_iter().flatten().map(attribute);
        let answer = text("answer").map(str::parse).transpose().ok()?;
        if answer.is_none() && text("outcome") == Some("allowed") {
            return None;
        }
        Some(Self {
            id: fact("id")?,
            workspace: text("workspace")?.parse().ok()?,
            deployment: text("deployment")?.parse().ok()?,
            environment: text("environment")?.parse().ok()?,
            revision: Revision(record["revision"].as_u64()?),
            outcome: fact("outcome")?,
            plan: text("plan")?.parse().ok()?,
            policies: text("policies")?.parse().ok()?,
            answer,
            facts: Facts {
                region: fact("region"),
                zone: fact("zone"),
                instance: fact("instance"),
                attributes: attributes.collect::<Option<_>>()?,
            },
        })
    }
}
