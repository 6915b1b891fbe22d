//! What a deployment is given by the environment it runs in: a domain, data namespaces, tools.
//!
//! ```toml
//! # deployments/<name>.toml
//! [domain]
//! apex = "example.com"          # production's; by convention staging has staging.example.com,
//!                               # and preview/pr-42 has pr-42.preview.example.com
//! host = "PUBLIC_DOMAIN"        # the variable of the name, by default so; false for none
//! url = "PUBLIC_URL"            # the variable of https://…, by default so; false for none
//!
//! [namespaces]                  # of threads, sources, memory and artifacts
//! threads = true                # NAMESPACE_THREADS = acme-checkout-staging-threads
//! memory = "MEMORY"             # the same, in a variable of that name
//!
//! [environments.staging]
//! domain = "qa.example.com"     # a name of its own; false for none
//! [environments.staging.namespaces]
//! memory = "acme-qa-memory"     # a name of its own; false for none
//! threads = { of = "test" }     # shared: never production's in a preview
//! [environments.staging.tools]  # by this environment's profile in tools/<name>.toml
//! webhook = true                # TOOL_WEBHOOK, TOOL_WEBHOOK_TOKEN, …
//! crm = { settings = "CRM", credentials = { api-key = "CRM_KEY" } }
//! ```

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::reader::{Node, Reader};
use crate::{
    id::{CredentialName, ToolName, VariableName},
    model::{Domain, DomainHere, NamespaceHere, NamespaceKind, ToolUse},
    validate::Path,
};

/// A deployment's `domain`.
pub(super) fn domain(node: &Node<'_>, path: &Path, reader: &mut Reader) -> Option<Domain> {
    reader.place(path.clone().at("domain"), node);
    if !reader.is_table(node, &["apex", "host", "url"]) {
        return None;
    }
    let host = variable(node, "host", Domain::HOST, reader);
    let url = variable(node, "url", Domain::URL, reader);
    let apex = reader.needed(node, "apex", "production's host name, such as example.com")?;
    Some(Domain { apex: reader.parse(&apex)?, host: host?, url: url? })
}

/// A variable's name, the default where none is written; `false` for no variable.
#[allow(clippy::option_option, reason = "no variable is something that can be written")]
fn variable(node: &Node<'_>, key: &str, default: &str, reader: &mut Reader) -> Option<Option<VariableName>> {
    let Some(renamed) = node.child(key) else { return reader.parse_text(node, default).map(Some) };
    match renamed.value {
        DeValue::Boolean(false) => Some(None),
        DeValue::Boolean(true) => reader.parse_text(&renamed, default).map(Some),
        _ => reader.parse(&renamed).map(Some),
    }
}

/// A deployment's `namespaces`.
pub(super) fn namespaces(
    node: &Node<'_>,
    path: &Path,
    reader: &mut Reader,
) -> BTreeMap<NamespaceKind, VariableName> {
    let mut namespaces = BTreeMap::new();
    reader.table(node);
    for (key, node) in node.entries() {
        let Some(kind) = reader.parse_text::<NamespaceKind>(&node, key) else { continue };
        reader.place(path.clone().at("namespaces").at(kind), &node);
        let variable = match node.value {
            DeValue::Boolean(true) => reader.parse_text(&node, kind.variable()),
            DeValue::Boolean(false) => continue,
            _ => reader.parse(&node),
        };
        namespaces.extend(variable.map(|variable| (kind, variable)));
    }
    namespaces
}

/// An environment's own `domain`.
pub(super) fn domain_here(node: Option<Node<'_>>, path: &Path, reader: &mut Reader) -> DomainHere {
    let Some(node) = node else { return DomainHere::Convention };
    reader.place(path.clone().at("domain"), &node);
    match node.value {
        DeValue::Boolean(true) => DomainHere::Convention,
        DeValue::Boolean(false) => DomainHere::Off,
        _ => reader.parse(&node).map_or(DomainHere::Off, DomainHere::Own),
    }
}

/// An environment's own `namespaces`.
pub(super) fn namespaces_here(
    node: Option<Node<'_>>,
    path: &Path,
    reader: &mut Reader,
) -> BTreeMap<NamespaceKind, NamespaceHere> {
    let mut namespaces = BTreeMap::new();
    let Some(node) = node else { return namespaces };
    reader.table(&node);
    for (key, node) in node.entries() {
        let Some(kind) = reader.parse_text::<NamespaceKind>(&node, key) else { continue };
        reader.place(path.clone().at("namespaces").at(kind), &node);
        let here = match node.value {
            DeValue::Boolean(true) => continue,
            DeValue::Boolean(false) => Some(NamespaceHere::Off),
            DeValue::Table(_) => shared(&node, reader),
            _ => reader.parse(&node).map(NamespaceHere::Own),
        };
        namespaces.extend(here.map(|here| (kind, here)));
    }
    namespaces
}

fn shared(node: &Node<'_>, reader: &mut Reader) -> Option<NamespaceHere> {
    reader.is_table(node, &["of"]);
    let owner = reader.needed(node, "of", "the environment whose namespace this is")?;
    reader.parse(&owner).map(NamespaceHere::Of)
}

/// An environment's `tools`.
pub(super) fn tools(node: Option<Node<'_>>, path: &Path, reader: &mut Reader) -> BTreeMap<ToolName, ToolUse> {
    let mut tools = BTreeMap::new();
    let Some(node) = node else { return tools };
    reader.table(&node);
    for (key, node) in node.entries() {
        let Some(tool) = reader.parse_text::<ToolName>(&node, key) else { continue };
        reader.place(path.clone().at("tools").at(&tool), &node);
        let tool_use = match node.value {
            DeValue::Boolean(true) => Some(ToolUse::default()),
            DeValue::Boolean(false) => continue,
            DeValue::Table(_) => renamed(&node, reader),
            _ => {
                reader
                    .problem(&node, "is no use of a tool; write true, or a table that renames its variables");
                None
            }
        };
        tools.extend(tool_use.map(|tool_use| (tool, tool_use)));
    }
    tools
}

fn renamed(node: &Node<'_>, reader: &mut Reader) -> Option<ToolUse> {
    reader.is_table(node, &["settings", "credentials"]);
    let settings = match node.child("settings") {
        Some(node) => Some(reader.parse(&node)?),
        None => None,
    };
    let mut credentials = BTreeMap::new();
    if let Some(node) = node.child("credentials") {
        reader.table(&node);
        for (key, node) in node.entries() {
            let name: Option<CredentialName> = reader.parse_text(&node, key);
            credentials.extend(name.zip(reader.parse(&node)));
        }
    }
    Some(ToolUse { settings, credentials })
}
