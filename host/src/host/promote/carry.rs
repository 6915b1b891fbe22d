//! How a promotion is carried on: its target held, the verdict taken on one generation, and what comes of it
//! written while the target is still held.

use std::cell::Cell;

use serde_json::json;

use super::{hold::target, question::OWN};
use crate::{
    audit::ChangeRecord,
    change::{Edit, Precondition},
    control::{ControlError, Expected, Hold},
    host::{
        Author, ChangeError, Host, PAST_PROMOTIONS, WAIT_SECONDS, Writer,
        change::{Along, Still},
    },
    id::{EnvironmentName, UnixSeconds, WorkspaceId},
    model::{Configuration, SealedValue},
    policy::promotion::{Judgement, Objection, Outcome},
    state::{Alteration, Promotion, Status, Why, Word},
};

/// How often a verdict is taken again because the configuration changed meanwhile.
const MAX_ROUNDS: usize = 32;
/// How much of what is said of a promotion is kept, in bytes: the reasons, and as much of warnings.
const MAX_WORDS_BYTES: usize = 32 * 1024;
/// How long it waits on after the time that it is tried again at, where that is beyond its week, in seconds.
const AFTER_RETRY_SECONDS: i64 = 86_400;

impl Host {
    /// Takes a promotion as far as it goes now.
    pub(super) fn carry(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        promotion: Promotion,
        held: Hold,
    ) -> Result<Promotion, ChangeError> {
        let target = target(workspace, &promotion);
        let carried = self.try_carry(author, workspace, promotion, held);
        let has_looked_again = self.let_go(&target, held);
        match carried {
            Ok(promotion) if has_looked_again => Ok(self.as_it_is(workspace, promotion)),
            carried => carried,
        }
    }

    pub(super) fn try_carry(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        mut promotion: Promotion,
        held: Hold,
    ) -> Result<Promotion, ChangeError> {
        let before = promotion.clone();
        self.looking_at(&target(workspace, &promotion));
        if promotion.until <= self.clock.now() {
            promotion.status = Status::Expired;
            return self.close(author, workspace, (promotion, held));
        }
        for _ in 0..MAX_ROUNDS {
            if !self.keep_standing(&self.writer.lock().state, workspace, &mut promotion) {
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
            match self.take_effect(author, workspace, (&mut promotion, held), &|now, state| {
                let mut standing = judged.clone();
                let stands = self.keep_standing(state, workspace, &mut standing) && standing == judged;
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
        // It takes effect where nothing was changed since it was judged.
        let made = Some(promotion.judged.next());
        let done = Promotion { status: Status::Done, since: self.clock.now(), made, ..promotion.clone() };
        let running = Promotion::running_record(workspace, &deployment, &environment);
        let mut records = self.writer.lock().ended_promotion(workspace, &done)?;
        records.push(Alteration::Delete { name: running.clone() });
        let along = Along { still: Some(still), expected: vec![(&running, Expected::Held(held))], records };
        let why = Why::Promotion(promotion.id.clone());
        let edits = [Edit::Activate { deployment, environment, release: promotion.release, why, pin: None }];
        let changed = self.try_change_along(author, workspace, &edits, Precondition::Any, &along);
        let changed = changed.map_err(|error| taken_over(promotion, error))?;
        Self::tell("promotion", &changed);
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
        promotion.reasons = reasons.into_iter().map(|reason| Word::plain(OWN, reason)).collect();
        self.close(author, workspace, (promotion, held))
    }

    /// Ends a promotion that does not take effect.
    pub(super) fn close(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (mut promotion, held): (Promotion, Hold),
    ) -> Result<Promotion, ChangeError> {
        promotion.since = self.clock.now();
        promotion.retry_at = None;
        promotion.wanted.clear();
        let outcome = promotion.status.as_str();
        self.tell_promotion(author, workspace, outcome, (&mut promotion, held), |writer, promotion| {
            writer.ended_promotion(workspace, promotion)
        })?;
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
        let put = |promotion: &Promotion| {
            let name = Promotion::open_record(workspace, &promotion.deployment.0, &promotion.to);
            vec![Alteration::Put { name, content: promotion.to_bytes() }]
        };
        if is_same {
            let running = Promotion::running_record(workspace, &promotion.deployment.0, &promotion.to);
            let expected = [(running.as_str(), Expected::Held(held))];
            let writer = self.writer.lock();
            self.let_fall(&writer.state, &mut promotion);
            let written = self.write_if(&writer, &expected, &put(&promotion), Vec::new());
            written.map_err(|error| taken_over(&promotion, error))?;
        } else {
            let put = |_: &Writer, promotion: &Promotion| Ok(put(promotion));
            self.tell_promotion(author, workspace, "deferred", (&mut promotion, held), put)?;
        }
        Ok(promotion)
    }

    /// Makes a promotion's records durable with what the log is told of it.
    pub(super) fn tell_promotion(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        outcome: &str,
        (promotion, held): (&mut Promotion, Hold),
        records: impl FnOnce(&Writer, &Promotion) -> Result<Vec<Alteration>, ControlError>,
    ) -> Result<(), ChangeError> {
        // It is for who sees both ends: what is said names both.
        let words = promotion.reasons.iter();
        let reasons: Vec<_> = words.map(|Word { policy, text, .. }| format!("{policy}: {text}")).collect();
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
        self.let_fall(&writer.state, promotion);
        let records = records(&writer, promotion)?;
        let written = self.write_noted_if(&mut writer, author, &expected, (records, Vec::new()), &record);
        written.map_err(|error| taken_over(promotion, error))
    }

    /// What a verdict makes of a promotion.
    pub(super) fn note(&self, promotion: &mut Promotion, judgement: &Judgement) {
        let objections = judgement.violations.iter().map(|Objection { policy, violation }| Word {
            policy: policy.clone(),
            code: Some(violation.code.clone()),
            text: violation.message.clone(),
            field: violation.field.clone(),
        });
        let waits = judgement.reasons.iter().map(|one| Word::plain(&one.policy, one.text.clone()));
        let said = judgement.policies.iter().filter_map(|one| Some((one, one.said.as_ref().ok()?)));
        let warnings = said
            .flat_map(|(one, said)| said.warnings.iter().map(|text| Word::plain(&one.policy, text.clone())));
        promotion.warnings = within_limits(warnings);
        promotion.reasons = match judgement.outcome() {
            Outcome::Denied => within_limits(objections),
            Outcome::Deferred | Outcome::Allowed => within_limits(waits),
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
        // What is said in its week may name a time beyond it; what is said later moves the end no more.
        let week = UnixSeconds(promotion.at.0.saturating_add(WAIT_SECONDS));
        let latest = judgement.latest_seconds.filter(|_| promotion.status == Status::Deferred);
        let at = latest.map(|after| self.clock.now().0.saturating_add(after.into()));
        if let Some(at) = at.filter(|at| *at > week.0 && self.clock.now() < week) {
            promotion.until = promotion.until.max(UnixSeconds(at.saturating_add(AFTER_RETRY_SECONDS)));
        }
    }

    pub(super) fn seconds(&self) -> u64 {
        u64::try_from(self.clock.now().0).unwrap_or_default()
    }
}

/// As many words as a record takes, and how many more there were.
fn within_limits(words: impl Iterator<Item = Word>) -> Vec<Word> {
    let (mut room, mut kept, mut more) = (MAX_WORDS_BYTES, Vec::new(), 0_usize);
    for word in words {
        // As the record has them: a control character takes six.
        let written = |text: &str| serde_json::to_string(text).map_or(0, |text| text.len());
        let more_of_it = [&word.code, &word.field].into_iter().flatten();
        let bytes = [&word.policy, &word.text].into_iter().chain(more_of_it).map(|text| written(text)).sum();
        match room.checked_sub(bytes) {
            Some(left) if more == 0 => {
                room = left;
                kept.push(word);
            }
            _ => more += 1,
        }
    }
    if more > 0 {
        kept.push(Word::plain(OWN, format!("and {more} more, which are too long to be kept")));
    }
    kept
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

impl Writer {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_long_words_as_many_are_kept_as_a_record_takes() {
        let word = || Word::plain("p", "x".repeat(1_019));
        assert_eq!(within_limits(std::iter::repeat_with(word).take(32)).len(), 32);
        let kept = within_limits(std::iter::repeat_with(word).take(40));
        assert_eq!((kept.len(), &*kept[32].text), (33, "and 8 more, which are too long to be kept"));
        let controls = || Word::plain("p", "\u{1}".repeat(1_019));
        assert_eq!(within_limits(std::iter::repeat_with(controls).take(32)).len(), 6);
    }
}
