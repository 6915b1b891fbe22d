//! Wire types of format 1 as the model, what [`super::more`] adds left empty: every name checked, every count and length bounded, every code known.
//! What one part says about another (a binding's service, a template's cycle) is `validate`'s.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    BundleLimits, InvalidContent,
    checked::{Read, attributes, bounded, decode, each, entries, name_of, names, text, under},
    form::Form,
    wire,
    write::{ENCODINGS, FALLBACKS, SERVICES, TLS, TYPES},
};
use crate::{
    canonical::sha256,
    id::{Digest, EnvironmentName, Uid, UnixSeconds, WorkspaceId},
    keyring::{WrappedDataKey, WrappedKey},
    model::{
        Attachment, Binding, Configuration, Content, Deployment, DomainHere, Endpoint, Environment,
        EnvironmentKeys, Instance, KeyId, Layer, Override, Piece, Place, Policy, Release, Service, Template,
        Variable, Version, question::Sensitivity,
    },
    persistent::Map,
};

/// The longest wrapped key, in bytes; ours are 136.
const MAX_WRAPPED_BYTES: usize = 512;

/// Reads a configuration and its data keys.
pub(super) fn body<V: Form>(
    mut body: wire::Body,
    workspace: &WorkspaceId,
    uid: Uid,
    limits: &BundleLimits,
) -> Read<(Configuration<V>, Vec<WrappedDataKey>)> {
    let components = components(std::mem::take(&mut body.components), limits)?;
    body_with(body, &components, workspace, uid, limits)
}

/// The same where the components are known; those that the body brings are not looked at.
pub(super) fn body_with<V: Form>(
    body: wire::Body,
    components: &BTreeMap<[u8; 32], Arc<[u8]>>,
    workspace: &WorkspaceId,
    uid: Uid,
    limits: &BundleLimits,
) -> Read<(Configuration<V>, Vec<WrappedDataKey>)> {
    let policies: BTreeMap<_, _> =
        entries("policies", body.policies, limits.policies, |name, entry| policy(name, entry, components))?;
    if components.keys().any(|digest| policies.values().all(|policy: &Policy| policy.digest.0 != *digest)) {
        return Err(InvalidContent::ComponentUnused.at("components"));
    }
    let configuration = Configuration {
        workspace: workspace.clone(),
        uid,
        base: layer(body.base, limits).map_err(under("base"))?,
        environments: entries("environments", body.environments, limits.environments, |name, entry| {
            environment(name, entry, limits)
        })?,
        environment_layers: entries(
            "environments",
            body.environment_layers,
            limits.environments,
            |_: &_, entry| layer(entry, limits),
        )?,
        deployments: entries("deployments", body.deployments, limits.deployments, |name, entry| {
            deployment(name, entry, limits)
        })?
        .into_iter()
        .collect(),
        services: entries("services", body.services, limits.services, |name, entry| {
            service(name, entry, limits)
        })?
        .into_iter()
        .collect(),
        tools: Map::new(),
        policies,
        attachments: each("attachments", body.attachments, limits.attachments, |entry| {
            attachment(entry, limits)
        })?,
        keys: entries("keys", body.keys, limits.environments, |_: &EnvironmentName, entry| {
            environment_keys(entry)
        })?,
    };
    let data_keys = each("data-keys", body.data_keys, limits.data_keys, data_key)?;
    Ok((configuration, data_keys))
}

fn environment(name: &EnvironmentName, entry: wire::Environment, limits: &BundleLimits) -> Read<Environment> {
    Ok(Environment {
        name: name.clone(),
        uid: Uid(entry.uid),
        kind: decode("type", &TYPES, entry.kind)?,
        protected: entry.protected,
        deprecated: entry.deprecated,
        expires: entry.expires.map(UnixSeconds),
        promotes_to: entry.promotes_to.map(|text| name_of("promotes-to", &text)).transpose()?,
        trigger: None,
        labels: attributes("labels", entry.labels, limits)?,
    })
}

fn layer<V: Form>(entry: wire::Layer, limits: &BundleLimits) -> Read<Layer<V>> {
    Ok(Layer {
        variables: entries("variables", entry.variables, limits.layer_entries, |_: &_, entry| {
            variable(entry, limits)
        })?,
        required: names("required", entry.required, limits.layer_entries)?
            .into_iter()
            .map(|name| (name, None))
            .collect(),
    })
}

fn variable<V: Form>(entry: wire::Variable, limits: &BundleLimits) -> Read<Variable<V>> {
    Ok(Variable {
        description: text("description", entry.description, limits.text_bytes)?,
        sensitivity: if entry.secret { Sensitivity::Secret } else { Sensitivity::Plain },
        inject: entry.inject,
        interval: None,
        content: match entry.content {
            wire::Content::Versions { versions: live, current } => {
                if live.is_empty() {
                    return Err(InvalidContent::Versions.at("versions"));
                }
                Content::Versions { versions: versions(live, current, limits)?, current }
            }
            wire::Content::Template(pieces) => {
                Content::Template(Template(each("template", pieces, limits.pieces, |entry| {
                    piece(entry, limits)
                })?))
            }
        },
    })
}

/// In ascending order, with the current one among them; none at all is for the caller to judge.
pub(super) fn versions<V: Form>(
    live: Vec<wire::Version>,
    current: u64,
    limits: &BundleLimits,
) -> Read<Vec<Version<V>>> {
    let ascending = live.windows(2).all(|pair| matches!(pair, [a, b] if a.number < b.number));
    let chosen = live.is_empty() || live.iter().any(|version| version.number == current);
    if !ascending || !chosen || live.first().is_some_and(|first| first.number == 0) {
        return Err(InvalidContent::Versions.at("versions"));
    }
    each("versions", live, limits.versions, |version| {
        let value = V::from_wire(version.value, limits).map_err(|reason| reason.at("value"))?;
        Ok(Version { number: version.number, value })
    })
}

fn piece(entry: wire::Piece, limits: &BundleLimits) -> Read<Piece> {
    match entry {
        wire::Piece::Literal(literal) => Ok(Piece::Literal(text("literal", literal, limits.literal_bytes)?)),
        wire::Piece::Reference { name, encoding } => Ok(Piece::Reference {
            name: name_of("reference", &name)?,
            encoding: decode("encoding", &ENCODINGS, encoding)?,
        }),
    }
}

fn deployment<V: Form>(
    id: &crate::id::DeploymentId,
    entry: wire::Deployment,
    limits: &BundleLimits,
) -> Read<Deployment<V>> {
    Ok(Deployment {
        id: id.clone(),
        uid: Uid(entry.uid),
        base: layer(entry.base, limits).map_err(under("base"))?,
        domain: None,
        namespaces: BTreeMap::new(),
        environments: entries("environments", entry.environments, limits.environments, |_: &_, entry| {
            special(entry, limits)
        })?,
        releases: releases(entry.releases, limits).map_err(under("releases"))?,
    })
}

fn special<V: Form>(entry: wire::Override, limits: &BundleLimits) -> Read<Override<V>> {
    let bindings =
        entries("bindings", entry.bindings, limits.layer_entries, |_: &_, entry: wire::Binding| {
            Ok(Binding {
                service: name_of("service", &entry.service)?,
                owner: name_of("owner", &entry.owner)?,
                description: text("description", entry.description, limits.text_bytes)?,
            })
        });
    Ok(Override {
        layer: layer(entry.layer, limits)?,
        bindings: bindings?,
        domain: DomainHere::Convention,
        namespaces: BTreeMap::new(),
        tools: BTreeMap::new(),
    })
}

fn releases(entries: BTreeMap<u64, wire::Release>, limits: &BundleLimits) -> Read<BTreeMap<u64, Release>> {
    bounded("", entries.len(), limits.releases)?;
    let read = |(number, entry): (u64, wire::Release)| {
        let release = Release {
            number,
            digest: text("digest", entry.digest, limits.text_bytes)?,
            created_at: entry.created_at,
            labels: attributes("labels", entry.labels, limits)?,
            keys: names("keys", entry.keys, limits.release_keys)?,
        };
        if number == 0 { Err(InvalidContent::Number.at("")) } else { Ok((number, release)) }
    };
    entries.into_iter().map(read).collect()
}

fn service<V: Form>(
    id: &crate::id::ServiceId,
    entry: wire::Service,
    limits: &BundleLimits,
) -> Read<Service<V>> {
    Ok(Service {
        id: id.clone(),
        kind: decode("kind", &SERVICES, entry.kind)?,
        instances: entries("instances", entry.instances, limits.environments, |_: &_, entry| {
            instance(entry, limits)
        })?,
    })
}

fn instance<V: Form>(entry: wire::Instance, limits: &BundleLimits) -> Read<Instance<V>> {
    Ok(Instance {
        endpoints: each("endpoints", entry.endpoints, limits.endpoints, |entry| endpoint(entry, limits))?,
        user: text("user", entry.user, limits.text_bytes)?,
        set: None,
        rotate_every: None,
        credential: versions(entry.credential, entry.current, limits).map_err(under("credential"))?,
        current: entry.current,
        shared_with: names("shared-with", entry.shared_with, limits.environments)?,
    })
}

fn endpoint(entry: wire::Endpoint, limits: &BundleLimits) -> Read<Endpoint> {
    let optional =
        |at, text_of: Option<String>| text_of.map(|it| text(at, it, limits.text_bytes)).transpose();
    Ok(Endpoint {
        role: text("role", entry.role, limits.text_bytes)?,
        region: optional("region", entry.region)?,
        zone: optional("zone", entry.zone)?,
        host: text("host", entry.host, limits.text_bytes)?,
        port: entry.port,
        database: text("database", entry.database, limits.text_bytes)?,
        tls: decode("tls", &TLS, entry.tls)?,
        options: attributes("options", entry.options, limits)?,
        labels: attributes("labels", entry.labels, limits)?,
    })
}

/// The components by digest, each checked against it.
fn components(
    found: BTreeMap<[u8; 32], Vec<u8>>,
    limits: &BundleLimits,
) -> Read<BTreeMap<[u8; 32], Arc<[u8]>>> {
    bounded("components", found.len(), limits.policies)?;
    let read = |(digest, bytes): ([u8; 32], Vec<u8>)| {
        if bytes.len() > limits.component_bytes {
            return Err(InvalidContent::TooLong { limit: limits.component_bytes }.at("components"));
        }
        if sha256(&bytes).0 != digest {
            return Err(InvalidContent::ComponentDigest.at("components"));
        }
        Ok((digest, bytes.into()))
    };
    found.into_iter().map(read).collect()
}

fn policy(
    name: &crate::id::PolicyName,
    entry: wire::Policy,
    components: &BTreeMap<[u8; 32], Arc<[u8]>>,
) -> Read<Policy> {
    let component =
        components.get(&entry.digest).ok_or_else(|| InvalidContent::ComponentMissing.at("digest"))?;
    Ok(Policy {
        name: name.clone(),
        digest: Digest(entry.digest),
        component: component.clone(),
        fallback: decode("fallback", &FALLBACKS, entry.fallback)?,
    })
}

fn attachment(entry: wire::Attachment, limits: &BundleLimits) -> Read<Attachment> {
    Ok(Attachment {
        policy: name_of("policy", &entry.policy)?,
        place: place(&entry.place)?,
        settings: attributes("settings", entry.settings, limits)?,
    })
}

pub(super) fn place(entry: &wire::Place) -> Read<Place> {
    Ok(match entry {
        wire::Place::Deployment { deployment, environment } => Place::Deployment(
            name_of("deployment", deployment)?,
            environment.as_ref().map(|text| name_of("environment", text)).transpose()?,
        ),
        wire::Place::Environment(environment) => Place::Environment(name_of("environment", environment)?),
        wire::Place::Workspace => Place::Workspace,
    })
}

fn environment_keys(entry: wire::EnvironmentKeys) -> Read<EnvironmentKeys> {
    bounded("wrapped-private", entry.wrapped_private.len(), MAX_WRAPPED_BYTES)?;
    let (public, root_key) = (entry.public, KeyId(entry.root_key));
    Ok(EnvironmentKeys { public, root_key, wrapped_private: entry.wrapped_private })
}

fn data_key(entry: wire::DataKey) -> Read<WrappedDataKey> {
    bounded("bytes", entry.bytes.len(), MAX_WRAPPED_BYTES)?;
    let key = WrappedKey { root_key: KeyId(entry.root_key), epoch: entry.epoch, bytes: entry.bytes };
    Ok(WrappedDataKey { environment: Uid(entry.environment), key })
}
