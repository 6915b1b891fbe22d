//! What format 3 writes behind a body of format 2.

use std::collections::BTreeMap;

/// How a release comes to an environment, by its name, where that is said.
pub(in crate::bundle) type Triggers = BTreeMap<String, u8>;
