//! What an attachment looks like, asked for and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::{snapshot::ChangedSnapshot, values::Owned},
    generation::Served,
    made::ResourceKey,
    model::{Attachment, Place},
    serve::respond::Problem,
};

/// An attachment that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireAttachment {
    policy: String,
    place: WirePlace,
    /// What the policy is told there.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// A deployment, an environment, both, or with neither the whole workspace.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WirePlace {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deployment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    environment: Option<String>,
}

/// The attachments that the token sees.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Attachments {
    /// In one place, in the order in which they run.
    pub(super) attachments: Vec<AttachmentEntry>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A policy at work in one place.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct AttachmentEntry {
    /// Follows from policy and place.
    id: String,
    policy: String,
    place: WirePlace,
    settings: BTreeMap<String, String>,
    #[serde(flatten)]
    owned: Owned,
}

/// A policy was attached, or told something else.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Attached {
    /// The attachment's.
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) changed: ChangedSnapshot,
}

/// Reads the body.
pub(super) fn wanted(body: &[u8]) -> Result<Attachment, Problem> {
    let wire: WireAttachment = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::bad_request(format!(
            "not what this takes (line {line}, column {column}); send policy, place ({{deployment, environment}}, \
             {{}} for the workspace) and settings (texts)"
        ))
    })?;
    let WirePlace { deployment, environment } = &wire.place;
    let environment = environment.as_deref().map(parsed).transpose()?;
    let place = match (deployment.as_deref().map(parsed).transpose()?, environment) {
        (Some(deployment), environment) => Place::Deployment(deployment, environment),
        (None, Some(environment)) => Place::Environment(environment),
        (None, None) => Place::Workspace,
    };
    Ok(Attachment { policy: parsed(&wire.policy)?, place, settings: wire.settings })
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::invalid(format!("{error}")))
}

impl AttachmentEntry {
    pub(super) fn new(served: &Served, attachment: &Attachment) -> Self {
        let key = ResourceKey::Attachment(attachment.policy.clone(), attachment.place.clone());
        let (deployment, environment) = match &attachment.place {
            Place::Workspace => (None, None),
            Place::Environment(environment) => (None, Some(environment)),
            Place::Deployment(deployment, environment) => (Some(deployment), environment.as_ref()),
        };
        Self {
            id: attachment.id(),
            policy: attachment.policy.to_string(),
            place: WirePlace {
                deployment: deployment.map(ToString::to_string),
                environment: environment.map(ToString::to_string),
            },
            settings: attachment.settings.clone(),
            owned: Owned::since(served.made.resources.get(&key).map(|made| &made.changed)),
        }
    }
}
