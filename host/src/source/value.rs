//! How a variable's value is written:
//!
//! ```toml
//! LOG_LEVEL = "info"                                  # text, as it stands
//! WORKERS = 4                                         # numbers, booleans and lists become JSON
//! FLAGS = { json = { checkout-v2 = true } }           # so does a table
//! PORT = { value = 8080, description = "HTTP" }       # any of them, described
//! STRIPE_KEY = { secret = "sealed:1:…", description = "payments" }
//! JWT = { versions = [{ number = 1, secret = "…" }, { number = 2, secret = "…" }], current = 1, description = "…" }
//! SMTP_KEY = { secret = "…", description = "…", rotate-every = "90d", rotated = 2026-08-01 }   # a reminder
//! CACHE_DSN = { template = "redis://default:${REDIS_PASSWORD|percent}@cache:6379/0" }
//! REDIS_PASSWORD = { secret = "…", description = "…", inject = false }   # for templates only
//! ```
//!
//! A template refers to other variables as `${NAME}` or `${NAME|percent}` (or `json`, `base64`,
//! `raw`); `$${` is a literal `${`. Without `current`, the last version is.
//!
//! A secret that is to be rotated every so many days says since when the version that is handed out is in use: a
//! date, which begins in UTC, or a time with its offset. One to come is good, too: it counts from then on.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use toml::de::DeValue;

use super::{
    reader::{Node, Reader},
    required,
};
use crate::{
    id::VariableName,
    model::{
        Content, InputValue, Interval, Layer, Piece, PlainValue, SealedText, Template, Variable, Version,
        question::{Encoding, Sensitivity},
    },
    validate::Path,
};

/// What `bootlace seal` prints starts with this.
pub const SEALED_PREFIX: &str = "sealed:1:";

/// `variables` and `required` of `node`.
pub(super) fn layer(node: &Node<'_>, path: &Path, reader: &mut Reader) -> Layer<InputValue> {
    let mut layer = Layer::default();
    if let Some(node) = node.child("variables") {
        reader.table(&node);
        for (key, node) in node.entries() {
            let name: Option<VariableName> = reader.parse_text(&node, key);
            let variable = variable(&node, reader);
            if let Some(name) = &name {
                reader.place(path.clone().at("variables").at(name), &node);
            }
            layer.variables.extend(name.zip(variable));
        }
    }
    layer.required = required::read(node.child("required"), path, reader);
    layer
}

/// The live versions of a credential, the number of the one in use, and after which time that is to be rotated.
pub(super) type Credential = (Vec<Version<InputValue>>, u64, Option<Interval>);

/// A service's or tool's credential: text, plain or sealed, or a table with `secret`, `value` or `versions`.
pub(super) fn credential(node: &Node<'_>, reader: &mut Reader) -> Option<Credential> {
    if let Some(text) = node.value.as_str() {
        let value = if text.starts_with(SEALED_PREFIX) {
            InputValue::Sealed(SealedText(text.into()))
        } else {
            InputValue::Plain(PlainValue::Text(text.to_owned()))
        };
        return Some((vec![Version { number: 1, value }], 1, None));
    }
    let variable = variable(node, reader)?;
    match variable.content {
        Content::Versions { versions, current } => Some((versions, current, variable.interval)),
        Content::Template(_) => {
            reader.problem(node, "a credential is no template; write `secret` or `versions`");
            None
        }
    }
}

/// One variable, in any of the forms above.
fn variable(node: &Node<'_>, reader: &mut Reader) -> Option<Variable<InputValue>> {
    if !node.value.is_table() {
        let value = plain(node, reader)?;
        return Some(Variable {
            description: String::new(),
            sensitivity: Sensitivity::Plain,
            inject: true,
            interval: None,
            content: single(value),
        });
    }
    let forms = ["value", "json", "secret", "versions", "template"];
    let written: Vec<&str> = forms.into_iter().filter(|form| node.child(form).is_some()).collect();
    let [form] = written[..] else {
        let none =
            "is a table that is none of the known forms; write `{ json = { … } }` for a structured value";
        let many = "is written in two ways; keep one of value, json, secret, versions, template";
        reader.problem(node, if written.is_empty() { none } else { many });
        return None;
    };
    let more = if form == "versions" { &["current"][..] } else { &[] };
    reader.is_table(node, &[&[form, "description", "inject", "rotate-every", "rotated"], more].concat());
    let description = node.child("description").and_then(|node| reader.text(&node)).unwrap_or_default();
    let inject = node.child("inject").map_or(Some(true), |node| reader.flag(&node));
    let interval = interval(node, reader);
    let content = node.child(form)?;
    let (sensitivity, content) = match form {
        "secret" => (Sensitivity::Secret, single(sealed(&content, reader)?)),
        "template" => (Sensitivity::Plain, Content::Template(template(&content, reader)?)),
        "versions" => versions(&content, node.child("current"), reader)?,
        "json" => {
            (Sensitivity::Plain, single(InputValue::Plain(PlainValue::Json(json_text(&content, reader)?))))
        }
        _ => (Sensitivity::Plain, single(plain(&content, reader)?)),
    };
    Some(Variable { description: description.to_owned(), sensitivity, inject: inject?, interval, content })
}

/// `rotate-every` and `rotated`, which belong together.
fn interval(node: &Node<'_>, reader: &mut Reader) -> Option<Interval> {
    match (node.child("rotate-every"), node.child("rotated")) {
        (Some(every), Some(since)) => {
            let every = reader.parse(&every);
            let since = reader.day(&since);
            Some(Interval { every: every?, since: since? })
        }
        (Some(every), None) => {
            let advice = "`rotated` is missing; write since when the version that is handed out is in use, such as \
                          rotated = 2026-08-01";
            reader.problem(&every, advice);
            None
        }
        (None, Some(since)) => {
            reader.problem(
                &since,
                "`rotate-every` is missing; write how often it is rotated, such as rotate-every = \"90d\"",
            );
            None
        }
        (None, None) => None,
    }
}

fn single(value: InputValue) -> Content<InputValue> {
    Content::Versions { versions: vec![Version { number: 1, value }], current: 1 }
}

fn plain(node: &Node<'_>, reader: &mut Reader) -> Option<InputValue> {
    let value = match node.value {
        DeValue::String(text) if text.starts_with(SEALED_PREFIX) => {
            reader.problem(node, "is sealed; write `{ secret = …, description = … }`");
            return None;
        }
        DeValue::String(text) => PlainValue::Text(text.to_string()),
        DeValue::Table(_) => {
            reader.problem(node, "is a table; write `{ json = { … } }`");
            return None;
        }
        _ => PlainValue::Json(json_text(node, reader)?),
    };
    Some(InputValue::Plain(value))
}

/// Never says what it was given instead.
fn sealed(node: &Node<'_>, reader: &mut Reader) -> Option<InputValue> {
    let text = reader.text(node)?;
    if !text.starts_with(SEALED_PREFIX) {
        reader.problem(node, "is secret, but not sealed; write the output of `bootlace seal`");
        return None;
    }
    Some(InputValue::Sealed(SealedText(Arc::from(text))))
}

fn versions(
    node: &Node<'_>,
    current: Option<Node<'_>>,
    reader: &mut Reader,
) -> Option<(Sensitivity, Content<InputValue>)> {
    reader.array(node);
    let mut versions = Vec::new();
    let mut kinds = BTreeSet::new();
    for item in node.items() {
        if !reader.is_table(&item, &["number", "secret", "value"]) {
            continue;
        }
        let number = reader.needed(&item, "number", "the version's number");
        let number = number.and_then(|node| reader.number(&node));
        let value = match (item.child("secret"), item.child("value")) {
            (Some(node), None) => (Sensitivity::Secret, sealed(&node, reader)),
            (None, Some(node)) => (Sensitivity::Plain, plain(&node, reader)),
            _ => {
                reader.problem(&item, "a version has either `secret` or `value`; write one");
                continue;
            }
        };
        kinds.insert(value.0);
        if let (Some(number), Some(value)) = (number, value.1) {
            versions.push(Version { number, value });
        }
    }
    if kinds.len() > 1 {
        reader.problem(node, "some versions are secret and some are not; make them all secret");
        return None;
    }
    let last = versions.last().map_or(0, |version| version.number);
    let current = current.map_or(Some(last), |node| reader.number(&node))?;
    let sensitivity = kinds.first().copied().unwrap_or(Sensitivity::Plain);
    Some((sensitivity, Content::Versions { versions, current }))
}

pub(super) fn json_text(node: &Node<'_>, reader: &mut Reader) -> Option<String> {
    json(node, reader).map(|value| value.to_string())
}

fn json(node: &Node<'_>, reader: &mut Reader) -> Option<serde_json::Value> {
    use serde_json::{Number, Value};
    Some(match node.value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Integer(number) => {
            let Ok(number) = i64::from_str_radix(number.as_str(), number.radix()) else {
                reader.problem(node, "does not fit in 64 bits; write it as text");
                return None;
            };
            Value::Number(number.into())
        }
        DeValue::Float(number) => {
            let Some(number) = number.as_str().parse().ok().and_then(Number::from_f64) else {
                reader.problem(node, "is no JSON number; write it as text");
                return None;
            };
            Value::Number(number)
        }
        DeValue::Datetime(_) => {
            reader.problem(node, "JSON has no dates; write it as text");
            return None;
        }
        DeValue::Array(_) => {
            Value::Array(node.items().iter().map(|item| json(item, reader)).collect::<Option<_>>()?)
        }
        DeValue::Table(_) => {
            let pair = |(key, node): (&str, Node<'_>)| Some((key.to_owned(), json(&node, reader)?));
            Value::Object(node.entries().into_iter().map(pair).collect::<Option<_>>()?)
        }
    })
}

fn template(node: &Node<'_>, reader: &mut Reader) -> Option<Template> {
    let text = reader.text(node)?;
    reader.parse_text(node, text)
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// A `${` without its `}`.
    #[error("a `${{` has no `}}`; close it, or write `$${{` for a literal one")]
    Unclosed,
    /// Something between the braces that is no variable's name.
    #[error("a `${{…}}` holds no variable's name; write `${{NAME}}` or `${{NAME|percent}}`")]
    BadName,
    /// An encoding that is none.
    #[error("no such encoding; use raw, percent, json or base64")]
    BadEncoding,
}

impl fmt::Display for Template {
    /// As it is written; what [`Template::from_str`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => f.write_str(&text.replace("${", "$${"))?,
                Piece::Reference { name, encoding: Encoding::Raw } => write!(f, "${{{name}}}")?,
                Piece::Reference { name, encoding } => write!(f, "${{{name}|{}}}", encoding.as_str())?,
            }
        }
        Ok(())
    }
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(mut text: &str) -> Result<Self, InvalidTemplate> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        while let Some(at) = text.find("${") {
            let (before, rest) = (&text[..at], &text[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${");
                text = rest;
                continue;
            }
            literal.push_str(before);
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            let (inside, after) = rest.split_once('}').ok_or(InvalidTemplate::Unclosed)?;
            let (name, encoding) = inside.split_once('|').unwrap_or((inside, "raw"));
            let encoding = Encoding::ALL.into_iter().find(|known| known.as_str() == encoding.trim());
            let encoding = encoding.ok_or(InvalidTemplate::BadEncoding)?;
            let name = name.trim().parse().map_err(|_| InvalidTemplate::BadName)?;
            pieces.push(Piece::Reference { name, encoding });
            text = after;
        }
        literal.push_str(text);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }
}
