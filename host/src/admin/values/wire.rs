//! What is asked for, checked. A value is never quoted in an error.

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    admin::deployments::WireType,
    change::{self as content, Edit, MAX_EDITS, Precondition, ResourceEdit},
    id::Revision,
    made::{ResourceKey, ValueKey},
    model::{Place, question::Sensitivity},
    secret::Secret,
    serve::respond::Problem,
    source::value::InvalidTemplate,
};

/// What is to be said of one variable: a value or a template, what is required of it, or both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Wanted {
    /// Of a deployment's values; without one, its base.
    pub(super) environment: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Text as it stands; anything else is injected as JSON.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<Value>)]
    value: Option<Value>,
    /// In place of a value: a text with `${NAME}` or `${NAME|percent}` for other variables' values; `json`,
    /// `base64` and `raw` write them otherwise, and `$${` is a literal `${`.
    template: Option<String>,
    /// As it is, where it is not said; of a new one, plain.
    is_secret: Option<bool>,
    description: Option<String>,
    /// Whether the version before this one stays live beside it until it is revoked, so that a policy may choose
    /// it. While several are live, a value is only set with this.
    #[serde(default)]
    keep: bool,
    /// After how many days the secret is to be rotated, for whoever is to be reminded; null for never. May be
    /// said without a value.
    #[serde(default, deserialize_with = "days")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3650)]
    rotate_every: Option<Option<u32>>,
    /// Whether no instance starts without it, from this layer on, and of which form: true for any text, false
    /// for not any more. Only an admin says this, and of a deployment's base it is said at the deployment.
    required: Option<WireRequired>,
}

/// Whether a key is required, and of which form.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::admin) enum WireRequired {
    Is(bool),
    Form(WireType),
}

/// One, or a list.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::admin) enum OneOrMany {
    One(Box<Wanted>),
    Many(Vec<Wanted>),
}

/// Tells null, which is no value, from what is not there.
fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// The same of a number of days.
#[allow(clippy::option_option, reason = "none is something that can be said")]
fn days<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Reads the body.
pub(super) fn wanted(body: &[u8]) -> Result<Vec<Wanted>, Problem> {
    // What serde says of an untagged type quotes nothing, and helps nobody either.
    let refused = |_| {
        Problem::bad_request(
            "send {\"environment\", \"name\", \"value\" or \"template\", \"is_secret\", \"description\", \
             \"keep\", \"rotate_every\" (days), \"required\"}, of which name and one of value, template, rotate_every and \
             required are needed, or a list of these",
        )
    };
    let wanted = match serde_json::from_slice(body).map_err(refused)? {
        OneOrMany::One(one) => vec![*one],
        OneOrMany::Many(many) => many,
    };
    match wanted.len() {
        1..=MAX_EDITS => Ok(wanted),
        found => Err(Problem::invalid(format!("1 to {MAX_EDITS} values are set at once; these are {found}"))),
    }
}

impl Wanted {
    /// Whether it says what is required.
    pub(super) fn requires(&self) -> bool {
        self.required.is_some()
    }

    /// As edits of the layer at `place`.
    pub(super) fn edits(self, place: Place) -> Result<Vec<Edit>, Problem> {
        let name = self.name.parse().map_err(|error| Problem::invalid(format!("{error}")))?;
        let key = ValueKey { place, name };
        let invalid = |reason: String| Problem::invalid(format!("{}: {reason}", key.name));
        let content = match (self.value, self.template) {
            (Some(_), Some(_)) => {
                return Err(invalid("either a value or a template is set; send one of them".to_owned()));
            }
            (Some(value), None) => Some(content::Wanted::Value(text(value).map_err(&invalid)?)),
            (None, Some(template)) => {
                let template =
                    template.parse().map_err(|error: InvalidTemplate| invalid(error.to_string()))?;
                Some(content::Wanted::Template(template))
            }
            (None, None) if self.required.is_none() && self.rotate_every.is_none() => {
                let reason = "say its value, a template, when it is to be rotated, or what is required of it";
                return Err(invalid(reason.to_owned()));
            }
            (None, None) if self.is_secret.is_some() || self.description.is_some() || self.keep => {
                let reason = "is_secret, description and keep are a value's; send it with them";
                return Err(invalid(reason.to_owned()));
            }
            (None, None) => None,
        };
        let required = self.required.map(|said| required(said, &key)).transpose()?;
        let kind = |secret| if secret { Sensitivity::Secret } else { Sensitivity::Plain };
        let every = self.rotate_every.map(|days| Edit::RotateEvery { key: key.clone(), days });
        let set = content.map(|wanted| Edit::SetValue {
            key,
            wanted,
            sensitivity: self.is_secret.map(kind),
            description: self.description,
            keep: self.keep,
        });
        Ok(set.into_iter().chain(every).chain(required).collect())
    }
}

fn text(value: Value) -> Result<Secret, String> {
    match value {
        Value::Null => Err("null is no value; unset it with DELETE".to_owned()),
        Value::String(text) => Ok(Secret::from(text)),
        structured => Ok(Secret::from(structured.to_string())),
    }
}

fn required(said: WireRequired, key: &ValueKey) -> Result<Edit, Problem> {
    let invalid = |reason: &str| Problem::invalid(format!("{}: {reason}", key.name));
    if let Place::Deployment(id, None) = &key.place {
        let reason = format!("what {id} requires everywhere is said with PATCH /api/v1/deployments/{id}");
        return Err(invalid(&reason));
    }
    let form = match said {
        WireRequired::Is(false) => {
            return Ok(Edit::Resource(ResourceEdit::Delete(ResourceKey::Requirement(key.clone()))));
        }
        WireRequired::Is(true) => None,
        WireRequired::Form(form) => form.form().map_err(|reason| invalid(&reason))?,
    };
    Ok(Edit::Resource(ResourceEdit::PutRequirement(key.clone(), form)))
}

/// `If-Match: "<etag>"` for what is there, `If-None-Match: *` for what must not be.
pub(in crate::admin) fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("").trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::Any),
        (None, Some("*")) => Ok(Precondition::Absent),
        (Some(tag), None) => {
            let digits = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let revision = digits.and_then(|digits| digits.parse().ok()).map(Revision);
            revision.map(Precondition::ChangedBy).ok_or_else(|| {
                Problem::bad_request(
                    "If-Match takes one entity tag, as a list or an answer gave it: \"<revision>\"",
                )
            })
        }
        _ => Err(Problem::bad_request("send If-Match: \"<etag>\", or If-None-Match: *, or neither")),
    }
}
