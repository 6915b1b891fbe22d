//! What an explanation looks like.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::pinned::ShownPin;

/// Where each value of an environment comes from, and why.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ExplainedPair {
    pub(super) workspace: String,
    pub(super) deployment: String,
    pub(super) environment: String,
    /// The active release; null where there is none.
    #[schema(required = true)]
    pub(super) release: Option<u64>,
    pub(super) revision: u64,
    /// The plan's digest.
    pub(super) digest: String,
    /// Where it runs with the set of an earlier activation: what is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) pin: Option<ShownPin>,
    /// The key that was asked for, or every key in name order.
    pub(super) keys: Vec<ExplainedKey>,
    /// The policies that were asked, in their order.
    pub(super) policies: Vec<AskedPolicy>,
    /// How long asking them took, in microseconds, and putting together what they answered; null where
    /// none answered.
    #[schema(required = true)]
    pub(super) asking_us: Option<u64>,
    /// Why a policy would deny such a boot.
    #[schema(required = true)]
    pub(super) denial: Option<ExplainedDenial>,
    /// Why such a boot would be refused, where no policy denied it.
    #[schema(required = true)]
    pub(super) refusal: Option<ExplainedRefusal>,
    /// Required and not set.
    pub(super) missing: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// What the policies noted.
    pub(super) annotations: BTreeMap<String, String>,
    /// The boot that was run again; null where none was asked for.
    #[schema(required = true)]
    pub(super) boot: Option<ReplayedBoot>,
}

/// A boot of the audit log, and whether it comes to the same again.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ReplayedBoot {
    pub(super) id: String,
    /// What was answered then: `allowed`, `unchanged`, or a problem's code.
    pub(super) outcome: String,
    /// The digest of the answer; null where nothing was handed out.
    #[schema(required = true)]
    pub(super) answer: Option<String>,
    /// Whether everything is as it was recorded.
    pub(super) same: bool,
    /// What is not: of `plan`, `policies`, `outcome` and `answer`.
    pub(super) differs: Vec<String>,
}

/// A policy that was asked.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct AskedPolicy {
    pub(super) name: String,
    /// The component's.
    pub(super) digest: String,
    pub(super) settings: BTreeMap<String, String>,
    /// What it used, in wasmtime's units; null where it was not reached.
    #[schema(required = true)]
    pub(super) fuel: Option<u64>,
    /// What it said, for its author.
    pub(super) log: Vec<PolicyLine>,
    /// How many lines it said beyond its limits.
    pub(super) dropped_lines: u32,
}

/// A line that a policy said.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct PolicyLine {
    #[schema(pattern = "^(debug|info|warn|error)$")]
    pub(super) level: &'static str,
    pub(super) text: String,
}

/// A policy's no.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ExplainedDenial {
    pub(super) policy: String,
    pub(super) violations: Vec<DenialReason>,
}

/// One reason for it.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct DenialReason {
    pub(super) code: String,
    pub(super) message: String,
    #[schema(required = true)]
    pub(super) field: Option<String>,
}

/// A refusal, as the boot would be answered.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ExplainedRefusal {
    /// The problem's code.
    pub(super) code: &'static str,
    pub(super) detail: String,
}

/// A variable: what it gets, and why.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ExplainedKey {
    pub(super) name: String,
    pub(super) secret: bool,
    pub(super) required: bool,
    /// The form that is required of it, in words.
    #[schema(required = true)]
    pub(super) expected: Option<String>,
    /// Whether the active release lists it.
    pub(super) declared: bool,
    pub(super) description: String,
    /// Where the chosen value comes from.
    #[schema(required = true)]
    pub(super) source: Option<String>,
    /// The layer that won.
    pub(super) layer: String,
    #[schema(required = true)]
    pub(super) version: Option<u64>,
    /// The layers that lost, the nearest first.
    pub(super) overrides: Vec<OverriddenLayer>,
    /// What a policy may choose from.
    pub(super) candidates: Vec<ExplainedCandidate>,
    /// The last policy that changed the plan's choice.
    #[schema(required = true)]
    pub(super) decided_by: Option<String>,
    pub(super) decision: &'static str,
    /// A preview of a plain value; never a secret.
    #[schema(required = true)]
    pub(super) value: Option<String>,
    pub(super) injected: bool,
}

/// A layer that set the name, too.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct OverriddenLayer {
    pub(super) layer: &'static str,
    pub(super) source: &'static str,
}

/// Something that a variable may be given.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ExplainedCandidate {
    pub(super) index: u32,
    #[schema(required = true)]
    pub(super) source: Option<String>,
    /// The environment that it belongs to.
    #[schema(required = true)]
    pub(super) owner: Option<String>,
    pub(super) version: u64,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) chosen: bool,
}
