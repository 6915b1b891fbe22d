//! What a boot must not go without: a list of names, or a table that also says of which form.
//!
//! ```toml
//! required = ["STRIPE_KEY", "DATABASE_URL"]
//!
//! [required]
//! STRIPE_KEY = "any"                                        # any text
//! PORT = "port"                                             # 1 to 65535
//! DEBUG = "boolean"                                         # true or false
//! WORKERS = { type = "integer", min = 1, max = 64 }         # the bounds are optional
//! DATABASE_URL = { type = "url", schemes = ["postgres"] }   # any scheme without `schemes`
//! REGION = { type = "pattern", pattern = "eu-[a-z]+-[0-9]" }  # the whole text must match
//! ```
//!
//! Every layer may require and may say a form; a later one may narrow what an earlier one said.

use std::collections::BTreeMap;

use super::reader::{Node, Reader};
use crate::{
    id::VariableName,
    model::{ValueType, value_type::InvalidType},
    validate::Path,
};

const TYPES: &str = "any, url, port, integer, boolean or pattern";

/// `required` of a layer at `path`, in either form.
pub(super) fn read(
    node: Option<Node<'_>>,
    path: &Path,
    reader: &mut Reader,
) -> BTreeMap<VariableName, Option<ValueType>> {
    let Some(node) = node else { return BTreeMap::new() };
    let place = |name: &VariableName| path.clone().at("required").at(name);
    let mut required = BTreeMap::new();
    if node.value.is_table() {
        for (key, node) in node.entries() {
            let name: Option<VariableName> = reader.parse_text(&node, key);
            let expected = value_type(&node, reader);
            if let Some(name) = &name {
                reader.place(place(name), &node);
            }
            required.extend(name.zip(expected));
        }
        return required;
    }
    for (name, node) in reader.list::<VariableName>(Some(node)) {
        reader.place(place(&name), &node);
        if required.insert(name, None).is_some() {
            reader.problem(&node, "is listed twice");
        }
    }
    required
}

/// Nothing where it is written wrong; `Some(None)` for any text.
#[allow(clippy::option_option, reason = "any text is something that can be written")]
fn value_type(node: &Node<'_>, reader: &mut Reader) -> Option<Option<ValueType>> {
    let (word, at) = if node.value.is_table() {
        let at = reader.needed(node, "type", TYPES)?;
        (reader.text(&at)?, at)
    } else {
        (reader.text(node)?, node.clone())
    };
    let own: &[&str] = match word {
        "url" => &["type", "schemes"],
        "integer" => &["type", "min", "max"],
        "pattern" => &["type", "pattern"],
        _ => &["type"],
    };
    if node.value.is_table() && !reader.is_table(node, own) {
        return None;
    }
    let made = match word {
        "any" => return Some(None),
        "port" => Ok(ValueType::Port),
        "boolean" => Ok(ValueType::Boolean),
        "url" => ValueType::url(reader.list(node.child("schemes")).into_iter().map(|(scheme, _)| scheme)),
        "integer" => {
            let mut bounds = [None; 2];
            for (bound, key) in bounds.iter_mut().zip(["min", "max"]) {
                if let Some(node) = node.child(key) {
                    *bound = Some(reader.integer(&node)?);
                }
            }
            ValueType::integer(bounds[0], bounds[1])
        }
        "pattern" => {
            let pattern = reader.needed(node, "pattern", "a regular expression")?;
            return Some(Some(ValueType::Pattern(reader.parse(&pattern)?)));
        }
        _ => {
            reader.problem(&at, format_args!("is no type; use {TYPES}"));
            return None;
        }
    };
    made.map_err(|error: InvalidType| reader.problem(node, error)).ok().map(Some)
}
