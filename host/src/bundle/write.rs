//! The model as wire types. Nothing can fail here: the model only holds checked names.

use std::collections::{BTreeMap, BTreeSet};

use super::{form::Form, wire};
use crate::{
    keyring::WrappedDataKey,
    model::{
        Attachment, Configuration, Content, Deployment, Endpoint, Environment, EnvironmentType, Fallback,
        Instance, Layer, Override, Piece, Place, Policy, Release, Service, ServiceKind, Tls, Trigger,
        Variable, Version,
        question::{Encoding, Sensitivity},
    },
};

/// The environment types, in the order of their codes.
pub(super) const TYPES: [EnvironmentType; 4] = EnvironmentType::ALL;
/// The service kinds, in the order of their codes.
pub(super) const SERVICES: [ServiceKind; 4] =
    [ServiceKind::Postgres, ServiceKind::Redis, ServiceKind::Bucket, ServiceKind::Generic];
/// The ways of encryption, in the order of their codes.
pub(super) const TLS: [Tls; 3] = [Tls::Disable, Tls::Require, Tls::Verify];
/// The encodings, in the order of their codes.
pub(super) const ENCODINGS: [Encoding; 4] =
    [Encoding::Raw, Encoding::Percent, Encoding::JsonString, Encoding::Base64];
/// The triggers, in the order of their codes.
pub(super) const TRIGGERS: [Trigger; 3] = Trigger::ALL;
/// The fallbacks, in the order of their codes.
pub(super) const FALLBACKS: [Fallback; 2] = [Fallback::Refuse, Fallback::Previous];

/// Writes what format 1 knows of a configuration, and its data keys.
pub(super) fn body<V: Form>(configuration: &Configuration<V>, data_keys: &[WrappedDataKey]) -> wire::Body {
    let policies = configuration.policies.values();
    wire::Body {
        base: layer(&configuration.base),
        environments: map(&configuration.environments, environment),
        environment_layers: map(&configuration.environment_layers, layer),
        deployments: map(&configuration.deployments, deployment),
        services: map(&configuration.services, service),
        policies: map(&configuration.policies, policy),
        components: policies.map(|policy| (policy.digest.0, policy.component.to_vec())).collect(),
        attachments: configuration.attachments.iter().map(attachment).collect(),
        keys: map(&configuration.keys, |keys| wire::EnvironmentKeys {
            public: keys.public,
            root_key: keys.root_key.0,
            wrapped_private: keys.wrapped_private.clone(),
        }),
        data_keys: data_keys.iter().map(data_key).collect(),
    }
}

pub(super) fn map<'a, K: ToString + 'a, V: 'a, W>(
    entries: impl IntoIterator<Item = (&'a K, &'a V)>,
    write: impl Fn(&V) -> W,
) -> BTreeMap<String, W> {
    entries.into_iter().map(|(name, entry)| (name.to_string(), write(entry))).collect()
}

fn set<K: ToString>(names: &BTreeSet<K>) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A variant's code: its place among all of its kind.
pub(super) fn code<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().zip(0..).find(|(known, _)| *known == one).map_or(u8::MAX, |(_, code)| code)
}

fn environment(environment: &Environment) -> wire::Environment {
    wire::Environment {
        uid: environment.uid.0,
        kind: code(&TYPES, &environment.kind),
        protected: environment.protected,
        deprecated: environment.deprecated,
        expires: environment.expires.map(|at| at.0),
        promotes_to: environment.promotes_to.as_ref().map(ToString::to_string),
        labels: environment.labels.clone(),
    }
}

fn layer<V: Form>(layer: &Layer<V>) -> wire::Layer {
    wire::Layer {
        variables: map(&layer.variables, variable),
        required: layer.required.keys().map(ToString::to_string).collect(),
    }
}

fn variable<V: Form>(variable: &Variable<V>) -> wire::Variable {
    wire::Variable {
        description: variable.description.clone(),
        secret: variable.sensitivity == Sensitivity::Secret,
        inject: variable.inject,
        content: match &variable.content {
            Content::Versions { versions: live, current } => {
                wire::Content::Versions { versions: versions(live), current: *current }
            }
            Content::Template(template) => wire::Content::Template(template.0.iter().map(piece).collect()),
        },
    }
}

pub(super) fn versions<V: Form>(versions: &[Version<V>]) -> Vec<wire::Version> {
    let write =
        |version: &Version<V>| wire::Version { number: version.number, value: version.value.to_wire() };
    versions.iter().map(write).collect()
}

fn piece(piece: &Piece) -> wire::Piece {
    match piece {
        Piece::Literal(text) => wire::Piece::Literal(text.clone()),
        Piece::Reference { name, encoding } => {
            wire::Piece::Reference { name: name.to_string(), encoding: code(&ENCODINGS, encoding) }
        }
    }
}

fn deployment<V: Form>(deployment: &Deployment<V>) -> wire::Deployment {
    wire::Deployment {
        uid: deployment.uid.0,
        base: layer(&deployment.base),
        environments: map(&deployment.environments, special),
        releases: deployment.releases.iter().map(|(&number, each)| (number, release(each))).collect(),
    }
}

fn special<V: Form>(special: &Override<V>) -> wire::Override {
    wire::Override {
        layer: layer(&special.layer),
        bindings: map(&special.bindings, |binding| wire::Binding {
            service: binding.service.to_string(),
            owner: binding.owner.to_string(),
            description: binding.description.clone(),
        }),
    }
}

fn release(release: &Release) -> wire::Release {
    wire::Release {
        digest: release.digest.clone(),
        created_at: release.created_at,
        labels: release.labels.clone(),
        keys: set(&release.keys),
    }
}

fn service<V: Form>(service: &Service<V>) -> wire::Service {
    wire::Service { kind: code(&SERVICES, &service.kind), instances: map(&service.instances, instance) }
}

fn instance<V: Form>(instance: &Instance<V>) -> wire::Instance {
    wire::Instance {
        endpoints: instance.endpoints.iter().map(endpoint).collect(),
        user: instance.user.clone(),
        credential: versions(&instance.credential),
        current: instance.current,
        shared_with: set(&instance.shared_with),
    }
}

fn endpoint(endpoint: &Endpoint) -> wire::Endpoint {
    wire::Endpoint {
        role: endpoint.role.clone(),
        region: endpoint.region.clone(),
        zone: endpoint.zone.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        database: endpoint.database.clone(),
        tls: code(&TLS, &endpoint.tls),
        options: endpoint.options.clone(),
        labels: endpoint.labels.clone(),
    }
}

fn policy(policy: &Policy) -> wire::Policy {
    wire::Policy { digest: policy.digest.0, fallback: code(&FALLBACKS, &policy.fallback) }
}

fn attachment(attachment: &Attachment) -> wire::Attachment {
    wire::Attachment {
        policy: attachment.policy.to_string(),
        place: place(&attachment.place),
        settings: attachment.settings.clone(),
    }
}

pub(super) fn place(place: &Place) -> wire::Place {
    match place {
        Place::Deployment(deployment, environment) => wire::Place::Deployment {
            deployment: deployment.to_string(),
            environment: environment.as_ref().map(ToString::to_string),
        },
        Place::Environment(environment) => wire::Place::Environment(environment.to_string()),
        Place::Workspace => wire::Place::Workspace,
    }
}

fn data_key(wrapped: &WrappedDataKey) -> wire::DataKey {
    wire::DataKey {
        environment: wrapped.environment.0,
        root_key: wrapped.key.root_key.0,
        epoch: wrapped.key.epoch,
        bytes: wrapped.key.bytes.clone(),
    }
}
