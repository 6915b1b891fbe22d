//! Tools as they are asked for and shown. Settings and credentials are read here and never written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    admin::{
        body::named as parsed,
        services::wire::{said, sealed_change},
        values::Owned,
    },
    change::{ProfileChange, SealedChange},
    secret::Secret,
    serve::respond::Problem,
};

/// A tool that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireCreateTool {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    /// By the environment that each is for.
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, WireProfile>,
}

/// What is to change; profiles that are not named stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WirePatchTool {
    pub(super) description: Option<String>,
    /// Null where there is to be no profile any more.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, WireProfile>)]
    pub(super) profiles: BTreeMap<String, Option<WireProfile>>,
}

/// How a tool is called in one environment. What is not said stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireProfile {
    /// Injected as one JSON text. Null for none.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<Object>)]
    settings: Option<Option<Map<String, Value>>>,
    /// Secrets, each injected by itself and never shown. Null for one that goes.
    #[serde(default)]
    credentials: BTreeMap<String, Option<String>>,
}

/// The tools that the token sees.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Tools {
    pub(super) tools: Vec<ToolEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A tool.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ToolEntry {
    pub(super) name: String,
    pub(super) description: String,
    /// By the environment that each is for; those that the token sees.
    pub(super) profiles: BTreeMap<String, ProfileEntry>,
    #[serde(flatten)]
    pub(super) owned: Owned,
}

/// How a tool is called in one environment.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ProfileEntry {
    /// Whether there are any.
    pub(super) settings: bool,
    /// By name, the version in use.
    pub(super) credentials: BTreeMap<String, u64>,
    /// Who calls it by this profile, and what is injected under which name.
    pub(super) used_by: Vec<ToolUser>,
}

/// A deployment that calls a tool.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ToolUser {
    pub(super) deployment: String,
    /// By variable: `settings`, or the credential's name.
    pub(super) injected: BTreeMap<String, String>,
}

impl WireProfile {
    pub(super) fn change(self) -> Result<ProfileChange, Problem> {
        let settings = match self.settings {
            None => SealedChange::Keep,
            Some(None) => SealedChange::Remove,
            Some(Some(settings)) => SealedChange::Set(Secret::from(Value::Object(settings).to_string())),
        };
        let credentials = self.credentials.into_iter();
        let credentials = credentials.map(|(name, value)| Ok((parsed(&name)?, sealed_change(Some(value)))));
        Ok(ProfileChange { settings, credentials: credentials.collect::<Result<_, Problem>>()? })
    }
}
