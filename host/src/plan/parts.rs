use std::ops::Range;

use super::LayerName;
use crate::{
    id::VariableName,
    model::{Address, Endpoint, Interval, Mistyped, ServiceKind, Template, ValueType, question::Sensitivity},
};

/// A name that is set, and what the plan chose for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The name.
    pub name: VariableName,
    /// For a person; the winning layer's.
    pub description: String,
    /// Secret when the winning value is, or anything that it is made of.
    pub sensitivity: Sensitivity,
    /// Whether the boot is refused without it.
    pub required: bool,
    /// The form without which the boot is refused; only of what is required.
    pub expected: Option<ValueType>,
    /// Whether the active release lists it among its keys, or a template that it lists refers to
    /// it.
    pub declared: bool,
    /// Whether it is injected; what is not serves templates only.
    pub inject: bool,
    /// After which time it is to be rotated; the winning layer's, and no part of what digests say.
    pub interval: Option<Interval>,
    /// The plan's choice: an index into the plan's candidates, within `candidates`.
    pub default: u32,
    /// All there is to choose from.
    pub candidates: Range<u32>,
    /// Where it came from.
    pub provenance: Provenance,
}

impl Planned {
    /// Whether `text` lacks the form that is asked of this variable.
    #[must_use]
    pub fn mistyped(&self, text: &[u8]) -> Option<Mistyped> {
        let expected = self.expected.as_ref()?;
        let accepted = std::str::from_utf8(text).is_ok_and(|text| expected.accepts(text));
        (!accepted).then(|| Mistyped { key: self.name.clone(), expected: expected.clone() })
    }
}

/// The layer a value came from, and the ones it overrode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The layer whose value won.
    pub layer: LayerName,
    /// Layers that set the name too, the nearest first.
    pub overrode: Vec<LayerName>,
}

/// Something that a variable may be given.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate<V> {
    /// The variable, an index into the plan's variables.
    pub variable: u32,
    /// The layer or service it comes from, an index into the plan's sources.
    pub source: u32,
    /// The environment that owns it, an index into the plan's sources. What no one environment
    /// owns (a base layer's value) counts as the booting environment's own; a template made of
    /// another environment's service counts as that one's.
    pub owner: u32,
    /// Whether it is a secret.
    pub sensitivity: Sensitivity,
    /// The value's version, a binding's or a tool's credential's version, or 0 for what has none.
    pub version: u64,
    /// Its labels, a range of the plan's `candidate_labels`.
    pub labels: Range<u32>,
    /// What it is.
    pub what: What<V>,
}

/// What a candidate is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum What<V> {
    /// A stored value.
    Stored {
        /// Where it lives; needed to open it.
        address: Address,
        /// The value.
        value: V,
    },
    /// A bound service's endpoint, injected as a URL.
    Endpoint(Box<BoundEndpoint<V>>),
    /// A text over other variables.
    Template(Template),
    /// A text that the configuration itself says: a domain, the name of a namespace.
    Text(String),
}

/// What a binding's URL is written from.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundEndpoint<V> {
    /// Decides the URL's form.
    pub kind: ServiceKind,
    /// Where to connect.
    pub endpoint: Endpoint,
    /// Who connects; empty for nobody in particular.
    pub user: String,
    /// The current password, when there is one, and where it lives.
    pub credential: Option<(Address, V)>,
}
