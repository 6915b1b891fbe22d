//! What an operator can watch: counters and gauges in the Prometheus text format. Labels are
//! bounded: outcomes and codes are ours, workspace names are the operator's; nothing that an
//! instance claims about itself becomes a label.

use std::sync::atomic::AtomicI64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::id::{Revision, UnixSeconds};

/// Upper bounds of the boot duration's buckets, in seconds.
const BOOT_SECONDS: [f64; 12] = [5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 0.1];

/// Every metric of a host.
pub struct Metrics {
    registry: Registry,
    /// Boots answered, by outcome: `allowed`, `unchanged` or a problem code.
    boots: Family<OutcomeLabel, Counter>,
    /// `boots` with the outcome `allowed`, held apart so that the boot path takes no lock.
    pub boots_allowed: Counter,
    /// `boots` with the outcome `unchanged`.
    pub boots_unchanged: Counter,
    /// Time from the parsed request to the finished answer.
    pub boot_seconds: Histogram,
    /// Policy chains run.
    pub decisions_fresh: Counter,
    /// Policy chains answered from memory.
    pub decisions_remembered: Counter,
    /// Generations swapped in.
    pub swaps: Counter,
    /// Pushes and other changes refused.
    pub changes_refused: Counter,
    /// Audit records that could not be written.
    pub audit_failures: Counter,
    /// Requests whose handler panicked.
    pub panics: Counter,
    /// Connections open now.
    pub connections: Gauge,
    /// Connections turned away because too many were open.
    pub connections_refused: Counter,
    /// 1 while the host serves a last-known-good it has doubts about.
    pub degraded: Gauge,
    /// Policies that were put back to the version before.
    pub quarantines: Counter,
    /// What time the host takes it to be: the highest that it has seen.
    clock: Gauge,
    /// The live revision, by workspace.
    revision: Family<WorkspaceLabel, Gauge<i64, AtomicI64>>,
    /// Boots that asked for a lease and were given none, since there are as many as there may be.
    pub lease_refusals: Counter,
    /// Leases of a workspace.
    leases: Family<WorkspaceLabel, Gauge<i64, AtomicI64>>,
    /// Those of them that were not renewed in time.
    leases_lost: Family<WorkspaceLabel, Gauge<i64, AtomicI64>>,
    /// Secrets of a workspace whose interval is over.
    rotations_due: Family<WorkspaceLabel, Gauge<i64, AtomicI64>>,
    /// Deployments of a workspace that run with an earlier set somewhere.
    pinned: Family<WorkspaceLabel, Gauge<i64, AtomicI64>>,
    /// Promotions that wait.
    promotions_waiting: Family<WorkspaceLabel, Gauge<i64, AtomicI64>>,
    /// Environments that expired and were deleted.
    pub environments_expired: Counter,
    /// Environments of a workspace that expire within a day.
    expiring: Family<WorkspaceLabel, Gauge<i64, AtomicI64>>,
    /// When what is served of a workspace expires.
    expires: Family<WorkspaceLabel, Gauge<i64, AtomicI64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkspaceLabel {
    workspace: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with every metric at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("bootlace");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let decisions_fresh = counter("decisions_fresh", "Policy chains run");
        let decisions_remembered = counter("decisions_remembered", "Policy chains answered from memory");
        let swaps = counter("swaps", "Generations swapped in");
        let changes_refused = counter("changes_refused", "Pushes and other changes refused");
        let audit_failures = counter("audit_failures", "Audit records that could not be written");
        let panics = counter("panics", "Requests whose handler panicked");
        let quarantines = counter("quarantines", "Policies put back to the version before");
        let environments_expired = counter("environments_expired", "Environments deleted since they expired");
        let connections_refused = counter("connections_refused", "Connections turned away at the limit");
        let lease_refusals =
            counter("lease_refusals", "Boots that asked for a lease where there is no room for one");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections = gauge("connections", "Connections open now");
        let degraded = gauge("degraded", "1 while serving a last-known-good that is in doubt");
        let clock = gauge("clock_seconds", "The host's time since 1970, the highest that it has seen");
        let boots = Family::<OutcomeLabel, Counter>::default();
        registry.register("boots", "Boots answered, by outcome", boots.clone());
        let boot_seconds = Histogram::new(BOOT_SECONDS);
        registry.register("boot_seconds", "Time to answer a boot, without the socket", boot_seconds.clone());
        let revision = Family::default();
        registry.register("revision", "The live revision of each workspace", revision.clone());
        let expires = Family::default();
        let help = "When what is served of each workspace expires, since 1970";
        registry.register("snapshot_expires_seconds", help, expires.clone());
        let expiring = Family::default();
        let help = "Environments of each workspace that expire within a day";
        registry.register("environments_expiring", help, expiring.clone());
        let leases = Family::default();
        registry.register("leases", "Boot leases of each workspace", leases.clone());
        let leases_lost = Family::default();
        let help = "Boot leases that were not renewed in time and whose instance was not reported gone";
        registry.register("leases_lost", help, leases_lost.clone());
        let rotations_due = Family::default();
        let help = "Secrets of each workspace that are to be rotated by now";
        registry.register("rotations_due", help, rotations_due.clone());
        let pinned = Family::default();
        let help = "Deployments of each workspace that a rollback pinned to an earlier set, by environment";
        registry.register("pinned", help, pinned.clone());
        let promotions_waiting = Family::default();
        let help = "Promotions of each workspace that wait for approvals, checks or their time";
        registry.register("promotions_waiting", help, promotions_waiting.clone());
        let outcome = |outcome| boots.get_or_create(&OutcomeLabel { outcome }).clone();
        let (boots_allowed, boots_unchanged) = (outcome("allowed"), outcome("unchanged"));
        Self {
            boots_allowed,
            boots_unchanged,
            registry,
            boots,
            boot_seconds,
            decisions_fresh,
            decisions_remembered,
            swaps,
            changes_refused,
            audit_failures,
            panics,
            connections,
            connections_refused,
            degraded,
            quarantines,
            lease_refusals,
            leases,
            leases_lost,
            rotations_due,
            pinned,
            promotions_waiting,
            environments_expired,
            expiring,
            clock,
            revision,
            expires,
        }
    }

    /// Counts a boot that was refused with `code`.
    pub fn boot_refused(&self, code: &'static str) {
        self.boots.get_or_create(&OutcomeLabel { outcome: code }).inc();
    }

    /// Shows `workspace` at `revision`, which expires at `not_after`.
    pub fn set_snapshot(&self, workspace: &str, revision: Revision, not_after: UnixSeconds) {
        let label = WorkspaceLabel { workspace: workspace.to_owned() };
        self.revision.get_or_create(&label).set(i64::try_from(revision.0).unwrap_or(i64::MAX));
        self.expires.get_or_create(&label).set(not_after.0);
    }

    /// Shows how many environments of `workspace` expire within a day.
    pub fn set_expiring(&self, workspace: &str, many: usize) {
        let label = WorkspaceLabel { workspace: workspace.to_owned() };
        self.expiring.get_or_create(&label).set(i64::try_from(many).unwrap_or(i64::MAX));
    }

    /// Shows how many leases `workspace` has, and how many of them are lost.
    pub fn set_leases(&self, workspace: &str, all: usize, lost: usize) {
        let label = WorkspaceLabel { workspace: workspace.to_owned() };
        self.leases.get_or_create(&label).set(i64::try_from(all).unwrap_or(i64::MAX));
        self.leases_lost.get_or_create(&label).set(i64::try_from(lost).unwrap_or(i64::MAX));
    }

    /// Shows how many secrets of `workspace` are to be rotated by now.
    pub fn set_rotations_due(&self, workspace: &str, many: usize) {
        let label = WorkspaceLabel { workspace: workspace.to_owned() };
        self.rotations_due.get_or_create(&label).set(i64::try_from(many).unwrap_or(i64::MAX));
    }

    /// Shows how many pairs of `workspace` run with an earlier set.
    pub fn set_pinned(&self, workspace: &str, many: usize) {
        let label = WorkspaceLabel { workspace: workspace.to_owned() };
        self.pinned.get_or_create(&label).set(i64::try_from(many).unwrap_or(i64::MAX));
    }

    /// Shows how many promotions of `workspace` wait.
    pub fn set_promotions_waiting(&self, workspace: &str, many: usize) {
        let label = WorkspaceLabel { workspace: workspace.to_owned() };
        self.promotions_waiting.get_or_create(&label).set(i64::try_from(many).unwrap_or(i64::MAX));
    }

    /// Shows what time it is.
    pub fn set_clock(&self, now: UnixSeconds) {
        self.clock.set(now.0);
    }

    /// Everything in the Prometheus (OpenMetrics) text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
