//! A promotion, from its request to its end. Whoever carries it on holds its target by a record that hangs on a
//! lease of the ledger; the verdict is taken on one generation, and what takes effect is one transaction: the
//! activation, the promotion's record, and the target's release. A host that is killed meanwhile has done it or
//! has not, and the lease ends by itself. One that waits is a record, which the next start finds again.

pub(super) mod gone;
mod question;
mod standing;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::json;

use super::{
    Author, ChangeError, Host, Writer,
    change::{Along, Still},
};
use crate::{
    audit::ChangeRecord,
    change::{Edit, Precondition},
    control::{ControlError, Expected, Hold},
    entropy::fresh,
    generation::Served,
    id::{DeploymentId, EnvironmentName, Revision, UnixSeconds, WorkspaceId},
    ledger::Ttl,
    model::{Configuration, Role, SealedValue, TokenRecord, promotion::Approval},
    policy::promotion::{Judgement, Outcome},
    state::{Alteration, Approved, Bearer, Promotion, Status, Why},
    system,
};

/// How long a target is held by whoever stopped carrying a promotion on, in seconds.
pub const HOLD_SECONDS: u32 = 60;
/// How long a promotion waits at most for what it wants, in seconds: a week.
pub const WAIT_SECONDS: i64 = 7 * 86_400;
/// The most promotions of a deployment that are kept when they have ended.
pub const PAST_PROMOTIONS: usize = 200;
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

impl Requested {
    /// Where from and where to, with what is not said made up from what the deployment uses and who asks sees:
    /// anything else is not there.
    ///
    /// # Errors
    /// When that is nothing, or not one.
    pub fn ends(
        &self,
        configuration: &Configuration<SealedValue>,
        sees: &dyn Fn(&EnvironmentName) -> bool,
    ) -> Result<(Option<EnvironmentName>, EnvironmentName), ChangeError> {
        let one = configuration.deployments.get(&self.deployment).ok_or(ChangeError::Unknown)?;
        let is_there = |name: &EnvironmentName| one.environments.contains_key(name) && sees(name);
        if !self.from.iter().chain(&self.to).all(is_there) {
            return Err(ChangeError::Unknown);
        }
        let next = |name: &EnvironmentName| configuration.environments.get(name)?.promotes_to.clone();
        let invalid = |rule: String| Err(ChangeError::Invalid(vec![rule]));
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => Ok((Some(from.clone()), to.clone())),
            (Some(from), None) => match next(from).filter(is_there) {
                Some(to) => Ok((Some(from.clone()), to)),
                None => invalid(format!("{from} promotes nowhere; name `to`")),
            },
            (None, Some(to)) => {
                let all: Vec<_> = sources(configuration, &one.id, to).collect();
                let mut seen = all.iter().filter(|name| is_there(name));
                match (seen.next(), seen.next()) {
                    (Some(from), None) => Ok((Some((*from).clone()), to.clone())),
                    // The first of its chain.
                    (None, _) if all.is_empty() => Ok((None, to.clone())),
                    _ => invalid(format!("not exactly one environment promotes to {to}; name `from`")),
                }
            }
            (None, None) => invalid("name `to`, the environment that the release goes to".into()),
        }
    }
}

impl Host {
    /// What a promotion would come to, now.
    ///
    /// # Errors
    /// When it names nothing that there is.
    pub fn try_out(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        requested: &Requested,
    ) -> Result<Promotion, ChangeError> {
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let mut promotion = self.asked_for(author, served, requested)?;
        let (judgement, _) = self.judge(served, &promotion, false)?;
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
        let promotion = self.asked_for(author, served, requested)?;
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
        let found = self.waiting_as(workspace, deployment, id)?;
        let held = self.hold_target(workspace, &found, Expected::Present)?;
        let approved = self.approved(author, (token, role), workspace, (deployment, id), held);
        match approved {
            Ok(promotion) => {
                let requester = Author::process(&promotion.by);
                self.carry(&requester, workspace, promotion, held)
            }
            Err(error) => {
                self.let_go(held);
                let details = json!({
                    "workspace": workspace.as_str(), "promotion": found.id, "deployments": [deployment.as_str()],
                    "environments": found.ends(), "release": found.release, "requested_by": found.by,
                });
                Err(self.refused("approval", author.principal(), details, error))
            }
        }
    }

    /// With one approval more.
    fn approved(
        &self,
        author: &Author,
        (token, role): (&TokenRecord, Role),
        workspace: &WorkspaceId,
        (deployment, id): (&DeploymentId, &str),
        held: Hold,
    ) -> Result<Promotion, ChangeError> {
        // As it is now that nobody else carries it on.
        let mut promotion = self.waiting_as(workspace, deployment, id)?;
        self.keep_standing(workspace, &mut promotion);
        standing::counts(&promotion, token)?;
        let role = standing::counted_as(&promotion.wanted, role);
        let approval = Approval { principal: token.principal.clone(), role, approved_at: self.seconds() };
        promotion.approvals.push(Approved { approval, bearer: Some(Bearer::from(token)) });
        let name = Promotion::open_record(workspace, deployment, &promotion.to);
        let put = Alteration::Put { name, content: promotion.to_bytes() };
        self.tell_promotion(author, workspace, "approved", (&promotion, held), vec![put])?;
        Ok(promotion)
    }

    /// Takes back a promotion that waits: its target is free again. Whoever may is asked before.
    ///
    /// # Errors
    /// When nothing of that id waits, or somebody carries it on right now; see [`ChangeError`].
    pub fn withdraw(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (deployment, id): (&DeploymentId, &str),
    ) -> Result<Promotion, ChangeError> {
        let found = self.waiting_as(workspace, deployment, id)?;
        let held = self.hold_target(workspace, &found, Expected::Present)?;
        // As it is now that nobody else carries it on.
        let withdrawn = self.waiting_as(workspace, deployment, id).and_then(|mut promotion| {
            promotion.status = Status::Withdrawn;
            promotion.reasons = vec![("bootlace".to_owned(), format!("withdrawn by {}", author.principal()))];
            self.close(author, workspace, (promotion, held))
        });
        self.let_go(held);
        withdrawn
    }

    /// Carries on what waits, everywhere: its time may have come, or be over.
    pub fn advance_promotions(&self) {
        let live = self.store.load_full();
        for (workspace, served) in live.workspaces() {
            self.advance(workspace, None, &|one| self.is_due(one, workspace, served.snapshot.revision));
        }
    }

    /// Shows how many promotions wait.
    pub fn note_promotions(&self) {
        let live = self.store.load_full();
        for workspace in live.workspaces().keys() {
            // What cannot be read now is shown as it was.
            if let Ok(waiting) = self.waiting(workspace, None) {
                self.metrics.set_promotions_waiting(workspace.as_str(), waiting.len());
            }
        }
    }

    /// Whether there is something new to say of one that waits: who approves or reports carries it on anyway.
    fn is_due(&self, waits: &Promotion, workspace: &WorkspaceId, revision: Revision) -> bool {
        let now = self.clock.now();
        let is_over = waits.at.0.saturating_add(WAIT_SECONDS) <= now.0;
        let is_time = is_over || waits.retry_at.is_some_and(|at| at <= now);
        let mut now_standing = waits.clone();
        is_time
            || waits.judged != revision
            || !self.keep_standing(workspace, &mut now_standing)
            || now_standing != *waits
    }

    /// The same of one deployment, where something arrived.
    pub(super) fn go_on(&self, workspace: &WorkspaceId, deployment: &DeploymentId) {
        self.advance(workspace, Some(deployment), &|_| true);
    }

    fn advance(
        &self,
        workspace: &WorkspaceId,
        deployment: Option<&DeploymentId>,
        is_due: &dyn Fn(&Promotion) -> bool,
    ) {
        let waiting = self.waiting(workspace, deployment).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "promotions that wait cannot be read");
            Vec::new()
        });
        for promotion in waiting.into_iter().filter(is_due) {
            let author = Author::process(&promotion.by);
            let carried = self
                .hold_target(workspace, &promotion, Expected::Present)
                .and_then(|held| self.carry(&author, workspace, promotion, held));
            match carried {
                // Somebody else is at it, or it is gone with what it was about.
                Ok(_) | Err(ChangeError::Promoting { .. } | ChangeError::Unknown) => {}
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a promotion that waits cannot be carried on; it is tried again"
                ),
            }
        }
    }

    /// The promotions of a deployment that run, wait or are kept, the newest first.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub fn promotions(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
    ) -> Result<Vec<Promotion>, ChangeError> {
        let prefixes = [
            format!("{}{deployment}/", Promotion::all_running(workspace)),
            format!("{}{deployment}/", Promotion::open_records(workspace)),
            Promotion::past_records(workspace, deployment),
        ];
        let mut found = BTreeMap::new();
        let writer = self.writer.lock();
        for prefix in prefixes {
            let records = writer.control.read(&prefix)?;
            let read = records.values().filter_map(|content| Promotion::from_bytes(content));
            // Who holds a target began with what it was before.
            found.extend(read.map(|one| (one.id.clone(), one)));
        }
        drop(writer);
        let mut all: Vec<_> = found.into_values().collect();
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

    fn waiting_as(
        &self,
        workspace: &WorkspaceId,
        deployment: &DeploymentId,
        id: &str,
    ) -> Result<Promotion, ChangeError> {
        let open = self.waiting(workspace, Some(deployment))?;
        open.into_iter().find(|one| one.id == id).ok_or(ChangeError::Unknown)
    }

    /// The promotion that is asked for, with what is not said made up for.
    fn asked_for(
        &self,
        author: &Author,
        served: &Served,
        wanted: &Requested,
    ) -> Result<Promotion, ChangeError> {
        let configuration = &served.snapshot.configuration;
        let one = configuration.deployments.get(&wanted.deployment).ok_or(ChangeError::Unknown)?;
        let invalid = |rule: String| ChangeError::Invalid(vec![rule]);
        let (from, to) = wanted.ends(configuration, &|_| true)?;
        let active = from.as_ref().and_then(|from| served.prepared(&one.id, from)?.plan.release.as_ref());
        let release = wanted.release.or(active.map(|release| release.number));
        let release = release.ok_or_else(|| {
            invalid(match &from {
                Some(from) => format!("no release is active in {from}; name one"),
                None => format!("nothing promotes to {to}; name the `release` that is to be active there"),
            })
        })?;
        let now = self.clock.now();
        let suffix: [u8; 5] = fresh(&mut system::entropy);
        Ok(Promotion {
            id: format!("{:010x}{}", now.0, hex::encode(suffix)),
            deployment: (one.id.clone(), one.uid),
            release,
            digest: one.releases.get(&release).map(|release| release.digest.clone()),
            from,
            to,
            by: author.principal().to_owned(),
            bearer: author.bearer(),
            at: now,
            approvals: Vec::new(),
            status: Status::Running,
            since: now,
            reasons: Vec::new(),
            wanted: Vec::new(),
            retry_at: None,
            judged: served.snapshot.revision,
            shared: BTreeSet::new(),
        })
    }

    /// Holds the target, so that nobody else promotes to it. `open` is what there is of the promotion: nothing
    /// yet, or the record of one that waits.
    fn hold_target(
        &self,
        workspace: &WorkspaceId,
        promotion: &Promotion,
        open: Expected,
    ) -> Result<Hold, ChangeError> {
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

    fn let_go(&self, held: Hold) {
        if let Err(error) = self.writer.lock().control.let_go(held) {
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
        held: Hold,
    ) -> Result<Promotion, ChangeError> {
        let carried = self.try_carry(author, workspace, promotion, held);
        self.let_go(held);
        carried
    }

    fn try_carry(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        mut promotion: Promotion,
        held: Hold,
    ) -> Result<Promotion, ChangeError> {
        let before = promotion.clone();
        if promotion.at.0.saturating_add(WAIT_SECONDS) <= self.clock.now().0 {
            promotion.status = Status::Expired;
            return self.close(author, workspace, (promotion, held));
        }
        for _ in 0..MAX_ROUNDS {
            if !self.keep_standing(workspace, &mut promotion) {
                let reason = "the token that it was asked for with was revoked; ask again".to_owned();
                return self.deny(author, workspace, (promotion, held), vec![reason]);
            }
            let live = self.store.load_full();
            let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
            if !is_there(&promotion, &served.snapshot.configuration) {
                return self.forget_promotion(workspace, &promotion, held);
            }
            let (judgement, shared) = self.judge(served, &promotion, true)?;
            self.note(&mut promotion, &judgement);
            promotion.judged = served.snapshot.revision;
            promotion.shared = shared;
            match promotion.status {
                Status::Denied => return self.close(author, workspace, (promotion, held)),
                Status::Deferred => return self.keep_waiting(author, workspace, &before, (promotion, held)),
                _ => {}
            }
            let is_stale = Cell::new(false);
            let judged = promotion.clone();
            match self.take_effect(author, workspace, (&mut promotion, held), &|now| {
                let mut standing = judged.clone();
                let stands = self.keep_standing(workspace, &mut standing) && standing == judged;
                is_stale.set(!stands || now.snapshot.revision != judged.judged);
                let what = "the configuration".to_owned();
                if is_stale.get() { Err(ChangeError::Changed { what, current: None }) } else { Ok(()) }
            }) {
                Ok(()) => return Ok(promotion),
                Err(ChangeError::Changed { .. }) if is_stale.get() => {}
                Err(ChangeError::Invalid(rules)) => {
                    return self.deny(author, workspace, (promotion, held), rules);
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
        (promotion, held): (&mut Promotion, Hold),
        still: &Still<'_>,
    ) -> Result<(), ChangeError> {
        let (deployment, environment) = (promotion.deployment.0.clone(), promotion.to.clone());
        let done = Promotion { status: Status::Done, since: self.clock.now(), ..promotion.clone() };
        let running = Promotion::running_record(workspace, &deployment, &environment);
        let mut records = self.writer.lock().ended_promotion(workspace, &done)?;
        records.push(Alteration::Delete { name: running.clone() });
        let along = Along { still: Some(still), expected: vec![(&running, Expected::Held(held))], records };
        let why = Why::Promotion(promotion.id.clone());
        let edits = [Edit::Activate { deployment, environment, release: promotion.release, why, pin: None }];
        let changed = self.try_change_along(author, workspace, &edits, Precondition::Any, &along);
        Self::tell("promotion", &changed.map_err(|error| taken_over(promotion, error))?);
        *promotion = done;
        Ok(())
    }

    /// Forgets one whose deployment or environment is gone: what was kept of those went with them.
    fn forget_promotion(
        &self,
        workspace: &WorkspaceId,
        promotion: &Promotion,
        held: Hold,
    ) -> Result<Promotion, ChangeError> {
        let (id, to) = (&promotion.deployment.0, &promotion.to);
        let running = Promotion::running_record(workspace, id, to);
        let gone = [Alteration::Delete { name: Promotion::open_record(workspace, id, to) }];
        self.write_if(&self.writer.lock(), &[(&running, Expected::Held(held))], &gone, Vec::new())?;
        Err(ChangeError::Unknown)
    }

    /// Ends a promotion for reasons of the host's own.
    fn deny(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (mut promotion, held): (Promotion, Hold),
        reasons: Vec<String>,
    ) -> Result<Promotion, ChangeError> {
        promotion.status = Status::Denied;
        promotion.reasons = reasons.into_iter().map(|reason| ("bootlace".to_owned(), reason)).collect();
        self.close(author, workspace, (promotion, held))
    }

    /// Ends a promotion that does not take effect.
    fn close(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (mut promotion, held): (Promotion, Hold),
    ) -> Result<Promotion, ChangeError> {
        promotion.since = self.clock.now();
        promotion.retry_at = None;
        promotion.wanted.clear();
        let records = self.writer.lock().ended_promotion(workspace, &promotion)?;
        self.tell_promotion(author, workspace, promotion.status.as_str(), (&promotion, held), records)?;
        Ok(promotion)
    }

    /// Lets a promotion wait; the log is told where it is for something else than before.
    fn keep_waiting(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        before: &Promotion,
        (mut promotion, held): (Promotion, Hold),
    ) -> Result<Promotion, ChangeError> {
        let is_same = (before.status, &before.reasons, &before.wanted)
            == (promotion.status, &promotion.reasons, &promotion.wanted);
        promotion.since = if is_same { before.since } else { self.clock.now() };
        let (deployment, to) = (&promotion.deployment.0, &promotion.to);
        let name = Promotion::open_record(workspace, deployment, to);
        let put = vec![Alteration::Put { name, content: promotion.to_bytes() }];
        if is_same {
            let running = Promotion::running_record(workspace, deployment, to);
            let expected = [(running.as_str(), Expected::Held(held))];
            let written = self.write_if(&self.writer.lock(), &expected, &put, Vec::new());
            written.map_err(|error| taken_over(&promotion, error))?;
        } else {
            self.tell_promotion(author, workspace, "deferred", (&promotion, held), put)?;
        }
        Ok(promotion)
    }

    /// Makes records durable with what the log is told of a promotion.
    fn tell_promotion(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        outcome: &str,
        (promotion, held): (&Promotion, Hold),
        records: Vec<Alteration>,
    ) -> Result<(), ChangeError> {
        // It is for who sees both ends: what is said names both.
        let reasons: Vec<_> = promotion.reasons.iter().map(|(by, text)| format!("{by}: {text}")).collect();
        let details = json!({
            "workspace": workspace.as_str(), "promotion": promotion.id, "deployments": [promotion.deployment.0.as_str()],
        "environments": promotion.ends(), "from": promotion.from.as_ref().map(EnvironmentName::as_str),
            "to": promotion.to.as_str(), "release": promotion.release,
            "requested_by": promotion.by, "reasons": reasons,
        });
        let (at, principal) = (self.clock.now(), author.principal());
        let record = ChangeRecord { at, kind: "promotion", outcome, principal, details };
        let running = Promotion::running_record(workspace, &promotion.deployment.0, &promotion.to);
        let expected = [(running.as_str(), Expected::Held(held))];
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        let written = self.write_noted_if(&mut writer, author, &expected, (records, Vec::new()), &record);
        written.map_err(|error| taken_over(promotion, error))
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

/// Whether the deployment is the one that it was, and uses both ends.
fn is_there(promotion: &Promotion, configuration: &Configuration<SealedValue>) -> bool {
    let one = configuration.deployments.get(&promotion.deployment.0);
    one.filter(|one| one.uid == promotion.deployment.1).is_some_and(|one| {
        [promotion.source(), &promotion.to].iter().all(|end| one.environments.contains_key(*end))
    })
}

/// Whoever stopped for too long finds that the target is somebody else's.
fn taken_over(promotion: &Promotion, error: ChangeError) -> ChangeError {
    match error {
        ChangeError::Ledger(ControlError::Conflict { .. }) => ChangeError::NotNow {
            reason: format!(
                "promotion {} was carried on by somebody else meanwhile; look at it again",
                promotion.id
            ),
            current: None,
        },
        error => error,
    }
}

/// The environments that a deployment uses and that promote to `to`.
fn sources<'a>(
    configuration: &'a Configuration<SealedValue>,
    deployment: &DeploymentId,
    to: &'a EnvironmentName,
) -> impl Iterator<Item = &'a EnvironmentName> {
    let uses = configuration.deployments.get(deployment).into_iter().flat_map(|one| one.environments.keys());
    uses.filter(move |name| {
        configuration.environments.get(*name).is_some_and(|one| one.promotes_to.as_ref() == Some(to))
    })
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
