//! What format 3 adds to format 2, there and back: what brings a release to an environment, and after which time
//! secrets are to be rotated.

use super::{
    ContentError, InvalidContent,
    checked::{Read, decode, under},
    read,
    wire::last::{Credential, Interval as WireInterval, Last},
    write::{self, TRIGGERS, code},
};
use crate::{
    id::UnixSeconds,
    model::{Configuration, Days, Interval, InvalidDays, Place, Variable},
};

/// What `configuration` says beyond format 2.
pub(super) fn write<V>(configuration: &Configuration<V>) -> Last {
    let environments = configuration.environments.iter();
    let triggers =
        environments.filter_map(|(name, one)| Some((name.to_string(), code(&TRIGGERS, &one.trigger?))));
    let intervals = configuration.intervals().map(|(place, name, _, interval)| {
        let said = WireInterval { days: interval.every.number(), since: interval.since.0 };
        ((write::place(&place), name.to_string()), said)
    });
    let instances = configuration.services.iter().flat_map(|(id, service)| {
        service.instances.iter().map(move |(owner, instance)| (id, owner, instance))
    });
    let credentials = instances.filter_map(|(id, owner, instance)| {
        let said = Credential { set: instance.set?.0, days: instance.rotate_every.map(Days::number) };
        Some(((id.to_string(), owner.to_string()), said))
    });
    Last { triggers: triggers.collect(), intervals: intervals.collect(), credentials: credentials.collect() }
}

/// Adds what format 3 says to a configuration that was read from format 2.
pub(super) fn read<V: Clone>(mut configuration: Configuration<V>, found: &Last) -> Read<Configuration<V>> {
    for (name, code) in &found.triggers {
        if let Some(environment) = configuration.environments.get_mut(name.as_str()) {
            let trigger = decode("trigger", &TRIGGERS, *code);
            environment.trigger = Some(trigger.map_err(under("environments"))?);
        }
    }
    for ((place, name), said) in &found.intervals {
        let place = read::place(place).map_err(under("intervals"))?;
        let every = days(said.days).map_err(under("intervals"))?;
        if let Some(variable) = variable(&mut configuration, &place, name) {
            variable.interval = Some(Interval { every, since: UnixSeconds(said.since) });
        }
    }
    for ((service, owner), said) in &found.credentials {
        let every = said.days.map(days).transpose().map_err(under("credentials"))?;
        let service = configuration.services.get_mut(service.as_str());
        if let Some(instance) = service.and_then(|service| service.instances.get_mut(owner.as_str())) {
            (instance.set, instance.rotate_every) = (Some(UnixSeconds(said.set)), every);
        }
    }
    // Whatever belongs to nothing was passed over; and where nothing is said, it is an earlier format.
    if *found != Last::default() && write(&configuration) == *found {
        Ok(configuration)
    } else {
        Err(InvalidContent::Loose.at(""))
    }
}

fn days(number: u32) -> Result<Days, ContentError> {
    Days::new(number).ok_or_else(|| InvalidContent::Interval(InvalidDays).at(""))
}

fn variable<'c, V: Clone>(
    configuration: &'c mut Configuration<V>,
    place: &Place,
    name: &str,
) -> Option<&'c mut Variable<V>> {
    let layer = match place {
        Place::Workspace => &mut configuration.base,
        Place::Environment(environment) => configuration.environment_layers.get_mut(environment)?,
        Place::Deployment(id, None) => &mut configuration.deployments.get_mut(id.as_str())?.base,
        Place::Deployment(id, Some(environment)) => {
            let deployment = configuration.deployments.get_mut(id.as_str())?;
            &mut deployment.environments.get_mut(environment)?.layer
        }
    };
    layer.variables.get_mut::<str>(name)
}
