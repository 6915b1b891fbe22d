//! The types of `wit/policy.wit` as they cross: tables and indexes, written straight from what was
//! prepared once, so that a question copies nothing on the host's side but its own facts.

pub(super) mod promotion;

use wasmtime::component::{ComponentType, Lift, Lower, flags};

use super::failure::Reported;
use crate::model::{EnvironmentType, question};

/// The contract's interfaces, as components name them.
pub(super) const LIFECYCLE: &str = "bootlace:policy/lifecycle@0.1.0";
pub(super) const RESOLVE: &str = "bootlace:policy/resolve@0.1.0";
pub(super) const PROMOTION: &str = "bootlace:policy/promotion@0.1.0";
pub(super) const LOG: &str = "bootlace:policy/log@0.1.0";

#[derive(ComponentType, Lift, Lower, Clone)]
#[component(record)]
pub(super) struct Attribute {
    key: String,
    value: String,
}

impl From<&question::Attribute> for Attribute {
    fn from(attribute: &question::Attribute) -> Self {
        Self { key: attribute.key.clone(), value: attribute.value.clone() }
    }
}

impl From<Attribute> for question::Attribute {
    fn from(attribute: Attribute) -> Self {
        Self { key: attribute.key, value: attribute.value }
    }
}

pub(super) fn attributes(from: &[question::Attribute]) -> Vec<Attribute> {
    from.iter().map(Attribute::from).collect()
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum EnvironmentKind {
    #[component(name = "development")]
    Development,
    #[component(name = "test")]
    Test,
    #[component(name = "pre-production")]
    PreProduction,
    #[component(name = "production")]
    Production,
}

impl From<EnvironmentType> for EnvironmentKind {
    fn from(kind: EnvironmentType) -> Self {
        match kind {
            EnvironmentType::Development => Self::Development,
            EnvironmentType::Test => Self::Test,
            EnvironmentType::PreProduction => Self::PreProduction,
            EnvironmentType::Production => Self::Production,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Environment<'a> {
    pub(super) name: &'a str,
    pub(super) kind: EnvironmentKind,
    pub(super) labels: &'a [Attribute],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Release<'a> {
    pub(super) number: u64,
    pub(super) digest: &'a str,
    #[component(name = "created-at")]
    pub(super) created_at: u64,
    pub(super) labels: &'a [Attribute],
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(super) struct Texts<'a> {
    pub(super) text: &'a str,
    pub(super) ends: &'a [u32],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Variables<'a> {
    pub(super) names: Texts<'a>,
    pub(super) traits: &'a [u8],
    pub(super) chosen: &'a [u32],
    #[component(name = "candidate-ends")]
    pub(super) candidate_ends: &'a [u32],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Candidates<'a> {
    pub(super) sources: &'a [u32],
    pub(super) owners: &'a [u32],
    pub(super) traits: &'a [u8],
    pub(super) versions: &'a [u64],
    #[component(name = "label-ends")]
    pub(super) label_ends: &'a [u32],
    #[component(name = "label-rows")]
    pub(super) label_rows: &'a [u32],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Labels<'a> {
    pub(super) keys: Texts<'a>,
    pub(super) values: Texts<'a>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Instance<'a> {
    pub(super) region: Option<&'a str>,
    pub(super) zone: Option<&'a str>,
    #[component(name = "instance-id")]
    pub(super) instance_id: Option<&'a str>,
    pub(super) attributes: &'a [Attribute],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Request<'a> {
    pub(super) deployment: &'a str,
    pub(super) environment: Environment<'a>,
    pub(super) release: Option<Release<'a>>,
    pub(super) instance: Instance<'a>,
    pub(super) variables: Variables<'a>,
    pub(super) candidates: Candidates<'a>,
    pub(super) sources: Texts<'a>,
    pub(super) labels: Labels<'a>,
    pub(super) settings: &'a [Attribute],
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "made by lifting, from a number that was checked")]
pub(super) enum Encoding {
    #[component(name = "raw")]
    Raw,
    #[component(name = "percent-encode")]
    PercentEncode,
    #[component(name = "json-string")]
    JsonString,
    #[component(name = "base64")]
    Base64,
}

impl From<Encoding> for question::Encoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Raw => Self::Raw,
            Encoding::PercentEncode => Self::Percent,
            Encoding::JsonString => Self::JsonString,
            Encoding::Base64 => Self::Base64,
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Interpolation {
    pub(super) candidate: u32,
    pub(super) encoding: Encoding,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Fragment {
    #[component(name = "literal")]
    Literal(String),
    #[component(name = "reference")]
    Reference(Interpolation),
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Decision {
    #[component(name = "bind")]
    Bind(u32),
    #[component(name = "template")]
    Template(Vec<Fragment>),
    #[component(name = "omit")]
    Omit,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Assignment {
    pub(super) variable: u32,
    pub(super) decision: Decision,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Resolution {
    pub(super) assignments: Vec<Assignment>,
    pub(super) warnings: Vec<String>,
    pub(super) annotations: Vec<Attribute>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Violation {
    code: String,
    message: String,
    field: Option<String>,
}

impl From<Violation> for question::Violation {
    fn from(violation: Violation) -> Self {
        Self { code: violation.code, message: violation.message, field: violation.field }
    }
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Outcome {
    #[component(name = "resolved")]
    Resolved(Resolution),
    #[component(name = "denied")]
    Denied(Vec<Violation>),
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum PolicyError {
    #[component(name = "invalid-settings")]
    InvalidSettings(String),
    #[component(name = "invalid-input")]
    InvalidInput(String),
    #[component(name = "internal")]
    Internal(String),
}

impl From<PolicyError> for Reported {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::InvalidSettings(text) => Self::InvalidSettings(text),
            PolicyError::InvalidInput(text) => Self::InvalidInput(text),
            PolicyError::Internal(text) => Self::Internal(text),
        }
    }
}

flags! {
    Vary {
        #[component(name = "region")]
        const REGION;
        #[component(name = "zone")]
        const ZONE;
        #[component(name = "instance-id")]
        const INSTANCE_ID;
        #[component(name = "instance-attributes")]
        const INSTANCE_ATTRIBUTES;
        #[component(name = "release-labels")]
        const RELEASE_LABELS;
    }
}

impl From<Vary> for question::Vary {
    fn from(vary: Vary) -> Self {
        let declares = |flag: Vary| (vary & flag) == flag;
        Self {
            region: declares(Vary::REGION),
            zone: declares(Vary::ZONE),
            instance_id: declares(Vary::INSTANCE_ID),
            instance_attributes: declares(Vary::INSTANCE_ATTRIBUTES),
            release_labels: declares(Vary::RELEASE_LABELS),
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Descriptor {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) vary: Vary,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "made by lifting, from a number that was checked")]
pub(super) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// What the exported functions return.
pub(super) type Validated = (Result<(), Vec<Violation>>,);
pub(super) type Decided = (Result<Outcome, PolicyError>,);
