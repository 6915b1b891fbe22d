//! What format 3 writes behind the triggers: after which time secrets are to be rotated.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};

use super::Place;

/// The intervals of variables, by where these are set and their names.
pub(in crate::bundle) type Intervals = BTreeMap<(Place, String), Interval>;

#[derive(Encode, Decode, Clone, Copy, PartialEq)]
pub(in crate::bundle) struct Interval {
    pub(in crate::bundle) days: u32,
    pub(in crate::bundle) since: i64,
}
