//! A version of a value is revoked: what it held goes for good, and nothing that counts on it comes back.

use super::{Draft, EditError, InUse, Precondition};
use crate::made::{Subject, ValueKey};

pub(super) fn apply(
    draft: &mut Draft<'_>,
    key: &ValueKey,
    (version, accept_unproven): (u64, bool),
    precondition: Precondition,
) -> Result<(), EditError> {
    draft.writable(key, precondition)?;
    draft.unproven += may_be_revoked(draft, key, version, accept_unproven)?;
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
/// back is asked here. Gives how many unproven boots were accepted.
fn may_be_revoked(
    draft: &Draft<'_>,
    key: &ValueKey,
    version: u64,
    accept_unproven: bool,
) -> Result<u64, EditError> {
    let set = draft.made.values.get(key);
    let current = set.map(|set| set.changed.revision);
    if set.is_some_and(|set| set.current.number == version) {
        let reason = format!(
            "version {version} of {key} is the one that is handed out; set a new one first, then revoke this"
        );
        return Err(EditError::NotNow { reason, current });
    }
    let stored = draft.made.stored_version(key, version);
    let holders = stored.and_then(|value| draft.holders.get(&value.id));
    let Some(holders) = holders else { return Ok(0) };
    if holders.leases.is_empty() && (holders.unproven == 0 || accept_unproven) {
        return Ok(holders.unproven);
    }
    let (key, holders, now) = (key.clone(), holders.clone(), draft.stamp.at);
    Err(EditError::Held(Box::new(InUse { key, version, holders, current, now })))
}

impl std::fmt::Display for InUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (key, version) = (&self.key, self.version);
        let (leases, unproven) = (self.holders.leases.len(), self.holders.unproven);
        match (leases, unproven) {
            (0, unproven) => write!(
                f,
                "version {version} of {key} was given to {unproven} boots or fewer that hold no lease, and nobody \
                 can tell whether they still run; say accept_unproven when you know that they do not"
            ),
            (1, _) => write!(
                f,
                "1 instance holds version {version} of {key}; restart it, or report it gone if it is"
            ),
            (many, _) => write!(
                f,
                "{many} instances hold version {version} of {key}; restart them, or report gone those that are"
            ),
        }
    }
}
