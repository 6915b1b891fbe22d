//! What format 2 writes behind a body of format 1. Every part of it belongs to something in that
//! body; what has nothing to add is left out, so that there is one way to write each content.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};

use super::{Value, Version};

/// What a configuration says beyond format 1.
#[derive(Encode, Decode, Clone, PartialEq, Default)]
pub(in crate::bundle) struct More {
    pub(in crate::bundle) base: Types,
    pub(in crate::bundle) environments: BTreeMap<String, Types>,
    pub(in crate::bundle) deployments: BTreeMap<String, Deployment>,
    pub(in crate::bundle) tools: BTreeMap<String, Tool>,
}

/// The forms of a layer's required names; of any text where there is none.
pub(in crate::bundle) type Types = BTreeMap<String, ValueType>;

#[derive(Encode, Decode, Clone, PartialEq, Default)]
pub(in crate::bundle) struct Deployment {
    pub(in crate::bundle) types: Types,
    pub(in crate::bundle) domain: Option<Domain>,
    pub(in crate::bundle) namespaces: BTreeMap<u8, String>,
    pub(in crate::bundle) environments: BTreeMap<String, Override>,
}

#[derive(Encode, Decode, Clone, PartialEq, Default)]
pub(in crate::bundle) struct Override {
    pub(in crate::bundle) types: Types,
    pub(in crate::bundle) domain: DomainHere,
    pub(in crate::bundle) namespaces: BTreeMap<u8, NamespaceHere>,
    pub(in crate::bundle) tools: BTreeMap<String, ToolUse>,
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(in crate::bundle) struct Domain {
    pub(in crate::bundle) apex: String,
    pub(in crate::bundle) host: Option<String>,
    pub(in crate::bundle) url: Option<String>,
}

#[derive(Encode, Decode, Clone, PartialEq, Default)]
pub(in crate::bundle) enum DomainHere {
    #[default]
    Convention,
    Own(String),
    Off,
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(in crate::bundle) enum NamespaceHere {
    Own(String),
    Of(String),
    Off,
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(in crate::bundle) struct ToolUse {
    pub(in crate::bundle) settings: Option<String>,
    pub(in crate::bundle) credentials: BTreeMap<String, String>,
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(in crate::bundle) struct Tool {
    pub(in crate::bundle) description: String,
    pub(in crate::bundle) profiles: BTreeMap<String, Profile>,
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(in crate::bundle) struct Profile {
    pub(in crate::bundle) settings: Option<Value>,
    pub(in crate::bundle) credentials: BTreeMap<String, Credential>,
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(in crate::bundle) struct Credential {
    pub(in crate::bundle) versions: Vec<Version>,
    pub(in crate::bundle) current: u64,
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(in crate::bundle) enum ValueType {
    Url { schemes: BTreeSet<String> },
    Port,
    Integer { min: Option<i64>, max: Option<i64> },
    Boolean,
    Pattern(String),
}
