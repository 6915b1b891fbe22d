use std::sync::Arc;

use super::{
    Interval,
    question::{Encoding, Sensitivity},
};
use crate::id::{CredentialName, ServiceId, ToolName, Uid, ValueId, VariableName};

/// A name's content in one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable<V> {
    /// For a person.
    pub description: String,
    /// Whether it is ever shown again. A template is secret when anything it refers to is.
    pub sensitivity: Sensitivity,
    /// Whether it is injected. A variable that is not serves templates only.
    pub inject: bool,
    /// After which time it is to be rotated; of a secret, and where that was said.
    pub interval: Option<Interval>,
    /// What it holds.
    pub content: Content<V>,
}

/// What a variable holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content<V> {
    /// Live versions, oldest first, at least one, and the one that is the default choice.
    Versions {
        /// The live versions, in ascending order.
        versions: Vec<Version<V>>,
        /// The number of the default choice.
        current: u64,
    },
    /// A text made of other variables' values.
    Template(Template),
}

/// One live version of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Version<V> {
    /// Counted from 1.
    pub number: u64,
    /// The value.
    pub value: V,
}

/// A value as it comes in: from a directory, a file, a pushed bundle.
#[derive(Clone, PartialEq)]
pub enum InputValue {
    /// Readable by anyone who reads the source.
    Plain(PlainValue),
    /// Sealed to the environment's public key.
    Sealed(SealedText),
}

/// Never prints a value, not even a plain one.
impl std::fmt::Debug for InputValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Sealed(_) => "Sealed(..)",
        })
    }
}

/// A plain value: text, or something structured that is injected as JSON.
#[derive(Clone, PartialEq)]
pub enum PlainValue {
    /// Injected as it stands.
    Text(String),
    /// A number, boolean, list or table, already written as compact JSON.
    Json(String),
}

impl PlainValue {
    /// What is injected.
    #[must_use]
    pub fn injected(&self) -> &str {
        let (Self::Text(text) | Self::Json(text)) = self;
        text
    }
}

/// `sealed:1:…`: HPKE output (RFC 9180), bound to the address it was made for.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedText(pub Arc<str>);

/// A value under a host's data key. The bytes are the whole sealed form of `seal`.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// Names the value in digests.
    pub id: ValueId,
    /// Format, algorithm, key id, key epoch, nonce, ciphertext, tag.
    pub bytes: Arc<[u8]>,
}

impl std::fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedValue({})", self.id)
    }
}

/// Where a value lives. It is bound into the seal, so that a value moved anywhere else does not
/// open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// What the bytes are.
    pub kind: AddressKind,
    /// The workspace's random id.
    pub workspace: Uid,
    /// The environment's, or [`Uid::NONE`] for a base layer.
    pub environment: Uid,
    /// The deployment's, or [`Uid::NONE`] for a layer of no one deployment.
    pub deployment: Uid,
    /// The version.
    pub version: u64,
    /// The variable's name, the service's, the tool's, or `tool/credential`.
    pub name: Arc<str>,
}

/// What a sealed value is. Part of what the seal is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum AddressKind {
    /// A variable's value.
    Variable = 1,
    /// A service instance's credential.
    Credential = 2,
    /// A tool's settings in one environment.
    ToolSettings = 3,
    /// A tool's credential in one environment.
    ToolCredential = 4,
}

impl Address {
    /// Of a version of a variable in the layer of an environment and a deployment, or of either.
    #[must_use]
    pub fn variable(
        workspace: Uid,
        (environment, deployment): (Uid, Uid),
        name: &VariableName,
        version: u64,
    ) -> Self {
        let (kind, name) = (AddressKind::Variable, name.to_arc());
        Self { kind, workspace, environment, deployment, version, name }
    }

    /// Of a version of the credential of a service's instance in an environment.
    #[must_use]
    pub fn credential(workspace: Uid, environment: Uid, service: &ServiceId, version: u64) -> Self {
        let (kind, name) = (AddressKind::Credential, service.to_arc());
        Self { kind, workspace, environment, deployment: Uid::NONE, version, name }
    }

    /// Of a tool's settings in an environment.
    #[must_use]
    pub fn tool_settings(workspace: Uid, environment: Uid, tool: &ToolName) -> Self {
        let (kind, name) = (AddressKind::ToolSettings, tool.to_arc());
        Self { kind, workspace, environment, deployment: Uid::NONE, version: 1, name }
    }

    /// Of a version of a tool's credential in an environment. Neither name can hold the `/`.
    #[must_use]
    pub fn tool_credential(
        workspace: Uid,
        environment: Uid,
        (tool, credential): (&ToolName, &CredentialName),
        version: u64,
    ) -> Self {
        let (kind, name) = (AddressKind::ToolCredential, format!("{tool}/{credential}").into());
        Self { kind, workspace, environment, deployment: Uid::NONE, version, name }
    }
}

/// A text over other variables, such as `redis://:${REDIS_PASSWORD|percent}@cache:6379/0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// One piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text as it stands.
    Literal(String),
    /// Another variable's injected value.
    Reference {
        /// The variable.
        name: VariableName,
        /// How its value is written.
        encoding: Encoding,
    },
}
