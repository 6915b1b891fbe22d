//! A promotion, from its request to its end. Whoever carries it on holds its target by a record that hangs on a
//! lease of the ledger; the verdict is taken on one generation, and what takes effect is one transaction: the
//! activation, the promotion's record, and the target's release. A host that is killed meanwhile has done it or
//! has not, and the lease ends by itself. One that waits is a record, which the next start finds again.

mod question;

use std::cell::Cell;

use serde_json::json;

use super::{
    Author, ChangeError, Host, Writer,
    change::{Along, Still},
};
use crate::{
    audit::ChangeRecord,
    change::{Edit, Precondition},
    control::{ControlError, Expected},
    entropy::fresh,
    generation::Served,
    id::{DeploymentId, EnvironmentName, UnixSeconds, WorkspaceId},
    ledger::{LeaseId, Ttl},
    model::{Role, TokenRecord, promotion::Approval},
    policy::promotion::{Judgement, Outcome},
    state::{Alteration, Promotion, Status, Why},
    system,
};

/// How long a target is held by whoever stopped carrying a promotion on, in seconds.
pub const HOLD_SECONDS: u32 = 60;
/// How long a promotion waits at most for what it wants, in seconds: a week.
pub const WAIT_SECONDS: i64 = 7 * 86_400;
/// The most promotions of a deployment that are kept when they have ended.
pub const PAST_PROMOTIONS: usize = 200;
/// The most approvals of one promotion.
const MAX_APPROVALS: usize = 32;
/// How often a verdict is taken again because the configuration changed meanwhile.
const MAX_ROUNDS: usize = 32;

/// A promotion that is asked for.
#[derive(Debug, Clone)]
pub struct Requested {
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Which release; none for the one that is active in the source.
    pub release: Option<u64>,
    /// Where from; none for the environment that promotes to the target.
    pub from: Option<EnvironmentName>,
    /// Where to; none for where the source promotes to.
    pub to: Option<EnvironmentName>,
}

impl Host {
    /// What a promotion would come to, now.
    ///
    /// # Errors
    /// When it names nothing that there is.
    pub fn try_out(
        &self,
        by: &str,
        workspace: &WorkspaceId,
        requested: &Requested,
    ) -> Result<Promotion, ChangeError> {
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let mut promotion = self.asked_for(by, served, requested)?;
        let judgement = self.judge(served, &promotion, false)?;
        self.note(&mut promotion, &judgement);
        Ok(promotion)
    }

    /// Promotes a release as far as it goes now: to its end, or to where it waits.
    ///
    /// # Errors
    /// When it names nothing that there is, or the target is held; see [`ChangeError`].
    pub fn promote(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        requested: &Requested,
    ) -> Result<Promotion, ChangeError> {
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let promotion = self.asked_for(author.principal(), served, requested)?;
        // What waits there may be over by now.
        self.go_on(workspace, &promotion.deployment.0);
        let held = self.hold_target(workspace, &promotion, Expected::Absent)?;
        self.carry(author, workspace, promotion, held)
    }

    /// Approves a promotion that waits, and carries it on.
    ///
    /// # Errors
    /// When nothing of that id waits, or the approval does not count; see [`ChangeError`].
    pub fn approve(
        &self,
        author: &Author,
        (token, role): (&TokenRecord, Role),
        workspace: &WorkspaceId,
        (deployment, id): (&DeploymentId, &str),
    ) -> Result<Promotion, ChangeError> {
        let open = self.waiting(workspace, Some(deployment))?;
        let found = open.into_iter().find(|one| one.id == id).ok_or(ChangeError::Unknown)?;
        let held = self.hold_target(workspace, &found, Expected::Present)?;
        let name = Promotion::open_record(workspace, deployment, &found.to);
        // As it is now that nobody else carries it on.
        let now = self.waiting(workspace, Some(deployment));
        let approved = now.and_then(|open| {
            let mut promotion = open.into_iter().find(|one| one.id == id).ok_or(ChangeError::Unknown)?;
            counts(&promotion, token)?;
            let approved_at = self.seconds();
            promotion.approvals.push(Approval { principal: token.principal.clone(), role, approved_at });
            let put = Alteration::Put { name: name.clone(), content: promotion.to_bytes() };
            self.tell_promotion(author, workspace, "approved", &promotion, vec![put])?;
            Ok(promotion)
        });
        match approved {
            Ok(promotion) => {
                let requester = Author::process(&promotion.by);
                self.carry(&requester, workspace, promotion, held)
            }
            Err(error) => {
                self.let_go(held);
                Err(error)
            }
        }
    }

    /// Carries on what waits, everywhere: its time may have come, or be over.
    pub fn advance_promotions(&self) {
        let live = self.store.load_full();
        for workspace in live.workspaces().keys() {
            self.advance(workspace, None);
        }
    }

    /// The same of one deployment, where something arrived.
    pub(super) fn go_on(&self, workspace: &WorkspaceId, deployment: &DeploymentId) {
        self.advance(workspace, Some(deployment));
    }

    fn advance(&self, workspace: &WorkspaceId, deployment: Option<&DeploymentId>) {
        let waiting = self.waiting(workspace, deployment).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "promotions that wait cannot be read");
            Vec::new()
        });
        for promotion in waiting {
            let author = Author::process(&promotion.by);
            let carried = self
                .hold_target(workspace, &promotion, Expected::Present)
                .and_then(|held| self.carry(&author, workspace, promotion, held));
            match carried {
                // Somebody else is at it.
                Ok(_) | Err(ChangeError::Promoting { .. }) => {}
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a promotion that waits cannot be carried on; it is tried again"
                ),
            }
        }
    }

    /// The promotions of a deployment that are kept, the newest first.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn promotions(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
    ) -> Result<Vec<Promotion>, ChangeError> {
        let mut all = self.waiting(workspace, Some(deployment))?;
        let past = self.writer.lock().control.read(&Promotion::past_records(workspace, deployment))?;
        all.extend(past.values().filter_map(|content| Promotion::from_bytes(content)));
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let one = served.snapshot.configuration.deployments.get(deployment).ok_or(ChangeError::Unknown)?;
        all.retain(|found| found.deployment.1 == one.uid);
        all.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(all)
    }

    /// What waits.
    fn waiting(
        &self,
        workspace: &WorkspaceId,
        deployment: Option<&DeploymentId>,
    ) -> Result<Vec<Promotion>, ChangeError> {
        let mut prefix = Promotion::open_records(workspace);
        if let Some(deployment) = deployment {
            prefix = format!("{prefix}{deployment}/");
        }
        let records = self.writer.lock().control.read(&prefix)?;
        Ok(records.values().filter_map(|content| Promotion::from_bytes(content)).collect())
    }

    /// The promotion that is asked for, with what is not said made up for.
    fn asked_for(&self, by: &str, served: &Served, wanted: &Requested) -> Result<Promotion, ChangeError> {
        let configuration = &served.snapshot.configuration;
        let one = configuration.deployments.get(&wanted.deployment).ok_or(ChangeError::Unknown)?;
        let invalid = |rule: String| ChangeError::Invalid(vec![rule]);
        let next = |name: &EnvironmentName| configuration.environments.get(name)?.promotes_to.clone();
        let (from, to) = match (&wanted.from, &wanted.to) {
            (Some(from), Some(to)) => (from.clone(), to.clone()),
            (Some(from), None) => {
                let to = next(from).ok_or_else(|| invalid(format!("{from} promotes nowhere; name `to`")))?;
                (from.clone(), to)
            }
            (None, Some(to)) => {
                let mut sources = one.environments.keys().filter(|name| next(name).as_ref() == Some(to));
                match (sources.next(), sources.next()) {
                    (Some(from), None) => (from.clone(), to.clone()),
                    _ => {
                        return Err(invalid(format!(
                            "not exactly one environment promotes to {to}; name `from`"
                        )));
                    }
                }
            }
            (None, None) => {
                return Err(invalid("name `to`, the environment that the release goes to".into()));
            }
        };
        let active = served.prepared(&one.id, &from).and_then(|pair| pair.plan.release.as_ref());
        let release = wanted.release.or(active.map(|release| release.number));
        let release = release.ok_or_else(|| invalid(format!("no release is active in {from}; name one")))?;
        let now = self.clock.now();
        let suffix: [u8; 5] = fresh(&mut system::entropy);
        Ok(Promotion {
            id: format!("{:010x}{}", now.0, hex::encode(suffix)),
            deployment: (one.id.clone(), one.uid),
            release,
            from,
            to,
            by: by.to_owned(),
            at: now,
            approvals: Vec::new(),
            status: Status::Running,
            since: now,
            reasons: Vec::new(),
            wanted: Vec::new(),
            retry_at: None,
        })
    }

    /// Holds the target, so that nobody else promotes to it. `open` is what there is of the promotion: nothing
    /// yet, or the record of one that waits.
    fn hold_target(
        &self,
        workspace: &WorkspaceId,
        promotion: &Promotion,
        open: Expected,
    ) -> Result<LeaseId, ChangeError> {
        let (id, to) = (&promotion.deployment.0, &promotion.to);
        let running = Promotion::running_record(workspace, id, to);
        let waiting = Promotion::open_record(workspace, id, to);
        let ttl = Ttl::seconds(HOLD_SECONDS).map_err(ControlError::from)?;
        let expected = [(running.as_str(), Expected::Absent), (waiting.as_str(), open)];
        let writer = self.writer.lock();
        let held = writer.control.lease(&expected, (&running, &promotion.to_bytes()), ttl);
        match held {
            Err(ControlError::Conflict { .. }) => {
                let found = writer.holder(&running, &waiting)?;
                let (id, by) = found.map(|one| (one.id, one.by)).unwrap_or_default();
                Err(ChangeError::Promoting { what: format!("{} in {to}", promotion.deployment.0), id, by })
            }
            held => Ok(self.told_by_ledger(held)?),
        }
    }

    fn let_go(&self, held: LeaseId) {
        if let Err(error) = self.writer.lock().control.end_lease(held) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a promotion's hold ends when its time is over");
        }
        self.promoted.send_modify(|count| *count += 1);
    }

    /// Takes a promotion as far as it goes now.
    fn carry(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        promotion: Promotion,
        held: LeaseId,
    ) -> Result<Promotion, ChangeError> {
        let carried = self.try_carry(author, workspace, promotion);
        self.let_go(held);
        carried
    }

    fn try_carry(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        mut promotion: Promotion,
    ) -> Result<Promotion, ChangeError> {
        let before = promotion.clone();
        if promotion.at.0.saturating_add(WAIT_SECONDS) <= self.clock.now().0 {
            promotion.status = Status::Expired;
            return self.close(author, workspace, promotion);
        }
        for _ in 0..MAX_ROUNDS {
            let live = self.store.load_full();
            let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
            let judgement = self.judge(served, &promotion, true)?;
            self.note(&mut promotion, &judgement);
            match promotion.status {
                Status::Denied => return self.close(author, workspace, promotion),
                Status::Deferred => return self.keep_waiting(author, workspace, (&before, promotion)),
                _ => {}
            }
            let judged = served.snapshot.revision;
            let is_stale = Cell::new(false);
            match self.take_effect(author, workspace, &mut promotion, &|now| {
                is_stale.set(now.snapshot.revision != judged);
                let what = "the configuration".to_owned();
                if is_stale.get() { Err(ChangeError::Changed { what, current: None }) } else { Ok(()) }
            }) {
                Ok(()) => return Ok(promotion),
                Err(ChangeError::Changed { .. }) if is_stale.get() => {}
                Err(ChangeError::Invalid(rules)) => {
                    promotion.status = Status::Denied;
                    promotion.reasons = rules.into_iter().map(|rule| ("bootlace".to_owned(), rule)).collect();
                    return self.close(author, workspace, promotion);
                }
                Err(error) => return Err(error),
            }
        }
        Err(ChangeError::Busy)
    }

    /// The activation, with the promotion's record, where the target is still held.
    fn take_effect(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        promotion: &mut Promotion,
        still: &Still<'_>,
    ) -> Result<(), ChangeError> {
        let (deployment, environment) = (promotion.deployment.0.clone(), promotion.to.clone());
        let done = Promotion { status: Status::Done, since: self.clock.now(), ..promotion.clone() };
        let running = Promotion::running_record(workspace, &deployment, &environment);
        let mut records = self.writer.lock().ended_promotion(workspace, &done)?;
        records.push(Alteration::Delete { name: running.clone() });
        let along = Along { still: Some(still), expected: vec![(&running, Expected::Present)], records };
        let why = Why::Promotion(promotion.id.clone());
        let edits = [Edit::Activate { deployment, environment, release: promotion.release, why, pin: None }];
        let changed = self.try_change_along(author, workspace, &edits, Precondition::Any, &along)?;
        Self::tell("promotion", &changed);
        *promotion = done;
        Ok(())
    }

    /// Ends a promotion that does not take effect.
    fn close(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        mut promotion: Promotion,
    ) -> Result<Promotion, ChangeError> {
        promotion.since = self.clock.now();
        promotion.retry_at = None;
        let records = self.writer.lock().ended_promotion(workspace, &promotion)?;
        self.tell_promotion(author, workspace, promotion.status.as_str(), &promotion, records)?;
        Ok(promotion)
    }

    /// Lets a promotion wait; the log is told where it is for something else than before.
    fn keep_waiting(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (before, mut promotion): (&Promotion, Promotion),
    ) -> Result<Promotion, ChangeError> {
        let is_same = (before.status, &before.reasons, &before.wanted)
            == (promotion.status, &promotion.reasons, &promotion.wanted);
        promotion.since = if is_same { before.since } else { self.clock.now() };
        let name = Promotion::open_record(workspace, &promotion.deployment.0, &promotion.to);
        let put = Alteration::Put { name, content: promotion.to_bytes() };
        if is_same {
            self.write(&self.writer.lock(), &[put], Vec::new())?;
        } else {
            self.tell_promotion(author, workspace, "deferred", &promotion, vec![put])?;
        }
        Ok(promotion)
    }

    /// Makes records durable with what the log is told of a promotion.
    fn tell_promotion(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        outcome: &str,
        promotion: &Promotion,
        records: Vec<Alteration>,
    ) -> Result<(), ChangeError> {
        let reasons: Vec<_> = promotion.reasons.iter().map(|(by, text)| format!("{by}: {text}")).collect();
        let details = json!({
            "workspace": workspace.as_str(), "promotion": promotion.id, "deployments": [promotion.deployment.0.as_str()],
            "environments": [promotion.to.as_str()], "from": promotion.from.as_str(), "release": promotion.release,
            "requested_by": promotion.by, "reasons": reasons,
        });
        let (at, principal) = (self.clock.now(), author.principal());
        let record = ChangeRecord { at, kind: "promotion", outcome, principal, details };
        let mut writer = self.writer.lock();
        self.write_noted(&mut writer, author, records, Vec::new(), &record)
    }

    /// What a verdict makes of a promotion.
    fn note(&self, promotion: &mut Promotion, judgement: &Judgement) {
        let objections = judgement.violations.iter();
        let objections = objections.map(|one| (one.policy.clone(), one.violation.message.clone()));
        let waits = judgement.reasons.iter().map(|one| (one.policy.clone(), one.text.clone()));
        promotion.reasons = match judgement.outcome() {
            Outcome::Denied => objections.collect(),
            Outcome::Deferred | Outcome::Allowed => waits.collect(),
        };
        promotion.status = match judgement.outcome() {
            Outcome::Denied => Status::Denied,
            Outcome::Deferred => Status::Deferred,
            Outcome::Allowed => Status::Running,
        };
        let required = judgement.required_approvals.iter();
        promotion.wanted = required.map(|one| (one.role, one.missing)).collect();
        let retry = judgement.retry_after_seconds.filter(|_| promotion.status == Status::Deferred);
        promotion.retry_at = retry.map(|after| UnixSeconds(self.clock.now().0.saturating_add(after.into())));
    }

    fn seconds(&self) -> u64 {
        u64::try_from(self.clock.now().0).unwrap_or_default()
    }
}

/// Whether an approval counts: of somebody else, once, and with no token that the requester had a hand in.
fn counts(promotion: &Promotion, token: &TokenRecord) -> Result<(), ChangeError> {
    let refused = |why: &str| Err(ChangeError::Uncounted { why: why.to_owned() });
    if token.principal == promotion.by {
        return refused("whoever asks for a promotion does not approve it; ask somebody else");
    }
    if token.minted_by.contains(&promotion.by) {
        return refused(
            "this token was minted by whoever asks for the promotion, or through them; an approval wants one that was not",
        );
    }
    if promotion.approvals.iter().any(|one| one.principal == token.principal) {
        return refused("you approved it already; each principal counts once");
    }
    if promotion.approvals.len() >= MAX_APPROVALS {
        return refused("it has as many approvals as a promotion may have");
    }
    Ok(())
}

impl Writer {
    /// The promotion that holds a target: the one that runs, or the one that waits.
    fn holder(&self, running: &str, waiting: &str) -> Result<Option<Promotion>, ControlError> {
        for name in [running, waiting] {
            let found = self.control.read(name)?.remove(name);
            if let Some(found) = found.and_then(|content| Promotion::from_bytes(&content)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What makes a promotion one of the past, without those that are too many.
    fn ended_promotion(
        &self,
        workspace: &WorkspaceId,
        ended: &Promotion,
    ) -> Result<Vec<Alteration>, ControlError> {
        let id = &ended.deployment.0;
        let prefix = Promotion::past_records(workspace, id);
        let past = self.control.read(&prefix)?;
        let surplus = (past.len() + 1).saturating_sub(PAST_PROMOTIONS);
        let mut records: Vec<_> =
            past.into_keys().take(surplus).map(|name| Alteration::Delete { name }).collect();
        records.push(Alteration::Delete { name: Promotion::open_record(workspace, id, &ended.to) });
        records.push(Alteration::Put { name: format!("{prefix}{}", ended.id), content: ended.to_bytes() });
        Ok(records)
    }
}
