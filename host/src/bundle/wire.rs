//! The body of a bundle as bytes: the only place that knows bincode. These types mirror the model
//! and are not the model: names are texts here until `convert` has checked them.
//!
//! bincode is unmaintained (RUSTSEC-2025-0141) and pinned to 2.0.1. Measured there: without a limit
//! nine bytes abort the process, a list of zero-sized elements spins, trailing bytes and
//! non-canonical integers pass. So: always a limit, no zero-sized elements, everything consumed,
//! and what was read must write the same bytes again. Ordered maps only. Adding a field or a
//! variant makes a new format version (see the golden vectors): format 1 is a [`Body`], format 2 the
//! same with what came later behind it, format 3 with what came after that, and a content is written in
//! the first that can carry it.

pub(super) mod last;
pub(super) mod more;

use std::collections::{BTreeMap, BTreeSet};

use bincode::{
    Decode, Encode,
    config::{Configuration, Limit, LittleEndian, Varint},
    enc::write::Writer,
    error::EncodeError,
};

use super::MAX_BUNDLE_BYTES;

/// What the decoder may hold on to at any moment: bytes read and room reserved for elements, which
/// are larger in memory than on the wire.
const DECODE_BYTES: usize = 2 * MAX_BUNDLE_BYTES;
const CONFIG: Configuration<LittleEndian, Varint, Limit<DECODE_BYTES>> =
    bincode::config::standard().with_limit::<DECODE_BYTES>();

/// The bytes are not a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They do not decode, or only beyond the decoder's limit.
    #[error("the body does not decode: {reason}")]
    Decode {
        /// What the decoder says; it quotes no content.
        reason: &'static str,
    },
    /// They go on after the end.
    #[error("the body goes on after byte {offset}, where it should end")]
    Trailing {
        /// Where it should have ended.
        offset: usize,
    },
    /// They are not how the same content is written.
    #[error("the body is not in canonical form from byte {offset} on")]
    NotCanonical {
        /// The first byte of the field that would be written differently.
        offset: usize,
    },
}

/// Writes a body: a [`Body`], or one with what later formats have behind it.
pub(super) fn encode<B: Encode>(body: &B) -> Vec<u8> {
    bincode::encode_to_vec(body, CONFIG).expect("writing to memory fails for no type that a body is made of")
}

/// Reads a body: all of it, nothing else, in canonical form.
pub(super) fn decode<B: Encode + Decode<()>>(bytes: &[u8]) -> Result<B, WireError> {
    let (body, consumed): (B, usize) = bincode::decode_from_slice(bytes, CONFIG)
        .map_err(|error| WireError::Decode { reason: reason(&error) })?;
    if consumed != bytes.len() {
        return Err(WireError::Trailing { offset: consumed });
    }
    let mut same = Same { expected: bytes, offset: 0 };
    match bincode::encode_into_writer(&body, &mut same, CONFIG) {
        Ok(()) => Ok(body),
        Err(_) => Err(WireError::NotCanonical { offset: same.offset }),
    }
}

/// Compares what is written with what was read, without keeping it.
struct Same<'a> {
    expected: &'a [u8],
    offset: usize,
}

impl Writer for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let end = self.offset + bytes.len();
        if self.expected.get(self.offset..end) != Some(bytes) {
            return Err(EncodeError::UnexpectedEnd);
        }
        self.offset = end;
        Ok(())
    }
}

fn reason(error: &bincode::error::DecodeError) -> &'static str {
    use bincode::error::DecodeError as E;
    match error {
        E::UnexpectedEnd { .. } => "it ends early",
        E::LimitExceeded => "it claims more than the decoder's limit",
        E::UnexpectedVariant { .. } | E::InvalidBooleanValue(_) => "an unknown variant",
        E::Utf8 { .. } | E::InvalidCharEncoding(_) => "a text is not UTF-8",
        E::InvalidIntegerType { .. } | E::OutsideUsizeRange(_) => "a number is out of range",
        _ => "malformed",
    }
}

/// A whole configuration.
#[derive(Encode, Decode)]
pub(super) struct Body {
    pub(super) base: Layer,
    pub(super) environments: BTreeMap<String, Environment>,
    pub(super) environment_layers: BTreeMap<String, Layer>,
    pub(super) deployments: BTreeMap<String, Deployment>,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) policies: BTreeMap<String, Policy>,
    /// Each component once, by its digest.
    pub(super) components: BTreeMap<[u8; 32], Vec<u8>>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) keys: BTreeMap<String, EnvironmentKeys>,
    pub(super) data_keys: Vec<DataKey>,
}

#[derive(Encode, Decode)]
pub(super) struct Environment {
    pub(super) uid: [u8; 16],
    pub(super) kind: u8,
    pub(super) protected: bool,
    pub(super) deprecated: bool,
    pub(super) expires: Option<i64>,
    pub(super) promotes_to: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Encode, Decode)]
pub(super) struct Layer {
    pub(super) variables: BTreeMap<String, Variable>,
    pub(super) required: BTreeSet<String>,
}

#[derive(Encode, Decode)]
pub(super) struct Variable {
    pub(super) description: String,
    pub(super) secret: bool,
    pub(super) inject: bool,
    pub(super) content: Content,
}

#[derive(Encode, Decode)]
pub(super) enum Content {
    Versions { versions: Vec<Version>, current: u64 },
    Template(Vec<Piece>),
}

#[derive(Encode, Decode, Clone, PartialEq)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) value: Value,
}

/// The first three come in from a directory; the last is what a host keeps.
#[derive(Encode, Decode, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Json(String),
    SealedText(String),
    Stored { id: [u8; 16], bytes: Vec<u8> },
}

#[derive(Encode, Decode)]
pub(super) enum Piece {
    Literal(String),
    Reference { name: String, encoding: u8 },
}

#[derive(Encode, Decode)]
pub(super) struct Deployment {
    pub(super) uid: [u8; 16],
    pub(super) base: Layer,
    pub(super) environments: BTreeMap<String, Override>,
    pub(super) releases: BTreeMap<u64, Release>,
}

#[derive(Encode, Decode)]
pub(super) struct Override {
    pub(super) layer: Layer,
    pub(super) bindings: BTreeMap<String, Binding>,
}

#[derive(Encode, Decode)]
pub(super) struct Binding {
    pub(super) service: String,
    pub(super) owner: String,
    pub(super) description: String,
}

#[derive(Encode, Decode)]
pub(super) struct Release {
    pub(super) digest: String,
    pub(super) created_at: u64,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) keys: BTreeSet<String>,
}

#[derive(Encode, Decode)]
pub(super) struct Service {
    pub(super) kind: u8,
    pub(super) instances: BTreeMap<String, Instance>,
}

#[derive(Encode, Decode)]
pub(super) struct Instance {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) user: String,
    pub(super) credential: Vec<Version>,
    pub(super) current: u64,
    pub(super) shared_with: BTreeSet<String>,
}

#[derive(Encode, Decode)]
pub(super) struct Endpoint {
    pub(super) role: String,
    pub(super) region: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) tls: u8,
    pub(super) options: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Encode, Decode)]
pub(super) struct Policy {
    pub(super) digest: [u8; 32],
    pub(super) fallback: u8,
}

#[derive(Encode, Decode)]
pub(super) struct Attachment {
    pub(super) policy: String,
    pub(super) place: Place,
    pub(super) settings: BTreeMap<String, String>,
}

#[derive(Encode, Decode, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Deployment { deployment: String, environment: Option<String> },
    Environment(String),
    Workspace,
}

#[derive(Encode, Decode)]
pub(super) struct EnvironmentKeys {
    pub(super) public: [u8; 32],
    pub(super) root_key: [u8; 8],
    pub(super) wrapped_private: Vec<u8>,
}

#[derive(Encode, Decode)]
pub(super) struct DataKey {
    pub(super) environment: [u8; 16],
    pub(super) root_key: [u8; 8],
    pub(super) epoch: u32,
    pub(super) bytes: Vec<u8>,
}
