//! What two hosts agree on when they agree on a digest. Covered: names, secrecy, value ids, required
//! forms, provenance, the release, the policies and their settings, endpoints; that is, whatever a policy
//! may see or a boot may inject. Not covered: plaintext, ciphertext, revisions, times of the host,
//! so that sealing again and rolling back leave a digest equal, and it is no oracle.

use std::collections::BTreeMap;

use super::{Candidate, Plan, Planned, What};
use crate::{
    canonical::Canonical,
    id::{Digest, EnvironmentName, Uid, ValueId},
    model::{
        Address, Endpoint, InputValue, Piece, Place, PlainValue, Release, SealedValue, ServiceKind, Template,
        Tls, ValueType,
        question::{Encoding, Sensitivity},
    },
};

/// A value that can be named in a digest without being opened.
pub trait Identified {
    /// The value's id; `name` is the variable's or the service's.
    fn id(&self, name: &str) -> ValueId;
}

/// What a host has sealed carries its id.
impl Identified for SealedValue {
    fn id(&self, _name: &str) -> ValueId {
        self.id
    }
}

/// What a directory says is named by what it says: the sealed text, or name and plain value.
impl Identified for InputValue {
    fn id(&self, name: &str) -> ValueId {
        let hash = Canonical::new("bootlace value id 1");
        let hash = match self {
            Self::Sealed(sealed) => hash.text("sealed").text(&sealed.0),
            Self::Plain(PlainValue::Text(text)) => hash.text("text").text(name).text(text),
            Self::Plain(PlainValue::Json(json)) => hash.text("json").text(name).text(json),
        };
        let Digest(bytes) = hash.finish();
        let mut head = [0; 16];
        head.copy_from_slice(&bytes[..16]);
        ValueId(head)
    }
}

/// A snapshot's digest, over the digests of its environments, in name order.
#[must_use]
pub fn snapshot_digest(workspace: Uid, environments: &BTreeMap<EnvironmentName, Digest>) -> Digest {
    Canonical::new("bootlace snapshot 1")
        .bytes(&workspace.0)
        .each(environments.iter(), |hash, (name, digest)| hash.text(name.as_str()).bytes(&digest.0))
        .finish()
}

pub(super) fn of_plan<V: Identified>(plan: &Plan<V>) -> Digest {
    let environment = &plan.environment;
    let hash = Canonical::new("bootlace plan 1")
        .text(plan.workspace.as_str())
        .bytes(&plan.workspace_uid.0)
        .text(plan.deployment.as_str())
        .bytes(&plan.deployment_uid.0)
        .text(environment.name.as_str())
        .bytes(&environment.uid.0)
        .text(environment.kind.as_str());
    let hash = release(pairs(hash, &environment.labels), plan.release.as_ref())
        .each(plan.variables.iter(), variable)
        .each(plan.candidates.iter(), candidate)
        .each(plan.sources.iter(), |hash, source| hash.text(source))
        .each(plan.labels.iter(), |hash, label| hash.text(&label.key).text(&label.value))
        .each(plan.candidate_labels.iter(), |hash, pair| {
            hash.number(pair.candidate.into()).number(pair.label.into())
        })
        .each(plan.missing.iter(), |hash, name| hash.text(name.as_str()));
    let hash = hash.each(plan.chain.iter(), |hash, attached| {
        let hash = place(hash.text(attached.policy.as_str()).bytes(&attached.digest.0), &attached.place);
        pairs(hash, &attached.settings)
    });
    typed(hash, &plan.variables).finish()
}

/// Forms came later than the rest. A plan without any is hashed as it always was, so that no host
/// disagrees with an older one over it; and since no plan's fields are the beginning of another's,
/// what is added behind them stays unambiguous.
fn typed(hash: Canonical, variables: &[Planned]) -> Canonical {
    let typed: Vec<_> =
        variables.iter().filter_map(|one| Some((&one.name, one.expected.as_ref()?))).collect();
    if typed.is_empty() {
        return hash;
    }
    hash.text("types")
        .each(typed.into_iter(), |hash, (name, expected)| value_type(hash.text(name.as_str()), expected))
}

fn value_type(hash: Canonical, expected: &ValueType) -> Canonical {
    let bound = |hash: Canonical, bound: Option<i64>| match bound {
        None => hash.number(0),
        Some(bound) => hash.number(1).bytes(&bound.to_le_bytes()),
    };
    match expected {
        ValueType::Url { schemes } => hash.text("url").each(schemes.iter(), |hash, one| hash.text(one)),
        ValueType::Port => hash.text("port"),
        ValueType::Integer { min, max } => bound(bound(hash.text("integer"), *min), *max),
        ValueType::Boolean => hash.text("boolean"),
        ValueType::Pattern(pattern) => hash.text("pattern").text(pattern.as_str()),
    }
}

fn pairs(hash: Canonical, pairs: &BTreeMap<String, String>) -> Canonical {
    hash.each(pairs.iter(), |hash, (key, value)| hash.text(key).text(value))
}

/// `created_at` is the release's own datum, which policies see; it is no time of the host.
fn release(hash: Canonical, release: Option<&Release>) -> Canonical {
    let Some(release) = release else { return hash.number(0) };
    let hash = hash.number(1).number(release.number).text(&release.digest).number(release.created_at);
    pairs(hash, &release.labels).each(release.keys.iter(), |hash, key| hash.text(key.as_str()))
}

fn variable(hash: Canonical, variable: &Planned) -> Canonical {
    hash.text(variable.name.as_str())
        .number(sensitivity(variable.sensitivity))
        .number(variable.required.into())
        .number(variable.declared.into())
        .number(variable.inject.into())
        .number(variable.default.into())
        .number(variable.candidates.start.into())
        .number(variable.candidates.end.into())
        .text(variable.provenance.layer.as_str())
        .each(variable.provenance.overrode.iter(), |hash, layer| hash.text(layer.as_str()))
}

fn candidate<V: Identified>(hash: Canonical, candidate: &Candidate<V>) -> Canonical {
    let hash = hash
        .number(candidate.source.into())
        .number(candidate.owner.into())
        .number(sensitivity(candidate.sensitivity))
        .number(candidate.version);
    content(hash, &candidate.what)
}

/// Names what a candidate gives, for a comparison that shows no value.
pub(crate) fn content_id<V: Identified>(what: &What<V>) -> ValueId {
    let Digest(bytes) = content(Canonical::new("bootlace candidate 1"), what).finish();
    let mut head = [0; 16];
    head.copy_from_slice(&bytes[..16]);
    ValueId(head)
}

fn content<V: Identified>(hash: Canonical, what: &What<V>) -> Canonical {
    match what {
        What::Stored { address, value } => stored(hash.text("stored"), address, value),
        What::Endpoint(bound) => {
            let hash = endpoint(hash.text("endpoint"), bound.kind, &bound.endpoint).text(&bound.user);
            match &bound.credential {
                None => hash.number(0),
                Some((address, value)) => stored(hash.number(1), address, value),
            }
        }
        What::Template(template) => pieces(hash.text("template"), template),
        What::Text(text) => hash.text("text").text(text),
    }
}

fn stored<V: Identified>(hash: Canonical, address: &Address, value: &V) -> Canonical {
    hash.number(address.kind as u64)
        .bytes(&address.environment.0)
        .bytes(&address.deployment.0)
        .number(address.version)
        .text(&address.name)
        .bytes(&value.id(&address.name).0)
}

fn endpoint(hash: Canonical, kind: ServiceKind, endpoint: &Endpoint) -> Canonical {
    let tls = match endpoint.tls {
        Tls::Disable => "disable",
        Tls::Require => "require",
        Tls::Verify => "verify",
    };
    let hash = hash
        .text(kind.as_str())
        .text(&endpoint.host)
        .number(endpoint.port.into())
        .text(&endpoint.database)
        .text(tls);
    pairs(hash, &endpoint.options)
}

fn pieces(hash: Canonical, template: &Template) -> Canonical {
    hash.each(template.0.iter(), |hash, piece| match piece {
        Piece::Literal(text) => hash.number(0).text(text),
        Piece::Reference { name, encoding } => {
            let encoding = match encoding {
                Encoding::Raw => "raw",
                Encoding::Percent => "percent",
                Encoding::JsonString => "json-string",
                Encoding::Base64 => "base64",
            };
            hash.number(1).text(name.as_str()).text(encoding)
        }
    })
}

fn place(hash: Canonical, place: &Place) -> Canonical {
    match place {
        Place::Deployment(deployment, None) => hash.text("deployment").text(deployment.as_str()),
        Place::Deployment(deployment, Some(environment)) => {
            hash.text("deployment-in-environment").text(deployment.as_str()).text(environment.as_str())
        }
        Place::Environment(environment) => hash.text("environment").text(environment.as_str()),
        Place::Workspace => hash.text("workspace"),
    }
}

fn sensitivity(sensitivity: Sensitivity) -> u64 {
    match sensitivity {
        Sensitivity::Plain => 0,
        Sensitivity::Secret => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SealedText;

    #[test]
    fn the_id_of_a_plain_value_depends_on_its_name_and_of_a_sealed_one_does_not() {
        let plain = InputValue::Plain(PlainValue::Text("1".into()));
        let json = InputValue::Plain(PlainValue::Json("1".into()));
        let sealed = InputValue::Sealed(SealedText("sealed:1:AAAA".into()));
        assert_eq!(plain.id("A"), plain.id("A"));
        assert_ne!(plain.id("A"), plain.id("B"));
        assert_ne!(plain.id("A"), json.id("A"));
        assert_eq!(sealed.id("A"), sealed.id("B"));
    }
}
