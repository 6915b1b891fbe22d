//! The product's words as plain types. Nothing here reads a clock, opens a value or knows a wire
//! format.
//!
//! A configuration is generic over how its values are held: [`Configuration<InputValue>`] is what
//! a directory or a pushed bundle says (plain text, or `sealed:…` text that only a host opens);
//! `Configuration<SealedValue>` is what a host keeps (everything sealed under its data keys). The
//! type tells which one a function was given.

mod deployment;
mod domain;
mod environment;
mod interval;
mod map;
mod moment;
mod namespace;
mod policy;
pub mod promotion;
pub mod question;
mod service;
mod token;
mod tool;
mod value;
pub mod value_type;

use std::collections::BTreeMap;

pub use deployment::{Binding, Deployment, Layer, Override, Release};
pub use domain::{Domain, DomainHere};
pub use environment::{EXPIRY_NOTICE_SECONDS, Environment, EnvironmentType, Trigger, UnknownTrigger};
pub use interval::{Days, Interval, InvalidDays};
pub use moment::Moment;
pub use namespace::{NamespaceHere, NamespaceKind, UnknownNamespaceKind};
pub use policy::{Attachment, Fallback, Place, Policy, PolicyKind, UnknownFallback};
pub use service::{Endpoint, Instance, Service, ServiceKind, Tls};
pub use token::{LastUse, Role, Scope, TokenHash, TokenKind, TokenRecord};
pub use tool::{Credential, Profile, Tool, ToolUse};
pub use value::{
    Address, AddressKind, Content, InputValue, Piece, PlainValue, SealedText, SealedValue, Template,
    Variable, Version,
};
pub use value_type::{Mistyped, Pattern, ValueType};

use crate::{
    id::{DeploymentId, EnvironmentName, PolicyName, ServiceId, ToolName, Uid, WorkspaceId},
    persistent::Map,
};

/// Everything that a workspace directory may own.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration<V> {
    /// The tenant's name.
    pub workspace: WorkspaceId,
    /// The tenant's random id.
    pub uid: Uid,
    /// Values for every deployment in every environment. Plain only.
    pub base: Layer<V>,
    /// The environments, by name.
    pub environments: BTreeMap<EnvironmentName, Environment>,
    /// Values for every deployment in one environment.
    pub environment_layers: BTreeMap<EnvironmentName, Layer<V>>,
    /// The apps, by name.
    pub deployments: Map<DeploymentId, Deployment<V>>,
    /// The data services, by name.
    pub services: Map<ServiceId, Service<V>>,
    /// The tools that deployments call, by name.
    pub tools: Map<ToolName, Tool<V>>,
    /// The tenant's Wasm components, by name.
    pub policies: BTreeMap<PolicyName, Policy>,
    /// Where policies are attached, in the order in which those of one place run.
    pub attachments: Vec<Attachment>,
    /// For each environment, what seals to it and what opens it.
    pub keys: BTreeMap<EnvironmentName, EnvironmentKeys>,
}

impl<V> Configuration<V> {
    /// One that says nothing yet.
    #[must_use]
    pub fn new(workspace: WorkspaceId, uid: Uid) -> Self {
        Self {
            workspace,
            uid,
            base: Layer::default(),
            environments: BTreeMap::new(),
            environment_layers: BTreeMap::new(),
            deployments: Map::new(),
            services: Map::new(),
            tools: Map::new(),
            policies: BTreeMap::new(),
            attachments: Vec::new(),
            keys: BTreeMap::new(),
        }
    }
}

/// An environment's HPKE key pair: the public half seals `sealed:…` texts, the private half
/// travels wrapped by a root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentKeys {
    /// X25519 public key (RFC 9180).
    pub public: [u8; 32],
    /// Names the root key that wraps the private half.
    pub root_key: KeyId,
    /// The private half, wrapped.
    pub wrapped_private: Vec<u8>,
}

/// Names a key: the first 8 bytes of a SHA-256 over a domain string and the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
