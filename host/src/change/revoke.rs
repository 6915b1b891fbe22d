//! A version of a value is revoked: what it held goes for good, and nothing that counts on it comes back.

use super::{Draft, EditError, Precondition};
use crate::made::{Made, Subject, ValueKey};

pub(super) fn apply(
    draft: &mut Draft<'_>,
    key: &ValueKey,
    version: u64,
    precondition: Precondition,
) -> Result<(), EditError> {
    draft.writable(key, precondition)?;
    may_be_revoked(&draft.made, key, version)?;
    let was_live = draft.made.values.get(key).is_some_and(|value| value.live.contains(&version));
    if !draft.made.revoke(key, version, &draft.stamp) {
        return Err(EditError::Unknown);
    }
    if was_live {
        draft.serve_value(key);
        draft.touch(&key.place);
    }
    // What is not live is in no plan: no boot may be given it.
    draft.mark(Subject::Value(key.clone()));
    Ok(())
}

/// Whether a version may be revoked now, as far as anything still counts on it. Whatever else may hold one
/// back is asked here.
fn may_be_revoked(made: &Made, key: &ValueKey, version: u64) -> Result<(), EditError> {
    let Some(set) = made.values.get(key).filter(|set| set.current.number == version) else { return Ok(()) };
    let reason = format!(
        "version {version} of {key} is the one that is handed out; set a new one first, then revoke this"
    );
    Err(EditError::NotNow { reason, current: Some(set.changed.revision) })
}
