//! Promotions, as they are asked for and shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::{Caller, what_if::ShownWhatIf},
    clock::rfc3339,
    id::UnixSeconds,
    state::{Approved, Promotion, Status, Word},
};

/// A promotion that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WirePromotion {
    /// The one that is active in the source, where none is named.
    pub(super) release: Option<u64>,
    /// The environment that promotes to the target, where none is named. None does to the first of a chain,
    /// which takes a registered `release`.
    pub(super) from: Option<String>,
    /// Where the source promotes to, where none is named.
    pub(super) to: Option<String>,
    /// Only says what would come of it, and whose boots would be answered otherwise in the target.
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Waits a while for a target that another promotion has, instead of being refused.
    #[serde(default)]
    pub(super) wait: bool,
}

/// A promotion, as far as it came.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct PromotionEntry {
    /// Null where it was only tried out.
    id: Option<String>,
    deployment: String,
    release: u64,
    /// Null for the first environment of a chain.
    from: Option<String>,
    to: String,
    /// `running` of what was only tried out: it would be done.
    #[schema(pattern = "^(running|deferred|done|denied|expired|withdrawn)$")]
    status: &'static str,
    /// Since when that is so, RFC 3339.
    since: String,
    requested_by: String,
    requested: String,
    approvals: Vec<ApprovalEntry>,
    /// Why it may not move, or not now.
    reasons: Vec<ReasonEntry>,
    /// What policies warn of, whatever became of it.
    warnings: Vec<WarningEntry>,
    /// What is still to be approved.
    required_approvals: Vec<RequiredEntry>,
    /// The target's secrets that are another environment's, too, where a policy asked: of environments that the
    /// token sees.
    shared_secrets: Vec<SharedEntry>,
    /// When it is tried again by itself; null where an event has to come.
    retry_at: Option<String>,
    /// When it ends, should what it waits for not come; null where it has ended.
    expires: Option<String>,
    /// The revision that it made; null where it did not take effect.
    #[schema(required = true)]
    revision: Option<u64>,
    /// Of what was only tried out: whose boots would be answered otherwise in the target, and how its plan would
    /// differ. Left out where the deployment has no such release.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if: Option<ShownWhatIf>,
}

/// An approval.
#[derive(Serialize, ToSchema)]
struct ApprovalEntry {
    principal: String,
    role: &'static str,
    /// RFC 3339.
    at: String,
}

/// What is in the way.
#[derive(Serialize, ToSchema)]
struct ReasonEntry {
    /// The policy; `bootlace` for a rule of the host's own.
    policy: String,
    /// Of what denies: stable, for a program.
    #[schema(required = true)]
    code: Option<String>,
    reason: String,
    /// What it is about, often a variable's name.
    #[schema(required = true)]
    field: Option<String>,
}

/// What a policy warns of.
#[derive(Serialize, ToSchema)]
struct WarningEntry {
    policy: String,
    warning: String,
}

/// A secret of the target that is another environment's, too.
#[derive(Serialize, ToSchema)]
struct SharedEntry {
    name: String,
    environment: String,
}

/// Approvals that are still to come, by principals who differ from those who gave theirs and from who asked.
#[derive(Serialize, ToSchema)]
struct RequiredEntry {
    role: &'static str,
    missing: u32,
}

impl PromotionEntry {
    /// One that was only tried out.
    pub(super) fn tried(one: &Promotion, caller: &Caller, what_if: Option<ShownWhatIf>) -> Self {
        Self { id: None, what_if, ..Self::of(one, caller) }
    }

    /// As `caller` may know it.
    pub(in crate::admin::deployments) fn of(one: &Promotion, caller: &Caller) -> Self {
        let seconds = |at: u64| rfc3339(UnixSeconds(i64::try_from(at).unwrap_or(i64::MAX)));
        let approvals = one.approvals.iter().map(|Approved { approval, .. }| ApprovalEntry {
            principal: approval.principal.clone(),
            role: approval.role.as_str(),
            at: seconds(approval.approved_at),
        });
        let reasons = one.reasons.iter().cloned().map(|Word { policy, code, text, field }| ReasonEntry {
            policy,
            code,
            reason: text,
            field,
        });
        let warnings = one.warnings.iter().cloned();
        let warnings = warnings.map(|Word { policy, text, .. }| WarningEntry { policy, warning: text });
        let wanted = one.wanted.iter();
        let shared =
            one.shared.iter().filter(|(_, environment)| caller.sees(&one.to) && caller.sees(environment));
        let waits = matches!(one.status, Status::Deferred | Status::Running);
        Self {
            id: Some(one.id.clone()),
            deployment: one.deployment.0.to_string(),
            release: one.release,
            from: one.from.as_ref().map(ToString::to_string),
            to: one.to.to_string(),
            status: one.status.as_str(),
            since: rfc3339(one.since),
            requested_by: one.by.clone(),
            requested: rfc3339(one.at),
            approvals: approvals.collect(),
            reasons: reasons.collect(),
            warnings: warnings.collect(),
            required_approvals: wanted
                .map(|(role, missing)| RequiredEntry { role: role.as_str(), missing: *missing })
                .collect(),
            shared_secrets: shared
                .map(|(name, environment)| SharedEntry {
                    name: name.to_string(),
                    environment: environment.to_string(),
                })
                .collect(),
            retry_at: one.retry_at.map(rfc3339),
            expires: waits.then(|| rfc3339(one.until)),
            revision: one.made.map(|made| made.0),
            what_if: None,
        }
    }
}
