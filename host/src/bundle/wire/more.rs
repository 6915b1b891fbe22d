//! What format 2 writes behind a body of format 1. Every part of it belongs to something in that
//! body; what has nothing to add is left out, so that there is one way to write each content.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};

/// What a configuration says beyond format 1.
#[derive(Encode, Decode, Clone, PartialEq, Default)]
pub(in crate::bundle) struct More {
    pub(in crate::bundle) base: Types,
    pub(in crate::bundle) environments: BTreeMap<String, Types>,
    pub(in crate::bundle) deployments: BTreeMap<String, Deployment>,
}

/// The forms of a layer's required names; of any text where there is none.
pub(in crate::bundle) type Types = BTreeMap<String, ValueType>;

#[derive(Encode, Decode, Clone, PartialEq, Default)]
pub(in crate::bundle) struct Deployment {
    pub(in crate::bundle) types: Types,
    pub(in crate::bundle) environments: BTreeMap<String, Override>,
}

#[derive(Encode, Decode, Clone, PartialEq, Default)]
pub(in crate::bundle) struct Override {
    pub(in crate::bundle) types: Types,
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(in crate::bundle) enum ValueType {
    Url { schemes: BTreeSet<String> },
    Port,
    Integer { min: Option<i64>, max: Option<i64> },
    Boolean,
    Pattern(String),
}
