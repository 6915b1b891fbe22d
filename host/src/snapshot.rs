//! The whole configuration of one workspace at one revision, immutable, as a host keeps it.

use std::collections::BTreeMap;

use crate::{
    id::{Digest, EnvironmentName, Revision, UnixSeconds},
    keyring::WrappedDataKey,
    model::{Configuration, SealedValue},
};

/// A workspace at one revision.
#[derive(Debug)]
pub struct Snapshot {
    /// Its revision.
    pub revision: Revision,
    /// When it was made.
    pub created: UnixSeconds,
    /// From when on a host that serves it is degraded: whoever pushed it meant it to be
    /// replaced by then.
    pub not_after: UnixSeconds,
    /// Covers its environments' digests.
    pub digest: Digest,
    /// The digest of each environment, over its plans.
    pub environments: BTreeMap<EnvironmentName, Digest>,
    /// Everything, every value sealed under a data key.
    pub configuration: Configuration<SealedValue>,
    /// The data keys, each wrapped by a root key.
    pub keys: Vec<WrappedDataKey>,
}
