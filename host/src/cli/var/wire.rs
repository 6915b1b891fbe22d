//! What a host says of values.

use serde::Deserialize;

use crate::cli::{change::Etag, output::MASK, pinned::Pinned};

/// `GET …/env` of any layer. What is optional here may be left out or null; members may be
/// added.
#[derive(Debug, Deserialize)]
pub(super) struct Values {
    pub(super) revision: u64,
    /// Where it runs with an earlier set, which is what is shown then.
    #[serde(default)]
    pub(super) pin: Option<Pinned>,
    pub(super) variables: Vec<Variable>,
    /// What the layer requires by itself.
    #[serde(default)]
    pub(super) required: Vec<Required>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Required {
    pub(super) name: String,
    pub(super) form: serde_json::Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Variable {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) is_secret: bool,
    /// The layer that its value comes from.
    pub(super) layer: String,
    #[serde(default)]
    pub(super) version: Option<u64>,
    #[serde(default)]
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) owner: String,
    /// Of what was made by API.
    #[serde(default)]
    pub(super) etag: Option<Etag>,
}

impl Variable {
    /// What may be shown of it. A secret is masked here whatever the host sent: two have to fail before
    /// one is shown.
    pub(super) fn shown(&self) -> &str {
        if self.is_secret { MASK } else { self.value.as_deref().unwrap_or("(no value)") }
    }

    /// Its whole plain value, out of a list that reveals them. What is put together at a boot has none.
    pub(super) fn whole(&self) -> Option<&str> {
        let is_template = self.version.is_none() && self.value.as_deref() == Some("(template)");
        self.value.as_deref().filter(|_| !self.is_secret && !is_template)
    }
}
