//! New and old valid together: which versions of a value stay live beside one that is being set.

use std::collections::BTreeSet;

use super::{EditError, Wanted};
use crate::made::{LIVE_VERSIONS, Made, MadeContent, ValueKey};

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
