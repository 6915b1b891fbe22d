//! What format 3 writes behind a body of format 2. Every part of it belongs to something in that body.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};

use super::Place;

/// What a configuration says beyond format 2.
#[derive(Encode, Decode, Clone, PartialEq, Default)]
pub(in crate::bundle) struct Last {
    /// How a release comes to an environment, by its name, where that is said.
    pub(in crate::bundle) triggers: BTreeMap<String, u8>,
    /// After which time variables are to be rotated, by where these are set and their names.
    pub(in crate::bundle) intervals: BTreeMap<(Place, String), Interval>,
    /// The same of services' credentials, by the service and who owns the instance.
    pub(in crate::bundle) credentials: BTreeMap<(String, String), Credential>,
}

#[derive(Encode, Decode, Clone, Copy, PartialEq)]
pub(in crate::bundle) struct Interval {
    pub(in crate::bundle) days: u32,
    pub(in crate::bundle) since: i64,
}

/// When the version in use was set, and after how many days it is to be rotated, where that is said.
#[derive(Encode, Decode, Clone, Copy, PartialEq)]
pub(in crate::bundle) struct Credential {
    pub(in crate::bundle) set: i64,
    pub(in crate::bundle) days: Option<u32>,
}
