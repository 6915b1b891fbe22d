//! Domains and data namespaces.

use std::collections::BTreeMap;

use super::{super::checked::decode, super::checked::name_of, super::write::code, Read, wire};
use crate::{
    id::VariableName,
    model::{Domain, DomainHere, NamespaceHere, NamespaceKind},
};

pub(super) fn write_domain(domain: &Domain) -> wire::Domain {
    let name = |variable: &Option<VariableName>| variable.as_ref().map(ToString::to_string);
    wire::Domain { apex: domain.apex.to_string(), host: name(&domain.host), url: name(&domain.url) }
}

pub(super) fn read_domain(found: wire::Domain) -> Read<Domain> {
    let variable = |at, found: Option<String>| found.map(|text| name_of(at, &text)).transpose();
    Ok(Domain {
        apex: name_of("domain.apex", &found.apex)?,
        host: variable("domain.host", found.host)?,
        url: variable("domain.url", found.url)?,
    })
}

pub(super) fn write_domain_here(here: &DomainHere) -> wire::DomainHere {
    match here {
        DomainHere::Convention => wire::DomainHere::Convention,
        DomainHere::Own(name) => wire::DomainHere::Own(name.to_string()),
        DomainHere::Off => wire::DomainHere::Off,
    }
}

pub(super) fn read_domain_here(found: wire::DomainHere) -> Read<DomainHere> {
    Ok(match found {
        wire::DomainHere::Convention => DomainHere::Convention,
        wire::DomainHere::Own(text) => DomainHere::Own(name_of("domain", &text)?),
        wire::DomainHere::Off => DomainHere::Off,
    })
}

pub(super) fn write_namespaces(namespaces: &BTreeMap<NamespaceKind, VariableName>) -> BTreeMap<u8, String> {
    let write =
        |(kind, variable): (_, &VariableName)| (code(&NamespaceKind::ALL, kind), variable.to_string());
    namespaces.iter().map(write).collect()
}

pub(super) fn read_namespaces(found: BTreeMap<u8, String>) -> Read<BTreeMap<NamespaceKind, VariableName>> {
    let read = |(kind, text): (u8, String)| {
        Ok((decode("namespaces", &NamespaceKind::ALL, kind)?, name_of("namespaces", &text)?))
    };
    found.into_iter().map(read).collect()
}

pub(super) fn write_namespaces_here(
    namespaces: &BTreeMap<NamespaceKind, NamespaceHere>,
) -> BTreeMap<u8, wire::NamespaceHere> {
    let write = |(kind, here): (_, &NamespaceHere)| {
        let here = match here {
            NamespaceHere::Own(name) => wire::NamespaceHere::Own(name.to_string()),
            NamespaceHere::Of(owner) => wire::NamespaceHere::Of(owner.to_string()),
            NamespaceHere::Off => wire::NamespaceHere::Off,
        };
        (code(&NamespaceKind::ALL, kind), here)
    };
    namespaces.iter().map(write).collect()
}

pub(super) fn read_namespaces_here(
    found: BTreeMap<u8, wire::NamespaceHere>,
) -> Read<BTreeMap<NamespaceKind, NamespaceHere>> {
    let read = |(kind, here): (u8, wire::NamespaceHere)| {
        let here = match here {
            wire::NamespaceHere::Own(text) => NamespaceHere::Own(name_of("namespaces", &text)?),
            wire::NamespaceHere::Of(text) => NamespaceHere::Of(name_of("namespaces", &text)?),
            wire::NamespaceHere::Off => NamespaceHere::Off,
        };
        Ok((decode("namespaces", &NamespaceKind::ALL, kind)?, here))
    };
    found.into_iter().map(read).collect()
}
