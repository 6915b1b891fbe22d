//! After which time secrets are to be rotated, as format 3 says it, there and back.

use super::{
    ContentError, InvalidContent,
    checked::Read,
    read,
    wire::intervals::{Interval as WireInterval, Intervals},
    write,
};
use crate::{
    id::UnixSeconds,
    model::{Configuration, Days, Interval, InvalidDays, Place, Variable},
};

/// What `configuration` says of intervals.
pub(super) fn write<V>(configuration: &Configuration<V>) -> Intervals {
    let all = configuration.intervals().map(|(place, name, _, interval)| {
        let said = WireInterval { days: interval.every.number(), since: interval.since.0 };
        ((write::place(&place), name.to_string()), said)
    });
    all.collect()
}

/// Adds intervals to a configuration. One that belongs to nothing is passed over.
pub(super) fn read<V: Clone>(configuration: &mut Configuration<V>, found: &Intervals) -> Read<()> {
    for ((place, name), said) in found {
        let wrong = |error: ContentError| error.under("intervals");
        let place = read::place(place).map_err(wrong)?;
        let every =
            Days::new(said.days).ok_or_else(|| wrong(InvalidContent::Interval(InvalidDays).at("")))?;
        if let Some(variable) = variable(configuration, &place, name) {
            variable.interval = Some(Interval { every, since: UnixSeconds(said.since) });
        }
    }
    Ok(())
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
