//! Deployments as they are asked for and shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shown::Injected;
use crate::{
    admin::pinned::ShownPin,
    admin::{body::named as parsed, values::Owned},
    id::VariableName,
    model::ValueType,
    serve::respond::Problem,
};

/// A deployment that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireCreateDeployment {
    pub(super) name: String,
    /// Those that it uses: at least one that is not deprecated.
    pub(super) environments: BTreeSet<String>,
    /// What no instance starts without, and of which form.
    #[serde(default)]
    pub(super) required: BTreeMap<String, WireType>,
}

/// What is to change; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WirePatchDeployment {
    /// All of those that it uses. What was set in one that is left goes.
    pub(super) environments: Option<BTreeSet<String>>,
    /// All of what no instance starts without, and of which form.
    ///
    /// Only an admin says this: whether a change is refused tells whether a value has the form, and with
    /// a pattern of one's own choice that is the value, character by character, a secret's too.
    pub(super) required: Option<BTreeMap<String, WireType>>,
}

/// The form of a required key: `any`, `url`, `port`, `integer`, `boolean`, or one with more to say.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::admin) enum WireType {
    Word(String),
    Form(WireForm),
}

/// A form with more to say.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireForm {
    #[schema(pattern = "^(any|url|port|integer|boolean|pattern)$")]
    r#type: String,
    /// Of a `url`: those that it may have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    schemes: BTreeSet<String>,
    /// Of an `integer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<i64>,
    /// Of an `integer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<i64>,
    /// Of a `pattern`: a regular expression that matches the whole text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
}

/// The deployments that the token sees.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Deployments {
    pub(super) deployments: Vec<DeploymentListed>,
    /// The cursor of the entries behind these; null where there are none.
    #[schema(required = true)]
    pub(super) next: Option<String>,
}

/// A deployment among others.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct DeploymentListed {
    pub(super) name: String,
    /// Those that it uses and the token sees.
    pub(super) environments: Vec<String>,
    #[serde(flatten)]
    pub(super) owned: Owned,
}

/// A deployment.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct DeploymentEntry {
    pub(super) name: String,
    /// Those that it uses and the token sees, with what each gives it beside variables.
    pub(super) environments: BTreeMap<String, Vec<Injected>>,
    /// Those in which it runs with the set of an earlier activation, with what is held back there.
    pub(super) pinned: BTreeMap<String, ShownPin>,
    pub(super) required: BTreeMap<String, WireType>,
    #[serde(flatten)]
    pub(super) owned: Owned,
}

/// What is required, checked.
pub(super) fn required(
    wire: BTreeMap<String, WireType>,
) -> Result<BTreeMap<VariableName, Option<ValueType>>, Problem> {
    wire.into_iter()
        .map(|(name, wire)| {
            let name: VariableName = parsed(&name)?;
            let form = wire.form().map_err(|reason| Problem::invalid(format!("{name}: {reason}")))?;
            Ok((name, form))
        })
        .collect()
}

impl WireType {
    #[allow(clippy::option_option, reason = "any text is a form that can be asked for")]
    pub(in crate::admin) fn form(self) -> Result<Option<ValueType>, String> {
        let WireForm { r#type, schemes, min, max, pattern } = match self {
            Self::Word(word) => WireForm { r#type: word, ..WireForm::default() },
            Self::Form(form) => form,
        };
        let is_other = |url: bool, integer: bool, is_pattern: bool| {
            (!url && !schemes.is_empty())
                || (!integer && (min.is_some() || max.is_some()))
                || (!is_pattern && pattern.is_some())
        };
        if is_other(r#type == "url", r#type == "integer", r#type == "pattern") {
            return Err(
                "`schemes` is a url's, `min` and `max` an integer's, `pattern` a pattern's".to_owned()
            );
        }
        let made = match r#type.as_str() {
            "any" => return Ok(None),
            "port" => Ok(ValueType::Port),
            "boolean" => Ok(ValueType::Boolean),
            "url" => ValueType::url(schemes),
            "integer" => ValueType::integer(min, max),
            "pattern" => pattern.ok_or("say the `pattern`")?.parse().map(ValueType::Pattern),
            _ => return Err("no such form; use any, url, port, integer, boolean or pattern".to_owned()),
        };
        made.map(Some).map_err(|error| error.to_string())
    }

    pub(in crate::admin) fn of(form: Option<&ValueType>) -> Self {
        let word = |word: &str| Self::Word(word.to_owned());
        let with = |word: &str| WireForm { r#type: word.to_owned(), ..WireForm::default() };
        match form {
            None => word("any"),
            Some(ValueType::Port) => word("port"),
            Some(ValueType::Boolean) => word("boolean"),
            Some(ValueType::Url { schemes }) if schemes.is_empty() => word("url"),
            Some(ValueType::Integer { min: None, max: None }) => word("integer"),
            Some(ValueType::Url { schemes }) => {
                Self::Form(WireForm { schemes: schemes.clone(), ..with("url") })
            }
            Some(ValueType::Integer { min, max }) => {
                Self::Form(WireForm { min: *min, max: *max, ..with("integer") })
            }
            Some(ValueType::Pattern(pattern)) => {
                Self::Form(WireForm { pattern: Some(pattern.as_str().to_owned()), ..with("pattern") })
            }
        }
    }
}
