//! A body in whichever format carries it: the first that does when it is written, and any that there is when
//! it is read.

use super::{
    BundleError, BundleLimits, InvalidContent,
    checked::{Read, decode, under},
    form::Form,
    intervals, more, wire,
    wire::{intervals::Intervals, more::More, triggers::Triggers},
    write::{TRIGGERS, code},
};
use crate::model::Configuration;

/// What a body says beyond format 1.
#[derive(Default)]
pub(super) struct Beyond {
    more: Option<More>,
    last: Option<(Triggers, Intervals)>,
}

/// Writes `body`, which is what format 1 knows of `configuration`, with the rest; and in which format.
pub(super) fn write<V: Form>(configuration: &Configuration<V>, body: wire::Body) -> (u8, Vec<u8>) {
    match (more::write(configuration), last(configuration)) {
        (None, (triggers, intervals)) if triggers.is_empty() && intervals.is_empty() => {
            (1, wire::encode(&body))
        }
        (Some(more), (triggers, intervals)) if triggers.is_empty() && intervals.is_empty() => {
            (2, wire::encode(&(body, more)))
        }
        (more, (triggers, intervals)) => {
            (3, wire::encode(&(body, more.unwrap_or_default(), triggers, intervals)))
        }
    }
}

/// Reads a body of `format`, and what it says beyond format 1.
pub(super) fn read(format: u16, bytes: &[u8]) -> Result<(wire::Body, Beyond), BundleError> {
    Ok(match format {
        1 => (wire::decode(bytes)?, Beyond::default()),
        2 => {
            let (body, more) = wire::decode(bytes)?;
            (body, Beyond { more: Some(more), last: None })
        }
        3 => {
            let (body, more, triggers, intervals) = wire::decode(bytes)?;
            (body, Beyond { more: Some(more), last: Some((triggers, intervals)) })
        }
        _ => return Err(wire::WireError::Decode { reason: "an unknown format" }.into()),
    })
}

impl Beyond {
    /// Adds this to what format 1 says.
    pub(super) fn add<V: Form>(
        self,
        mut configuration: Configuration<V>,
        limits: &BundleLimits,
    ) -> Read<Configuration<V>> {
        let is_empty = self.more.as_ref().is_none_or(|more| *more == More::default());
        if let Some(more) = self.more.filter(|_| !is_empty || self.last.is_none()) {
            configuration = more::read(configuration, more, limits)?;
        }
        let Some(found) = self.last else { return Ok(configuration) };
        for (name, code) in &found.0 {
            if let Some(environment) = configuration.environments.get_mut(name.as_str()) {
                let trigger = decode("trigger", &TRIGGERS, *code);
                environment.trigger = Some(trigger.map_err(under("environments"))?);
            }
        }
        intervals::read(&mut configuration, &found.1)?;
        // Whatever belongs to nothing was passed over; and where nothing is said, it is an earlier format.
        let says_something = !found.0.is_empty() || !found.1.is_empty();
        if says_something && last(&configuration) == found {
            Ok(configuration)
        } else {
            Err(InvalidContent::Loose.at(""))
        }
    }
}

/// What format 3 adds.
fn last<V>(configuration: &Configuration<V>) -> (Triggers, Intervals) {
    let environments = configuration.environments.iter();
    let said =
        environments.filter_map(|(name, one)| Some((name.to_string(), code(&TRIGGERS, &one.trigger?))));
    (said.collect(), intervals::write(configuration))
}
