//! A piece of a stored configuration as bytes: the body of a bundle that holds that piece and nothing
//! else, behind its format number. Records of the ledger and chunks of a tree are made of these; what
//! vouches for them is theirs.

use std::sync::Arc;

use super::{BundleError, BundleLimits, read, whole, wire, write};
use crate::{
    id::{Uid, WorkspaceId},
    model::{Configuration, SealedValue},
};

/// Writes what `part` holds. Components are left out: they are blobs of their own.
#[must_use]
pub fn write_part(part: &Configuration<SealedValue>) -> Vec<u8> {
    let mut body = write::body(part, &[]);
    body.components.clear();
    let (format, body) = whole::write(part, body);
    [&[format][..], &body].concat()
}

/// Reads what [`write_part`] wrote. Policies have no component: whoever needs one finds it by its digest.
///
/// # Errors
/// When it is none.
pub fn read_part(
    bytes: &[u8],
    workspace: &WorkspaceId,
    uid: Uid,
) -> Result<Configuration<SealedValue>, BundleError> {
    let limits = BundleLimits::default();
    let unknown = wire::WireError::Decode { reason: "an unknown format" };
    let (format, body) = bytes.split_first().ok_or(unknown)?;
    let (body, beyond) = whole::read((*format).into(), body)?;
    let none: Arc<[u8]> = [].into();
    let components = body.policies.values().map(|policy| (policy.digest, Arc::clone(&none))).collect();
    let (part, _) = read::body_with(body, &components, workspace, uid, &limits)?;
    Ok(beyond.add(part, &limits)?)
}
