use std::collections::{BTreeMap, BTreeSet};

use super::{
    reader::{Node, Reader, SourceFile},
    scoped, value,
};
use crate::{
    id::{DeploymentId, EnvironmentName, VariableName},
    model::{Binding, Deployment, InputValue, Override, Release},
    validate::Path,
};

/// `deployments/<name>.toml`; a binding without `of` is to the environment's own instance. Domains,
/// namespaces and tools are told in `scoped`:
/// ```toml
/// id = "00112233445566778899aabbccddeeff"
/// required = ["DATABASE_URL"]
/// [variables]
/// PORT = 8080
/// [environments.staging]
/// required = ["STRIPE_KEY"]
/// bindings.REDIS_URL = { service = "cache", of = "staging", description = "sessions" }
/// variables.STRIPE_KEY = { secret = "sealed:1:…", description = "payments" }
/// [[releases]]
/// number = 17
/// digest = "sha256:…"
/// created = 2026-11-01T09:00:00Z
/// labels = { commit = "4f1c2d0" }
/// keys = ["DATABASE_URL", "STRIPE_KEY"]
/// ```
pub(super) fn read(
    file: &SourceFile<'_>,
    id: &DeploymentId,
    reader: &mut Reader,
) -> Option<Deployment<InputValue>> {
    let root = file.root();
    let path = Path::of("deployments").at(id);
    reader.place(path.clone(), &root);
    let fields = ["id", "required", "variables", "domain", "namespaces", "environments", "releases"];
    reader.is_table(&root, &fields);
    let domain = root.child("domain").and_then(|node| scoped::domain(&node, &path, reader));
    let namespaces = root.child("namespaces").map(|node| scoped::namespaces(&node, &path, reader));
    let base = value::layer(&root, &path, reader);
    let mut environments = BTreeMap::new();
    if let Some(node) = reader.needed(&root, "environments", "a table for each environment it uses") {
        reader.table(&node);
        for (name, node) in node.entries() {
            if let Some(name) = reader.parse_text::<EnvironmentName>(&node, name) {
                let path = path.clone().at("environments").at(&name);
                environments.insert(name.clone(), one_environment(&node, &name, &path, reader));
            }
        }
    }
    let mut releases = BTreeMap::new();
    if let Some(node) = root.child("releases") {
        reader.array(&node);
        for node in node.items() {
            let Some(release) = one_release(&node, reader) else { continue };
            reader.place(path.clone().at("releases").at(release.number), &node);
            if releases.contains_key(&release.number) {
                reader.problem(&node, format_args!("release {} is listed twice", release.number));
            }
            releases.insert(release.number, release);
        }
    }
    let uid = reader.needed(&root, "id", "32 random hex digits").and_then(|node| reader.parse(&node))?;
    let namespaces = namespaces.unwrap_or_default();
    Some(Deployment { id: id.clone(), uid, base, domain, namespaces, environments, releases })
}

fn one_environment(
    node: &Node<'_>,
    name: &EnvironmentName,
    path: &Path,
    reader: &mut Reader,
) -> Override<InputValue> {
    reader.place(path.clone(), node);
    reader.is_table(node, &["required", "variables", "bindings", "domain", "namespaces", "tools"]);
    let layer = value::layer(node, path, reader);
    let mut bindings = BTreeMap::new();
    if let Some(node) = node.child("bindings") {
        reader.table(&node);
        for (key, node) in node.entries() {
            let variable: Option<VariableName> = reader.parse_text(&node, key);
            if let (Some(binding), Some(key)) = (one_binding(&node, name, reader), variable) {
                reader.place(path.clone().at("bindings").at(&key), &node);
                bindings.insert(key, binding);
            }
        }
    }
    Override {
        layer,
        bindings,
        domain: scoped::domain_here(node.child("domain"), path, reader),
        namespaces: scoped::namespaces_here(node.child("namespaces"), path, reader),
        tools: scoped::tools(node.child("tools"), path, reader),
    }
}

fn one_binding(node: &Node<'_>, here: &EnvironmentName, reader: &mut Reader) -> Option<Binding> {
    if !reader.is_table(node, &["service", "of", "description"]) {
        return None;
    }
    let service = reader.needed(node, "service", "the service's name");
    let service = service.and_then(|node| reader.parse(&node));
    let owner = match node.child("of") {
        Some(node) => reader.parse(&node)?,
        None => here.clone(),
    };
    let description = node.child("description").and_then(|node| reader.text(&node)).unwrap_or_default();
    Some(Binding { service: service?, owner, description: description.to_owned() })
}

fn one_release(node: &Node<'_>, reader: &mut Reader) -> Option<Release> {
    if !reader.is_table(node, &["number", "digest", "created", "labels", "keys"]) {
        return None;
    }
    let number = reader.needed(node, "number", "the release's number").and_then(|node| reader.number(&node));
    let digest = reader.needed(node, "digest", "the digest of what was released");
    let digest = digest.and_then(|node| reader.text(&node)).map(str::to_owned);
    let created = reader.needed(node, "created", "when it was released, such as 2026-11-01T09:00:00Z");
    let created = created.and_then(|node| reader.time(&node));
    let labels = reader.texts(node.child("labels"));
    let keys: BTreeSet<VariableName> =
        reader.list(node.child("keys")).into_iter().map(|(name, _)| name).collect();
    let created_at = u64::try_from(created?.0).unwrap_or(0);
    Some(Release { number: number?, digest: digest?, created_at, labels, keys })
}
