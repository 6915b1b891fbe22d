use std::collections::BTreeMap;

use super::{
    reader::{Node, Reader, SourceFile},
    value,
};
use crate::{
    id::{EnvironmentName, ServiceId},
    model::{Endpoint, InputValue, Instance, Service, ServiceKind, Tls},
    validate::Path,
};

/// `services/<name>.toml`; `kind` is postgres, redis, bucket or generic, `tls` is verify (the
/// default), require or disable. A credential is written like a variable's value; sealed, it needs
/// no description, and `{ secret = "…", rotate-every = "90d", rotated = 2026-08-01 }` says how often it is rotated:
/// ```toml
/// kind = "postgres"
/// [instances.production]
/// user = "orders"
/// credential = "sealed:1:…"
/// shared-with = ["preview/pr-42"]
/// [[instances.production.endpoints]]
/// role = "primary"
/// region = "eu-west-1"
/// zone = "a"
/// host = "orders-db.internal"
/// port = 5432
/// database = "orders"
/// tls = "verify"
/// options = { application_name = "checkout" }
/// labels = { tier = "gold" }
/// ```
pub(super) fn read(
    file: &SourceFile<'_>,
    id: &ServiceId,
    reader: &mut Reader,
) -> Option<Service<InputValue>> {
    let root = file.root();
    let path = Path::of("services").at(id);
    reader.place(path.clone(), &root);
    reader.is_table(&root, &["kind", "instances"]);
    let mut instances = BTreeMap::new();
    if let Some(node) = reader.needed(&root, "instances", "a table for each environment that has one") {
        reader.table(&node);
        for (name, node) in node.entries() {
            let name: Option<EnvironmentName> = reader.parse_text(&node, name);
            let path = path.clone().at("instances");
            let path = name.as_ref().map_or(path.clone(), |name| path.clone().at(name));
            let instance = one_instance(&node, &path, reader);
            instances.extend(name.zip(instance));
        }
    }
    let kind = reader.needed(&root, "kind", "postgres, redis, bucket or generic")?;
    let kind = match reader.text(&kind)? {
        "postgres" => ServiceKind::Postgres,
        "redis" => ServiceKind::Redis,
        "bucket" => ServiceKind::Bucket,
        "generic" => ServiceKind::Generic,
        _ => {
            reader.problem(&kind, "is no kind of service; use postgres, redis, bucket or generic");
            return None;
        }
    };
    Some(Service { id: id.clone(), kind, instances })
}

fn one_instance(node: &Node<'_>, path: &Path, reader: &mut Reader) -> Option<Instance<InputValue>> {
    reader.place(path.clone(), node);
    if !reader.is_table(node, &["user", "credential", "shared-with", "endpoints"]) {
        return None;
    }
    let user = node.child("user").and_then(|node| reader.text(&node)).unwrap_or_default().to_owned();
    let (credential, current, interval) = match node.child("credential") {
        None => (Vec::new(), 0, None),
        Some(node) => {
            reader.place(path.clone().at("credential"), &node);
            value::credential(&node, reader)?
        }
    };
    let shared = node.child("shared-with");
    if let Some(node) = &shared {
        reader.place(path.clone().at("shared-with"), node);
    }
    let shared_with = reader.list(shared).into_iter().map(|(name, _)| name).collect();
    let mut endpoints = Vec::new();
    if let Some(node) = node.child("endpoints") {
        reader.array(&node);
        for (at, node) in node.items().into_iter().enumerate() {
            reader.place(path.clone().at("endpoints").at(at), &node);
            endpoints.extend(one_endpoint(&node, reader));
        }
    }
    let (set, rotate_every) = (interval.map(|one| one.since), interval.map(|one| one.every));
    Some(Instance { endpoints, user, credential, current, set, rotate_every, shared_with })
}

fn one_endpoint(node: &Node<'_>, reader: &mut Reader) -> Option<Endpoint> {
    let known = ["role", "region", "zone", "host", "port", "database", "tls", "options", "labels"];
    if !reader.is_table(node, &known) {
        return None;
    }
    let mut text = |key: &str| node.child(key).and_then(|node| reader.text(&node)).map(str::to_owned);
    let (role, region, zone, database) = (text("role"), text("region"), text("zone"), text("database"));
    let host = reader.needed(node, "host", "a host name or address").and_then(|node| reader.text(&node));
    let port = reader.needed(node, "port", "the port it listens on").and_then(|node| reader.number(&node));
    let tls = match node.child("tls") {
        None => Tls::Verify,
        Some(node) => match reader.text(&node)? {
            "verify" => Tls::Verify,
            "require" => Tls::Require,
            "disable" => Tls::Disable,
            _ => {
                reader.problem(&node, "is no TLS mode; use verify, require or disable");
                return None;
            }
        },
    };
    let options = reader.texts(node.child("options"));
    let labels = reader.texts(node.child("labels"));
    Some(Endpoint {
        role: role.unwrap_or_else(|| "primary".to_owned()),
        region,
        zone,
        host: host?.to_owned(),
        port: port?,
        database: database.unwrap_or_default(),
        tls,
        options,
        labels,
    })
}
