//! A plan without its values: names, secrecy and value ids, so that two revisions, two
//! environments or a directory and a host can be compared by anyone who may read masked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    model::question::Sensitivity,
    plan::{Identified, Plan, What, content_id},
};

/// A plan's names and value ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanManifest {
    /// The deployment.
    pub deployment: String,
    /// The environment.
    pub environment: String,
    /// The active release.
    pub release: Option<u64>,
    /// The plan's digest.
    pub digest: String,
    /// The policies in running order, each with its digest.
    pub policies: Vec<String>,
    /// Every name, in order.
    pub keys: Vec<KeyManifest>,
}

/// One name of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyManifest {
    /// The name.
    pub name: String,
    /// Whether it is a secret.
    pub secret: bool,
    /// The form that is required of it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The layer its value came from.
    pub layer: String,
    /// What it may be given, in words that end in an id: of the value, or of all that makes up an
    /// endpoint or a template. Never a value.
    pub values: Vec<String>,
}

/// `plan` without its values.
pub fn of_plan<V: Identified>(plan: &Plan<V>) -> PlanManifest {
    let keys = plan.variables.iter().map(|variable| {
        let range = variable.candidates.start as usize..variable.candidates.end as usize;
        let candidates = plan.candidates.get(range).unwrap_or_default();
        KeyManifest {
            name: variable.name.to_string(),
            secret: variable.sensitivity == Sensitivity::Secret,
            expected: variable.expected.as_ref().map(ToString::to_string),
            layer: variable.provenance.layer.to_string(),
            values: candidates.iter().map(|candidate| describe(candidate.version, &candidate.what)).collect(),
        }
    });
    PlanManifest {
        deployment: plan.deployment.to_string(),
        environment: plan.environment.name.to_string(),
        release: plan.release.as_ref().map(|release| release.number),
        digest: plan.digest.to_string(),
        policies: plan.chain.iter().map(|link| format!("{}@{}", link.policy, link.digest)).collect(),
        keys: keys.collect(),
    }
}

fn describe<V: Identified>(version: u64, what: &What<V>) -> String {
    match what {
        What::Stored { address, value } => format!("v{version} {}", value.id(&address.name)),
        What::Template(_) => format!("template {}", content_id(what)),
        What::Text(_) => format!("text {}", content_id(what)),
        What::Endpoint(bound) => {
            let endpoint = &bound.endpoint;
            format!("{} {}:{} {}", endpoint.role, endpoint.host, endpoint.port, content_id(what))
        }
    }
}
