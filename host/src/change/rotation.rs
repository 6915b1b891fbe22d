//! New and old valid together: which versions of a value stay live beside one that is being set. And after which
//! time the next one is to come.

use std::collections::BTreeSet;

use super::{Draft, EditError, Precondition, Wanted};
use crate::{
    made::{LIVE_VERSIONS, Made, MadeContent, MadeValue, Subject, ValueKey},
    model::{Days, question::Sensitivity},
};

/// The earlier versions that are live beside the next one.
pub(super) fn beside(
    made: &Made,
    key: &ValueKey,
    wanted: &Wanted,
    keep: bool,
) -> Result<BTreeSet<u64>, EditError> {
    let Some(before) = made.values.get(key) else { return Ok(BTreeSet::new()) };
    let mut live = before.live.clone();
    live.insert(before.current.number);
    let listed = || live.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let not_now = |reason: String| Err(EditError::NotNow { reason, current: Some(before.changed.revision) });
    if !keep {
        // Whoever forgets the word in the middle of a rotation takes nothing from those who count on it.
        return match before.live.is_empty() {
            true => Ok(BTreeSet::new()),
            false => not_now(format!(
                "versions {} of {key} are live together; say keep to set another beside them, or revoke \
                 first those that are not needed any more",
                listed()
            )),
        };
    }
    let is_template = matches!(before.current.content, MadeContent::Template(_));
    if is_template || matches!(wanted, Wanted::Template(_)) {
        return Err(EditError::Invalid(format!("{key}: only values are live together, and no template")));
    }
    if live.len() >= LIVE_VERSIONS {
        return not_now(format!(
            "versions {} of {key} are live together, and {LIVE_VERSIONS} is the most; revoke one of them first",
            listed()
        ));
    }
    Ok(live)
}

/// So many days; `what` is what an error calls that which is to be rotated.
pub(super) fn days(what: &str, days: Option<u32>) -> Result<Option<Days>, EditError> {
    let reason = || format!("{what}: `rotate_every` is 1 to {} days, or null for never", Days::MAX);
    days.map(|days| Days::new(days).ok_or_else(|| EditError::Invalid(reason()))).transpose()
}

/// Says after how many days a secret is to be rotated.
pub(super) fn every(
    draft: &mut Draft<'_>,
    key: &ValueKey,
    days: Option<u32>,
    precondition: Precondition,
) -> Result<(), EditError> {
    self::days(&key.to_string(), days)?;
    // What this very change has just set was looked at before.
    let is_new = |value: &MadeValue| value.changed.revision == draft.stamp.revision;
    let precondition =
        if draft.made.values.get(key).is_some_and(is_new) { Precondition::Any } else { precondition };
    draft.writable(key, precondition)?;
    let value = draft.made.values.get(key).ok_or(EditError::Unknown)?;
    let is_template = matches!(value.current.content, MadeContent::Template(_));
    if days.is_some() && (is_template || value.current.sensitivity != Sensitivity::Secret) {
        return Err(EditError::Invalid(format!("{key}: only a secret is rotated, and no template")));
    }
    let value = MadeValue { rotate_every_days: days, changed: draft.stamp.clone(), ..value.clone() };
    draft.made.values.insert(key.clone(), value);
    draft.serve_value(key);
    draft.mark(Subject::Value(key.clone()));
    draft.touch(&key.place);
    Ok(())
}
