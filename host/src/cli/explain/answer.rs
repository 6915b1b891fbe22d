use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{cli::pinned::Pinned, client::Violation};

/// `GET /api/v1/deployments/{id}/explain?environment=…&key=…`, with an instance's facts as for a
/// boot. What is optional here may be left out or null; members may be added.
#[derive(Debug, Deserialize)]
pub(super) struct Explanation {
    pub(super) workspace: String,
    pub(super) deployment: String,
    pub(super) environment: String,
    pub(super) revision: u64,
    /// Where it runs with an earlier set.
    #[serde(default)]
    pub(super) pin: Option<Pinned>,
    /// The key asked for, or every key in name order.
    pub(super) keys: Vec<Key>,
    /// The policies that were asked, in their order.
    #[serde(default)]
    pub(super) policies: Vec<PolicyRun>,
    /// How long they took, in microseconds.
    #[serde(default)]
    pub(super) asking_us: Option<u64>,
    /// Why such a boot would be refused.
    #[serde(default)]
    pub(super) denial: Option<Denial>,
    /// The same, where no policy denied it.
    #[serde(default)]
    pub(super) refusal: Option<Refusal>,
    /// The boot that was run again.
    #[serde(default)]
    pub(super) boot: Option<Boot>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Boot {
    pub(super) id: String,
    pub(super) outcome: String,
    pub(super) same: bool,
    /// What is not as it was recorded.
    #[serde(default)]
    pub(super) differs: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Key {
    pub(super) name: String,
    #[serde(default)]
    pub(super) secret: bool,
    #[serde(default)]
    pub(super) required: bool,
    /// Whether the active release lists it.
    #[serde(default)]
    pub(super) declared: bool,
    /// Where the chosen value comes from: a variable, a template, a service by name.
    pub(super) source: String,
    /// The layer that won.
    pub(super) layer: String,
    #[serde(default)]
    pub(super) version: Option<u64>,
    /// The layers that lost, the nearest first.
    #[serde(default)]
    pub(super) overrides: Vec<Overridden>,
    #[serde(default)]
    pub(super) candidates: Vec<Candidate>,
    /// The last policy that changed the plan's choice.
    #[serde(default)]
    pub(super) decided_by: Option<String>,
    #[serde(default)]
    pub(super) decision: String,
    /// A preview of a plain value; never a secret.
    #[serde(default)]
    pub(super) value: Option<String>,
    #[serde(default = "yes")]
    pub(super) injected: bool,
    #[serde(default)]
    pub(super) description: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Overridden {
    pub(super) layer: String,
    pub(super) source: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Candidate {
    pub(super) index: u32,
    pub(super) source: String,
    /// The environment it belongs to.
    pub(super) owner: String,
    pub(super) version: u64,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) chosen: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct PolicyRun {
    pub(super) name: String,
    pub(super) digest: String,
    #[serde(default)]
    pub(super) settings: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) fuel: Option<u64>,
    /// What it said.
    #[serde(default)]
    pub(super) log: Vec<LogLine>,
    /// The lines that it said beyond its limits.
    #[serde(default)]
    pub(super) dropped_lines: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct LogLine {
    pub(super) level: String,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) detail: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Denial {
    pub(super) policy: String,
    #[serde(default)]
    pub(super) violations: Vec<Violation>,
}

impl Key {
    /// What is special about it, in words.
    pub(super) fn qualities(&self) -> Vec<&'static str> {
        let all = [
            (self.secret, "secret"),
            (self.required, "required"),
            (self.declared, "declared"),
            (!self.injected, "not injected"),
        ];
        all.into_iter().filter_map(|(holds, word)| holds.then_some(word)).collect()
    }
}

fn yes() -> bool {
    true
}
