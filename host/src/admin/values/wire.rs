//! What is asked for, checked. A value is never quoted in an error.

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    change::{Edit, MAX_EDITS, Precondition},
    id::Revision,
    made::ValueKey,
    model::{Place, question::Sensitivity},
    secret::Secret,
    serve::respond::Problem,
};

/// One value that is to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Wanted {
    /// Of a deployment's values; without one, its base.
    pub(super) environment: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Text as it stands; anything else is injected as JSON.
    value: Value,
    /// As it is, where it is not said; of a new one, plain.
    is_secret: Option<bool>,
    description: Option<String>,
}

/// One, or a list.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::admin) enum OneOrMany {
    One(Wanted),
    Many(Vec<Wanted>),
}

/// Reads the body.
pub(super) fn wanted(body: &[u8]) -> Result<Vec<Wanted>, Problem> {
    // What serde says of an untagged type quotes nothing, and helps nobody either.
    let refused = |_| {
        Problem::bad_request(
            "send {\"environment\", \"name\", \"value\", \"is_secret\", \"description\"}, of which name and value \
             are needed, or a list of these",
        )
    };
    let wanted = match serde_json::from_slice(body).map_err(refused)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    };
    match wanted.len() {
        1..=MAX_EDITS => Ok(wanted),
        found => Err(Problem::invalid(format!("1 to {MAX_EDITS} values are set at once; these are {found}"))),
    }
}

impl Wanted {
    /// As an edit of the layer at `place`.
    pub(super) fn edit(self, place: Place) -> Result<Edit, Problem> {
        let name = self.name.parse().map_err(|error| Problem::invalid(format!("{error}")))?;
        let value = match self.value {
            Value::Null => {
                return Err(Problem::invalid(format!("{name}: null is no value; unset it with DELETE")));
            }
            Value::String(text) => Secret::from(text),
            structured => Secret::from(structured.to_string()),
        };
        let kind = |secret| if secret { Sensitivity::Secret } else { Sensitivity::Plain };
        Ok(Edit::SetValue {
            key: ValueKey { place, name },
            value,
            sensitivity: self.is_secret.map(kind),
            description: self.description,
        })
    }
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
