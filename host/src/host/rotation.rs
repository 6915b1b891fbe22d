//! A rotation and another release are never one step: whoever sees something fail has to know which of the two
//! it was. While several versions of a value that was set by API are live in a plan, no release is promoted or
//! activated by itself there; while a promotion is under way there, none is begun; and a push does not replace a
//! secret's value where it also activates a release. A rollback goes through: it must never wait.

use super::{ChangeError, Host};
use crate::{
    change::{Edit, LISTED},
    generation::Served,
    id::{DeploymentId, EnvironmentName, ValueId, VariableName, WorkspaceId},
    made::ValueKey,
    model::{Place, Release, SealedValue, question::Sensitivity},
    plan::{Plan, What},
    state::Promotion,
};

/// What of a plan has several live versions that were set by API, in name order. What a directory says is live
/// together is its own matter: it may be so for good.
pub(super) fn under_way(served: &Served, plan: &Plan<SealedValue>) -> Vec<VariableName> {
    let is_rotated = |name: &VariableName, place: Place| {
        let key = ValueKey { place, name: name.clone() };
        served.made.values.get(&key).is_some_and(|value| !value.live.is_empty())
    };
    let rotated =
        plan.variables.iter().filter(|one| is_rotated(&one.name, plan.place_of(one.provenance.layer)));
    rotated.map(|one| one.name.clone()).collect()
}

/// That no release moves now, and what to do.
pub(super) fn in_the_way(keys: &[VariableName], environment: &EnvironmentName) -> String {
    format!(
        "{} {} being rotated in {environment}, and a release does not move in the same step; finish that first \
         (`bootlace rotate … --continue`), or revoke the versions that are not wanted",
        listed(keys),
        if keys.len() == 1 { "is" } else { "are" }
    )
}

/// Refuses a push that would activate a release by itself where it also replaces a secret's value.
pub(super) fn not_with_a_release(
    before: &Served,
    after: &Served,
    activated: &[(DeploymentId, EnvironmentName, &Release)],
) -> Result<(), ChangeError> {
    let mut rules = Vec::new();
    for (id, environment, release) in activated {
        let (Some(was), Some(is)) = (before.prepared(id, environment), after.prepared(id, environment))
        else {
            continue;
        };
        let replaced = replaced(&was.plan, &is.plan);
        if !replaced.is_empty() {
            rules.push(format!(
                "release {} of {id} would be active in {environment} in the same step in which {} {} replaced there; \
                 push the values first, and the release once they work",
                release.number,
                listed(&replaced),
                if replaced.len() == 1 { "is" } else { "are" }
            ));
        }
    }
    if rules.is_empty() { Ok(()) } else { Err(ChangeError::Invalid(rules)) }
}

/// The secrets of both plans that have another value in the second.
fn replaced(before: &Plan<SealedValue>, after: &Plan<SealedValue>) -> Vec<VariableName> {
    let secrets = after.variables.iter().filter(|one| one.sensitivity == Sensitivity::Secret);
    let is_another = |name: &VariableName| match (value(before, name), value(after, name)) {
        (Some(was), Some(is)) => was != is,
        _ => false,
    };
    secrets.map(|one| &one.name).filter(|name| is_another(name)).cloned().collect()
}

/// The stored secret that a variable is given by itself, also within a URL.
fn value(plan: &Plan<SealedValue>, name: &VariableName) -> Option<ValueId> {
    let default = plan.variable(name.as_str())?.default;
    match &plan.candidates[default as usize].what {
        What::Stored { value, .. } => Some(value.id),
        What::Endpoint(bound) => bound.credential.as_ref().map(|(_, value)| value.id),
        What::Template(_) | What::Text(_) => None,
    }
}

fn listed(names: &[VariableName]) -> String {
    names.iter().take(LISTED).map(VariableName::as_str).collect::<Vec<_>>().join(", ")
}

impl Host {
    /// Shows how many secrets are to be rotated by now.
    pub fn note_rotations(&self) {
        let now = self.clock.now();
        for (workspace, served) in self.store.load().workspaces() {
            let configuration = &served.snapshot.configuration;
            let (intervals, credentials) = (configuration.intervals(), configuration.credential_intervals());
            let due = intervals.filter(|(.., interval)| interval.is_due(now)).count()
                + credentials.filter(|(.., interval)| interval.is_due(now)).count();
            self.metrics.set_rotations_due(workspace.as_str(), due);
        }
    }

    /// Refuses to set another version beside one where a promotion is under way.
    pub(super) fn no_promotion_beside(
        &self,
        workspace: &WorkspaceId,
        edits: &[Edit],
    ) -> Result<(), ChangeError> {
        let keys: Vec<_> = edits
            .iter()
            .filter_map(|edit| match edit {
                Edit::SetValue { key, keep: true, .. } => Some(key),
                _ => None,
            })
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut records = self.control.read(&Promotion::all_running(workspace))?;
        records.extend(self.control.read(&Promotion::open_records(workspace))?);
        for promotion in records.values().filter_map(|content| Promotion::from_bytes(content)) {
            let (deployment, to) = (&promotion.deployment.0, &promotion.to);
            if let Some(key) = keys.iter().find(|key| key.place.reaches(deployment, to)) {
                let reason = format!(
                    "promotion {} by {} is under way to {deployment} in {to}, and {key} is not rotated in the same \
                     step; wait for its end, or set {} without keep where it cannot wait",
                    promotion.id, promotion.by, key.name
                );
                return Err(ChangeError::NotNow { reason, current: None });
            }
        }
        Ok(())
    }
}
