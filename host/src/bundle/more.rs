//! What format 2 adds to format 1, there and back.

mod scoped;
mod tools;
mod types;

use std::collections::BTreeMap;

use super::{
    BundleLimits, ContentError, InvalidContent,
    checked::{Read, under},
    form::Form,
    wire::more as wire,
};
use crate::model::{Configuration, Deployment, Override};

/// What `configuration` says beyond format 1; nothing where it says no more.
pub(super) fn write<V: Form>(configuration: &Configuration<V>) -> Option<wire::More> {
    let more = wire::More {
        base: types::write(&configuration.base),
        environments: said(&configuration.environment_layers, types::write),
        deployments: said(&configuration.deployments, |deployment| wire::Deployment {
            types: types::write(&deployment.base),
            domain: deployment.domain.as_ref().map(scoped::write_domain),
            namespaces: scoped::write_namespaces(&deployment.namespaces),
            environments: said(&deployment.environments, |here| wire::Override {
                types: types::write(&here.layer),
                domain: scoped::write_domain_here(&here.domain),
                namespaces: scoped::write_namespaces_here(&here.namespaces),
                tools: tools::write_uses(&here.tools),
            }),
        }),
        tools: tools::write(&configuration.tools),
    };
    (more != wire::More::default()).then_some(more)
}

/// By name what `write` says of each, but for those of which it says nothing.
fn said<'a, K: ToString + 'a, V: 'a, W: Default + PartialEq>(
    entries: impl IntoIterator<Item = (&'a K, &'a V)>,
    write: impl Fn(&V) -> W,
) -> BTreeMap<String, W> {
    let written = entries.into_iter().map(|(name, entry)| (name.to_string(), write(entry)));
    written.filter(|(_, entry)| *entry != W::default()).collect()
}

/// Adds what format 2 says to a configuration that was read from format 1.
pub(super) fn read<V: Form>(
    mut configuration: Configuration<V>,
    more: wire::More,
    limits: &BundleLimits,
) -> Read<Configuration<V>> {
    let as_written = more.clone();
    let mut types = types::Reader::new(limits);
    types.read(&mut configuration.base.required, more.base).map_err(under("base"))?;
    for (name, found) in more.environments {
        if let Some(layer) = configuration.environment_layers.get_mut(name.as_str()) {
            types.read(&mut layer.required, found).map_err(at("environments", &name))?;
        }
    }
    for (name, found) in more.deployments {
        if let Some(deployment) = configuration.deployments.get_mut(name.as_str()) {
            one_deployment(deployment, found, &mut types, limits).map_err(at("deployments", &name))?;
        }
    }
    configuration.tools = tools::read(more.tools, limits)?.into_iter().collect();
    // Whatever belongs to nothing, or says nothing, was passed over: it would not be written.
    if write(&configuration) == Some(as_written) {
        Ok(configuration)
    } else {
        Err(InvalidContent::Loose.at(""))
    }
}

fn one_deployment<V: Form>(
    deployment: &mut Deployment<V>,
    found: wire::Deployment,
    types: &mut types::Reader<'_>,
    limits: &BundleLimits,
) -> Read<()> {
    types.read(&mut deployment.base.required, found.types)?;
    deployment.domain = found.domain.map(scoped::read_domain).transpose()?;
    deployment.namespaces = scoped::read_namespaces(found.namespaces)?;
    for (name, found) in found.environments {
        if let Some(here) = deployment.environments.get_mut(name.as_str()) {
            one_environment(here, found, types, limits).map_err(at("environments", &name))?;
        }
    }
    Ok(())
}

fn one_environment<V>(
    here: &mut Override<V>,
    found: wire::Override,
    types: &mut types::Reader<'_>,
    limits: &BundleLimits,
) -> Read<()> {
    types.read(&mut here.layer.required, found.types)?;
    here.domain = scoped::read_domain_here(found.domain)?;
    here.namespaces = scoped::read_namespaces_here(found.namespaces)?;
    here.tools = tools::read_uses(found.tools, limits)?;
    Ok(())
}

fn at<'a>(place: &'a str, name: &'a str) -> impl Fn(ContentError) -> ContentError + use<'a> {
    move |error| error.under(name).under(place)
}
