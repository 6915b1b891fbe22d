//! A promotion as a host tells it, for a person: how far it came, what it waits for, and what to type next.

use serde::Deserialize;

use crate::cli::{diff::Difference, output::Page, what_if::WhatIf};

/// A promotion, as far as it came; members may be added.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Promotion {
    /// Null where it was only tried out.
    pub(crate) id: Option<String>,
    pub(crate) deployment: String,
    pub(crate) release: u64,
    /// Null where nothing promotes to the target.
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    pub(crate) status: String,
    since: String,
    pub(crate) requested_by: String,
    requested: String,
    approvals: Vec<Approval>,
    reasons: Vec<Reason>,
    #[serde(default)]
    warnings: Vec<Warned>,
    required_approvals: Vec<Required>,
    retry_at: Option<String>,
    expires: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Approval {
    principal: String,
    role: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Reason {
    policy: String,
    reason: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Warned {
    policy: String,
    warning: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Required {
    role: String,
    missing: u32,
}

/// What would come of a promotion, and whose boots would change.
#[derive(Debug, Deserialize)]
pub(super) struct Tried {
    #[serde(flatten)]
    promotion: Promotion,
    what_if: Option<TriedBoots>,
}

#[derive(Debug, Deserialize)]
struct TriedBoots {
    #[serde(flatten)]
    boots: WhatIf,
    plan: Difference,
}

impl Promotion {
    /// Whether it goes on when what it waits for has come.
    pub(crate) fn waits(&self) -> bool {
        ["deferred", "running"].contains(&self.status.as_str())
    }

    pub(super) fn is_done(&self) -> bool {
        self.status == "done"
    }

    /// What moves where.
    pub(crate) fn title(&self) -> String {
        let Self { deployment, release, from, to, .. } = self;
        match from {
            Some(from) => format!("{deployment} release {release}: {from} -> {to}"),
            None => format!("{deployment} release {release}: -> {to}"),
        }
    }

    /// What is in the way, and who says so.
    pub(crate) fn in_the_way(&self) -> impl Iterator<Item = String> {
        self.reasons.iter().map(|one| format!("{} ({})", one.reason, one.policy))
    }

    /// The same in a line.
    pub(crate) fn why(&self) -> String {
        self.in_the_way().collect::<Vec<_>>().join("; ")
    }

    /// The approvals that are still to come, in a line.
    pub(crate) fn wanted(&self) -> String {
        let wanted = self.required_approvals.iter().map(|Required { role, missing }| match missing {
            1 => format!("1 approval as {role}"),
            many => format!("{many} approvals as {role}"),
        });
        wanted.collect::<Vec<_>>().join(", ")
    }

    /// What somebody types who wants it to go on.
    pub(crate) fn next(&self) -> Option<String> {
        let id = self.id.as_ref().filter(|_| self.waits())?;
        let verb = if self.required_approvals.is_empty() { "promote show" } else { "approve" };
        Some(format!("bootlace {verb} -d {} {id}", self.deployment))
    }

    /// Its row in a list of them.
    pub(super) fn row(&self) -> [String; 8] {
        let Self { id, release, from, to, status, since, requested_by, .. } = self;
        let [id, from] = [id, from].map(|name| name.clone().unwrap_or_default());
        let (to, status, since, by) = (to.clone(), status.clone(), since.clone(), requested_by.clone());
        [id, release.to_string(), from, to, status, since, by, self.why()]
    }

    pub(super) fn render(&self, page: &mut Page) {
        let status = match self.status.as_str() {
            "deferred" => "waits",
            status => status,
        };
        page.heading(&self.title(), status);
        let approvals = self.approvals.iter().map(|one| format!("{} ({})", one.principal, one.role));
        page.fields(&[
            ("promotion", self.id.clone().unwrap_or_default()),
            ("asked for", format!("by {}, {}", self.requested_by, self.requested)),
            ("approved by", approvals.collect::<Vec<_>>().join(", ")),
            (status, format!("since {}", self.since)),
        ]);
        self.reasons(page);
        let deferred = self.status == "deferred";
        let next = self.next().unwrap_or_default();
        page.fields(&[
            ("tried again", self.retry_at.clone().unwrap_or_default()),
            ("until", self.expires.clone().filter(|_| deferred).unwrap_or_default()),
            ("next", next),
        ]);
    }

    /// Every reason, and the approvals that are wanted.
    fn reasons(&self, page: &mut Page) {
        let word = match self.status.as_str() {
            "denied" => "denied",
            "withdrawn" => "because",
            _ => "waits for",
        };
        let mut fields: Vec<_> = self.in_the_way().map(|reason| (word, reason)).collect();
        fields.push(("wants", self.wanted()));
        let warned = self.warnings.iter().map(|Warned { policy, warning }| format!("{warning} ({policy})"));
        fields.extend(warned.map(|warning| ("warning", warning)));
        page.fields(&fields);
    }
}

impl Tried {
    /// Whether it would be denied, or would break boots.
    pub(super) fn is_bad(&self) -> bool {
        let refused = self.what_if.as_ref().map_or(0, |told| told.boots.refused);
        self.promotion.status == "denied" || refused > 0
    }

    pub(super) fn render(&self, page: &mut Page) {
        let verdict = match self.promotion.status.as_str() {
            "denied" => "would be denied",
            "deferred" => "would wait",
            _ => "would be done",
        };
        page.heading(&self.promotion.title(), verdict);
        self.promotion.reasons(page);
        let Some(TriedBoots { boots, plan }) = &self.what_if else { return };
        boots.render(page);
        plan.tables(page);
    }
}
