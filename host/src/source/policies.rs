use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest as _, Sha256};

use super::{
    Tree,
    reader::{Node, Reader, SourceFile},
};
use crate::{
    id::{Digest, PolicyName},
    model::{Attachment, Fallback, Place, Policy},
    validate::Path,
};

/// `policies.toml`; an attachment names a deployment, an environment, both or (for the whole
/// workspace) neither. Attachments of one place run in the order in which they stand:
/// ```toml
/// [policies.region-affinity]
/// component = "policies/region-affinity.wasm"
/// fallback = "previous"
/// [[attachments]]
/// policy = "region-affinity"
/// deployment = "checkout"
/// environment = "production"
/// settings = { variables = "DATABASE_URL" }
/// ```
pub(super) fn read(
    file: &SourceFile<'_>,
    tree: &Tree,
    reader: &mut Reader,
) -> (BTreeMap<PolicyName, Policy>, Vec<Attachment>) {
    let root = file.root();
    reader.is_table(&root, &["policies", "attachments"]);
    let mut policies = BTreeMap::new();
    if let Some(node) = root.child("policies") {
        reader.table(&node);
        for (name, node) in node.entries() {
            let name: Option<PolicyName> = reader.parse_text(&node, name);
            if let Some(name) = name {
                reader.place(Path::of("policies").at(&name), &node);
                let policy = one_policy(&node, &name, tree, reader);
                policies.extend(policy.map(|policy| (name, policy)));
            }
        }
    }
    let mut attachments = Vec::new();
    if let Some(node) = root.child("attachments") {
        reader.array(&node);
        for node in node.items() {
            if let Some(attachment) = one_attachment(&node, reader) {
                reader.place(Path::of("attachments").at(attachments.len()), &node);
                attachments.push(attachment);
            }
        }
    }
    (policies, attachments)
}

fn one_policy(node: &Node<'_>, name: &PolicyName, tree: &Tree, reader: &mut Reader) -> Option<Policy> {
    if !reader.is_table(node, &["component", "fallback"]) {
        return None;
    }
    let fallback = match node.child("fallback") {
        None => Fallback::Refuse,
        Some(node) => reader.parse(&node)?,
    };
    let component = reader.needed(node, "component", "the component's path in this directory")?;
    let path = reader.text(&component)?;
    let Some(bytes) = tree.get(path) else {
        reader.problem(&component, "names no file of this directory; build the policy, or mend the path");
        return None;
    };
    let digest = Digest(Sha256::digest(bytes).into());
    Some(Policy { name: name.clone(), digest, component: Arc::from(bytes.as_slice()), fallback })
}

fn one_attachment(node: &Node<'_>, reader: &mut Reader) -> Option<Attachment> {
    if !reader.is_table(node, &["policy", "deployment", "environment", "settings"]) {
        return None;
    }
    let policy = reader.needed(node, "policy", "the policy's name").and_then(|node| reader.parse(&node));
    let deployment = node.child("deployment").map(|node| reader.parse(&node));
    let environment = node.child("environment").map(|node| reader.parse(&node));
    let settings = reader.texts(node.child("settings"));
    let place = match (deployment, environment) {
        (None, None) => Place::Workspace,
        (None, Some(environment)) => Place::Environment(environment?),
        (Some(deployment), None) => Place::Deployment(deployment?, None),
        (Some(deployment), Some(environment)) => Place::Deployment(deployment?, Some(environment?)),
    };
    Some(Attachment { policy: policy?, place, settings })
}
