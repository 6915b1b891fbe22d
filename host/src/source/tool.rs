use std::collections::BTreeMap;

use super::{
    reader::{Node, Reader, SourceFile},
    value,
};
use crate::{
    id::{CredentialName, EnvironmentName, ToolName},
    model::{Credential, InputValue, PlainValue, Profile, Tool},
    validate::Path,
};

/// `tools/<name>.toml`: one profile for each environment that may call the tool. Settings are
/// plain and injected as one JSON text; credentials are sealed for the tool in that environment
/// (`bootlace seal DIR -e ENV --tool NAME/CREDENTIAL`) and injected each by itself:
/// ```toml
/// description = "tells partners what happened"
/// [profiles.staging]
/// settings = { url = "https://sandbox.partner.example/hooks", retries = 5 }
/// credentials.token = "sealed:1:…"
/// [profiles.production]
/// settings = { url = "https://partner.example/hooks" }
/// credentials.token.versions = [{ number = 1, secret = "…" }, { number = 2, secret = "…" }]
/// ```
pub(super) fn read(file: &SourceFile<'_>, id: &ToolName, reader: &mut Reader) -> Option<Tool<InputValue>> {
    let root = file.root();
    let path = Path::of("tools").at(id);
    reader.place(path.clone(), &root);
    reader.is_table(&root, &["description", "profiles"]);
    let description = root.child("description").and_then(|node| reader.text(&node)).unwrap_or_default();
    let node = reader.needed(&root, "profiles", "a table for each environment that may call it")?;
    reader.table(&node);
    let mut profiles = BTreeMap::new();
    for (name, node) in node.entries() {
        if let Some(name) = reader.parse_text::<EnvironmentName>(&node, name) {
            let path = path.clone().at("profiles").at(&name);
            let profile = one_profile(&node, &path, reader);
            profiles.insert(name, profile);
        }
    }
    Some(Tool { id: id.clone(), description: description.to_owned(), profiles })
}

fn one_profile(node: &Node<'_>, path: &Path, reader: &mut Reader) -> Profile<InputValue> {
    reader.place(path.clone(), node);
    reader.is_table(node, &["settings", "credentials"]);
    let settings = node.child("settings").and_then(|node| {
        reader.place(path.clone().at("settings"), &node);
        if !node.value.is_table() {
            reader.table(&node);
            return None;
        }
        value::json_text(&node, reader).map(|json| InputValue::Plain(PlainValue::Json(json)))
    });
    let mut credentials = BTreeMap::new();
    if let Some(node) = node.child("credentials") {
        reader.table(&node);
        for (name, node) in node.entries() {
            let Some(name) = reader.parse_text::<CredentialName>(&node, name) else { continue };
            reader.place(path.clone().at("credentials").at(&name), &node);
            if let Some((versions, current, interval)) = value::credential(&node, reader) {
                if interval.is_some() {
                    let advice = "of a tool's credential there are no reminders; leave out `rotate-every` and `rotated`";
                    reader.problem(&node, advice);
                }
                credentials.insert(name, Credential { versions, current });
            }
        }
    }
    Profile { settings, credentials }
}
