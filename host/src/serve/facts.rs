//! What an instance says about itself, from a query string or a JSON body. Claims, never
//! authorization: whatever names a workspace, deployment or environment is refused, not ignored.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};
use utoipa::ToSchema;

use super::respond::Problem;
use crate::model::question::{Attribute, Facts};

/// The largest JSON body of a boot, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
/// The longest that a body may take to arrive.
pub const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// The longest region, zone or instance name, in bytes.
pub const MAX_FACT_BYTES: usize = 128;
/// The most attributes.
pub const MAX_ATTRIBUTES: usize = 32;
/// The longest attribute value, in bytes.
pub const MAX_ATTRIBUTE_BYTES: usize = 256;

/// Names the token decides; a request that brings one is confused about whose boot it is.
const DECIDED_BY_TOKEN: [&str; 6] = ["workspace", "deployment", "environment", "env", "release", "revision"];

/// What a boot's query says.
#[derive(Debug, Default)]
pub struct BootQuery {
    /// The instance's facts.
    pub facts: Facts,
    /// `?format=`, as written.
    pub format: Option<String>,
}

/// Reads a boot's query string.
///
/// # Errors
/// 400 for what is unknown, repeated, too long or decided by the token.
pub fn from_query(query: &str) -> Result<BootQuery, Problem> {
    let mut read = BootQuery::default();
    let mut attributes = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        let fresh = match key.as_str() {
            "format" => read.format.replace(value).is_none(),
            "region" => read.facts.region.replace(fact("region", value)?).is_none(),
            "zone" => read.facts.zone.replace(fact("zone", value)?).is_none(),
            "instance" => read.facts.instance.replace(fact("instance", value)?).is_none(),
            _ => match key.strip_prefix("attr.") {
                Some(name) => attributes.insert(name.to_owned(), value).is_none(),
                None => return Err(unknown(&key)),
            },
        };
        if !fresh {
            return Err(Problem::bad_request(format!("`{key}` is given twice; give it once")));
        }
    }
    read.facts.attributes = checked(attributes)?;
    Ok(read)
}

/// What an instance says about itself; what it may leave out is null or not there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireFacts {
    /// Names the instance, for the audit log.
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    instance: Option<String>,
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    region: Option<String>,
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    zone: Option<String>,
    /// For the policies: at most 32, values of at most 256 bytes.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// Reads a boot's JSON body; an empty one says nothing.
///
/// # Errors
/// As [`from_query`].
pub fn from_json(body: &[u8]) -> Result<Facts, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Facts::default());
    }
    if let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(body)
        && let Some(key) = fields.keys().find(|key| DECIDED_BY_TOKEN.contains(&key.as_str()))
    {
        return Err(unknown(key));
    }
    let wire: WireFacts = serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::bad_request(format!(
            "the body is not a boot request ({place}); send {{\"instance\":…,\"region\":…,\"zone\":…,\"attributes\":{{…}}}}"
        ))
    })?;
    let optional = |name, value: Option<String>| value.map(|value| fact(name, value)).transpose();
    Ok(Facts {
        region: optional("region", wire.region)?,
        zone: optional("zone", wire.zone)?,
        instance: optional("instance", wire.instance)?,
        attributes: checked(wire.attributes)?,
    })
}

fn unknown(key: &str) -> Problem {
    if DECIDED_BY_TOKEN.contains(&key) {
        return Problem::bad_request(format!(
            "the token alone decides the {key}; leave it out of the request"
        ));
    }
    Problem::bad_request("unknown parameter; use format, region, zone, instance and attr.<key>".to_owned())
}

fn decoded(text: &str) -> Result<String, Problem> {
    if !text.contains(['+', '%']) {
        return Ok(text.to_owned());
    }
    let plus_is_space = text.replace('+', " ");
    let decoded = percent_decode_str(&plus_is_space).decode_utf8();
    decoded.map(Into::into).map_err(|_| Problem::bad_request("the query is not UTF-8".to_owned()))
}

fn fact(name: &str, value: String) -> Result<String, Problem> {
    let sound = !value.is_empty() && value.len() <= MAX_FACT_BYTES && !value.contains(char::is_control);
    sound.then_some(value).ok_or_else(|| {
        Problem::bad_request(format!("`{name}` takes 1 to {MAX_FACT_BYTES} bytes without control characters"))
    })
}

fn checked(attributes: BTreeMap<String, String>) -> Result<Vec<Attribute>, Problem> {
    let sound = attributes.len() <= MAX_ATTRIBUTES
        && attributes.iter().all(|(key, value)| {
            !key.is_empty()
                && key.len() <= MAX_FACT_BYTES
                && value.len() <= MAX_ATTRIBUTE_BYTES
                && !key.contains(char::is_control)
                && !value.contains(char::is_control)
        });
    if !sound {
        return Err(Problem::bad_request(format!(
            "attributes: at most {MAX_ATTRIBUTES}, keys up to {MAX_FACT_BYTES} bytes, values up to \
             {MAX_ATTRIBUTE_BYTES}, without control characters"
        )));
    }
    Ok(attributes.into_iter().map(|(key, value)| Attribute { key, value }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_region_zone_instance_and_attributes() {
        let read = from_query("region=eu-west-1&attr.tier=gold+plus&instance=a%2Fb&format=dotenv").unwrap();
        assert_eq!(read.facts.region.as_deref(), Some("eu-west-1"));
        assert_eq!(read.facts.instance.as_deref(), Some("a/b"));
        assert_eq!(read.facts.attributes, [Attribute::new("tier", "gold plus")]);
        assert_eq!(read.format.as_deref(), Some("dotenv"));
    }

    #[test]
    fn naming_what_the_token_decides_is_refused() {
        for query in ["environment=production", "workspace=acme", "deployment=x", "env=staging", "%65nv=x"] {
            assert_eq!(from_query(query).unwrap_err().status(), 400, "{query}");
        }
        for body in
            [r#"{"environment":"production"}"#, r#"{"deployment":{}}"#, r#"{"nope":1}"#, "[", "null x"]
        {
            assert_eq!(from_json(body.as_bytes()).unwrap_err().status(), 400, "{body}");
        }
    }

    #[test]
    fn what_is_too_long_repeated_or_odd_is_refused() {
        let long = "r".repeat(MAX_FACT_BYTES + 1);
        for query in
            [format!("region={long}"), "region=a&region=b".into(), "zone=%00".into(), "zone=%ff".into()]
        {
            assert!(from_query(&query).is_err(), "{query}");
        }
        let many: String = (0..=MAX_ATTRIBUTES).map(|n| format!("&attr.k{n}=v")).collect();
        assert!(from_query(&many).is_err());
    }
}
