//! The verdict on a promotion: the host's own rules, then the policies of the target and the workspace.

use std::collections::{BTreeMap, BTreeSet};

use super::asked::sources;
use crate::{
    fingerprint::NEW_PER_DAY,
    generation::Served,
    host::{Author, ChangeError, Host, Shared, release::Lacking, rotation},
    id::{EnvironmentName, VariableName},
    model::{
        Environment, Release, Role, SealedValue, Trigger,
        promotion::{Deferral, KeyDifference, KeyDifferenceKind, Question, RequiredApproval, Stage},
        question::{AskedEnvironment, AskedRelease, Sensitivity, Violation, attributes},
    },
    plan::{Plan, Planned},
    policy::promotion::Judgement,
    state::{Promotion, Report},
};

/// Under which name the host's own rules speak.
pub(super) const OWN: &str = "bootlace";

/// The target's secrets that are another environment's, and whose.
type SharedNames = BTreeSet<(VariableName, EnvironmentName)>;

impl Host {
    /// What the rules and the policies say of a promotion, as things stand in `served`. Secrets are compared
    /// in a real one alone: whoever may only ask learns nothing of them. Gives the target's that another
    /// environment has, too.
    pub(super) fn judge(
        &self,
        served: &Served,
        promotion: &Promotion,
        is_real: bool,
    ) -> Result<(Judgement, SharedNames), ChangeError> {
        let id = &promotion.deployment.0;
        let one = served.snapshot.configuration.deployments.get(id);
        let release = one.filter(|one| one.uid == promotion.deployment.1);
        let release = release.and_then(|one| one.releases.get(&promotion.release));
        let pair = |name| served.prepared(id, name).map(|pair| &pair.plan);
        // A promotion takes the pin off: the target is what the layers make.
        let target = match self.unpinned(served, id, &promotion.to) {
            Ok(target) => target,
            Err(error) => {
                let mut own = Judgement::default();
                deny(&mut own, "no-plan", error.to_string());
                return Ok((own, SharedNames::new()));
            }
        };
        let mut own = Judgement::default();
        let (Some(release), Some(source), Some(target)) =
            (release, pair(promotion.source()), target.as_ref().map(|pair| &pair.plan))
        else {
            let (release, to) = (promotion.release, &promotion.to);
            let uses =
                promotion.from.as_ref().map_or_else(|| to.to_string(), |from| format!("{from} or {to}"));
            let what = format!("{id} has no release {release}, or does not use {uses}");
            deny(&mut own, "not-there", what);
            return Ok((own, SharedNames::new()));
        };
        let is_pinned = served.is_pinned(id, &promotion.to);
        let mut names = SharedNames::new();
        let mut judgement = match self.promotion_chain(served, &promotion.to) {
            Ok(chain) => {
                let shared = match is_real && !chain.is_empty() {
                    true => self.shared_in(served, promotion)?,
                    false => Shared::default(),
                };
                let mut question = self.question(served, promotion, release, (source, target))?;
                question.shares_secret = !shared.equal.is_empty();
                let mut judgement = chain.judge(&question);
                self.wait_for_comparison(&mut judgement, &shared);
                let equal = shared.equal.into_iter();
                names.extend(equal.map(|(target, other)| (target.name, other.environment)));
                judgement
            }
            Err(error) => {
                deny(&mut own, "too-many-policies", error.to_string());
                own
            }
        };
        chain_order(&mut judgement, served, promotion, source);
        self.own_rules(&mut judgement, promotion, (release, is_pinned), target);
        let rotated = rotation::under_way(served, target);
        if !rotated.is_empty() {
            deny(&mut judgement, "rotation-under-way", rotation::in_the_way(&rotated, &promotion.to));
        }
        Ok((judgement, names))
    }

    /// Whether the target's secrets are another environment's.
    fn shared_in(&self, served: &Served, promotion: &Promotion) -> Result<Shared, ChangeError> {
        let (requester, between) = (Author::process(&promotion.by), (promotion.source(), &promotion.to));
        self.shared_secrets(&requester, served, &promotion.deployment.0, between)
    }

    /// What could not be compared yet is not taken for different.
    fn wait_for_comparison(&self, judgement: &mut Judgement, shared: &Shared) {
        let Some(at) = shared.retry_at else { return };
        let seconds = u32::try_from(at.0.saturating_sub(self.clock.now().0).max(1)).unwrap_or(u32::MAX);
        let reason = format!(
            "at most {NEW_PER_DAY} new versions of a secret are compared in a day; the rest wait for the next"
        );
        let required_approvals = Vec::new();
        judgement.defer(OWN, &Deferral { reason, retry_after_seconds: Some(seconds), required_approvals });
    }

    fn own_rules(
        &self,
        judgement: &mut Judgement,
        promotion: &Promotion,
        (release, is_pinned): (&Release, bool),
        target: &Plan<SealedValue>,
    ) {
        let to = &promotion.to;
        if promotion.digest.as_ref().is_some_and(|digest| *digest != release.digest) {
            let what = format!("release {} is another than the one that was asked for", release.number);
            deny(judgement, "another-release", what);
        }
        if !is_pinned && target.release.as_ref().map(|active| active.number) == Some(release.number) {
            deny(
                judgement,
                "already-active",
                format!("release {} is active in {to} already", release.number),
            );
        }
        if !target.environment.takes_releases(self.clock.now()) {
            deny(judgement, "takes-nothing", format!("{to} is deprecated or expired, and takes nothing new"));
        }
        let lacking = Lacking::of(target, release);
        if !lacking.is_empty() {
            deny(judgement, "missing-keys", format!("{lacking}; set them in {to}"));
        }
        // Whatever the policies want; who may approve at all is a releaser. Where a policy wants some already,
        // these are that.
        let is_approved = !promotion.approvals.is_empty() || !judgement.required_approvals.is_empty();
        if target.environment.trigger() == Trigger::Approval && !is_approved {
            let required_approvals = vec![RequiredApproval { role: Role::Releaser, missing: 1 }];
            let reason = format!("{to} wants the approval of somebody else");
            judgement.defer(OWN, &Deferral { reason, retry_after_seconds: None, required_approvals });
        }
    }

    fn question(
        &self,
        served: &Served,
        promotion: &Promotion,
        release: &Release,
        (source, target): (&Plan<SealedValue>, &Plan<SealedValue>),
    ) -> Result<Question, ChangeError> {
        let workspace = &served.snapshot.configuration.workspace;
        let id = &promotion.deployment.0;
        let reports = self.reports(workspace, id, Some(release.number))?;
        let stage = |plan: &Plan<SealedValue>| {
            let uids = (plan.deployment_uid, plan.environment.uid);
            let own = |one: &&Report| one.environment == plan.environment.name && one.uids == uids;
            let since = self.activation(workspace, id, &plan.environment.name).map(|active| active.since.0);
            Stage {
                environment: environment(&plan.environment),
                active: plan.release.as_ref().map(asked),
                active_since: since.and_then(|since| u64::try_from(since).ok()),
                checks: reports.iter().filter(own).map(|one| one.check.clone()).collect(),
            }
        };
        Ok(Question {
            deployment: id.to_string(),
            release: asked(release),
            source: stage(source),
            target: stage(target),
            requested_by: promotion.by.clone(),
            requested_at: u64::try_from(promotion.at.0).unwrap_or_default(),
            approvals: promotion.approvals.iter().map(|one| one.approval.clone()).collect(),
            // A promotion moves the release; what the target is given stays what it is.
            changes: Vec::new(),
            key_differences: differences(source, target),
            shares_secret: false,
            evaluated_at: self.seconds(),
        })
    }
}

/// Where it comes from promotes to the target, and runs it; into the first environment of a chain, whatever is
/// registered moves.
fn chain_order(
    judgement: &mut Judgement,
    served: &Served,
    promotion: &Promotion,
    source: &Plan<SealedValue>,
) {
    let Promotion { from, to, release, .. } = promotion;
    let Some(from) = from else {
        // By now. Not named: who asked may not see it.
        if sources(&served.snapshot.configuration, &promotion.deployment.0, to).next().is_some() {
            deny(
                judgement,
                "chain-order",
                format!("{to} is not the first of its chain any more; name `from`"),
            );
        }
        return;
    };
    if source.environment.promotes_to.as_ref() != Some(to) {
        deny(judgement, "chain-order", format!("{from} does not promote to {to}"));
    }
    if source.release.as_ref().map(|active| active.number) != Some(*release) {
        deny(judgement, "not-active-in-source", format!("release {release} is not active in {from}"));
    }
}

fn deny(judgement: &mut Judgement, code: &str, message: String) {
    judgement.deny(OWN, Violation { code: code.to_owned(), message, field: None });
}

fn environment(one: &Environment) -> AskedEnvironment {
    AskedEnvironment { name: one.name.to_string(), kind: one.kind, labels: attributes(&one.labels) }
}

fn asked(release: &Release) -> AskedRelease {
    AskedRelease {
        number: release.number,
        digest: release.digest.clone(),
        created_at: release.created_at,
        labels: attributes(&release.labels),
    }
}

/// How the target's keys differ from the source's, in the order of names.
fn differences(source: &Plan<SealedValue>, target: &Plan<SealedValue>) -> Vec<KeyDifference> {
    let injected = |plan: &Plan<SealedValue>| -> BTreeMap<VariableName, Planned> {
        plan.variables.iter().filter(|one| one.inject).map(|one| (one.name.clone(), one.clone())).collect()
    };
    let (from, to) = (injected(source), injected(target));
    let names: BTreeSet<_> = from.keys().chain(to.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let (one, other) = (from.get(name), to.get(name));
        let kind = match (one, other) {
            (Some(_), None) => KeyDifferenceKind::Missing,
            (None, Some(_)) => KeyDifferenceKind::Extra,
            (Some(one), Some(other)) if one.expected != other.expected => KeyDifferenceKind::ValueType,
            (Some(one), Some(other)) if one.sensitivity != other.sensitivity => KeyDifferenceKind::Secrecy,
            _ => continue,
        };
        let either = || one.into_iter().chain(other);
        let is_secret = either().any(|one| one.sensitivity == Sensitivity::Secret);
        found.push(KeyDifference {
            variable: name.to_string(),
            kind,
            sensitivity: if is_secret { Sensitivity::Secret } else { Sensitivity::Plain },
            required: either().any(|one| one.required),
        });
    }
    found
}
